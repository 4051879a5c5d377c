"""Instantly's API v2 as it goes over the wire: what we send, and what we read of its answers."""

from enum import IntEnum
from typing import Literal

import msgspec

CUSTOM_IMAP_SMTP = 1
ACCOUNT_RESOURCE = 1


class AccountStatus(IntEnum):
    """`Account.status`."""

    ACTIVE = 1
    PAUSED = 2
    MAINTENANCE = 3
    CONNECTION_ERROR = -1
    SOFT_BOUNCE_ERROR = -2
    SENDING_ERROR = -3


class AddAccount(msgspec.Struct, frozen=True, omit_defaults=True):
    """Body of `POST /api/v2/accounts`, which refuses any other field."""

    email: str
    first_name: str
    last_name: str
    imap_username: str
    imap_password: str
    imap_host: str
    imap_port: int
    smtp_username: str
    smtp_password: str
    smtp_host: str
    smtp_port: int
    provider_code: int
    daily_limit: int | None = None


class ChangeAccount(msgspec.Struct, frozen=True, omit_defaults=True):
    """Body of `PATCH /api/v2/accounts/{email}`."""

    first_name: str | None = None
    last_name: str | None = None
    daily_limit: int | None = None


class Emails(msgspec.Struct, frozen=True):
    """Body of the warm-up calls, at most 100 addresses."""

    emails: list[str]


class StatusMessage(msgspec.Struct, frozen=True):
    e_message: str = ""
    response: str = ""


class Account(msgspec.Struct, frozen=True):
    """What we read of an account. `status` is not always there."""

    email: str
    warmup_status: int
    setup_pending: bool
    status: AccountStatus | None = None
    status_message: StatusMessage | None = None
    daily_limit: float | None = None


class Accounts(msgspec.Struct, frozen=True):
    items: list[Account]
    next_starting_after: str | None = None


class Job(msgspec.Struct, frozen=True):
    id: str
    status: Literal["pending", "in-progress", "success", "failed", "draining", "paused", "cancelled"]


class Workspace(msgspec.Struct, frozen=True):
    id: str
    name: str


class NewKey(msgspec.Struct, frozen=True):
    name: str
    scopes: list[str]


class Key(msgspec.Struct, frozen=True):
    id: str
    name: str
    key: str = ""


class Keys(msgspec.Struct, frozen=True):
    items: list[Key]
    next_starting_after: str | None = None


class NewTag(msgspec.Struct, frozen=True):
    label: str


class Tag(msgspec.Struct, frozen=True):
    id: str
    label: str


class Tags(msgspec.Struct, frozen=True):
    items: list[Tag]
    next_starting_after: str | None = None


class ToggleTag(msgspec.Struct, frozen=True):
    tag_ids: list[str]
    resource_ids: list[str]
    assign: bool = True
    resource_type: int = ACCOUNT_RESOURCE


class Toggled(msgspec.Struct, frozen=True):
    success: bool


class Failure(msgspec.Struct, frozen=True):
    """The body of every documented error answer."""

    statusCode: int  # noqa: N815 - the vendor's name
    error: str
    message: str


class SignInBody(msgspec.Struct, frozen=True):
    """Body of the web application's own login."""

    email: str
    password: str


class SignInFailure(msgspec.Struct, frozen=True):
    error: str


class ChooseOrganisation(msgspec.Struct, frozen=True):
    orgID: str  # noqa: N815 - the vendor's name


class Chosen(msgspec.Struct, frozen=True):
    org_access: str
