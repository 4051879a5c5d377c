"""SQL of a run: taking an export under a lease, and writing what became of its items.

A lease is counted by the database's clock, since runs of different machines compare it. `fence` tells a run that was
taken over from its successor: each write names the fence that it was given.
"""

from collections.abc import Sequence

import msgspec
from psycopg.types.json import Jsonb

from litemail.exports.queries import EXPORT, Export, ExportStatus, Options
from litemail.kit.actor import Actor, Mode
from litemail.kit.db import Tx
from litemail.kit.errors import Problem
from litemail.platforms import OPEN, Change, WorkStatus


class Claim(msgspec.Struct, frozen=True):
    """An export that a run has taken."""

    id: str
    workspace_id: str
    mode: Mode
    destination: str
    platform_account_id: str | None
    status: ExportStatus
    options: Options
    requested_by: Actor
    fence: int


class OpenItem(msgspec.Struct, frozen=True):
    """A mailbox that is not decided. `usable`: it is still active."""

    mailbox_id: str
    email: str
    first_name: str
    last_name: str
    usable: bool
    status: WorkStatus
    already: bool
    attempted: bool
    ticket: str | None


class Forgotten(msgspec.Struct, frozen=True):
    id: str
    platform_account_id: str | None


_UNFINISHED = "(finished_at IS NULL OR succeeded + failed + skipped + cancelled < total)"


async def claim(tx: Tx, export_id: str, *, lease: float) -> Claim | None:
    """Takes the export for so many seconds; None when another run has it, or nothing is left to do."""
    return await tx.find(
        Claim,
        f"""UPDATE exports
            SET fence = fence + 1, lease_until = clock_timestamp() + make_interval(secs => %(lease)s),
                status = CASE WHEN status = 'queued' THEN 'running' ELSE status END
            WHERE id = (
                SELECT id FROM exports
                WHERE id = %(id)s AND (lease_until IS NULL OR lease_until < clock_timestamp()) AND {_UNFINISHED}
                FOR UPDATE SKIP LOCKED)
            RETURNING id, workspace_id, mode, destination, platform_account_id, status, options, requested_by, fence""",
        id=export_id,
        lease=lease,
    )


async def is_done(tx: Tx, export_id: str) -> bool:
    """Whether nothing is left to do."""
    return not await tx.value(bool, f"SELECT true FROM exports WHERE id = %(id)s AND {_UNFINISHED}", id=export_id)


async def list_open(tx: Tx, export_id: str, *, limit: int) -> list[OpenItem]:
    return await tx.all(
        OpenItem,
        """SELECT i.mailbox_id, m.email, m.first_name, m.last_name, m.status = 'active' AS usable, i.status, i.already,
                  i.attempted, i.ticket
           FROM export_items i JOIN mailboxes m ON m.id = i.mailbox_id
           WHERE i.export_id = %(id)s AND i.status = ANY (%(open)s) ORDER BY i.mailbox_id LIMIT %(limit)s""",
        id=export_id,
        open=list(OPEN),
        limit=limit,
    )


async def list_outdated(tx: Tx, mailbox_ids: Sequence[str], *, platform_account_id: str, workspace_id: str) -> set[str]:
    """Those of the mailboxes whose password was made after they were last handed to the account: it has an older one,
    which opens nothing any more.
    """
    return set(
        await tx.values(
            str,
            """SELECT a.mailbox_id
               FROM app_passwords a JOIN (
                   SELECT i.mailbox_id, max(i.updated_at) AS handed_at
                   FROM exports e JOIN export_items i ON i.export_id = e.id
                   WHERE e.workspace_id = %(workspace_id)s AND e.platform_account_id = %(platform_account_id)s
                     AND i.mailbox_id = ANY (%(mailbox_ids)s) AND i.status = 'connected'
                   GROUP BY i.mailbox_id) handed ON handed.mailbox_id = a.mailbox_id
               WHERE a.platform_account_id = %(platform_account_id)s AND a.created_at > handed.handed_at""",
            workspace_id=workspace_id,
            platform_account_id=platform_account_id,
            mailbox_ids=list(mailbox_ids),
        )
    )


async def renew(tx: Tx, export_id: str, *, fence: int, lease: float) -> ExportStatus | None:
    """The export's status, or None when another run has taken it."""
    return await tx.value(
        ExportStatus,  # type: ignore[arg-type]  # a Literal is not a class, but msgspec converts to it
        """UPDATE exports SET lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
           WHERE id = %(id)s AND fence = %(fence)s RETURNING status""",
        id=export_id,
        fence=fence,
        lease=lease,
    )


async def release(tx: Tx, export_id: str, *, fence: int) -> None:
    """Lets another run go on at once, where something is left to do."""
    await tx.execute(
        f"""UPDATE exports SET lease_until = CASE WHEN {_UNFINISHED} THEN clock_timestamp() END
            WHERE id = %(id)s AND fence = %(fence)s""",
        id=export_id,
        fence=fence,
    )


async def lock(tx: Tx, export_id: str, *, fence: int) -> ExportStatus | None:
    """Holds the export until the transaction ends; None when another run has taken it."""
    return await tx.value(
        ExportStatus,  # type: ignore[arg-type]  # a Literal is not a class, but msgspec converts to it
        "SELECT status FROM exports WHERE id = %(id)s AND fence = %(fence)s FOR UPDATE",
        id=export_id,
        fence=fence,
    )


async def write(tx: Tx, export_id: str, changes: Sequence[Change]) -> None:
    """Writes all of the changes and the counts that follow. What is decided already stays as it is."""
    await tx.execute(
        """WITH changed AS (
               UPDATE export_items i
               SET status = n.status, already = n.already, attempted = n.attempted, ticket = n.ticket,
                   error = nullif(n.error, 'null'), updated_at = %(now)s
               FROM jsonb_to_recordset(%(changes)s) AS n (
                   id text, status text, already boolean, attempted boolean, ticket text, error jsonb)
               WHERE i.export_id = %(export_id)s AND i.mailbox_id = n.id AND i.status = ANY (%(open)s)
               RETURNING i.status)
           UPDATE exports
           SET succeeded = succeeded + (SELECT count(*) FROM changed WHERE status = 'connected'),
               failed = failed + (SELECT count(*) FROM changed WHERE status = 'failed'),
               skipped = skipped + (SELECT count(*) FROM changed WHERE status = 'skipped'),
               cancelled = cancelled + (SELECT count(*) FROM changed WHERE status = 'cancelled')
           WHERE id = %(export_id)s""",
        export_id=export_id,
        changes=Jsonb(msgspec.to_builtins(changes)),
        open=list(OPEN),
        now=tx.now,
    )


async def list_for_file(tx: Tx, export_id: str, *, after: str, limit: int) -> list[str]:
    """The next mailboxes of a file that have no password for it yet."""
    return await tx.values(
        str,
        """SELECT mailbox_id FROM export_items
           WHERE export_id = %(id)s AND mailbox_id > %(after)s AND status = 'queued'
           ORDER BY mailbox_id LIMIT %(limit)s""",
        id=export_id,
        after=after,
        limit=limit,
    )


async def skip_unusable(tx: Tx, export_id: str, mailbox_ids: Sequence[str], *, not_active: Problem) -> set[str]:
    """Those of the mailboxes that are not active any more."""
    skipped = await tx.values(
        str,
        """UPDATE export_items i SET status = 'skipped', error = %(not_active)s, updated_at = %(now)s
           FROM mailboxes m
           WHERE i.export_id = %(id)s AND i.mailbox_id = ANY (%(mailbox_ids)s) AND i.status = 'queued'
             AND m.id = i.mailbox_id AND m.status <> 'active'
           RETURNING i.mailbox_id""",
        id=export_id,
        mailbox_ids=list(mailbox_ids),
        not_active=Jsonb(msgspec.to_builtins(not_active)),
        now=tx.now,
    )
    return set(skipped)


async def succeed(tx: Tx, export_id: str, mailbox_ids: Sequence[str]) -> int:
    """How many of the mailboxes were still waiting."""
    return await tx.execute(
        """UPDATE export_items SET status = 'connected', updated_at = %(now)s
           WHERE export_id = %(id)s AND mailbox_id = ANY (%(mailbox_ids)s) AND status = 'queued'""",
        id=export_id,
        mailbox_ids=list(mailbox_ids),
        now=tx.now,
    )


async def count(tx: Tx, export_id: str, *, succeeded: int, skipped: int) -> None:
    """So many more."""
    await tx.execute(
        """UPDATE exports SET succeeded = succeeded + %(succeeded)s, skipped = skipped + %(skipped)s
           WHERE id = %(id)s""",
        id=export_id,
        succeeded=succeeded,
        skipped=skipped,
    )


async def finish(tx: Tx, export_id: str, *, fence: int) -> Export | None:
    """Ends the export when all of its items are decided; None when it is not for this run to end."""
    return await tx.find(
        Export,
        f"""UPDATE exports
            SET status = CASE WHEN failed = 0 THEN 'completed' WHEN succeeded = 0 THEN 'failed'
                              ELSE 'completed_with_errors' END,
                finished_at = %(now)s, lease_until = NULL
            WHERE id = %(id)s AND fence = %(fence)s AND status = 'running'
              AND succeeded + failed + skipped + cancelled = total
            RETURNING {EXPORT}""",
        id=export_id,
        fence=fence,
        now=tx.now,
    )


async def list_forgotten(tx: Tx, *, seconds: float) -> list[Forgotten]:
    """Exports that nobody has worked on for so long although something is left to do."""
    return await tx.all(
        Forgotten,
        f"""SELECT id, platform_account_id FROM exports
            WHERE coalesce(lease_until, created_at) < clock_timestamp() - make_interval(secs => %(seconds)s)
              AND (finished_at IS NULL OR lease_until IS NOT NULL) AND {_UNFINISHED}
            ORDER BY id LIMIT 1000""",
        seconds=seconds,
    )
