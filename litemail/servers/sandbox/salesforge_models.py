"""The shapes of the Salesforge twin: what it takes, as strictly as the vendor, and what it answers."""

import re
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from litemail.servers.sandbox.behaviour import Refusal

Shape = TypeVar("Shape")

Port = Annotated[int, Meta(ge=1, le=65535)]
Status = Literal["active", "pending", "access_lost"]


class Loose(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Fields that it does not know are passed over."""


class Leg(Loose, frozen=True):
    host: str
    port: Port
    username: str
    password: str


class ConnectMailbox(Loose, frozen=True):
    address: str
    first_name: str
    last_name: str
    smtp: Leg
    imap: Leg
    daily_email_limit: Annotated[int, Meta(ge=1)] = 30
    signature: str = ""
    tracking_domain: str = ""


class ChangeMailbox(Loose, frozen=True):
    first_name: str | UnsetType = UNSET
    last_name: str | UnsetType = UNSET
    daily_email_limit: Annotated[int, Meta(ge=1, le=100)] | UnsetType = UNSET
    signature: str | UnsetType = UNSET
    tracking_domain: str | UnsetType = UNSET


class ChangeLegs(Loose, frozen=True):
    smtp: Leg | UnsetType = UNSET
    imap: Leg | UnsetType = UNSET


class Me(Loose, frozen=True):
    account_id: str
    api_key_name: str


class Workspace(Loose, frozen=True):
    id: str
    account_id: str
    name: str
    slug: str


class Workspaces(Loose, frozen=True):
    data: list[Workspace]
    limit: int
    offset: int
    total: int


class Mailbox(Loose, frozen=True):
    id: str
    address: str
    first_name: str
    last_name: str
    daily_email_limit: int
    signature: str
    tracking_domain: str
    resolved_signature: str = ""
    mailbox_provider: str = "smtp"
    status: Status = "pending"
    disconnect_reason: str = ""
    tracking_domain_status: str = ""


class Mailboxes(Loose, frozen=True):
    data: list[Mailbox]
    limit: int
    offset: int
    total: int


class Failure(msgspec.Struct, frozen=True):
    message: str


def refuse(status: int, message: str) -> Refusal:
    """An error answer in the vendor's shape."""
    return Refusal(status, msgspec.json.encode(Failure(message)))


def parse(body: bytes, shape: type[Shape]) -> Shape:
    """The body; a wrong one is refused with the field that is wrong."""
    if b"\\u0000" in body:  # PostgreSQL keeps no NUL in a text
        raise refuse(400, "invalid request body")
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise refuse(400, _words(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise refuse(400, "invalid request body") from None


def _words(said: str) -> str:
    what, _, where = said.partition(" - at `$.")
    if missing := re.fullmatch(r"Object missing required field `(.+)`", what):
        return f"{'.'.join(filter(None, (where.rstrip('`'), missing[1])))} is required"
    return f"{where.rstrip('`') or 'request body'} is invalid"
