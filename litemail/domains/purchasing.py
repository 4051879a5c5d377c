"""Ordering domains: what they cost, asked outside of transactions, and the order that holds the money for them."""

from collections.abc import Mapping, Sequence

import msgspec

from litemail import orders
from litemail.billing import Line
from litemail.domains import queries
from litemail.domains import registrar_queries as registered
from litemail.domains.availability import Market, check_all
from litemail.domains.looking import Parents
from litemail.domains.registrar_queries import Kind, Ordered
from litemail.domains.service import AlreadyConnected, NamedTwice, check_mode, refuse_reserved
from litemail.kit import bulk
from litemail.kit import errors as kinds
from litemail.kit.actor import Actor
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Error, Problem
from litemail.kit.money import Money
from litemail.orders import NewItem, Order
from litemail.protocols import names
from litemail.providers.registrar import Availability, NotAvailable, Offer

PURCHASE = "domain_purchase"
"""The kind of orders that buy domains."""


class CannotTell(Error):
    kind = kinds.Kind.UNAVAILABLE
    code = "domain.availability_unknown"
    message = "It is not known whether {name} can be bought: {reason}."
    action = "Try again in a moment."
    retryable = True


class PhoneMissing(Error):
    kind = kinds.Kind.CONFLICT
    code = "billing.phone_required"
    message = "Registries want a telephone number of who a domain is registered to, and the billing details have none."
    action = "Add it with PUT /v1/billings, then repeat this request."


class Wanted(msgspec.Struct, frozen=True):
    """A name as it was asked for."""

    name: str
    years: int = 1
    auto_renew: bool = False


class Priced(msgspec.Struct, frozen=True):
    """A name that can be had. Amounts are minor units: `cost` is the registrar's in all, the others are ours a year."""

    name: str
    years: int
    auto_renew: bool
    cost: int
    first_year: int
    renewal: int

    @property
    def amount(self) -> int:
        return self.first_year + (self.years - 1) * self.renewal

    def lines(self) -> list[Line]:
        """One line where every year costs the same, else one for the first year and one for the others."""
        if self.years == 1 or self.first_year == self.renewal:
            term = "1 year" if self.years == 1 else f"{self.years} years"
            return [Line(f"{self.name}, {term}", self.years, self.first_year, self.amount)]
        further = self.amount - self.first_year
        return [
            Line(f"{self.name}, first year", 1, self.first_year, self.first_year),
            Line(f"{self.name}, further years", self.years - 1, self.renewal, further),
        ]


class Asked(msgspec.Struct, frozen=True):
    """What the registrar was asked for a purchase: names to be had, and why the others are not, by their place."""

    registrar: str
    needs_phone: bool
    priced: Mapping[int, Priced]
    refused: Mapping[int, tuple[str, Error]]

    @property
    def lines(self) -> list[Line]:
        return [line for priced in self.priced.values() for line in priced.lines()]


class Unavailable(msgspec.Struct, frozen=True):
    """A name that cannot be had, beside a quote or in an order."""

    name: str
    error: Problem


async def ask_to_purchase(
    database: Database,
    actor: Actor,
    wanted: Sequence[Wanted],
    *,
    market: Market,
    parents: Parents,
    ours: Sequence[str],
) -> Asked:
    """What the names cost now. `ours` are the host names of our own servers. Raises NoRegistrar."""
    registrar = market.registrars.of_mode(actor.mode)
    refused: dict[int, tuple[str, Error]] = {}
    readable = _readable(wanted, refused, actor=actor, ours=ours)
    async with database.begin(actor) as tx:
        held = await queries.held_names(tx, list(readable.values()), workspace_id=actor.workspace_id)
    for index, name in list(readable.items()):
        if name in held:
            refused[index] = (name, AlreadyConnected(name=name))
            del readable[index]
    offers = await check_all(readable.values(), market=market, parents=parents, mode=actor.mode)
    priced: dict[int, Priced] = {}
    for (index, name), offer in zip(readable.items(), offers, strict=True):
        if offer.availability is Availability.AVAILABLE and offer.prices is not None:
            priced[index] = _priced(offer, wanted[index], market)
        else:
            refused[index] = (name, _refusal(offer))
    return Asked(registrar.name, registrar.needs_phone, priced, refused)


async def place_purchase(tx: Tx, asked: Asked, *, max_charge: int | None) -> Order:
    """A confirmed order for the names that can be had; the others are in it as failed, for nothing.

    Raises AllRejected where there are none, PhoneMissing, and as `orders.place`.
    """
    await check_asked(tx, asked)
    order = await orders.place(
        tx, kind=PURCHASE, lines=asked.lines, items=new_items(asked.priced, asked.refused), max_charge=max_charge
    )
    await note_ordered(tx, order, asked)
    return await settle_refused(tx, order, asked.refused)


async def check_asked(tx: Tx, asked: Asked) -> None:
    """What has to be so before an order can be placed. Raises AllRejected, PhoneMissing."""
    if not asked.priced:
        bulk.settle({}, {index: error for index, (_, error) in asked.refused.items()}, key="domains")
    if asked.needs_phone:
        assert tx.actor is not None
        address = await registered.find_address(tx, tx.actor.workspace_id)
        if address is not None and address.phone is None:
            raise PhoneMissing


async def note_ordered(tx: Tx, order: Order, asked: Asked) -> None:
    """What fulfilling the order needs to know of each name."""
    await registered.insert_ordered(
        tx,
        [ordered(order, priced, kind="purchase", registrar=asked.registrar) for priced in asked.priced.values()],
    )


async def settle_refused(tx: Tx, order: Order, refused: Mapping[int, tuple[str, Error]]) -> Order:
    """The order with what it could not hold from the start as failed."""
    if not refused:
        return order
    failures = {_ref(index, name, error): error.problem() for index, (name, error) in refused.items()}
    return await orders.settle_items(tx, order.id, failed=failures)


def ordered(order: Order, priced: Priced, *, kind: Kind, registrar: str) -> Ordered:
    return Ordered(
        order_id=order.id,
        name=priced.name,
        workspace_id=order.ordered_by,
        kind=kind,
        registrar=registrar,
        years=priced.years,
        cost=priced.cost,
        renewal_price=priced.renewal,
        auto_renew=priced.auto_renew,
        expires_at=None,
        status="ordered",
        operation=None,
        failure=None,
    )


def new_items(priced: Mapping[int, Priced], refused: Mapping[int, tuple[str, Error]]) -> list[NewItem]:
    """In the order of the request. What is refused costs nothing."""
    amounts = {index: NewItem(each.name, each.amount) for index, each in priced.items()}
    amounts |= {index: NewItem(_ref(index, name, error), 0) for index, (name, error) in refused.items()}
    return [amounts[index] for index in sorted(amounts)]


def unavailable(refused: Mapping[int, tuple[str, Error]]) -> list[Unavailable]:
    return [Unavailable(name, error.problem()) for _, (name, error) in sorted(refused.items())]


def cost(registrar_first: Money, registrar_renewal: Money, *, years: int) -> int:
    """What the registrar takes for so many years, the first of them at a price of its own."""
    return registrar_first.amount + (years - 1) * registrar_renewal.amount


def readable_names(wanted: Sequence[Wanted], refused: dict[int, tuple[str, Error]]) -> dict[int, str]:
    """The names by their place, normalised, each once; the others go to `refused`."""
    readable: dict[int, str] = {}
    first: dict[str, int] = {}
    for index, each in enumerate(wanted):
        try:
            name = names.normalise(each.name)
            if name in first:
                raise NamedTwice(name=name, first=first[name])
        except Error as error:
            refused[index] = (names.shown(each.name.strip()), error)
            continue
        first[name] = index
        readable[index] = name
    return readable


def _readable(
    wanted: Sequence[Wanted], refused: dict[int, tuple[str, Error]], *, actor: Actor, ours: Sequence[str]
) -> dict[int, str]:
    readable = readable_names(wanted, refused)
    for index, name in list(readable.items()):
        try:
            check_mode(name, actor)
            refuse_reserved(name, ours=ours)
        except Error as error:
            refused[index] = (name, error)
            del readable[index]
    return readable


def _priced(offer: Offer, wanted: Wanted, market: Market) -> Priced:
    assert offer.prices is not None
    prices, margin = offer.prices, market.margin
    return Priced(
        name=offer.name,
        years=wanted.years,
        auto_renew=wanted.auto_renew,
        cost=cost(prices.registration, prices.renewal, years=wanted.years),
        first_year=margin.price(prices.registration).amount,
        renewal=margin.price(prices.renewal).amount,
    )


def _refusal(offer: Offer) -> Error:
    if offer.availability is Availability.UNKNOWN:
        return CannotTell(name=offer.name, reason=offer.words or "nobody answered")
    return NotAvailable(name=offer.name, reason=offer.words or "its price is not known")


def _ref(index: int, name: str, error: Error) -> str:
    """Items are told apart by it: one that is named twice must not pass for the first."""
    return f"{name} (item {index})" if isinstance(error, NamedTwice) else name
