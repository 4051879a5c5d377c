"""Routes of forwarding."""

from litestar import delete, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, JSONBody

from litemail.domains import mail_rules, web_forwarding
from litemail.domains.forwarding_schemas import (
    CatchAllSet,
    DomainsNamed,
    EmailForwardingSet,
    WebForwardingSet,
    named,
)
from litemail.kit.actor import requires
from litemail.kit.bulk import BulkResult
from litemail.kit.db import Tx
from litemail.kit.wire import Given, operation

_OK = 200
_EXAMPLE = {
    "results": [
        {"index": 0, "status": "accepted", "id": "dom_01k5m3v8w0e3t9f7a2b4c6d8ee", "error": None},
        {
            "index": 1,
            "status": "rejected",
            "id": None,
            "error": {
                "code": "domain.not_found",
                "message": "There is no domain other.test in this workspace.",
                "action": "List your domains with GET /v1/domains, or connect this one with POST /v1/domains/connect.",
                "retryable": False,
            },
        },
    ],
    "accepted": 1,
    "rejected": 1,
}
_NAMED = {"domains": ["getbrandmerge.test", "other.test"]}
_BULK = ("bulk.rejected", "bulk.not_all_accepted")
_RULE = (*_BULK, "domain.target_not_allowed", "domain.too_many_targets")
_CONFIRMATION = (
    "A target outside of the workspace's active domains waits, `pending_confirmation`, until its owner opens the link "
    "of a mail that we send, and confirms there."
)


@post(
    "/domains/forwarding",
    status_code=_OK,
    **operation(
        "Forward the web of domains",
        description="The domains and www below them lead to the URL, by HTTP and HTTPS; their hosted zones get the A "
        "and AAAA records for it. A new call replaces what was set before.",
        group="Domains",
        scope=requires("domains:write"),
        errors=(*_BULK, "domain.unusable_url"),
        example=_EXAMPLE,
        request_example={**_NAMED, "url": "https://example.com/welcome", "permanent": True, "keep_path": False},
    ),
)
async def forward_web(
    data: JSONBody[WebForwardingSet],
    tx: Given[Tx],
    own_hosts: Given[tuple[str, ...]],
    redirect_addresses: Given[tuple[str, ...]],
) -> BulkResult:
    return await web_forwarding.forward(
        tx,
        data.domains,
        data.wanted(),
        all_or_nothing=data.all_or_nothing,
        ours=own_hosts,
        addresses=redirect_addresses,
    )


@delete(
    "/domains/forwarding",
    status_code=_OK,
    **operation(
        "Forward the web of domains no longer",
        description="Names the domains in a JSON body or as `?domains=a.com,b.com`.",
        group="Domains",
        scope=requires("domains:write"),
        errors=_BULK,
        example=_EXAMPLE,
        request_example=_NAMED,
    ),
)
async def stop_forwarding_web(
    tx: Given[Tx], data: JSONBody[DomainsNamed | None] = None, domains: FromQuery[str | None] = None
) -> BulkResult:
    given = named(data, domains)
    return await web_forwarding.stop(tx, given.domains, all_or_nothing=given.all_or_nothing)


@post(
    "/domains/email-forwarding",
    status_code=_OK,
    **operation(
        "Forward the mail of domains",
        description="What their mailboxes and aliases receive goes to this address too, or with `keep_copy: false` "
        f"only. Mail marked as spam is not forwarded. {_CONFIRMATION}",
        group="Domains",
        scope=requires("domains:write"),
        errors=_RULE,
        example=_EXAMPLE,
        request_example={**_NAMED, "to": "archive@example.com", "keep_copy": True},
    ),
)
async def forward_mail(
    data: JSONBody[EmailForwardingSet], tx: Given[Tx], own_hosts: Given[tuple[str, ...]]
) -> BulkResult:
    return await mail_rules.set_rule(
        tx,
        data.domains,
        "email_forwarding",
        to=data.to,
        keep_copy=data.keep_copy,
        all_or_nothing=data.all_or_nothing,
        ours=own_hosts,
    )


@delete(
    "/domains/email-forwarding",
    status_code=_OK,
    **operation(
        "Forward the mail of domains no longer",
        description="Names the domains in a JSON body or as `?domains=a.com,b.com`.",
        group="Domains",
        scope=requires("domains:write"),
        errors=_BULK,
        example=_EXAMPLE,
        request_example=_NAMED,
    ),
)
async def stop_forwarding_mail(
    tx: Given[Tx], data: JSONBody[DomainsNamed | None] = None, domains: FromQuery[str | None] = None
) -> BulkResult:
    given = named(data, domains)
    return await mail_rules.remove_rule(tx, given.domains, "email_forwarding", all_or_nothing=given.all_or_nothing)


@post(
    "/domains/catch-all",
    status_code=_OK,
    **operation(
        "Take the mail of all other addresses",
        description="What is sent to an address of these domains that is neither a mailbox nor an alias goes to this "
        f"address. {_CONFIRMATION}",
        group="Domains",
        scope=requires("domains:write"),
        errors=_RULE,
        example=_EXAMPLE,
        request_example={**_NAMED, "to": "caroline@getbrandmerge.test"},
    ),
)
async def set_catch_all(data: JSONBody[CatchAllSet], tx: Given[Tx], own_hosts: Given[tuple[str, ...]]) -> BulkResult:
    return await mail_rules.set_rule(
        tx, data.domains, "catch_all", to=data.to, keep_copy=False, all_or_nothing=data.all_or_nothing, ours=own_hosts
    )


@delete(
    "/domains/catch-all",
    status_code=_OK,
    **operation(
        "Refuse the mail of all other addresses again",
        description="Names the domains in a JSON body or as `?domains=a.com,b.com`.",
        group="Domains",
        scope=requires("domains:write"),
        errors=_BULK,
        example=_EXAMPLE,
        request_example=_NAMED,
    ),
)
async def remove_catch_all(
    tx: Given[Tx], data: JSONBody[DomainsNamed | None] = None, domains: FromQuery[str | None] = None
) -> BulkResult:
    given = named(data, domains)
    return await mail_rules.remove_rule(tx, given.domains, "catch_all", all_or_nothing=given.all_or_nothing)


ROUTES: list[HTTPRouteHandler] = [
    forward_web,
    stop_forwarding_web,
    forward_mail,
    stop_forwarding_mail,
    set_catch_all,
    remove_catch_all,
]
