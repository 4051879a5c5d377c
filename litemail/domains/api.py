"""Routes of domains."""

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from litemail.domains import (
    availability_api,
    check_api,
    connect_api,
    forwarding,
    forwarding_api,
    lifecycle_api,
    moving_api,
    refreshing,
    service,
)
from litemail.domains.looking import Parents
from litemail.domains.queries import Filter, Status
from litemail.domains.schemas import (
    EXAMPLE,
    AssignableDomain,
    Domain,
    NameServerCheck,
    NameServers,
    show,
    show_assignable,
    show_check,
    show_name_servers,
)
from litemail.kit.actor import Actor, requires
from litemail.kit.db import Database, Tx
from litemail.kit.pagination import Page, PageRequest
from litemail.kit.wire import Given, operation


@get(
    "/domains",
    **operation(
        "List domains",
        description="`search` is how a name begins.",
        group="Domains",
        scope=requires("domains:read"),
        errors=("request.bad_cursor",),
        example={"data": [EXAMPLE], "next_cursor": None},
    ),
)
async def list_domains(
    tx: Given[Tx],
    page_request: Given[PageRequest],
    status: FromQuery[Status | None] = None,
    search: FromQuery[str | None] = None,
    tag: FromQuery[str | None] = None,
) -> Page[Domain]:
    chosen = Filter(status=status, search=search.strip().lower() if search else None, tag=tag)
    page = await service.list_(tx, chosen, page_request)
    forwards = await forwarding.of_many(tx, [row.id for row in page.data])
    return page.map(lambda row: show(row, forwards[row.id]))


@get(
    "/domains/assignable",
    **operation(
        "List domains that can take mailboxes",
        description="Active, and with fewer mailboxes than a domain may have.",
        group="Domains",
        scope=requires("domains:read"),
        errors=("request.bad_cursor",),
        example={
            "data": [
                {
                    "id": "dom_01k5m3v8w0e3t9f7a2b4c6d8ee",
                    "name": "getbrandmerge.test",
                    "mailbox_count": 3,
                    "mailbox_limit": 5,
                    "free_mailboxes": 2,
                }
            ],
            "next_cursor": None,
        },
    ),
)
async def list_assignable_domains(tx: Given[Tx], page_request: Given[PageRequest]) -> Page[AssignableDomain]:
    return (await service.list_(tx, Filter(assignable=True), page_request)).map(show_assignable)


@get(
    "/domains/name-servers",
    **operation(
        "Get what to enter at the registrar",
        description="The name servers of this claim. The challenge proves that the name is yours before you change "
        "its name servers, so that its zone is served from the first moment.",
        group="Domains",
        scope=requires("domains:read"),
        errors=("domain.not_found",),
        example={
            "domain": "getbrandmerge.test",
            "name_servers": ["ns04.litemail.test", "ns11.litemail.test"],
            "challenge": {
                "type": "TXT",
                "name": "_litemail-challenge.getbrandmerge.test",
                "value": "litemail-challenge=9fQ2vV0m3yLqCqhU3mXWc1mQzq7yO0m3bV2uW8kq1nH",
            },
        },
    ),
)
async def get_name_servers(tx: Given[Tx], domain: FromQuery[str]) -> NameServers:
    return show_name_servers(await service.get(tx, domain))


@get(
    "/domains/name-servers/verify",
    **operation(
        "See whether a domain is delegated to its name servers",
        description="The last result. `?refresh=true` asks the parent's servers now, at most once in 10 seconds; "
        "sooner ones get the last result.",
        group="Domains",
        scope=requires("domains:read"),
        errors=("domain.not_found",),
        example={
            "domain": "getbrandmerge.test",
            "status": "wrong",
            "expected": ["ns04.litemail.test", "ns11.litemail.test"],
            "found": ["ns1.registrar.test", "ns2.registrar.test"],
            "checked_at": "2026-01-29T18:41:56.867Z",
            "next_check_at": "2026-01-29T18:42:56.867Z",
            "refreshing": False,
        },
    ),
)
async def verify_name_servers(
    database: Given[Database],
    actor: Given[Actor],
    parents: Given[Parents],
    domain: FromQuery[str],
    refresh: FromQuery[bool] = False,
) -> NameServerCheck:
    if not refresh:
        async with database.begin(actor) as tx:
            return show_check(await service.get(tx, domain), refreshing=False)
    done = await refreshing.refresh(database, actor, domain, parents=parents)
    return show_check(done.domain, refreshing=done.refreshing)


@get(
    "/domains/{domain:str}",
    **operation(
        "Get a domain",
        description="By id or by name.",
        group="Domains",
        scope=requires("domains:read"),
        errors=("domain.not_found",),
        example=EXAMPLE,
    ),
)
async def get_domain(tx: Given[Tx], domain: FromPath[str]) -> Domain:
    row = await service.get(tx, domain)
    return show(row, await forwarding.of(tx, row.id))


ROUTES: list[HTTPRouteHandler] = [
    *connect_api.ROUTES,
    list_domains,
    list_assignable_domains,
    get_name_servers,
    verify_name_servers,
    *availability_api.ROUTES,
    *check_api.ROUTES,
    *forwarding_api.ROUTES,
    *lifecycle_api.ROUTES,
    *moving_api.ROUTES,
    get_domain,
]
