"""Wire shapes of mailboxes."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from pydantic import Field, StringConstraints

from litemail.kit.clock import rfc3339
from litemail.kit.errors import Problem
from litemail.kit.ports import PortBook
from litemail.kit.wire import ONE_LINE, Name, RequestModel, Timestamp
from litemail.mailboxes.creating import Buying, Wanted
from litemail.mailboxes.queries import Mailbox as MailboxRow
from litemail.mailboxes.queries import Status
from litemail.mailboxes.service import Changes

DisplayName = Annotated[str, Field(min_length=1, max_length=200), ONE_LINE]
Signature = Annotated[str, Field(max_length=10_000)]
Password = Annotated[str, Field(min_length=8, max_length=128), ONE_LINE]
Tag = Annotated[str, StringConstraints(pattern=r"^[^\s,][^\n\r,]*$", max_length=50)]
Tags = Annotated[list[Tag], Field(max_length=20)]

Security = Literal["tls", "starttls"]


MaxCharge = Annotated[int, Field(ge=0, le=1_000_000_000)]


class _Spending(RequestModel):
    """With `buy_slots`, slots that are missing are bought, for `max_charge` (minor units) at the most."""

    buy_slots: bool = False
    max_charge: MaxCharge | None = None

    def buying(self) -> Buying:
        return Buying(self.buy_slots, self.max_charge)


class MailboxItem(RequestModel):
    """`domain` is a name or an id. Without `password` a strong one is generated."""

    domain: Annotated[str, Field(min_length=1, max_length=253)]
    username: Annotated[str, Field(min_length=1, max_length=64)]
    first_name: Name
    last_name: Name
    password: Password | None = Field(default=None, repr=False)
    display_name: DisplayName | None = None
    signature: Signature = ""
    tags: Tags = Field(default_factory=list)

    def wanted(self) -> Wanted:
        return Wanted(
            domain=self.domain.lower(),
            username=self.username,
            first_name=self.first_name,
            last_name=self.last_name,
            password=self.password,
            display_name=self.display_name,
            signature=self.signature,
            tags=list(dict.fromkeys(self.tags)),
        )


class MailboxCreate(MailboxItem, _Spending):
    """One mailbox."""


class MailboxesCreate(_Spending):
    mailboxes: Annotated[list[MailboxItem], Field(min_length=1, max_length=1000)]
    all_or_nothing: bool = False


class MailboxRestore(_Spending):
    """How a slot is paid for when none is free."""


class MailboxUpdate(RequestModel):
    """Fields left out stay as they are."""

    first_name: Name | None = None
    last_name: Name | None = None
    display_name: DisplayName | None = None
    signature: Signature | None = None
    tags: Tags | None = None
    password: Password | None = Field(default=None, repr=False)

    def changes(self) -> Changes:
        return Changes(
            first_name=self.first_name,
            last_name=self.last_name,
            display_name=self.display_name,
            signature=self.signature,
            tags=None if self.tags is None else list(dict.fromkeys(self.tags)),
            password=self.password,
        )


class Mailbox(msgspec.Struct, frozen=True):
    id: str
    email: str
    username: str
    domain: str
    domain_id: str
    first_name: str
    last_name: str
    display_name: str
    status: Status
    mail_host: str
    subscription_id: str | None
    avatar_url: str | None
    signature: str
    tags: list[str]
    removal_at: Timestamp | None
    failure: Problem | None
    created_at: Timestamp


class Access(msgspec.Struct, frozen=True):
    """How a mail program reaches the mailbox."""

    host: str
    port: int
    security: Security
    username: str


class Credentials(msgspec.Struct, frozen=True):
    email: str
    password: str
    imap: Access
    smtp: Access


@dataclass(frozen=True)
class MailAccess:
    """Where clients reach our mail servers."""

    host: str
    ports: PortBook

    def credentials(self, email: str, password: str) -> Credentials:
        """Raises ServerNotStarted."""
        return Credentials(
            email=email,
            password=password,
            imap=Access(self.host, self.ports["imaps"], "tls", email),
            smtp=Access(self.host, self.ports["submission"], "starttls", email),
        )


def show(row: MailboxRow) -> Mailbox:
    return Mailbox(
        id=row.id,
        email=row.email,
        username=row.username,
        domain=row.domain,
        domain_id=row.domain_id,
        first_name=row.first_name,
        last_name=row.last_name,
        display_name=row.display_name,
        status=row.status,
        mail_host=row.mail_host,
        subscription_id=row.subscription_id,
        avatar_url=row.avatar_url,
        signature=row.signature,
        tags=row.tags,
        removal_at=None if row.removal_at is None else rfc3339(row.removal_at),
        failure=row.failure,
        created_at=rfc3339(row.created_at),
    )
