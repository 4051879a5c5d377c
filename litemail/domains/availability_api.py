"""The route that looks names up."""

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery

from litemail.domains.availability import Answer, Market, look_up
from litemail.domains.looking import Parents
from litemail.kit.actor import Actor, requires
from litemail.kit.db import Database
from litemail.kit.errors import Detail, Invalid
from litemail.kit.money import Money
from litemail.kit.wire import Given, operation

MOST_NAMES = 100
MOST_SUFFIXES = 20


class AvailableName(msgspec.Struct, frozen=True):
    """`price` is for the first year, `renewal_price` for each further one; null where not known or not to be had."""

    name: str
    available: bool
    premium: bool
    price: Money | None
    renewal_price: Money | None
    reason: str | None


class AvailableNames(msgspec.Struct, frozen=True):
    data: list[AvailableName]


@get(
    "/domains/available",
    **operation(
        "See which names can be bought",
        description="`q` is a keyword or a name: up to 50 suggestions, under `tlds` if they are given. `names` are up "
        "to 100 names, for exactly those. Both are separated by commas. `reason` says why a name is not to be had, or "
        "how sure the answer is. Nothing is reserved: the order decides.",
        group="Domains",
        scope=requires("domains:read"),
        errors=("domain.nothing_to_look_up", "domain.no_suggestions"),
        example={
            "data": [
                {
                    "name": "getbrandmerge.test",
                    "available": True,
                    "premium": False,
                    "price": {"amount": 1200, "currency": "USD"},
                    "renewal_price": {"amount": 1200, "currency": "USD"},
                    "reason": None,
                },
                {
                    "name": "taken-brandmerge.test",
                    "available": False,
                    "premium": False,
                    "price": None,
                    "renewal_price": None,
                    "reason": "it is registered already",
                },
            ]
        },
    ),
)
async def list_available_names(
    database: Given[Database],
    actor: Given[Actor],
    market: Given[Market],
    parents: Given[Parents],
    name_server_pool: Given[tuple[str, ...]],
    mail_hostname: Given[str],
    q: FromQuery[str | None] = None,
    tlds: FromQuery[str | None] = None,
    names: FromQuery[str | None] = None,
) -> AvailableNames:
    answers = await look_up(
        database,
        actor,
        market=market,
        parents=parents,
        ours=(*name_server_pool, mail_hostname),
        keyword=q,
        suffixes=_listed(tlds, field="tlds", most=MOST_SUFFIXES),
        given=_listed(names, field="names", most=MOST_NAMES),
    )
    return AvailableNames([show(answer) for answer in answers])


def show(answer: Answer) -> AvailableName:
    return AvailableName(
        name=answer.name,
        available=answer.available,
        premium=answer.premium,
        price=answer.price.first_year if answer.price else None,
        renewal_price=answer.price.renewal if answer.price else None,
        reason=answer.reason,
    )


def _listed(text: str | None, *, field: str, most: int) -> list[str]:
    """Texts between commas. Raises Invalid where they are too many."""
    given = [part.strip() for part in (text or "").split(",") if part.strip()]
    if len(given) > most:
        raise Invalid(details=(Detail(field, f"These are {len(given)}; at most {most} are looked up at once."),))
    return given


ROUTES: list[HTTPRouteHandler] = [list_available_names]
