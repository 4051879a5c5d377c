"""The shapes of the EmailBison twin: what it takes, as strictly as the vendor, and what it answers."""

import re
from typing import Annotated, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from litemail.servers.sandbox.behaviour import Refusal

Shape = TypeVar("Shape")

Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$")]
Port = Annotated[int, Meta(ge=1, le=65535)]
Server = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$")]
"""The vendor wants a domain name. The twin takes addresses too, for mail hosts that have no name yet."""
Text = Annotated[str, Meta(min_length=1, pattern=r"\S")]
"""Laravel takes what is empty for missing."""


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """Fields that the vendor does not know are left aside, as Laravel does."""


class AddSender(Body, frozen=True):
    name: Text
    email: Email
    password: Text
    imap_server: Server
    imap_port: Port
    smtp_server: Server
    smtp_port: Port
    smtp_secure: bool = False
    imap_secure: bool = False
    email_signature: str | None = None


class ChangeSender(Body, frozen=True):
    name: Text | UnsetType = UNSET
    daily_limit: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    email_signature: str | UnsetType | None = UNSET


class SenderIds(Body, frozen=True):
    sender_email_ids: Annotated[list[int], Meta(min_length=1)]


class CreateTag(Body, frozen=True):
    name: Text
    default: bool = False


class AttachTags(Body, frozen=True):
    tag_ids: Annotated[list[int], Meta(min_length=1)]
    sender_email_ids: Annotated[list[int], Meta(min_length=1)]
    skip_webhooks: bool = False


class Tag(msgspec.Struct, frozen=True):
    id: int
    name: str
    default: bool
    created_at: str
    updated_at: str


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """A sender e-mail account as shown."""

    id: int
    name: str
    email: str
    email_signature: str | None
    imap_server: str
    imap_port: int
    smtp_server: str
    smtp_port: int
    daily_limit: int = 5
    type: str = "Inbox"
    status: str = "Connected"
    warmup_enabled: bool = False
    emails_sent_count: int = 0
    total_replied_count: int = 0
    total_opened_count: int = 0
    unsubscribed_count: int = 0
    bounced_count: int = 0
    unique_replied_count: int = 0
    unique_opened_count: int = 0
    total_leads_contacted_count: int = 0
    interested_leads_count: int = 0
    tags: list[Tag] = []
    created_at: str
    updated_at: str


class OneSender(msgspec.Struct, frozen=True):
    data: Sender


class Links(msgspec.Struct, frozen=True):
    first: str | None
    last: str | None
    prev: str | None
    next: str | None


class PageMeta(msgspec.Struct, frozen=True):
    current_page: int
    last_page: int
    per_page: int
    total: int


class Senders(msgspec.Struct, frozen=True):
    data: list[Sender]
    links: Links
    meta: PageMeta


class Workspace(msgspec.Struct, frozen=True):
    id: int
    name: str
    personal_team: bool
    main: bool
    parent_id: int | None
    created_at: str
    updated_at: str


class Workspaces(msgspec.Struct, frozen=True):
    data: list[Workspace]


class OneTag(msgspec.Struct, frozen=True):
    data: Tag


class Tags(msgspec.Struct, frozen=True):
    data: list[Tag]


class Outcome(msgspec.Struct, frozen=True):
    success: bool
    message: str


class Done(msgspec.Struct, frozen=True):
    data: Outcome


class Reasons(msgspec.Struct, frozen=True):
    success: bool
    message: str
    errors: dict[str, list[str]] | UnsetType = UNSET
    record_not_found: dict[str, str] | UnsetType | None = UNSET


class Failure(msgspec.Struct, frozen=True):
    data: Reasons


class Unauthenticated(msgspec.Struct, frozen=True):
    message: str


def refuse(status: int, message: str) -> Refusal:
    """An error answer in the vendor's shape."""
    body = Unauthenticated(message) if status == 401 else Failure(Reasons(False, message))  # noqa: PLR2004
    headers = {"retry-after": "1"} if status == 429 else None  # noqa: PLR2004
    return Refusal(status, msgspec.json.encode(body), headers=headers)


def refuse_field(field: str, complaint: str) -> Refusal:
    return Refusal(422, msgspec.json.encode(Failure(Reasons(False, complaint, {field: [complaint]}))))


def not_found(what: dict[str, str] | None, message: str = "Record not found.") -> Refusal:
    return Refusal(404, msgspec.json.encode(Failure(Reasons(False, message, record_not_found=what))))


def parse(body: bytes, shape: type[Shape]) -> Shape:
    """The body; a wrong one is refused in Laravel's words."""
    if b"\\u0000" in body:  # PostgreSQL keeps no NUL in a text
        raise refuse_field("body", "The body must not contain NUL.")
    try:
        return msgspec.json.decode(body or b"{}", type=shape)
    except msgspec.ValidationError as error:
        raise _complaint(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise refuse_field("body", "The body must be JSON.") from None


def _complaint(said: str) -> Refusal:
    what, _, where = said.partition(" - at `$")
    field = re.sub(r"\[[^]]*\]", "", where).strip("`.") or "body"
    if missing := re.fullmatch(r"Object missing required field `(.+)`", what):
        field = missing[1]
        return refuse_field(field, f"The {_named(field)} field is required.")
    if "length >= 1" in what or "got `null`" in what or r"regex '\\S'" in what:
        return refuse_field(field, f"The {_named(field)} field is required.")
    if "matching regex" in what and field == "email":
        return refuse_field(field, "The email field must be a valid email address.")
    if "matching regex" in what:
        return refuse_field(field, f"The {_named(field)} field format is invalid.")
    if kind := re.match(r"Expected `(\w+)", what):
        wanted = {"str": "a string", "int": "an integer", "bool": "true or false", "array": "an array"}
        return refuse_field(field, f"The {_named(field)} field must be {wanted.get(kind[1], kind[1])}.")
    return refuse_field(field, f"The {_named(field)} field is invalid: {what}")


def _named(field: str) -> str:
    return field.replace("_", " ")
