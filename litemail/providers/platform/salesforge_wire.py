"""Salesforge's API v2 as it goes over the wire: what we send, and what we read of its answers."""

import msgspec


class Leg(msgspec.Struct, frozen=True):
    """One side of a mailbox. The port says how it is encrypted: 993 and 465 TLS, 587 STARTTLS, others what works."""

    host: str
    port: int
    username: str
    password: str


class Connect(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Body of `POST /workspaces/{id}/mailboxes`."""

    address: str
    first_name: str
    last_name: str
    smtp: Leg
    imap: Leg
    daily_email_limit: int | None = None


class Change(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Body of `PATCH /workspaces/{id}/mailboxes/{id}`."""

    first_name: str | None = None
    last_name: str | None = None
    daily_email_limit: int | None = None


class ChangeLegs(msgspec.Struct, frozen=True):
    """Body of `PATCH /workspaces/{id}/mailboxes/{id}/connection-settings`."""

    smtp: Leg
    imap: Leg


class Workspace(msgspec.Struct, frozen=True):
    id: str
    name: str


class Workspaces(msgspec.Struct, frozen=True):
    data: list[Workspace]
    total: int


class Mailbox(msgspec.Struct, frozen=True, rename="camel"):
    """What we read of a mailbox. Of those that nobody asked for, an unknown status must do no harm: so it is text."""

    id: str
    address: str
    status: str
    disconnect_reason: str | None = None
    daily_email_limit: int | None = None


class Mailboxes(msgspec.Struct, frozen=True):
    data: list[Mailbox]
    total: int


class Failure(msgspec.Struct, frozen=True):
    """The body of every error answer; its `data` is usually absent."""

    message: str
