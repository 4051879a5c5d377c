"""SQL of domains and their claims."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from litemail.kit.db import Tx

Status = Literal["pending", "verifying", "active", "failed", "suspended", "removing"]
Source = Literal["connected", "purchased"]
Proof = Literal["delegation", "challenge"]
Policy = Literal["none", "quarantine", "reject"]
CheckState = Literal["ok", "missing", "wrong", "unknown"]


class Health(msgspec.Struct, frozen=True):
    """What was seen when the served records were last checked; `unknown` before the first time."""

    mx: CheckState
    spf: CheckState
    dkim: CheckState
    dmarc: CheckState


class Domain(msgspec.Struct, frozen=True):
    """A name under our management. `name_servers` are this claim's own pair; `dns` is `hosted`, or the provider's name.

    `found_name_servers` is what the parent's servers said last; None when they were never asked or knew no delegation.
    """

    id: str
    workspace_id: str
    name: str
    status: Status
    source: Source
    dns: str
    name_servers: list[str]
    challenge: str
    dmarc_policy: Policy
    mailbox_count: int
    mailbox_limit: int
    tags: list[str]
    health: Health
    proof: Proof | None
    found_name_servers: list[str] | None
    failure_code: str | None
    failure_message: str | None
    failure_action: str | None
    checked_at: datetime | None
    next_check_at: datetime | None
    created_at: datetime
    waiting_since: datetime
    expires_at: datetime | None
    auto_renew: bool | None


class NewDomain(msgspec.Struct, frozen=True):
    id: str
    name: str
    name_servers: tuple[str, str]
    challenge: str


class Claim(msgspec.Struct, frozen=True):
    name: str
    pair: list[str]


class Filter(msgspec.Struct, frozen=True):
    """Which domains a list shows. `search` is how the name begins."""

    status: Status | None = None
    search: str | None = None
    tag: str | None = None
    assignable: bool = False


DOMAIN = """id, workspace_id, name, status, source, dns, name_servers, challenge, dmarc_policy, mailbox_count,
    mailbox_limit, tags, health, proof, found_name_servers, failure_code, failure_message, failure_action, checked_at,
    next_check_at, created_at, waiting_since, expires_at, auto_renew"""


async def claims_of(tx: Tx, names: Sequence[str]) -> list[Claim]:
    """Every claim that there ever was, whoever made it."""
    return await tx.all(Claim, "SELECT name, pair FROM domain_claims WHERE name = ANY (%(names)s)", names=list(names))


async def insert_claims(tx: Tx, pairs: Sequence[tuple[str, tuple[str, str]]]) -> set[str]:
    """The names whose pair was still free; the others are to be tried with another."""
    return set(
        await tx.values(
            str,
            """INSERT INTO domain_claims (name, pair)
               SELECT name, ARRAY[first, second]
               FROM unnest(%(names)s::text[], %(firsts)s::text[], %(seconds)s::text[]) AS given (name, first, second)
               ORDER BY name
               ON CONFLICT (name, pair) DO NOTHING RETURNING name""",
            names=[name for name, _ in pairs],
            firsts=[pair[0] for _, pair in pairs],
            seconds=[pair[1] for _, pair in pairs],
        )
    )


async def take_test_names(tx: Tx, names: Sequence[str], *, workspace_id: str) -> set[str]:
    """Makes the workspace the owner of those that are nobody's yet; which of them are its own now."""
    await tx.execute(
        """INSERT INTO test_names (name, workspace_id)
           SELECT name, %(workspace_id)s FROM unnest(%(names)s::text[]) AS name ORDER BY name
           ON CONFLICT (name) DO NOTHING""",
        names=list(names),
        workspace_id=workspace_id,
    )
    return set(
        await tx.values(
            str,
            "SELECT name FROM test_names WHERE name = ANY (%(names)s) AND workspace_id = %(workspace_id)s",
            names=list(names),
            workspace_id=workspace_id,
        )
    )


async def lock_claims(tx: Tx, workspace_id: str, *, alone: bool) -> None:
    """Whoever connects names holds this lock with others who do, and whoever restores one holds it alone, so that a
    name that is not there stays so until it is.
    """
    shared = "" if alone else "_shared"
    await tx.execute(
        f"SELECT pg_advisory_xact_lock{shared}(hashtextextended(%(key)s, 0))", key=f"claims {workspace_id}"
    )


async def insert_domains(
    tx: Tx,
    new: Sequence[NewDomain],
    *,
    workspace_id: str,
    mailbox_limit: int,
    next_check_at: datetime | None,
) -> set[str]:
    """The ids of those that were inserted; a name that the workspace has already is left out."""
    return set(
        await tx.values(
            str,
            """INSERT INTO domains (id, workspace_id, name, status, source, dns, name_servers, challenge,
                                    mailbox_limit, next_check_at, created_at, waiting_since)
               SELECT id, %(workspace_id)s, name, 'pending', 'connected', 'hosted', ARRAY[first, second], challenge,
                      %(mailbox_limit)s, %(next_check_at)s, %(now)s, %(now)s
               FROM unnest(%(ids)s::text[], %(names)s::text[], %(firsts)s::text[], %(seconds)s::text[],
                           %(challenges)s::text[]) AS given (id, name, first, second, challenge)
               ORDER BY name
               ON CONFLICT (workspace_id, name) WHERE removed_at IS NULL DO NOTHING RETURNING id""",
            workspace_id=workspace_id,
            ids=[domain.id for domain in new],
            names=[domain.name for domain in new],
            firsts=[domain.name_servers[0] for domain in new],
            seconds=[domain.name_servers[1] for domain in new],
            challenges=[domain.challenge for domain in new],
            mailbox_limit=mailbox_limit,
            next_check_at=next_check_at,
            now=tx.now,
        )
    )


async def held_names(tx: Tx, names: Sequence[str], *, workspace_id: str) -> set[str]:
    """Which of these names the workspace has."""
    return set(
        await tx.values(
            str,
            """SELECT name FROM domains
               WHERE workspace_id = %(workspace_id)s AND name = ANY (%(names)s) AND removed_at IS NULL""",
            names=list(names),
            workspace_id=workspace_id,
        )
    )


async def find_domain(
    tx: Tx, *, workspace_id: str, domain_id: str | None = None, name: str | None = None
) -> Domain | None:
    return await tx.find(
        Domain,
        f"""SELECT {DOMAIN} FROM domains
            WHERE workspace_id = %(workspace_id)s AND (id = %(id)s OR name = %(name)s) AND removed_at IS NULL""",
        workspace_id=workspace_id,
        id=domain_id,
        name=name,
    )


async def find_domains(
    tx: Tx, *, workspace_id: str, ids: Collection[str], names: Collection[str], usable: bool
) -> list[Domain]:
    """With `usable` only the active ones, locked until the transaction ends, always in the same order."""
    where = """WHERE workspace_id = %(workspace_id)s AND (id = ANY (%(ids)s) OR name = ANY (%(names)s))
        AND removed_at IS NULL"""
    locked = " AND status = 'active' ORDER BY id FOR NO KEY UPDATE"
    return await tx.all(
        Domain,
        f"SELECT {DOMAIN} FROM domains {where}{locked if usable else ''}",
        workspace_id=workspace_id,
        ids=list(ids),
        names=list(names),
    )


_CHOSEN = """
WHERE workspace_id = %(workspace_id)s AND removed_at IS NULL
  AND (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(tag)s::text IS NULL OR tags @> ARRAY[%(tag)s::text])
  AND (%(search)s::text IS NULL OR name >= %(search)s AND name < %(search)s || '~')
  AND (NOT %(assignable)s OR status = 'active' AND mailbox_count < mailbox_limit)
"""


async def list_domains(tx: Tx, *, workspace_id: str, chosen: Filter, limit: int, after: str | None) -> list[Domain]:
    """Newest first."""
    return await tx.all(
        Domain,
        f"""SELECT {DOMAIN} FROM domains {_CHOSEN} AND (%(after)s::text IS NULL OR id < %(after)s)
            ORDER BY id DESC LIMIT %(limit)s""",
        workspace_id=workspace_id,
        status=chosen.status,
        search=chosen.search,
        tag=chosen.tag,
        assignable=chosen.assignable,
        after=after,
        limit=limit,
    )


async def count_domains(tx: Tx, *, workspace_id: str, chosen: Filter) -> int:
    count = await tx.value(
        int,
        f"SELECT count(*) FROM domains {_CHOSEN}",
        workspace_id=workspace_id,
        status=chosen.status,
        search=chosen.search,
        tag=chosen.tag,
        assignable=chosen.assignable,
    )
    return count or 0


async def lock_domains(tx: Tx, domain_ids: Collection[str]) -> None:
    await tx.execute(
        "SELECT FROM domains WHERE id = ANY (%(ids)s) ORDER BY id FOR NO KEY UPDATE", ids=sorted(domain_ids)
    )


async def count_mailboxes(tx: Tx, by: dict[str, int]) -> set[str]:
    """Adds to the counts; the ids of the domains where they stay within the limit, the others are left as they are."""
    ordered = sorted(by)
    if len(ordered) > 1:  # the update alone would lock them in any order
        await lock_domains(tx, ordered)
    return set(
        await tx.values(
            str,
            """UPDATE domains d SET mailbox_count = d.mailbox_count + given.more
               FROM unnest(%(ids)s::text[], %(more)s::int[]) AS given (id, more)
               WHERE d.id = given.id AND d.mailbox_count + given.more BETWEEN 0 AND d.mailbox_limit
               RETURNING d.id""",
            ids=ordered,
            more=[by[domain_id] for domain_id in ordered],
        )
    )


async def find_active(tx: Tx, name: str) -> Domain | None:
    return await tx.find(
        Domain,
        f"SELECT {DOMAIN} FROM domains WHERE name = %(name)s AND status = 'active' AND removed_at IS NULL",
        name=name,
    )
