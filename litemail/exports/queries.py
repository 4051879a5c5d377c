"""SQL of exports and their items, as people see and change them. What a run needs is in `run_queries`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
from psycopg.types.json import Jsonb

from litemail.kit.actor import Actor, Mode
from litemail.kit.db import Tx
from litemail.kit.errors import Problem
from litemail.platforms import OPEN, WorkStatus

ExportStatus = Literal["queued", "running", "completed", "completed_with_errors", "failed", "cancelled"]
MailboxStatus = Literal["provisioning", "active", "failed", "suspended", "scheduled_for_removal"]


class Options(msgspec.Struct, frozen=True):
    """What is wanted of the mailboxes at the platform, or written into the file."""

    daily_limit: int | None = None
    warmup: bool = False
    tags: tuple[str, ...] = ()


class Filter(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which mailboxes: those to which everything that is said applies, less `exclude_ids`. `tags`: any of them."""

    mailbox_ids: tuple[str, ...] | None = None
    domain_ids: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    status: MailboxStatus | None = None
    search: str | None = None
    exclude_ids: tuple[str, ...] = ()
    all: bool = False


class Export(msgspec.Struct, frozen=True):
    id: str
    workspace_id: str
    mode: Mode
    destination: str
    layout: str | None
    platform_account_id: str | None
    automatic: bool
    status: ExportStatus
    options: Options
    total: int
    succeeded: int
    failed: int
    skipped: int
    cancelled: int
    created_at: datetime
    finished_at: datetime | None
    revoked_at: datetime | None

    @property
    def finished(self) -> bool:
        return self.finished_at is not None


class Item(msgspec.Struct, frozen=True):
    mailbox_id: str
    email: str
    status: WorkStatus
    already: bool
    error: Problem | None
    updated_at: datetime


class Counts(msgspec.Struct, frozen=True):
    total: int
    queued: int


class Known(msgspec.Struct, frozen=True):
    id: str
    status: MailboxStatus


EXPORT = """id, workspace_id, mode, destination, layout, platform_account_id, automatic, status, options, total,
    succeeded, failed, skipped, cancelled, created_at, finished_at, revoked_at"""

# The upper bound makes a prefix a range, which an index serves under row-level security too.
_MATCHES = """workspace_id = %(workspace_id)s AND removed_at IS NULL
    AND (%(mailbox_ids)s::text[] IS NULL OR id = ANY (%(mailbox_ids)s))
    AND (%(domain_ids)s::text[] IS NULL OR domain_id = ANY (%(domain_ids)s))
    AND (%(tags)s::text[] IS NULL OR tags && %(tags)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(prefix)s::text IS NULL
         OR email >= %(prefix)s AND email < %(prefix_end)s OR domain >= %(prefix)s AND domain < %(prefix_end)s)
    AND id <> ALL (%(exclude_ids)s)"""
_AFTER_EVERY_CHARACTER = "\U0010ffff"


def _matching(workspace_id: str, chosen: Filter) -> dict[str, str | list[str] | None]:
    prefix = chosen.search.lower() if chosen.search else None
    return {
        "workspace_id": workspace_id,
        "mailbox_ids": None if chosen.mailbox_ids is None else list(chosen.mailbox_ids),
        "domain_ids": None if chosen.domain_ids is None else list(chosen.domain_ids),
        "tags": None if chosen.tags is None else list(chosen.tags),
        "status": chosen.status,
        "prefix": prefix,
        "prefix_end": None if prefix is None else prefix + _AFTER_EVERY_CHARACTER,
        "exclude_ids": list(chosen.exclude_ids),
    }


async def list_known(tx: Tx, mailbox_ids: Sequence[str], *, workspace_id: str) -> dict[str, MailboxStatus]:
    """The status of those of the mailboxes that there are."""
    rows = await tx.all(
        Known,
        """SELECT id, status FROM mailboxes
           WHERE workspace_id = %(workspace_id)s AND id = ANY (%(ids)s) AND removed_at IS NULL""",
        workspace_id=workspace_id,
        ids=list(mailbox_ids),
    )
    return {row.id: row.status for row in rows}


async def any_active(tx: Tx, chosen: Filter, *, workspace_id: str) -> bool:
    """Whether an active mailbox matches."""
    return bool(
        await tx.value(
            bool,
            f"SELECT true FROM mailboxes WHERE {_MATCHES} AND status = 'active' LIMIT 1",
            **_matching(workspace_id, chosen),
        )
    )


async def insert_items(tx: Tx, export_id: str, chosen: Filter, *, workspace_id: str, not_active: Problem) -> Counts:
    """Every mailbox that matches now. One that is not active is skipped, for that reason."""
    return await tx.one(
        Counts,
        f"""WITH item AS (
                INSERT INTO export_items (export_id, mailbox_id, workspace_id, status, error, updated_at)
                SELECT %(export_id)s, id, workspace_id, CASE WHEN status = 'active' THEN 'queued' ELSE 'skipped' END,
                       CASE WHEN status <> 'active' THEN %(not_active)s END, %(now)s
                FROM mailboxes WHERE {_MATCHES} ORDER BY id
                RETURNING status)
            SELECT count(*)::int AS total, (count(*) FILTER (WHERE status = 'queued'))::int AS queued FROM item""",
        export_id=export_id,
        not_active=Jsonb(msgspec.to_builtins(not_active)),
        now=tx.now,
        **_matching(workspace_id, chosen),
    )


async def insert(
    tx: Tx,
    *,
    export_id: str,
    workspace_id: str,
    mode: Mode,
    destination: str,
    layout: str | None,
    platform_account_id: str | None,
    automatic: bool,
    options: Options,
    requested_by: Actor,
    counts: Counts,
) -> Export:
    return await tx.one(
        Export,
        f"""INSERT INTO exports (id, workspace_id, mode, destination, layout, platform_account_id, automatic, status,
                                 options, requested_by, total, skipped, created_at)
            VALUES (%(id)s, %(workspace_id)s, %(mode)s, %(destination)s, %(layout)s, %(platform_account_id)s,
                    %(automatic)s, 'queued', %(options)s, %(requested_by)s, %(total)s, %(skipped)s, %(now)s)
            RETURNING {EXPORT}""",
        id=export_id,
        workspace_id=workspace_id,
        mode=mode,
        destination=destination,
        layout=layout,
        platform_account_id=platform_account_id,
        automatic=automatic,
        options=Jsonb(msgspec.to_builtins(options)),
        requested_by=as_requester(requested_by),
        total=counts.total,
        skipped=counts.total - counts.queued,
        now=tx.now,
    )


def as_requester(actor: Actor) -> Jsonb:
    """Who asked, for audit lines; not what they may do, which may change."""
    return Jsonb(msgspec.to_builtins(msgspec.structs.replace(actor, scopes=frozenset())))


async def find(tx: Tx, export_id: str, *, workspace_id: str, lock: bool = False) -> Export | None:
    query = f"SELECT {EXPORT} FROM exports WHERE id = %(id)s AND workspace_id = %(workspace_id)s"
    return await tx.find(Export, query + " FOR UPDATE" if lock else query, id=export_id, workspace_id=workspace_id)


async def list_(
    tx: Tx, *, workspace_id: str, status: ExportStatus | None, limit: int, after: str | None
) -> list[Export]:
    """Newest first."""
    return await tx.all(
        Export,
        f"""SELECT {EXPORT} FROM exports
            WHERE workspace_id = %(workspace_id)s AND (%(status)s::text IS NULL OR status = %(status)s)
              AND (%(after)s::text IS NULL OR id < %(after)s)
            ORDER BY id DESC LIMIT %(limit)s""",
        workspace_id=workspace_id,
        status=status,
        limit=limit,
        after=after,
    )


async def count(tx: Tx, *, workspace_id: str, status: ExportStatus | None) -> int:
    return (
        await tx.value(
            int,
            """SELECT count(*) FROM exports
               WHERE workspace_id = %(workspace_id)s AND (%(status)s::text IS NULL OR status = %(status)s)""",
            workspace_id=workspace_id,
            status=status,
        )
        or 0
    )


async def list_items(
    tx: Tx, export_id: str, *, statuses: Sequence[WorkStatus] | None, limit: int, after: str | None
) -> list[Item]:
    """By mailbox, oldest first."""
    return await tx.all(
        Item,
        """SELECT i.mailbox_id, m.email, i.status, i.already, i.error, i.updated_at
           FROM export_items i JOIN mailboxes m ON m.id = i.mailbox_id
           WHERE i.export_id = %(export_id)s AND (%(statuses)s::text[] IS NULL OR i.status = ANY (%(statuses)s))
             AND (%(after)s::text IS NULL OR i.mailbox_id > %(after)s)
           ORDER BY i.mailbox_id LIMIT %(limit)s""",
        export_id=export_id,
        statuses=None if statuses is None else list(statuses),
        limit=limit,
        after=after,
    )


async def count_items(tx: Tx, export_id: str, *, statuses: Sequence[WorkStatus] | None) -> int:
    return (
        await tx.value(
            int,
            """SELECT count(*) FROM export_items
               WHERE export_id = %(export_id)s AND (%(statuses)s::text[] IS NULL OR status = ANY (%(statuses)s))""",
            export_id=export_id,
            statuses=None if statuses is None else list(statuses),
        )
        or 0
    )


async def cancel(tx: Tx, export_id: str) -> tuple[Export, int]:
    """Cancels what the platform was not yet given. Also how many are there just now, of which a run has to find out."""
    stopped = await tx.execute(
        """UPDATE export_items SET status = 'cancelled', error = NULL, updated_at = %(now)s
           WHERE export_id = %(id)s AND status = ANY (%(open)s) AND NOT attempted""",
        id=export_id,
        open=list(OPEN),
        now=tx.now,
    )
    export = await tx.one(
        Export,
        f"""UPDATE exports SET status = 'cancelled', finished_at = %(now)s, cancelled = cancelled + %(stopped)s
            WHERE id = %(id)s RETURNING {EXPORT}""",
        id=export_id,
        stopped=stopped,
        now=tx.now,
    )
    return export, export.total - export.succeeded - export.failed - export.skipped - export.cancelled


async def queue_failed(tx: Tx, export_id: str) -> Export:
    """Every failed item again."""
    await tx.execute(
        """UPDATE export_items SET status = 'queued', error = NULL, updated_at = %(now)s
           WHERE export_id = %(id)s AND status = 'failed'""",
        id=export_id,
        now=tx.now,
    )
    return await tx.one(
        Export,
        f"""UPDATE exports SET status = 'queued', finished_at = NULL, failed = 0
            WHERE id = %(id)s RETURNING {EXPORT}""",
        id=export_id,
    )


async def revoke(tx: Tx, export_id: str) -> Export:
    return await tx.one(
        Export,
        f"UPDATE exports SET revoked_at = %(now)s WHERE id = %(id)s RETURNING {EXPORT}",
        id=export_id,
        now=tx.now,
    )


async def list_unfinished_of_account(tx: Tx, platform_account_id: str) -> list[str]:
    return await tx.values(
        str,
        "SELECT id FROM exports WHERE platform_account_id = %(id)s AND finished_at IS NULL",
        id=platform_account_id,
    )
