"""SQL of mailboxes, app passwords and usage."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, LiteralString

import msgspec

from litemail.kit.db import Tx
from litemail.kit.errors import Problem

Status = Literal["provisioning", "active", "failed", "suspended", "scheduled_for_removal", "removed"]

Suspender = Literal["owner", "subscription"]
"""Who holds a mailbox back: people of its workspace, or its subscription that was not paid for."""


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
    suspended_by: list[Suspender]
    signature: str
    avatar_url: str | None
    tags: list[str]
    removal_at: datetime | None
    removed_at: datetime | None
    failure: Problem | None
    created_at: datetime


class NewMailbox(msgspec.Struct, frozen=True):
    """A row to be inserted. Without `password_hash` it starts as `provisioning`."""

    id: str
    domain_id: str
    domain: str
    username: str
    first_name: str
    last_name: str
    display_name: str
    signature: str
    tags: list[str]
    password_hash: str | None
    password_sealed: bytes

    @property
    def email(self) -> str:
        return f"{self.username}@{self.domain}"


class Filter(msgspec.Struct, frozen=True):
    """What a list shows; None asks nothing. Times and pages are not its business."""

    domain: str | None = None
    status: Status | None = None
    search: str | None = None
    tag: str | None = None


class Sealed(msgspec.Struct, frozen=True):
    id: str
    email: str
    sealed: bytes


class SignInRow(msgspec.Struct, frozen=True):
    """`app_hashes` are of the app passwords `app_ids`, in this order."""

    mailbox_id: str
    workspace_id: str
    status: Status
    password_hash: str
    app_ids: list[str]
    app_hashes: list[str]


class Owned(msgspec.Struct, frozen=True):
    id: str
    email: str


class _State(msgspec.Struct, frozen=True):
    status: Status


MAILBOX = """id, email, username, domain, domain_id, first_name, last_name, display_name, status, mail_host,
    subscription_id, suspended_by, signature, avatar_url, tags, removal_at, removed_at, failure, created_at"""

# The upper bound makes a prefix a range, which an index serves under row-level security too (LIKE is not leakproof).
_FILTER = """workspace_id = %(workspace_id)s
    AND (%(domain)s::text IS NULL OR domain = %(domain)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(tag)s::text IS NULL OR %(tag)s = ANY (tags))
    AND (%(prefix)s::text IS NULL
         OR email >= %(prefix)s AND email < %(prefix_end)s OR domain >= %(prefix)s AND domain < %(prefix_end)s)
    AND (%(part)s::text IS NULL OR position(%(part)s IN username) > 0)"""

_AFTER_EVERY_CHARACTER = "\U0010ffff"


async def insert_mailboxes(tx: Tx, rows: Sequence[NewMailbox], *, workspace_id: str) -> list[Mailbox]:
    """Inserts all in one statement; addresses that are taken are left out."""
    return await tx.all(
        Mailbox,
        f"""INSERT INTO mailboxes (id, workspace_id, domain_id, email, username, domain, first_name, last_name,
                                   display_name, status, signature, tags, password_hash, password_sealed, created_at)
            SELECT id, %(workspace_id)s, domain_id, username || '@' || domain, username, domain, first_name, last_name,
                   display_name, CASE WHEN password_hash IS NULL THEN 'provisioning' ELSE 'active' END,
                   signature, string_to_array(tags, E'\\n'), password_hash, password_sealed, %(now)s
            FROM unnest(%(ids)s::text[], %(domain_ids)s::text[], %(domains)s::text[], %(usernames)s::text[],
                        %(first_names)s::text[], %(last_names)s::text[], %(display_names)s::text[],
                        %(signatures)s::text[], %(tags)s::text[], %(hashes)s::text[], %(sealed)s::bytea[])
                 AS new (id, domain_id, domain, username, first_name, last_name, display_name, signature, tags,
                         password_hash, password_sealed)
            ON CONFLICT (email) WHERE removed_at IS NULL DO NOTHING
            RETURNING {MAILBOX}""",
        workspace_id=workspace_id,
        now=tx.now,
        ids=[row.id for row in rows],
        domain_ids=[row.domain_id for row in rows],
        domains=[row.domain for row in rows],
        usernames=[row.username for row in rows],
        first_names=[row.first_name for row in rows],
        last_names=[row.last_name for row in rows],
        display_names=[row.display_name for row in rows],
        signatures=[row.signature for row in rows],
        tags=["\n".join(row.tags) for row in rows],
        hashes=[row.password_hash for row in rows],
        sealed=[row.password_sealed for row in rows],
    )


async def taken_addresses(tx: Tx, emails: Sequence[str]) -> set[str]:
    """Those that are mailboxes or aliases."""
    # One look into the index for each, whatever PostgreSQL believes: before it has counted a workspace that grows, it
    # takes reading all of it for as cheap.
    return set(
        await tx.values(
            str,
            """SELECT found.email FROM unnest(%(emails)s::text[]) AS given (email), LATERAL (
                   (SELECT email FROM mailboxes WHERE email = given.email AND removed_at IS NULL LIMIT 1)
                   UNION ALL
                   (SELECT address FROM mailbox_aliases WHERE address = given.email AND active LIMIT 1)
               ) AS found""",
            emails=list(emails),
        )
    )


async def find_mailbox(
    tx: Tx, mailbox_id: str, *, workspace_id: str, lock: bool = False, removed: bool = False
) -> Mailbox | None:
    """One that is there, or with `removed` one that was."""
    query = f"""SELECT {MAILBOX} FROM mailboxes
                WHERE id = %(id)s AND workspace_id = %(workspace_id)s AND (removed_at IS NOT NULL) = %(removed)s"""
    return await tx.find(
        Mailbox,
        query + " FOR UPDATE" if lock else query,
        id=mailbox_id,
        workspace_id=workspace_id,
        removed=removed,
    )


async def list_mailboxes(tx: Tx, *, workspace_id: str, chosen: Filter, limit: int, after: str | None) -> list[Mailbox]:
    return await tx.all(
        Mailbox,
        f"""SELECT {MAILBOX} FROM mailboxes
            WHERE {_FILTER} AND {_shown(chosen)} AND (%(after)s::text IS NULL OR id < %(after)s)
            ORDER BY id DESC LIMIT %(limit)s""",
        after=after,
        limit=limit,
        **_parameters(workspace_id, chosen),
    )


async def count_mailboxes(tx: Tx, *, workspace_id: str, chosen: Filter) -> int:
    counted = await tx.value(
        int,
        f"SELECT count(*) FROM mailboxes WHERE {_FILTER} AND {_shown(chosen)}",
        **_parameters(workspace_id, chosen),
    )
    return counted or 0


def _shown(chosen: Filter) -> LiteralString:
    """Removed ones are shown only to who asks for them. The planner has to see it: each has indexes of its own."""
    return "removed_at IS NOT NULL" if chosen.status == "removed" else "removed_at IS NULL"


def _parameters(workspace_id: str, chosen: Filter) -> dict[str, str | None]:
    # Within one domain any part of the user name is searched; everywhere, only how an address or domain begins.
    needle = chosen.search.lower() if chosen.search else None
    prefix, part = (None, needle) if chosen.domain else (needle, None)
    return {
        "workspace_id": workspace_id,
        "domain": chosen.domain,
        "status": chosen.status,
        "tag": chosen.tag,
        "prefix": prefix,
        "prefix_end": None if prefix is None else prefix + _AFTER_EVERY_CHARACTER,
        "part": part,
    }


async def update_mailbox(
    tx: Tx,
    mailbox_id: str,
    *,
    workspace_id: str,
    first_name: str,
    last_name: str,
    display_name: str,
    signature: str,
    tags: list[str],
) -> Mailbox:
    return await tx.one(
        Mailbox,
        f"""UPDATE mailboxes SET first_name = %(first_name)s, last_name = %(last_name)s,
                   display_name = %(display_name)s, signature = %(signature)s, tags = %(tags)s
            WHERE id = %(id)s AND workspace_id = %(workspace_id)s RETURNING {MAILBOX}""",
        id=mailbox_id,
        workspace_id=workspace_id,
        first_name=first_name,
        last_name=last_name,
        display_name=display_name,
        signature=signature,
        tags=tags,
    )


async def set_password(tx: Tx, mailbox_id: str, *, workspace_id: str, password_hash: str, sealed: bytes) -> None:
    await tx.execute(
        """UPDATE mailboxes SET password_hash = %(hash)s, password_sealed = %(sealed)s,
                  status = mailbox_status(suspended_by, %(hash)s, failure, removal_at)
           WHERE id = %(id)s AND workspace_id = %(workspace_id)s""",
        id=mailbox_id,
        workspace_id=workspace_id,
        hash=password_hash,
        sealed=sealed,
    )


async def find_sealed(tx: Tx, mailbox_id: str, *, workspace_id: str) -> Sealed | None:
    return await tx.find(
        Sealed,
        """SELECT id, email, password_sealed AS sealed FROM mailboxes
           WHERE id = %(id)s AND workspace_id = %(workspace_id)s AND removed_at IS NULL""",
        id=mailbox_id,
        workspace_id=workspace_id,
    )


async def list_unhashed(tx: Tx, *, workspace_id: str, limit: int) -> list[Sealed]:
    """Mailboxes that wait for their chosen password to be hashed; skips those that another worker has in hand."""
    return await tx.all(
        Sealed,
        """SELECT id, email, password_sealed AS sealed FROM mailboxes
           WHERE workspace_id = %(workspace_id)s AND password_hash IS NULL AND failure IS NULL AND removed_at IS NULL
           ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED""",
        workspace_id=workspace_id,
        limit=limit,
    )


async def set_first_password(tx: Tx, mailbox_id: str, *, password_hash: str) -> Status | None:
    """What it is now; None when it was not waiting any more."""
    row = await tx.find(
        _State,
        """UPDATE mailboxes SET password_hash = %(hash)s,
                  status = mailbox_status(suspended_by, %(hash)s, failure, removal_at)
           WHERE id = %(id)s AND password_hash IS NULL AND failure IS NULL AND removed_at IS NULL RETURNING status""",
        id=mailbox_id,
        hash=password_hash,
    )
    return None if row is None else row.status


async def find_sign_in(tx: Tx, email: str) -> SignInRow | None:
    return await tx.find(
        SignInRow,
        """SELECT m.id AS mailbox_id, m.workspace_id, m.status, m.password_hash,
                  ARRAY(SELECT id::text FROM app_passwords WHERE mailbox_id = m.id ORDER BY id) AS app_ids,
                  ARRAY(SELECT hash FROM app_passwords WHERE mailbox_id = m.id ORDER BY id) AS app_hashes
           FROM mailboxes m WHERE m.email = %(email)s AND m.removed_at IS NULL AND m.password_hash IS NOT NULL""",
        email=email,
    )


async def list_active(tx: Tx, emails: Sequence[str], *, workspace_id: str) -> list[Owned]:
    return await tx.all(
        Owned,
        """SELECT id, email FROM mailboxes
           WHERE workspace_id = %(workspace_id)s AND email = ANY (%(emails)s) AND status = 'active'""",
        workspace_id=workspace_id,
        emails=list(emails),
    )


async def count_sent(tx: Tx, mailbox_id: str, *, messages: int) -> int:
    """Adds to today's count; what it is now."""
    return (
        await tx.value(
            int,
            """INSERT INTO mailbox_usage (mailbox_id, workspace_id, day, sent)
               SELECT id, workspace_id, %(now)s::timestamptz::date, %(messages)s FROM mailboxes WHERE id = %(id)s
               ON CONFLICT (mailbox_id, day) DO UPDATE SET sent = mailbox_usage.sent + excluded.sent
               RETURNING sent""",
            id=mailbox_id,
            now=tx.now,
            messages=messages,
        )
        or 0
    )
