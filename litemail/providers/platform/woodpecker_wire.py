"""Woodpecker's API as it goes over the wire: what we send, and what we read of its answers."""

from typing import Literal

import msgspec


class NewMailbox(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of the `mailboxes` of `POST /v2/mailboxes/manual_connection/bulk`. IMAP has no login of its own."""

    smtp_email: str
    smtp_login: str
    smtp_password: str
    smtp_server: str
    smtp_port: int
    smtp_from_name: str
    imap_email: str
    imap_password: str
    imap_server: str
    imap_port: int
    daily_sending_limit: int | None = None


class AddMailboxes(msgspec.Struct, frozen=True):
    """Without `completion_notification_types`, so that nobody gets a mail for each batch."""

    mailboxes: list[NewMailbox]


class Batch(msgspec.Struct, frozen=True):
    """Two pages of the vendor differ on the type: text and number."""

    batch_id: str | int


class Summary(msgspec.Struct, frozen=True):
    """Of a batch. What a failed mailbox looks like is not documented, so each is kept as it came."""

    processing_finished: bool
    failed_mailboxes: list[object]


class WarmupData(msgspec.Struct, frozen=True):
    status: str | None = None


class Details(msgspec.Struct, frozen=True):
    email: str
    error: str | None = None
    daily_limit: int | None = None
    imap_id: int | None = None
    warmup_data: WarmupData | None = None


class Mailbox(msgspec.Struct, frozen=True):
    """One side of an inbox. The SMTP side is the inbox, and names its IMAP side by `imap_id`."""

    id: int
    type: Literal["SMTP", "IMAP"]
    details: Details


class PaginationData(msgspec.Struct, frozen=True):
    total_pages: int


class Page(msgspec.Struct, frozen=True):
    content: list[Mailbox]
    pagination_data: PaginationData
