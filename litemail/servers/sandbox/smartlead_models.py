"""The shapes of the Smartlead twin: what it takes, as strictly as the vendor, and what it answers."""

import re
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from litemail.servers.sandbox.behaviour import Refusal

Shape = TypeVar("Shape")

Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$")]
Port = Annotated[int, Meta(ge=1, le=65535)]
PortType = Literal["TLS", "SSL", "STARTTLS"]
AccountType = Literal["GMAIL", "OUTLOOK", "SMTP"]
RATE_LIMITED = 429
REST = 1


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A body. The vendor checks with Joi, which takes no field that it does not know."""


class SaveAccount(Strict, frozen=True):
    from_name: str
    from_email: Email
    user_name: str
    password: str
    smtp_host: str
    smtp_port: Port
    imap_host: str
    imap_port: Port
    warmup_enabled: bool
    id: int | None = None
    smtp_port_type: PortType | UnsetType = UNSET
    imap_user_name: str | None = None
    imap_password: str | None = None
    type: AccountType = "SMTP"
    total_warmup_per_day: int | None = None
    daily_rampup: int | None = None
    reply_rate_percentage: int | None = None
    max_email_per_day: int | UnsetType = UNSET
    custom_tracking_url: str | UnsetType = UNSET
    bcc: str | UnsetType = UNSET
    signature: str | UnsetType = UNSET
    different_reply_to_address: str | UnsetType = UNSET
    time_to_wait_in_mins: int | UnsetType = UNSET
    client_id: int | None = None
    is_suspended: bool = False


class ChangeAccount(Strict, frozen=True):
    from_name: str | UnsetType = UNSET
    max_email_per_day: int | UnsetType = UNSET
    signature: str | UnsetType = UNSET
    custom_tracking_url: str | UnsetType = UNSET
    bcc: str | UnsetType = UNSET
    client_id: int | UnsetType | None = UNSET
    time_to_wait_in_mins: int | UnsetType = UNSET
    is_suspended: bool | UnsetType = UNSET


class ChangeWarmup(Strict, frozen=True):
    warmup_enabled: bool
    total_warmup_per_day: Annotated[int, Meta(ge=1, le=50)] | UnsetType = UNSET
    daily_rampup: Annotated[int, Meta(ge=5, le=20)] | UnsetType = UNSET
    reply_rate_percentage: Annotated[int, Meta(ge=20, le=100)] | UnsetType = UNSET
    warmup_key_id: str | UnsetType = UNSET
    auto_adjust_warmup: bool | UnsetType = UNSET
    is_rampup_enabled: bool | UnsetType = UNSET


class CreateTag(Strict, frozen=True):
    name: Annotated[str, Meta(min_length=1)]
    color: Annotated[str, Meta(pattern=r"^#[0-9A-Fa-f]{6}$")] = "#4CAF50"


class MapTags(Strict, frozen=True):
    email_account_ids: Annotated[list[int], Meta(min_length=1, max_length=25)]
    tag_ids: Annotated[list[int], Meta(min_length=1)]


class SignIn(Strict, frozen=True):
    email: str
    password: str


class WarmupDetails(msgspec.Struct, frozen=True):
    status: Literal["ACTIVE", "INACTIVE"]
    total_sent_count: int = 0
    total_spam_count: int = 0
    warmup_reputation: str = "100%"
    reply_rate: int = 30
    blocked_reason: str | None = None


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account as shown, but for the passwords, which the vendor shows and the twin does not keep."""

    id: int
    created_at: str
    updated_at: str
    user_id: int
    from_name: str
    from_email: str
    username: str
    smtp_host: str
    smtp_port: int
    imap_host: str
    imap_port: int
    is_smtp_success: bool = True
    is_imap_success: bool = True
    smtp_failure_error: str | None = None
    imap_failure_error: str | None = None
    type: AccountType = "SMTP"
    message_per_day: int = 50
    daily_sent_count: int = 0
    client_id: int | None = None
    campaign_count: int = 0
    is_suspended: bool = False
    warmup_details: WarmupDetails | None = None


class Record(msgspec.Struct, frozen=True):
    """An account as kept."""

    account: Account
    tag_ids: tuple[int, ...] = ()


class Added(msgspec.Struct, frozen=True):
    """The newer answer to an account saved."""

    ok: bool
    message: str
    data: Account


class Updated(msgspec.Struct, frozen=True):
    """The older one, which other changes have too."""

    ok: bool
    message: str
    emailAccountId: int  # noqa: N815 - the vendor's name


class Done(msgspec.Struct, frozen=True):
    ok: bool


class Tag(msgspec.Struct, frozen=True):
    id: int
    name: str
    color: str


class Tags(msgspec.Struct, frozen=True):
    ok: bool
    data: list[Tag]


class MadeTag(msgspec.Struct, frozen=True):
    ok: bool
    data: Tag


class Summary(msgspec.Struct, frozen=True):
    added: int
    skipped: int
    failed: int


class TagsMapped(msgspec.Struct, frozen=True):
    ok: bool
    summary: Summary


class User(msgspec.Struct, frozen=True):
    id: int
    uuid: str
    email: str
    name: str
    role: str
    api_key: str


class SignedIn(msgspec.Struct, frozen=True):
    user: User
    token: str


class Message(msgspec.Struct, frozen=True):
    message: str


class Complaint(msgspec.Struct, frozen=True):
    error: str


class Validation(msgspec.Struct, frozen=True):
    source: str
    keys: list[str]


class BadQuery(msgspec.Struct, frozen=True):
    statusCode: int  # noqa: N815 - the vendor's name
    error: str
    message: str
    validation: Validation


class TooFast(msgspec.Struct, frozen=True):
    code: str
    message: str
    retry_after: int


class RateLimited(msgspec.Struct, frozen=True):
    error: TooFast


class AccountRefused(msgspec.Struct, frozen=True, omit_defaults=True):
    """`emailAccountId` and `error` come with some refusals only."""

    ok: bool
    message: str
    errorCode: str = ""  # noqa: N815 - the vendor's name
    error: str = ""
    emailAccountId: int | UnsetType | None = UNSET  # noqa: N815 - the vendor's name


def refuse(status: int, message: str) -> Refusal:
    """An error answer in the vendor's shape for that status."""
    if status == RATE_LIMITED:
        body = msgspec.json.encode(RateLimited(TooFast("RATE_LIMIT_EXCEEDED", message, REST)))
        return Refusal(status, body, headers={"retry-after": str(REST)})
    shape = Message(message) if status in (401, 402, 403) else Complaint(message)
    return Refusal(status, msgspec.json.encode(shape))


def refuse_account(
    status: int, message: str, *, code: str = "", error: str = "", account_id: int | UnsetType | None = UNSET
) -> Refusal:
    return Refusal(status, msgspec.json.encode(AccountRefused(False, message, code, error, account_id)))


def parse(body: bytes, shape: type[Shape]) -> Shape:
    """The body; a wrong one is refused in words like those of the vendor's example, "from_name is required"."""
    if b"\\u0000" in body:  # PostgreSQL keeps no NUL in a text
        raise refuse(422, "a text must not contain NUL")
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise refuse(422, _words(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise refuse(422, "the body must be JSON") from None


def _words(said: str) -> str:
    what, _, where = said.partition(" - at `$")
    path = where.rstrip("`").lstrip(".") or "value"
    if missing := re.fullmatch(r"Object missing required field `(.+)`", what):
        return f"{missing[1]} is required"
    if unknown := re.fullmatch(r"Object contains unknown field `(.+)`", what):
        return f"{unknown[1]} is not allowed"
    if kind := re.match(r"Expected `([^`]+)`, got", what):
        return (
            f"{path} must be a {kind[1].replace('str', 'string').replace('int', 'number').replace('bool', 'boolean')}"
        )
    return f"{path} is not valid: {what}"
