"""Wire shapes of domains."""

from typing import Annotated, Literal

import msgspec
from pydantic import Field

from litemail.domains.queries import Domain as DomainRow
from litemail.domains.queries import Policy, Source, Status
from litemail.kit.clock import rfc3339
from litemail.kit.errors import Problem
from litemail.kit.wire import RequestModel, Timestamp

CheckState = Literal["ok", "missing", "wrong", "unknown"]


class DomainsConnect(RequestModel):
    """`dns` is `hosted`: our name servers answer for the names."""

    domains: Annotated[list[Annotated[str, Field(max_length=2000)]], Field(min_length=1, max_length=200)]
    dns: Literal["hosted"] = "hosted"
    all_or_nothing: bool = False


class Health(msgspec.Struct, frozen=True):
    """What was seen when the served records were last checked; `unknown` before the first time."""

    mx: CheckState
    spf: CheckState
    dkim: CheckState
    dmarc: CheckState


class Domain(msgspec.Struct, frozen=True):
    """`name_servers` are what to enter at the registrar. `failure` says what stands in the way, and what to do."""

    id: str
    name: str
    status: Status
    source: Source
    dns: Literal["hosted"]
    name_servers: list[str]
    mailbox_count: int
    mailbox_limit: int
    forwarding_url: str | None
    email_forwarding: str | None
    catch_all: str | None
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


_UNCHECKED = Health("unknown", "unknown", "unknown", "unknown")


def show(row: DomainRow) -> Domain:
    return Domain(
        id=row.id,
        name=row.name,
        status=row.status,
        source=row.source,
        dns="hosted",
        name_servers=row.name_servers,
        mailbox_count=row.mailbox_count,
        mailbox_limit=row.mailbox_limit,
        forwarding_url=None,
        email_forwarding=None,
        catch_all=None,
        dmarc=row.dmarc_policy,
        auto_renew=None,
        expires_at=None,
        health=_UNCHECKED,
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
    right = set(found) == set(row.name_servers)
    return NameServerCheck(
        domain=row.name,
        status="verified" if right else "wrong" if found else "pending",
        expected=row.name_servers,
        found=found,
        checked_at=None if row.checked_at is None else rfc3339(row.checked_at),
        next_check_at=None if row.next_check_at is None else rfc3339(row.next_check_at),
        refreshing=refreshing,
    )


def _failure(row: DomainRow) -> Problem | None:
    if row.failure_code is None:
        return None
    return Problem(row.failure_code, row.failure_message or "", row.failure_action, retryable=True)
