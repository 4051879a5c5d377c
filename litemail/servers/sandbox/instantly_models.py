"""The shapes of the Instantly twin: what it takes, as strictly as the vendor, and what it answers."""

import re
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from litemail.servers.sandbox.behaviour import Refusal

Shape = TypeVar("Shape")

Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$")]
Uuid = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
ProviderCode = Literal[1, 2, 3, 4, 8, 11]
Gap = Annotated[float, Meta(ge=0, le=1440)]
TestLimit = Annotated[float, Meta(ge=0)]
Emails = Annotated[list[str], Meta(max_length=100)]
Filter = Literal[
    "ACC_FILTER_PAUSED",
    "ACC_FILTER_ERROR",
    "ACC_FILTER_NO_CTD",
    "ACC_FILTER_PW_ACCOUNTS",
    "ACC_FILTER_DFY",
    "ACC_FILTER_DFY_SETUP_PENDING",
    "ACC_FILTER_W_ACTIVE",
    "ACC_FILTER_W_PAUSED",
    "ACC_FILTER_W_ERROR",
]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A body with `additionalProperties: false`."""


class Loose(msgspec.Struct, frozen=True, kw_only=True):
    """A body without."""


class WarmupAdvanced(Loose, frozen=True, omit_defaults=True):
    warm_ctd: bool | UnsetType = UNSET
    open_rate: float | UnsetType = UNSET
    important_rate: float | UnsetType = UNSET
    read_emulation: bool | UnsetType = UNSET
    spam_save_rate: float | UnsetType = UNSET
    weekday_only: bool | UnsetType = UNSET


class Warmup(Loose, frozen=True, omit_defaults=True):
    limit: float | UnsetType = UNSET
    advanced: WarmupAdvanced | UnsetType = UNSET
    warmup_custom_ftag: str | UnsetType = UNSET
    increment: Literal["disabled", "0", "1", "2", "3", "4"] | UnsetType = UNSET
    reply_rate: float | UnsetType = UNSET


class CreateAccount(Strict, frozen=True):
    email: Email
    first_name: str
    last_name: str
    provider_code: ProviderCode
    imap_username: str
    imap_password: str
    imap_host: str
    imap_port: float
    smtp_username: str
    smtp_password: str
    smtp_host: str
    smtp_port: float
    warmup: Warmup | UnsetType = UNSET
    daily_limit: float | None = None
    tracking_domain_name: str | None = None
    tracking_domain_status: str | None = None
    enable_slow_ramp: bool | None = None
    inbox_placement_test_limit: TestLimit | None = None
    sending_gap: Gap = 0
    signature: str | None = None
    reply_to: str | UnsetType = UNSET
    warmup_custom_ftag: str | UnsetType = UNSET
    skip_cname_check: bool = False


class PatchAccount(Strict, frozen=True):
    """At least one field."""

    first_name: str | UnsetType = UNSET
    last_name: str | UnsetType = UNSET
    warmup: Warmup | UnsetType = UNSET
    daily_limit: float | UnsetType | None = UNSET
    tracking_domain_name: str | UnsetType | None = UNSET
    tracking_domain_status: str | UnsetType | None = UNSET
    enable_slow_ramp: bool | UnsetType | None = UNSET
    inbox_placement_test_limit: TestLimit | UnsetType | None = UNSET
    sending_gap: Gap | UnsetType = UNSET
    signature: str | UnsetType | None = UNSET
    reply_to: Email | UnsetType | None = UNSET
    skip_cname_check: bool | UnsetType = UNSET
    remove_tracking_domain: bool | UnsetType = UNSET


class WarmupFilter(Loose, frozen=True):
    tag_id: str | UnsetType = UNSET
    filter: Filter | UnsetType | None = UNSET


class SwitchWarmup(Loose, frozen=True):
    emails: Emails = []
    include_all_emails: bool = False
    excluded_emails: Emails = []
    filter: WarmupFilter | None = None
    search: str = ""


class CreateKey(Strict, frozen=True):
    name: str
    scopes: list[str]


class CreateTag(Strict, frozen=True):
    label: Annotated[str, Meta(min_length=1, pattern=r"\S")]
    description: str | None = None


class ToggleTag(Strict, frozen=True):
    """Of the ways to choose accounts, the twin offers naming them."""

    tag_ids: Annotated[list[Uuid], Meta(min_length=1)]
    resource_type: Literal[1]
    resource_ids: Annotated[list[str], Meta(min_length=1)]
    assign: bool


class SignIn(Strict, frozen=True):
    email: str
    password: str


class ChooseOrganisation(Strict, frozen=True):
    orgID: str  # noqa: N815 - the vendor's name


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account as shown."""

    email: str
    timestamp_created: str
    timestamp_updated: str
    first_name: str
    last_name: str
    organization: str
    provider_code: ProviderCode
    warmup: Warmup | UnsetType = UNSET
    added_by: str | None = None
    modified_by: str | None = None
    daily_limit: float | None = None
    daily_limit_max: float | None = None
    warmup_limit_max: float | None = None
    tracking_domain_name: str | None = None
    tracking_domain_status: str | None = None
    status: Literal[1, 2, 3, -1, -2, -3] = 1
    enable_slow_ramp: bool | None = None
    inbox_placement_test_limit: float | None = None
    warmup_status: Literal[0, 1, -1, -2, -3] = 0
    timestamp_warmup_start: str | None = None
    setup_pending: bool = False
    is_managed_account: bool = False
    stat_warmup_score: float | None = None
    sending_gap: float = 0
    signature: str | None = None
    reply_to: str | None = None
    autofix_failed: bool | None = None


class Record(msgspec.Struct, frozen=True):
    """An account as kept."""

    account: Account
    tag_ids: tuple[str, ...] = ()


class Accounts(msgspec.Struct, frozen=True):
    items: list[Account]
    next_starting_after: str | UnsetType = UNSET


class Job(msgspec.Struct, frozen=True):
    id: str
    workspace_id: str
    type: Literal["update-warmup-accounts"]
    progress: float
    status: Literal["pending", "in-progress", "success"]
    created_at: str
    updated_at: str
    user_id: str | None = None
    entity_id: str | None = None


class Workspace(msgspec.Struct, frozen=True):
    id: str
    timestamp_created: str
    timestamp_updated: str
    owner: str
    name: str
    plan_id: str | None = "pid_hg_v1"


class Key(msgspec.Struct, frozen=True):
    id: str
    name: str
    scopes: tuple[str, ...]
    key: str
    organization_id: str
    timestamp_created: str
    timestamp_updated: str


class Keys(msgspec.Struct, frozen=True):
    items: list[Key]


class Tag(msgspec.Struct, frozen=True):
    id: str
    timestamp_created: str
    timestamp_updated: str
    organization_id: str
    label: str
    description: str | None = None


class Tags(msgspec.Struct, frozen=True):
    items: list[Tag]


class Toggled(msgspec.Struct, frozen=True):
    success: bool


class Failure(msgspec.Struct, frozen=True):
    statusCode: int  # noqa: N815 - the vendor's name
    error: str
    message: str


class LoginFailure(msgspec.Struct, frozen=True):
    error: str


class LoggedIn(msgspec.Struct, frozen=True):
    success: bool


class Organisation(msgspec.Struct, frozen=True):
    id: str
    name: str


class Chosen(msgspec.Struct, frozen=True):
    org_access: str


_PHRASES = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    500: "Internal Server Error",
}


def refuse(status: int, message: str) -> Refusal:
    """An error answer in the vendor's shape."""
    phrase = _PHRASES.get(status, "Error")
    return Refusal(status, msgspec.json.encode(Failure(status, phrase, message)))


def parse(body: bytes, shape: type[Shape]) -> Shape:
    """The body; a wrong one is refused in the words of the vendor's schema check."""
    if b"\\u0000" in body:  # PostgreSQL keeps no NUL in a text
        raise refuse(400, "body must not contain NUL")
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise refuse(400, _schema_words(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise refuse(400, "Body is not valid JSON but content-type is set to 'application/json'") from None


def _schema_words(said: str) -> str:
    what, _, where = said.partition(" - at `$")
    path = "body" + re.sub(r"\[(\w+)\]", r"/\1", where.rstrip("`")).replace(".", "/")
    if missing := re.fullmatch(r"Object missing required field `(.+)`", what):
        return f"{path} must have required property '{missing[1]}'"
    if what.startswith("Object contains unknown field"):
        return f"{path} must NOT have additional properties"
    if kind := re.match(r"Expected `([^`]+)`, got", what):
        named = kind[1].replace("str", "string").replace("float", "number").replace("bool", "boolean")
        return f"{path} must be {named.replace(' | ', ',')}"
    if what.startswith("Invalid enum value"):
        return f"{path} must be equal to one of the allowed values"
    if "matching regex" in what:
        return f"{path} must match format"
    return f"{path} must be valid: {what}"
