"""Routes of mailboxes."""

from typing import Any, Literal

from litestar import Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from litemail.kit import bulk
from litemail.kit.actor import requires
from litemail.kit.bulk import BulkResult
from litemail.kit.db import Tx
from litemail.kit.pagination import Page, PageRequest
from litemail.kit.secrets import Secrets
from litemail.kit.wire import Given, one_or_many, operation
from litemail.mailboxes import service
from litemail.mailboxes.queries import Filter, Status
from litemail.mailboxes.schemas import (
    Credentials,
    MailAccess,
    Mailbox,
    MailboxCreate,
    MailboxesCreate,
    MailboxUpdate,
    show,
)

EXAMPLE: dict[str, object] = {
    "id": "mbx_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "email": "caroline@getbrandmerge.test",
    "username": "caroline",
    "domain": "getbrandmerge.test",
    "domain_id": "dom_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "first_name": "Caroline",
    "last_name": "Thompson",
    "display_name": "Caroline Thompson",
    "status": "active",
    "mail_host": "builtin",
    "subscription_id": None,
    "avatar_url": None,
    "signature": "",
    "tags": [],
    "removal_at": None,
    "failure": None,
    "created_at": "2026-01-29T18:41:56.867Z",
}


@get(
    "/mailboxes",
    **operation(
        "List mailboxes",
        description="`search` is how an address or a domain begins; together with `domain` any part of the user name.",
        group="Mailboxes",
        scope=requires("mailboxes:read"),
        errors=("request.bad_cursor",),
        example={"data": [EXAMPLE], "next_cursor": None},
    ),
)
async def list_mailboxes(
    tx: Given[Tx],
    page_request: Given[PageRequest],
    domain: FromQuery[str | None] = None,
    status: FromQuery[Status | None] = None,
    search: FromQuery[str | None] = None,
    tag: FromQuery[str | None] = None,
) -> Page[Mailbox]:
    chosen = Filter(domain=domain.lower() if domain else None, status=status, search=search, tag=tag)
    return (await service.list_(tx, chosen, page_request)).map(show)


@post(
    "/mailboxes",
    **operation(
        "Create one mailbox or many",
        description="One mailbox is active when the answer comes. Many, up to 1,000, are answered one by one with 202; "
        "those with a chosen password are `provisioning` for a moment.",
        group="Mailboxes",
        scope=requires("mailboxes:write"),
        errors=(
            "mailbox.address_taken",
            "mailbox.bad_username",
            "mailbox.domain_not_usable",
            "mailbox.named_twice",
            "domain.mailbox_limit",
            "bulk.rejected",
            "bulk.not_all_accepted",
        ),
        example=EXAMPLE,
        request_example={
            "domain": "getbrandmerge.test",
            "username": "caroline",
            "first_name": "Caroline",
            "last_name": "Thompson",
        },
        request_models=(MailboxCreate, MailboxesCreate),
    ),
)
async def create_mailboxes(
    data: JSONBody[dict[str, Any]], tx: Given[Tx], secrets: Given[Secrets]
) -> Response[Mailbox | BulkResult]:
    wanted = one_or_many(data, MailboxCreate, MailboxesCreate, key="mailboxes")
    if isinstance(wanted, MailboxCreate):
        return Response(show(await service.create(tx, wanted.wanted(), secrets=secrets)), status_code=201)
    result = await service.create_many(
        tx, [each.wanted() for each in wanted.mailboxes], all_or_nothing=wanted.all_or_nothing, secrets=secrets
    )
    return Response(result, status_code=bulk.ACCEPTED)


@get(
    "/mailboxes/{mailbox_id:str}",
    **operation(
        "Get a mailbox",
        group="Mailboxes",
        scope=requires("mailboxes:read"),
        errors=("mailbox.not_found",),
        example=EXAMPLE,
    ),
)
async def get_mailbox(mailbox_id: FromPath[str], tx: Given[Tx]) -> Mailbox:
    return show(await service.get(tx, mailbox_id))


@put(
    "/mailboxes/{mailbox_id:str}",
    **operation(
        "Change a mailbox",
        description="Fields left out stay as they are. A new password works at once; app passwords keep working.",
        group="Mailboxes",
        scope=requires("mailboxes:write"),
        errors=("mailbox.not_found",),
        example=EXAMPLE,
        request_example={"display_name": "Caroline Thompson", "tags": ["spring"]},
    ),
)
async def update_mailbox(
    mailbox_id: FromPath[str], data: JSONBody[MailboxUpdate], tx: Given[Tx], secrets: Given[Secrets]
) -> Mailbox:
    return show(await service.update(tx, mailbox_id, data.changes(), secrets=secrets))


@delete(
    "/mailboxes/{mailbox_id:str}",
    status_code=200,
    **operation(
        "Remove a mailbox",
        description="With `?at=now` the mailbox is gone when the answer comes: nothing is received, nobody signs in. "
        "Its mail is kept.",
        group="Mailboxes",
        scope=requires("mailboxes:write"),
        errors=("mailbox.not_found", "mailbox.only_at_once"),
        example={**EXAMPLE, "status": "removed", "removal_at": "2026-01-29T18:41:56.867Z"},
    ),
)
async def remove_mailbox(
    mailbox_id: FromPath[str], tx: Given[Tx], at: FromQuery[Literal["now"] | None] = None
) -> Mailbox:
    return show(await service.remove(tx, mailbox_id, at_once=at == "now"))


@get(
    "/mailboxes/{mailbox_id:str}/credentials",
    **operation(
        "Read the password of a mailbox and where it signs in",
        description="Every reading leaves an audit line.",
        group="Mailboxes",
        scope=requires("mailboxes:credentials"),
        errors=("mailbox.not_found",),
        example={
            "email": "caroline@getbrandmerge.test",
            "password": "8mFzq2WyRkT5bVcXn4Ps",
            "imap": {
                "host": "mail.litemail.test",
                "port": 8993,
                "security": "tls",
                "username": "caroline@getbrandmerge.test",
            },
            "smtp": {
                "host": "mail.litemail.test",
                "port": 8587,
                "security": "starttls",
                "username": "caroline@getbrandmerge.test",
            },
        },
    ),
)
async def read_credentials(
    mailbox_id: FromPath[str], tx: Given[Tx], secrets: Given[Secrets], mail_access: Given[MailAccess]
) -> Credentials:
    found = await service.credentials(tx, mailbox_id, secrets=secrets)
    return mail_access.credentials(found.email, found.password)


ROUTES: list[HTTPRouteHandler] = [
    list_mailboxes,
    create_mailboxes,
    get_mailbox,
    update_mailbox,
    remove_mailbox,
    read_credentials,
]
