"""Routes of domains."""

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from litemail.domains import availability_api, refreshing, service
from litemail.domains.looking import Parents
from litemail.domains.queries import Filter, Status
from litemail.domains.schemas import (
    AssignableDomain,
    Domain,
    DomainsConnect,
    NameServerCheck,
    NameServers,
    show,
    show_assignable,
    show_check,
    show_name_servers,
)
from litemail.kit import bulk
from litemail.kit.actor import Actor, requires
from litemail.kit.bulk import BulkResult
from litemail.kit.db import Database, Tx
from litemail.kit.pagination import Page, PageRequest
from litemail.kit.wire import Given, operation

EXAMPLE = {
    "id": "dom_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "name": "getbrandmerge.test",
    "status": "active",
    "source": "connected",
    "dns": "hosted",
    "name_servers": ["ns04.litemail.test", "ns11.litemail.test"],
    "mailbox_count": 3,
    "mailbox_limit": 5,
    "forwarding_url": None,
    "email_forwarding": None,
    "catch_all": None,
    "dmarc": "none",
    "auto_renew": None,
    "expires_at": None,
    "health": {"mx": "unknown", "spf": "unknown", "dkim": "unknown", "dmarc": "unknown"},
    "tags": [],
    "failure": None,
    "created_at": "2026-01-29T18:41:56.867Z",
}


@post(
    "/domains/connect",
    status_code=bulk.ACCEPTED,
    **operation(
        "Connect domains that you own",
        description="1 to 200 names, answered one by one. Each gets name servers of its own: enter them at your "
        "registrar, see GET /v1/domains/name-servers; the domain is active soon after.",
        group="Domains",
        scope=requires("domains:write"),
        errors=("bulk.rejected", "bulk.not_all_accepted"),
        example={
            "results": [
                {"index": 0, "status": "accepted", "id": "dom_01k5m3v8w0e3t9f7a2b4c6d8ee", "error": None},
                {
                    "index": 1,
                    "status": "rejected",
                    "id": None,
                    "error": {
                        "code": "domain.public_suffix",
                        "message": "co.uk is a public suffix: names are registered under it, but it is nobody's own.",
                        "action": "Enter a name under it, such as example.co.uk.",
                        "retryable": False,
                    },
                },
            ],
            "accepted": 1,
            "rejected": 1,
        },
        request_example={"domains": ["getbrandmerge.test", "co.uk"]},
    ),
)
async def connect_domains(
    data: JSONBody[DomainsConnect],
    tx: Given[Tx],
    name_server_pool: Given[tuple[str, ...]],
    mail_hostname: Given[str],
    mailboxes_per_domain: Given[int],
) -> BulkResult:
    return await service.connect(
        tx,
        data.domains,
        all_or_nothing=data.all_or_nothing,
        name_server_pool=name_server_pool,
        mail_hostname=mail_hostname,
        mailboxes_per_domain=mailboxes_per_domain,
    )


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
    return (await service.list_(tx, chosen, page_request)).map(show)


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
    return show(await service.get(tx, domain))


ROUTES: list[HTTPRouteHandler] = [
    connect_domains,
    list_domains,
    list_assignable_domains,
    get_name_servers,
    verify_name_servers,
    *availability_api.ROUTES,
    get_domain,
]
