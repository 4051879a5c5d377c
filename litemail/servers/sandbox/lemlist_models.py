"""The shapes of the lemlist twin: what it takes, as strictly as the vendor, and what it answers."""

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from litemail.servers.sandbox.behaviour import Refusal

Shape = TypeVar("Shape")

Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$")]
Status = Literal["CONNECTED", "ERROR", "DISCONNECTED"]


class AddAccount(msgspec.Struct, frozen=True, rename={"user_id": "userId"}):
    sender_name: str
    sender_email: Email
    smtp_host: str
    smtp_port: int
    smtp_login: str
    smtp_password: str
    imap_host: str
    imap_port: int
    imap_login: str
    imap_password: str
    smtp_secure: bool = False
    imap_secure: bool = False
    user_id: str | UnsetType = UNSET


class Added(msgspec.Struct, frozen=True):
    id: str
    email: str
    provider: Literal["custom"] = "custom"


class Side(msgspec.Struct, frozen=True, omit_defaults=True):
    success: bool
    error: str = ""


class Tested(msgspec.Struct, frozen=True):
    smtp: Side
    imap: Side


class Done(msgspec.Struct, frozen=True):
    ok: bool = True


class Team(
    msgspec.Struct,
    frozen=True,
    rename={"id": "_id", "user_ids": "userIds", "created_by": "createdBy", "created_at": "createdAt"},
):
    id: str
    name: str
    user_ids: list[str]
    created_by: str
    created_at: str


class Sending(msgspec.Struct, frozen=True, rename="camel"):
    email_limit: int = 50


class Warming(msgspec.Struct, frozen=True):
    active: bool = False


class Mailbox(msgspec.Struct, frozen=True, rename={"id": "_id"}):
    id: str
    email: str
    provider: str
    status: Status
    lemlist: Sending
    lemwarm: Warming


class User(msgspec.Struct, frozen=True, rename={"id": "_id"}):
    id: str
    email: str
    role: Literal["admin"]
    mailboxes: list[Mailbox]


class Record(msgspec.Struct, frozen=True):
    """A mailbox as kept, without passwords: it signs in once, when it is added, and the test tells what came of it."""

    number: str
    imap: Side
    smtp: Side
    status: Status = "CONNECTED"
    warming: bool = False


def refuse(status: int, words: str) -> Refusal:
    """An error answer as the vendor gives it: bare words. A 429 says when to come back."""
    headers = {}
    if status == 429:  # noqa: PLR2004
        headers = {"retry-after": "1", "x-ratelimit-remaining": "0"}
    return Refusal(status, words.encode(), media_type="text/plain", headers=headers)


def parse(body: bytes, shape: type[Shape]) -> Shape:
    """The body; a wrong one is refused in the vendor's general words."""
    if b"\\u0000" in body:  # PostgreSQL keeps no NUL in a text
        raise refuse(400, "Bad params")
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise refuse(400, "Missing required fields" if "missing required" in str(error) else "Bad params") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise refuse(400, "Bad request") from None
