"""Routes that buy and renew domains."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, JSONBody
from pydantic import Field

from litemail import domains, orders
from litemail.billing import Line
from litemail.domains import Market, Parents, Unavailable, Wanted
from litemail.kit import secrets as random
from litemail.kit.actor import Actor, requires
from litemail.kit.clock import rfc3339
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Detail, Invalid
from litemail.kit.idempotency import Call
from litemail.kit.secrets import Secrets
from litemail.kit.two_steps import ask_then_act
from litemail.kit.wire import Given, RequestModel, Timestamp, operation
from litemail.orders import ShownQuote, show_quote
from litemail.orders.schemas import ORDER_EXAMPLE, Order
from litemail.orders.schemas import show as show_order
from litemail.providers.registrar import LONGEST_TERM
from litemail.subscriptions.api import SPENDING_ERRORS
from litemail.workflows import fulfil_order, purchase_links
from litemail.workflows.purchase_links import PurchaseLinks

MOST = 100
MOST_IN_A_LINK = 20
_ACCEPTED = 202

Years = Annotated[int, Field(ge=1, le=LONGEST_TERM)]
DomainName = Annotated[str, Field(min_length=1, max_length=2000)]
MaxCharge = Annotated[int, Field(ge=0, le=10**12)]


class NameToBuy(RequestModel):
    """`auto_renew`: the domain is renewed by itself, a year at a time, for what a year costs at the purchase."""

    name: DomainName
    years: Years = 1
    auto_renew: bool = False


class DomainsPurchase(RequestModel):
    domains: Annotated[list[NameToBuy], Field(min_length=1, max_length=MOST)]
    max_charge: MaxCharge | None = None


class NameToRenew(RequestModel):
    name: DomainName
    years: Years = 1


class DomainsRenew(RequestModel):
    domains: Annotated[list[NameToRenew], Field(min_length=1, max_length=MOST)]
    max_charge: MaxCharge | None = None


class DomainsQuoted(msgspec.Struct, frozen=True):
    """The answer to `?dry_run=true`. `unavailable` names are not in the quote and would not be charged."""

    quote: ShownQuote
    unavailable: list[Unavailable]


class PurchaseLink(msgspec.Struct, frozen=True):
    payment_link: str
    quote: ShownQuote
    unavailable: list[Unavailable]
    expires_at: Timestamp


_LINES = [
    {
        "description": "getbrandmerge.test, 1 year",
        "quantity": 1,
        "unit_price": {"amount": 1200, "currency": "USD"},
        "amount": {"amount": 1200, "currency": "USD"},
    }
]
_EXAMPLE = {
    **ORDER_EXAMPLE,
    "kind": domains.PURCHASE,
    "status": "confirmed",
    "lines": _LINES,
    "total": {"amount": 1200, "currency": "USD"},
    "captured": {"amount": 0, "currency": "USD"},
    "items": [{"ref": "getbrandmerge.test", "status": "pending"}],
}
_ERRORS = ("bulk.rejected", "registrar.none", "billing.phone_required", *SPENDING_ERRORS)


@post(
    "/domains/purchase",
    status_code=_ACCEPTED,
    **operation(
        "Buy domains",
        description="From the wallet. The answer is the order, whose items say name by name what became of them; a "
        "name that cannot be had, or is lost meanwhile, is not charged. A bought domain is delegated to its own name "
        "servers and active by itself. With `?dry_run=true` the answer is 200 with the quote, and nothing is bought.",
        group="Domains",
        scope=requires("billing:spend"),
        errors=_ERRORS,
        example=_EXAMPLE,
        request_example={"domains": [{"name": "getbrandmerge.test", "years": 1}], "max_charge": 1500},
    ),
)
async def purchase_domains(
    data: JSONBody[DomainsPurchase],
    database: Given[Database],
    actor: Given[Actor],
    secrets: Given[Secrets],
    call: Given[Call | None],
    market: Given[Market],
    parents: Given[Parents],
    name_server_pool: Given[tuple[str, ...]],
    mail_hostname: Given[str],
    dry_run: FromQuery[bool] = False,
) -> Response[Order | DomainsQuoted]:
    wanted = [Wanted(each.name, each.years, each.auto_renew) for each in data.domains]
    ask = partial(
        domains.ask_to_purchase,
        database,
        actor,
        wanted,
        market=market,
        parents=parents,
        ours=(*name_server_pool, mail_hostname),
    )
    if dry_run:
        asked = await ask()
        async with database.begin(actor) as tx:
            await domains.check_asked(tx, asked)
            return await _quoted(tx, asked.lines, domains.unavailable(asked.refused))

    async def act(tx: Tx, asked: domains.Asked) -> Order:
        order = await domains.place_purchase(tx, asked, max_charge=data.max_charge)
        await fulfil_order.begin(tx, order)
        return show_order(order)

    begin = partial(database.begin, actor)
    return await ask_then_act(begin, call, ask, act, Order, secrets=secrets, status=_ACCEPTED)


@post(
    "/domains/renew",
    status_code=_ACCEPTED,
    **operation(
        "Renew domains",
        description="Those that were bought here, from the wallet, for further years. The answer is the order, as for "
        "a purchase; with `?dry_run=true` it is 200 with the quote, and nothing is renewed.",
        group="Domains",
        scope=requires("billing:spend"),
        errors=("bulk.rejected", "domain.already_being_renewed", *SPENDING_ERRORS),
        example={**_EXAMPLE, "kind": domains.RENEWAL},
        request_example={"domains": [{"name": "getbrandmerge.test", "years": 1}], "max_charge": 1500},
    ),
)
async def renew_domains(
    data: JSONBody[DomainsRenew],
    database: Given[Database],
    actor: Given[Actor],
    secrets: Given[Secrets],
    call: Given[Call | None],
    market: Given[Market],
    dry_run: FromQuery[bool] = False,
) -> Response[Order | DomainsQuoted]:
    wanted = [Wanted(each.name, each.years) for each in data.domains]
    ask = partial(domains.ask_to_renew, database, actor, wanted, market=market)
    if dry_run:
        asked = await ask()
        async with database.begin(actor) as tx:
            domains.check_asked_to_renew(asked)
            return await _quoted(tx, asked.lines, domains.unavailable(asked.refused))

    async def act(tx: Tx, asked: domains.AskedToRenew) -> Order:
        order = await domains.place_renewal(tx, asked, max_charge=data.max_charge)
        await fulfil_order.begin(tx, order)
        return show_order(order)

    begin = partial(database.begin, actor)
    return await ask_then_act(begin, call, ask, act, Order, secrets=secrets, status=_ACCEPTED)


@get(
    "/domains/purchase-link",
    **operation(
        "Get a link that sells domains",
        description="`domains` are up to 20 names, separated by commas. Whoever opens the link within 24 hours sees "
        "the quote; paying it buys the domains for this workspace, once. This call and opening the link change "
        "nothing. What cannot be delivered in the end stays in the wallet.",
        group="Domains",
        scope=requires("billing:spend"),
        errors=("bulk.rejected", "registrar.none", "billing.phone_required", "billing.details_required"),
        example={
            "payment_link": "https://litemail.example/purchase/kX9vQ2mB7tR4",
            "quote": {
                "lines": _LINES,
                "total": {"amount": 1200, "currency": "USD"},
                "wallet_balance": {"amount": 0, "currency": "USD"},
                "covered": False,
            },
            "unavailable": [],
            "expires_at": "2026-01-30T18:41:56.867Z",
        },
    ),
)
async def get_purchase_link(
    database: Given[Database],
    actor: Given[Actor],
    market: Given[Market],
    parents: Given[Parents],
    purchase_links: Given[PurchaseLinks],
    name_server_pool: Given[tuple[str, ...]],
    mail_hostname: Given[str],
    domains: FromQuery[str],
    years: FromQuery[int] = 1,
) -> PurchaseLink:
    return await _link(
        database,
        actor,
        _wanted(domains, years=years),
        market=market,
        parents=parents,
        links=purchase_links,
        ours=(*name_server_pool, mail_hostname),
    )


async def _link(
    database: Database,
    actor: Actor,
    wanted: Sequence[Wanted],
    *,
    market: Market,
    parents: Parents,
    links: PurchaseLinks,
    ours: Sequence[str],
) -> PurchaseLink:
    asked = await domains.ask_to_purchase(database, actor, wanted, market=market, parents=parents, ours=ours)
    async with database.begin(actor) as tx:
        offer = await purchase_links.make(tx, asked, nonce=random.token()[:16])
        quote = show_quote(await orders.quote(tx, asked.lines))
    return PurchaseLink(links.link(offer), quote, domains.unavailable(asked.refused), rfc3339(offer.until))


def _wanted(names: str, *, years: int) -> list[Wanted]:
    """Raises Invalid."""
    given = [name.strip() for name in names.split(",") if name.strip()]
    wrong: list[Detail] = []
    if not 0 < len(given) <= MOST_IN_A_LINK:
        wrong.append(Detail("domains", f"These are {len(given)} names; a link is for 1 to {MOST_IN_A_LINK}."))
    if not 1 <= years <= LONGEST_TERM:
        wrong.append(Detail("years", f"Domains are sold for 1 to {LONGEST_TERM} years."))
    if wrong:
        raise Invalid(details=tuple(wrong))
    return [Wanted(name, years) for name in given]


async def _quoted(tx: Tx, lines: Sequence[Line], unavailable: list[Unavailable]) -> Response[Order | DomainsQuoted]:
    quote = show_quote(await orders.quote(tx, lines))
    return Response(DomainsQuoted(quote, unavailable), status_code=200)


ROUTES: list[HTTPRouteHandler] = [purchase_domains, renew_domains, get_purchase_link]
