"""Smartlead's API v1 as it goes over the wire: what we send, and what we read of its answers."""

from typing import Literal

import msgspec


class SaveAccount(msgspec.Struct, frozen=True, omit_defaults=True):
    """Body of `POST /v1/email-accounts/save`: adds an account, or with an `id` replaces what is known of it.

    `user_name` and `password` are for both sides, unless the two for IMAP are given.
    """

    from_name: str
    from_email: str
    user_name: str
    password: str
    smtp_host: str
    smtp_port: int
    imap_host: str
    imap_port: int
    warmup_enabled: bool
    id: int | None = None
    imap_user_name: str | None = None
    imap_password: str | None = None
    max_email_per_day: int | None = None


class ChangeAccount(msgspec.Struct, frozen=True, omit_defaults=True):
    """Body of `POST /v1/email-accounts/{id}`."""

    from_name: str | None = None
    max_email_per_day: int | None = None


class ChangeWarmup(msgspec.Struct, frozen=True):
    """Body of `POST /v1/email-accounts/{id}/warmup`."""

    warmup_enabled: bool


class NewTag(msgspec.Struct, frozen=True):
    """Body of `POST /v1/tags`."""

    name: str


class MapTags(msgspec.Struct, frozen=True):
    """Body of `POST /v1/email-accounts/tag-mapping`, at most 25 accounts."""

    email_account_ids: list[int]
    tag_ids: list[int]


class WarmupDetails(msgspec.Struct, frozen=True):
    status: Literal["ACTIVE", "INACTIVE", "PAUSED"]


class Account(msgspec.Struct, frozen=True):
    """What we read of an account. The two `success` fields say whether Smartlead could sign in."""

    id: int
    from_email: str
    from_name: str = ""
    is_smtp_success: bool | None = None
    is_imap_success: bool | None = None
    smtp_failure_error: str | None = None
    imap_failure_error: str | None = None
    message_per_day: int | None = None
    warmup_details: WarmupDetails | None = None


class Identified(msgspec.Struct, frozen=True):
    id: int


class Saved(msgspec.Struct, frozen=True):
    """The answer to an account saved, in all of its documented shapes: the older has `emailAccountId`, the newer
    `data.id`, the community's specification `id`.
    """

    ok: bool
    emailAccountId: int | None = None  # noqa: N815 - the vendor's name
    data: Identified | None = None
    id: int | None = None

    @property
    def account_id(self) -> int | None:
        return self.emailAccountId or (self.data.id if self.data else None) or self.id


class Done(msgspec.Struct, frozen=True):
    """The answer to a change."""

    ok: bool


class Mapped(msgspec.Struct, frozen=True):
    failed: int = 0


class TagsMapped(msgspec.Struct, frozen=True):
    """The answer to tags attached. Its shape is not documented; `summary` was seen."""

    ok: bool = True
    summary: Mapped | None = None


class Tag(msgspec.Struct, frozen=True):
    id: int
    name: str


class Tags(msgspec.Struct, frozen=True):
    data: list[Tag]


class MadeTag(msgspec.Struct, frozen=True):
    data: Identified


class ErrorDetail(msgspec.Struct, frozen=True):
    message: str = ""


class Validation(msgspec.Struct, frozen=True):
    keys: list[str] = []


class Failure(msgspec.Struct, frozen=True):
    """The body of an error answer, in all of its documented shapes. `validation` comes with a body or query that
    Smartlead does not take.
    """

    message: str = ""
    error: str | ErrorDetail = ""
    errorCode: str = ""  # noqa: N815 - the vendor's name
    emailAccountId: int | None = None  # noqa: N815 - the vendor's name
    validation: Validation | None = None

    @property
    def words(self) -> str:
        error = self.error if isinstance(self.error, str) else self.error.message
        return ": ".join(filter(None, (self.message, error)))


class SignInBody(msgspec.Struct, frozen=True):
    """Body of the web application's own login."""

    email: str
    password: str


class User(msgspec.Struct, frozen=True):
    id: int
    email: str
    name: str | None = None
    api_key: str | None = None


class SignedIn(msgspec.Struct, frozen=True):
    user: User
