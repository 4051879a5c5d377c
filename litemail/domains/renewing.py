"""Renewing domains that were bought here: by hand, and by themselves where their owners have asked for that."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from litemail import orders, workspaces
from litemail.billing import Line
from litemail.domains import queries, terms
from litemail.domains import registrar_queries as registered
from litemail.domains.availability import Market
from litemail.domains.lifecycle import NotPurchased
from litemail.domains.purchasing import Priced, Wanted, cost, new_items, ordered, readable_names, settle_refused
from litemail.domains.registrar_queries import Held
from litemail.domains.service import DomainNotFound
from litemail.kit import bulk
from litemail.kit import errors as kinds
from litemail.kit.actor import Actor
from litemail.kit.clock import rfc3339
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Error, Problem
from litemail.orders import Order
from litemail.providers.registrar import PriceChanged

RENEWAL = "domain_renewal"
"""The kind of orders that renew domains."""


class AlreadyRenewed(Error):
    kind = kinds.Kind.CONFLICT
    code = "domain.already_being_renewed"
    message = "Another order renews {names} already."
    action = "Wait for that order, see GET /v1/orders; then renew again if you want more years."


class Renewal(msgspec.Struct, frozen=True):
    """A domain, what renewing it costs, and the end of the term that the years are added to."""

    priced: Priced
    registrar: str
    expires_at: datetime


class AskedToRenew(msgspec.Struct, frozen=True):
    """What was found out before the order, by the places of the names in the request."""

    renewals: dict[int, Renewal]
    refused: dict[int, tuple[str, Error]]

    @property
    def lines(self) -> list[Line]:
        return [line for renewal in self.renewals.values() for line in renewal.priced.lines()]


async def ask_to_renew(database: Database, actor: Actor, wanted: Sequence[Wanted], *, market: Market) -> AskedToRenew:
    """What renewing costs now."""
    refused: dict[int, tuple[str, Error]] = {}
    readable = readable_names(wanted, refused)
    async with database.begin(actor) as tx:
        names = list(readable.values())
        held = {row.name: row for row in await registered.list_held(tx, names, workspace_id=actor.workspace_id)}
        known = await queries.held_names(tx, names, workspace_id=actor.workspace_id)
    renewals: dict[int, Renewal] = {}
    for index, name in readable.items():
        try:
            if name not in held:
                raise NotPurchased(name=name) if name in known else DomainNotFound(domain=name)
            renewals[index] = await _price(held[name], years=wanted[index].years, market=market)
        except Error as error:
            refused[index] = (name, error)
    return AskedToRenew(renewals, refused)


async def place_renewal(
    tx: Tx, asked: AskedToRenew, *, max_charge: int | None = None, ordered_by: str | None = None
) -> Order:
    """A confirmed order for the domains that can be renewed; the others are in it as failed, for nothing.

    Raises AllRejected where there are none, AlreadyRenewed, and as `orders.place`.
    """
    check_asked_to_renew(asked)
    priced = {index: renewal.priced for index, renewal in asked.renewals.items()}
    order = await orders.place(
        tx,
        kind=RENEWAL,
        lines=asked.lines,
        items=new_items(priced, asked.refused),
        max_charge=max_charge,
        ordered_by=ordered_by,
    )
    rows = [
        msgspec.structs.replace(
            ordered(order, renewal.priced, kind="renewal", registrar=renewal.registrar), expires_at=renewal.expires_at
        )
        for renewal in asked.renewals.values()
    ]
    inserted = await registered.insert_ordered(tx, rows)
    if doubled := [row.name for row in rows if row.name not in inserted]:
        raise AlreadyRenewed(names=", ".join(doubled))
    return await settle_refused(tx, order, asked.refused)


def check_asked_to_renew(asked: AskedToRenew) -> None:
    """Raises AllRejected where there is nothing to renew."""
    if not asked.renewals:
        bulk.settle({}, {index: error for index, (_, error) in asked.refused.items()}, key="domains")


class TermLook(msgspec.Struct, frozen=True):
    """A domain whose term wants looking after, in the time of its workspace."""

    held: Held
    due: terms.Due
    now: datetime


async def look_at_term(tx: Tx, domain_id: str) -> TermLook | None:
    """What is due for a domain now; None when nothing is, or it is gone. As the system."""
    held = await registered.find_held(tx, domain_id, lock=True)
    if held is None or held.renewal_due_at is None:
        return None
    now = await workspaces.time_of(tx, held.workspace_id)
    if held.renewal_due_at > now:
        return None
    return TermLook(held, terms.due(held.expires_at, since=held.renewal_due_at, now=now), now)


async def ask_for_one(look: TermLook, *, market: Market) -> AskedToRenew:
    """What a further year of a domain costs. Raises PriceChanged where it is more than its owner has agreed to, and
    what registrars raise.
    """
    renewal = await _price(look.held, years=1, market=market)
    if renewal.priced.amount > look.held.renewal_price:
        raise PriceChanged(name=look.held.name)
    return AskedToRenew({0: renewal}, {})


async def looked_after(tx: Tx, look: TermLook, *, failure: Problem | None) -> None:
    """Tells what was due, writes down when to look again, and ends the term where it is over.

    `failure`: why the automatic renewal did not begin. A domain that was renewed meanwhile is left as it is.
    """
    held = await registered.find_held(tx, look.held.id, lock=True)
    if held is None or held.expires_at != look.held.expires_at:
        return
    await registered.set_due(tx, held.id, terms.next_moment(held.expires_at, after=look.now))
    data = {
        "name": held.name,
        "expires_at": rfc3339(held.expires_at),
        "days": look.due.days,
        "auto_renew": held.auto_renew,
    }
    if look.due.expire:
        await registered.set_expired(tx, held.id, terms.Expired(name=held.name).problem())
        await tx.emit("domain.expired", workspace_id=held.workspace_id, subject=held.id, data=data)
        return
    if failure is not None:
        told = {**data, "code": failure.code, "message": failure.message, "action": failure.action}
        await tx.emit("domain.renewal_failed", workspace_id=held.workspace_id, subject=held.id, data=told)
    if look.due.warn:
        await tx.emit("domain.expiring", workspace_id=held.workspace_id, subject=held.id, data=data)


async def _price(held: Held, *, years: int, market: Market) -> Renewal:
    """Raises what registrars raise."""
    prices = await market.registrars.get(held.registrar).prices(held.name)
    price = market.margin.price(prices.renewal).amount
    priced = Priced(
        name=held.name,
        years=years,
        auto_renew=held.auto_renew,
        cost=cost(prices.renewal, prices.renewal, years=years),
        first_year=price,
        renewal=price,
    )
    return Renewal(priced, held.registrar, held.expires_at)
