"""Whether names can be bought, and for how much: asked of the registrar, else of registries' public data and the DNS.

No transaction is open while others are asked.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

import msgspec

from litemail.domains import queries
from litemail.domains.looking import Parents
from litemail.domains.service import check_mode, refuse_reserved
from litemail.domains.suggesting import suggest
from litemail.kit.actor import Actor, Mode
from litemail.kit.db import Database
from litemail.kit.errors import Error, Kind
from litemail.kit.money import Money
from litemail.protocols import names
from litemail.providers import dns as dns_provider
from litemail.providers.dns import DelegationStatus
from litemail.providers.registrar import Availability, Lookup, Offer, Registrar, RegistrarError, Registrars

PATIENCE = 9.0
"""Seconds in which all names are answered for, or are not known."""
_AT_ONCE = 20
_NO_ANSWER = "nobody answered in time; ask again"
_ONLY_IN_DNS = "it is not in the DNS; whether it is free, only a registrar knows"
_SUFFIXES: Mapping[Mode, tuple[str, ...]] = {
    "sandbox": (names.SANDBOX_SUFFIX,),
    "live": ("com", "net", "org", "io", "co", "app"),
}


class NothingToLookUp(Error):
    kind = Kind.INVALID
    code = "domain.nothing_to_look_up"
    message = "This call needs `q`, a keyword, or `names`, and not both."
    action = "Send ?q=brandmerge for suggestions or ?names=brandmerge.com,brandmerge.net for exactly those."


class NoSuggestions(Error):
    kind = Kind.INVALID
    code = "domain.no_suggestions"
    message = "No name can be made of {keyword} under {suffixes}."
    action = "Use letters and digits for the keyword, and endings under which names are registered, such as com."


class Price(msgspec.Struct, frozen=True):
    """What customers pay for the first year, and for each further one."""

    first_year: Money
    renewal: Money


class Margin(msgspec.Struct, frozen=True):
    """What is added to the registrar's prices, in percent; fractions of a cent count as one."""

    percent: Decimal = Decimal(0)

    def price(self, cost: Money) -> Money:
        exact = cost.amount * (1 + self.percent / 100)
        return Money(int(exact.to_integral_value(ROUND_UP)), cost.currency)


@dataclass(frozen=True, kw_only=True)
class Market:
    """Who sells and who knows names. `rdap` is asked in live workspaces where no registrar is set up."""

    registrars: Registrars
    margin: Margin
    rdap: Lookup | None = None


class Answer(msgspec.Struct, frozen=True):
    """What is known of one name. `price` is None where it is not known, or the name is not to be had."""

    name: str
    available: bool
    premium: bool = False
    price: Price | None = None
    reason: str | None = None


async def look_up(
    database: Database,
    actor: Actor,
    *,
    market: Market,
    parents: Parents,
    ours: Sequence[str],
    keyword: str | None = None,
    suffixes: Sequence[str] = (),
    given: Sequence[str] = (),
) -> list[Answer]:
    """Suggestions of a keyword under the suffixes, or exactly the given names, in order, each once.

    `ours` are the host names of our own servers. Raises NothingToLookUp, NoSuggestions.
    """
    if bool(keyword) == bool(given):
        raise NothingToLookUp(field="q")
    if keyword:
        suffixes = suffixes or _SUFFIXES[actor.mode]
        given = suggest(keyword, suffixes)
        if not given:
            raise NoSuggestions(keyword=names.shown(keyword), suffixes=", ".join(map(names.shown, suffixes)), field="q")
    known = _refused(given, actor=actor, ours=ours)
    wanted = {name for name in known if known[name] is None}
    async with database.begin(actor) as tx:
        held = await queries.held_names(tx, list(wanted), workspace_id=actor.workspace_id)
    asked = [name for name in known if name in wanted - held]
    offers = await check_all(asked, market=market, parents=parents, mode=actor.mode)
    answers = {offer.name: _answer(offer, market.margin) for offer in offers}
    answers |= {name: Answer(name, available=False, reason="it is in this workspace already") for name in held}
    return [known[name] or answers[name] for name in known]


async def check_all(names_: Iterable[str], *, market: Market, parents: Parents, mode: Mode) -> list[Offer]:
    """What is known of normalised names, asked for at the same time. Who does not answer in time is unknown."""
    registrar = market.registrars.find_of_mode(mode)
    gate = asyncio.Semaphore(_AT_ONCE if registrar is None else registrar.at_once)
    deadline = asyncio.get_running_loop().time() + PATIENCE

    async def one(name: str) -> Offer:
        try:
            async with asyncio.timeout_at(deadline), gate:
                return await _check(name, registrar, market.rdap, parents)
        except TimeoutError:
            return Offer(name, Availability.UNKNOWN, words=_NO_ANSWER)

    return list(await asyncio.gather(*map(one, names_)))


async def _check(name: str, registrar: Registrar | None, rdap: Lookup | None, parents: Parents) -> Offer:
    if registrar is not None:
        try:
            return await registrar.check(name)
        except RegistrarError as error:
            return Offer(name, Availability.UNKNOWN, words=str(error).rstrip("."))
    told = Offer(name, Availability.UNKNOWN) if rdap is None else await rdap.check(name)
    return await _check_dns(name, parents) if told.availability is Availability.UNKNOWN else told


async def _check_dns(name: str, parents: Parents) -> Offer:
    """A name that is delegated is somebody's; one that is not may be somebody's as well."""
    found = await dns_provider.delegation(name, parents=parents.of(name), timeout=PATIENCE / 2)
    match found.status:
        case DelegationStatus.NOT_REGISTERED:
            return Offer(name, Availability.AVAILABLE, words=_ONLY_IN_DNS)
        case DelegationStatus.DELEGATED | DelegationStatus.NOT_DELEGATED:
            return Offer(name, Availability.TAKEN, words="it is registered already")
        case DelegationStatus.UNKNOWN:
            return Offer(name, Availability.UNKNOWN, words=_NO_ANSWER)


def _refused(given: Sequence[str], *, actor: Actor, ours: Sequence[str]) -> dict[str, Answer | None]:
    """The names as they are looked up, each once; with the answer for those that nobody can buy."""
    known: dict[str, Answer | None] = {}
    for text in given:
        try:
            name = names.normalise(text)
            check_mode(name, actor)
            refuse_reserved(name, ours=ours)
        except Error as error:
            shown = names.shown(text.strip())
            known.setdefault(shown, Answer(shown, available=False, reason=str(error)))
        else:
            known.setdefault(name, None)
    return known


def _answer(offer: Offer, margin: Margin) -> Answer:
    available = offer.availability is Availability.AVAILABLE
    prices = offer.prices
    if not available or prices is None:
        return Answer(offer.name, available=available, reason=offer.words)
    price = Price(margin.price(prices.registration), margin.price(prices.renewal))
    return Answer(offer.name, available=True, premium=prices.premium, price=price, reason=offer.words)
