"""Routes of the app passwords of a mailbox."""

from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from pydantic import Field

from litemail.kit.actor import requires
from litemail.kit.clock import rfc3339
from litemail.kit.db import Tx
from litemail.kit.pagination import Page, PageRequest
from litemail.kit.secrets import Secrets
from litemail.kit.wire import ONE_LINE, Given, RequestModel, Timestamp, operation
from litemail.mailboxes import app_passwords
from litemail.mailboxes.app_password_queries import AppPassword as AppPasswordRow

EXAMPLE: dict[str, object] = {
    "id": "apw_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "label": "Thunderbird",
    "platform_account_id": None,
    "export_id": None,
    "created_at": "2026-01-29T18:41:56.867Z",
    "last_used_at": "2026-01-29T19:02:11.004Z",
}


class AppPasswordCreate(RequestModel):
    """`label` tells people which client has it."""

    label: Annotated[str, Field(min_length=1, max_length=100), ONE_LINE]


class AppPassword(msgspec.Struct, frozen=True):
    """`last_used_at` is right to ten minutes. At most one of the two ids says what it was made for."""

    id: str
    label: str
    platform_account_id: str | None
    export_id: str | None
    created_at: Timestamp
    last_used_at: Timestamp | None


class NewAppPassword(msgspec.Struct, frozen=True):
    id: str
    label: str
    password: str
    created_at: Timestamp


@get(
    "/mailboxes/{mailbox_id:str}/app-passwords",
    **operation(
        "List the app passwords of a mailbox",
        description="Newest first, those made for sending platforms and exported files among them; never the passwords "
        "themselves.",
        group="Mailboxes",
        scope=requires("mailboxes:read"),
        errors=("mailbox.not_found", "request.bad_cursor"),
        example={"data": [EXAMPLE], "next_cursor": None},
    ),
)
async def list_app_passwords(
    mailbox_id: FromPath[str], tx: Given[Tx], page_request: Given[PageRequest]
) -> Page[AppPassword]:
    return (await app_passwords.list_(tx, mailbox_id, page_request)).map(_show)


@post(
    "/mailboxes/{mailbox_id:str}/app-passwords",
    **operation(
        "Make an app password",
        description="Signs in over IMAP and SMTP like the mailbox's own password, and is shown this once.",
        group="Mailboxes",
        scope=requires("mailboxes:credentials"),
        errors=("mailbox.not_found", "app_password.limit"),
        example={
            "id": EXAMPLE["id"],
            "label": EXAMPLE["label"],
            "password": "8mFzq2WyRkT5bVcXn4Ps",
            "created_at": EXAMPLE["created_at"],
        },
        request_example={"label": "Thunderbird"},
    ),
)
async def create_app_password(
    mailbox_id: FromPath[str], data: JSONBody[AppPasswordCreate], tx: Given[Tx], secrets: Given[Secrets]
) -> NewAppPassword:
    made = await app_passwords.create(tx, mailbox_id, label=data.label, secrets=secrets)
    row = made.app_password
    return NewAppPassword(row.id, row.label, made.password, rfc3339(row.created_at))


@delete(
    "/mailboxes/{mailbox_id:str}/app-passwords/{app_password_id:str}",
    **operation(
        "Revoke an app password",
        description="Nobody signs in with it from the moment of the answer. A sending platform that had it loses the "
        "mailbox; exporting it again hands over a new one.",
        group="Mailboxes",
        scope=requires("mailboxes:write"),
        errors=("mailbox.not_found", "app_password.not_found"),
    ),
)
async def revoke_app_password(mailbox_id: FromPath[str], app_password_id: FromPath[str], tx: Given[Tx]) -> None:
    await app_passwords.revoke(tx, mailbox_id, app_password_id)


def _show(row: AppPasswordRow) -> AppPassword:
    return AppPassword(
        id=row.id,
        label=row.label,
        platform_account_id=row.platform_account_id,
        export_id=row.export_id,
        created_at=rfc3339(row.created_at),
        last_used_at=None if row.last_used_at is None else rfc3339(row.last_used_at),
    )


ROUTES: list[HTTPRouteHandler] = [list_app_passwords, create_app_password, revoke_app_password]
