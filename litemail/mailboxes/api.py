"""Routes of mailboxes."""

from typing import Any, Literal

from litestar import Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from litemail.kit import bulk
from litemail.kit.actor import requires
from litemail.kit.bulk import BulkResult
from litemail.kit.db import Tx
from litemail.kit.errors import Detail, Invalid
from litemail.kit.pagination import Page, PageRequest
from litemail.kit.secrets import Secrets
from litemail.kit.wire import Given, one_or_many, operation
from litemail.mailboxes import alias_api, app_password_api, creating, removing, service
from litemail.mailboxes.queries import Filter, Status
from litemail.mailboxes.schemas import (
    Credentials,
    MailAccess,
    Mailbox,
    MailboxCreate,
    MailboxesCreate,
    MailboxRestore,
    MailboxUpdate,
    show,
)
from litemail.orders import Quoted, show_quote

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
    "subscription_id": "sub_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "avatar_url": None,
    "signature": "",
    "tags": [],
    "removal_at": None,
    "failure": None,
    "created_at": "2026-01-29T18:41:56.867Z",
}

SPENDING_ERRORS = (
    "subscription.slots_exhausted",
    "subscription.none_active",
    "billing.details_required",
    "order.max_charge_exceeded",
    "api_key.spend_limit_reached",
    "wallet.insufficient_funds",
    "auth.scope_missing",
)
"""Of calls that take a slot, and buy one if they are told to."""


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
        "those with a chosen password are `provisioning` for a moment. Each takes a slot of a subscription; where some "
        "are missing nothing is created and the answer is 402 with a quote, unless `buy_slots` says to buy them.",
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
            *SPENDING_ERRORS,
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
    data: JSONBody[dict[str, Any]], tx: Given[Tx], secrets: Given[Secrets], dry_run: FromQuery[bool] = False
) -> Response[Mailbox | BulkResult | Quoted]:
    wanted = one_or_many(data, MailboxCreate, MailboxesCreate, key="mailboxes")
    if isinstance(wanted, MailboxCreate):
        if dry_run:
            return Response(Quoted(show_quote(await creating.quote(tx, wanted.wanted()))), status_code=200)
        created = await creating.create(tx, wanted.wanted(), buying=wanted.buying(), secrets=secrets)
        return Response(show(created), status_code=201)
    each = [item.wanted() for item in wanted.mailboxes]
    if dry_run:
        quote = await creating.quote_many(tx, each, all_or_nothing=wanted.all_or_nothing)
        return Response(Quoted(show_quote(quote)), status_code=200)
    result = await creating.create_many(
        tx, each, all_or_nothing=wanted.all_or_nothing, buying=wanted.buying(), secrets=secrets
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
        description="It goes when its subscription is renewed, at `removal_at`, and is no longer paid for; until then "
        "`?cancel=true` takes that back. With `?at=now` it is gone when the answer comes: nothing is received, nobody "
        "signs in, its slot is free. Its mail is kept, and for 30 days the mailbox can be restored.",
        group="Mailboxes",
        scope=requires("mailboxes:write"),
        errors=(
            "mailbox.not_found",
            "mailbox.only_at_once",
            "mailbox.removal_not_scheduled",
            "subscription.renewal_passed",
            "subscription.downgrade_needs_removal",
        ),
        example={**EXAMPLE, "status": "scheduled_for_removal", "removal_at": "2026-02-28T18:41:56.867Z"},
    ),
)
async def remove_mailbox(
    mailbox_id: FromPath[str],
    tx: Given[Tx],
    at: FromQuery[Literal["now"] | None] = None,
    cancel: FromQuery[bool] = False,
) -> Mailbox:
    if cancel and at is not None:
        raise Invalid(details=(Detail("cancel", "goes without `at`: what was removed at once is restored"),))
    if cancel:
        return show(await removing.cancel_removal(tx, mailbox_id))
    if at == "now":
        return show(await removing.remove_now(tx, mailbox_id))
    return show(await removing.schedule_removal(tx, mailbox_id))


@post(
    "/mailboxes/{mailbox_id:str}/restore",
    status_code=200,
    **operation(
        "Restore a removed mailbox",
        description="Within 30 days, with its mail and its password. It takes a slot again, as a new mailbox does.",
        group="Mailboxes",
        scope=requires("mailboxes:write"),
        errors=(
            "mailbox.not_found",
            "mailbox.not_removed",
            "mailbox.removed_too_long_ago",
            "mailbox.address_taken",
            "mailbox.domain_not_usable",
            "domain.mailbox_limit",
            *SPENDING_ERRORS,
        ),
        example=EXAMPLE,
        request_example={"buy_slots": True, "max_charge": 370},
    ),
)
async def restore_mailbox(
    mailbox_id: FromPath[str],
    tx: Given[Tx],
    data: JSONBody[MailboxRestore | None] = None,
    dry_run: FromQuery[bool] = False,
) -> Response[Mailbox | Quoted]:
    if dry_run:
        return Response(Quoted(show_quote(await removing.quote_restoring(tx, mailbox_id))))
    buying = (data or MailboxRestore()).buying()
    return Response(show(await removing.restore(tx, mailbox_id, buying=buying)))


@post(
    "/mailboxes/{mailbox_id:str}/suspend",
    status_code=200,
    **operation(
        "Suspend a mailbox",
        description="Nothing is received and nobody signs in until it is resumed. Its slot stays taken.",
        group="Mailboxes",
        scope=requires("mailboxes:write"),
        errors=("mailbox.not_found",),
        example={**EXAMPLE, "status": "suspended"},
    ),
)
async def suspend_mailbox(mailbox_id: FromPath[str], tx: Given[Tx]) -> Mailbox:
    return show(await removing.suspend(tx, mailbox_id))


@post(
    "/mailboxes/{mailbox_id:str}/resume",
    status_code=200,
    **operation(
        "Resume a suspended mailbox",
        group="Mailboxes",
        scope=requires("mailboxes:write"),
        errors=("mailbox.not_found", "mailbox.subscription_suspended"),
        example=EXAMPLE,
    ),
)
async def resume_mailbox(mailbox_id: FromPath[str], tx: Given[Tx]) -> Mailbox:
    return show(await removing.resume(tx, mailbox_id))


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
    restore_mailbox,
    suspend_mailbox,
    resume_mailbox,
    read_credentials,
    *app_password_api.ROUTES,
    *alias_api.ROUTES,
]
