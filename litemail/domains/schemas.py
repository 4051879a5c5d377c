"""Wire shapes of domains."""

from typing import Annotated, Literal

import msgspec
from pydantic import Field, StringConstraints

from litemail.domains.forwarding_schemas import CatchAll, EmailForwarding, Forwards
from litemail.domains.lifecycle import Changes
from litemail.domains.publishing_schemas import DnsChoice
from litemail.domains.queries import Domain as DomainRow
from litemail.domains.queries import Health, Policy, Source, Status
from litemail.kit.clock import rfc3339
from litemail.kit.errors import Problem
from litemail.kit.wire import RequestModel, Timestamp

EXAMPLE: dict[str, object] = {
    "id": "dom_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "name": "getbrandmerge.test",
    "status": "active",
    "source": "connected",
    "dns": "hosted",
    "name_servers": ["ns04.litemail.test", "ns11.litemail.test"],
    "mailbox_count": 3,
    "mailbox_limit": 5,
    "forwarding_url": None,
    "email_forwarding": None,
    "catch_all": None,
    "dmarc": "none",
    "auto_renew": None,
    "expires_at": None,
    "health": {"mx": "unknown", "spf": "unknown", "dkim": "unknown", "dmarc": "unknown"},
    "tags": [],
    "failure": None,
    "created_at": "2026-01-29T18:41:56.867Z",
}


class DomainsConnect(RequestModel):
    """`dns` is `"hosted"`, as without it: our name servers answer for the names; or it says where the DNS is."""

    domains: Annotated[list[Annotated[str, Field(max_length=2000)]], Field(min_length=1, max_length=200)]
    dns: DnsChoice = None
    all_or_nothing: bool = False


Tag = Annotated[str, StringConstraints(pattern=r"^[^\s,][^\n\r,]*$", max_length=50)]


class DomainUpdate(RequestModel):
    """Fields left out stay as they are."""

    tags: Annotated[list[Tag], Field(max_length=20)] | None = None
    auto_renew: bool | None = None

    def changes(self) -> Changes:
        return Changes(None if self.tags is None else list(dict.fromkeys(self.tags)), self.auto_renew)


class Domain(msgspec.Struct, frozen=True):
    """`dns` is `hosted` or the name of a provider; with hosted DNS, `name_servers` are what to enter at the registrar.

    `failure` says what stands in the way, and what to do.
    """

    id: str
    name: str
    status: Status
    source: Source
    dns: str
    name_servers: list[str]
    mailbox_count: int
    mailbox_limit: int
    forwarding_url: str | None
    email_forwarding: EmailForwarding | None
    catch_all: CatchAll | None
    dmarc: Policy
    auto_renew: bool | None
    expires_at: Timestamp | None
    health: Health
    tags: list[str]
    failure: Problem | None
    created_at: Timestamp


class AssignableDomain(msgspec.Struct, frozen=True):
    id: str
    name: str
    mailbox_count: int
    mailbox_limit: int
    free_mailboxes: int


class Challenge(msgspec.Struct, frozen=True):
    """A record that proves who owns the name while it is still delegated elsewhere."""

    type: Literal["TXT"]
    name: str
    value: str


class NameServers(msgspec.Struct, frozen=True):
    domain: str
    name_servers: list[str]
    challenge: Challenge


class NameServerCheck(msgspec.Struct, frozen=True):
    """What the parent's servers said when they were last asked. `refreshing`: they are still being asked."""

    domain: str
    status: Literal["verified", "pending", "wrong"]
    expected: list[str]
    found: list[str]
    checked_at: Timestamp | None
    next_check_at: Timestamp | None
    refreshing: bool


def show(row: DomainRow, forwards: Forwards) -> Domain:
    return Domain(
        id=row.id,
        name=row.name,
        status=row.status,
        source=row.source,
        dns=row.dns,
        name_servers=row.name_servers if row.dns == "hosted" else [],
        mailbox_count=row.mailbox_count,
        mailbox_limit=row.mailbox_limit,
        forwarding_url=forwards.url,
        email_forwarding=forwards.email,
        catch_all=forwards.catch_all,
        dmarc=row.dmarc_policy,
        auto_renew=row.auto_renew,
        expires_at=None if row.expires_at is None else rfc3339(row.expires_at),
        health=row.health,
        tags=row.tags,
        failure=_failure(row),
        created_at=rfc3339(row.created_at),
    )


def show_assignable(row: DomainRow) -> AssignableDomain:
    return AssignableDomain(
        id=row.id,
        name=row.name,
        mailbox_count=row.mailbox_count,
        mailbox_limit=row.mailbox_limit,
        free_mailboxes=row.mailbox_limit - row.mailbox_count,
    )


def show_name_servers(row: DomainRow) -> NameServers:
    return NameServers(row.name, row.name_servers, Challenge("TXT", f"_litemail-challenge.{row.name}", row.challenge))


def show_check(row: DomainRow, *, refreshing: bool) -> NameServerCheck:
    found = row.found_name_servers or []
    right = set(found) == set(row.name_servers) if row.dns == "hosted" else row.proof is not None
    return NameServerCheck(
        domain=row.name,
        status="verified" if right else "wrong" if found else "pending",
        expected=row.name_servers if row.dns == "hosted" else [],
        found=found,
        checked_at=None if row.checked_at is None else rfc3339(row.checked_at),
        next_check_at=None if row.next_check_at is None else rfc3339(row.next_check_at),
        refreshing=refreshing,
    )


def _failure(row: DomainRow) -> Problem | None:
    if row.failure_code is None:
        return None
    return Problem(row.failure_code, row.failure_message or "", row.failure_action, retryable=True)
