"""SQL of a run: taking a connection under a lease, and writing what became of its inboxes.

A lease is counted by the database's clock, since runs of different machines compare it. `fence` tells a run that was
taken over from its successor: each write names the fence that it was given.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec
from psycopg.types.json import Jsonb

from litemail.connections.queries import Connection, ConnectionStatus, InboxStatus, Options, notify
from litemail.kit.actor import Mode
from litemail.kit.db import Tx
from litemail.kit.errors import Problem
from litemail.platforms import OPEN, Change
from litemail.providers.mailhost import Servers
from litemail.providers.platform import InboxType


class Claim(msgspec.Struct, frozen=True):
    """A connection that a run has taken. The password is sealed, with the connection's id as row."""

    id: str
    workspace_id: str
    mode: Mode
    platform_account_id: str
    platform_type: str
    inbox_type: InboxType
    status: ConnectionStatus
    options: Options
    platform_password: bytes | None
    fence: int


class OpenInbox(msgspec.Struct, frozen=True):
    """An inbox that is not decided. The password is sealed, with the inbox's id as row."""

    id: str
    email: str
    username: str | None
    first_name: str | None
    last_name: str | None
    daily_limit: int | None
    servers: Servers | None
    password: bytes | None
    status: InboxStatus
    already: bool
    attempted: bool
    ticket: str | None


class Decided(msgspec.Struct, frozen=True):
    id: str
    email: str
    status: InboxStatus
    already: bool
    error: Problem | None


Availability = Literal["free", "crowded", "held", "done"]

AT_ONCE = 4
"""How many connections of one workspace are worked on at once; the others wait, without a job, for one of them to end.
Half of what a worker does at once by default, so that one workspace's rush leaves room for others.
"""


async def claim(tx: Tx, connection_id: str, *, lease: float) -> Claim | None:
    """Takes the connection for so many seconds; None when another run has it, when its workspace has AT_ONCE others
    under way, or when nothing is left to do.
    """
    return await tx.find(
        Claim,
        """UPDATE connections c
           SET fence = fence + 1, lease_until = clock_timestamp() + make_interval(secs => %(lease)s),
               status = CASE WHEN status = 'queued' THEN 'running' ELSE status END
           WHERE id = (
               SELECT id FROM connections
               WHERE id = %(id)s AND (lease_until IS NULL OR lease_until < clock_timestamp())
               FOR UPDATE SKIP LOCKED)
             AND (finished_at IS NULL
                  OR EXISTS (SELECT FROM connection_inboxes WHERE connection_id = c.id AND status = ANY (%(open)s)))
             AND (SELECT count(*) FROM connections other
                  WHERE other.workspace_id = c.workspace_id AND other.id <> c.id
                    AND other.lease_until > clock_timestamp()) < %(at_once)s
           RETURNING id, workspace_id, mode, platform_account_id, platform_type, inbox_type, status, options,
                     platform_password, fence""",
        id=connection_id,
        lease=lease,
        open=list(OPEN),
        at_once=AT_ONCE,
    )


async def availability(tx: Tx, connection_id: str) -> Availability:
    return (
        await tx.value(
            Availability,  # type: ignore[arg-type]  # a Literal is not a class, but msgspec converts to it
            """SELECT CASE WHEN finished_at IS NOT NULL AND NOT EXISTS (
                               SELECT FROM connection_inboxes
                               WHERE connection_id = c.id AND status = ANY (%(open)s)) THEN 'done'
                           WHEN lease_until > clock_timestamp() THEN 'held'
                           WHEN (SELECT count(*) FROM connections other
                                 WHERE other.workspace_id = c.workspace_id AND other.id <> c.id
                                   AND other.lease_until > clock_timestamp()) >= %(at_once)s THEN 'crowded'
                           ELSE 'free' END
               FROM connections c WHERE id = %(id)s""",
            id=connection_id,
            open=list(OPEN),
            at_once=AT_ONCE,
        )
        or "done"
    )


async def list_open(tx: Tx, connection_id: str) -> list[OpenInbox]:
    return await tx.all(
        OpenInbox,
        """SELECT id, email, username, first_name, last_name, daily_limit, servers, password, status, already,
                  attempted, ticket
           FROM connection_inboxes WHERE connection_id = %(id)s AND status = ANY (%(open)s) ORDER BY id""",
        id=connection_id,
        open=list(OPEN),
    )


async def renew(tx: Tx, connection_id: str, *, fence: int, lease: float) -> ConnectionStatus | None:
    """The connection's status, or None when another run has taken it."""
    return await tx.value(
        ConnectionStatus,  # type: ignore[arg-type]  # a Literal is not a class, but msgspec converts to it
        """UPDATE connections SET lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
           WHERE id = %(id)s AND fence = %(fence)s RETURNING status""",
        id=connection_id,
        fence=fence,
        lease=lease,
    )


async def release(tx: Tx, connection_id: str, *, fence: int) -> None:
    """Lets another run go on at once, where something is left to do."""
    await tx.execute(
        """UPDATE connections
           SET lease_until = CASE WHEN connected + failed + action_required + cancelled < total
                                       OR finished_at IS NULL THEN clock_timestamp() END
           WHERE id = %(id)s AND fence = %(fence)s""",
        id=connection_id,
        fence=fence,
    )


async def lock(tx: Tx, connection_id: str, *, fence: int) -> ConnectionStatus | None:
    """Holds the connection until the transaction ends; None when another run has taken it."""
    return await tx.value(
        ConnectionStatus,  # type: ignore[arg-type]  # a Literal is not a class, but msgspec converts to it
        "SELECT status FROM connections WHERE id = %(id)s AND fence = %(fence)s FOR UPDATE",
        id=connection_id,
        fence=fence,
    )


async def keep_servers(
    tx: Tx, connection_id: str, *, fence: int, domain: str, servers: Servers, by_local_part: bool
) -> None:
    """The servers that were found for all inboxes of a domain that were given none."""
    await tx.execute(
        """UPDATE connection_inboxes i
           SET servers = %(servers)s,
               username = CASE WHEN %(by_local_part)s
                               THEN coalesce(i.username, left(i.email, -length(%(at_domain)s))) ELSE i.username END
           FROM connections c
           WHERE c.id = %(connection_id)s AND c.fence = %(fence)s AND i.connection_id = c.id AND i.servers IS NULL
             AND right(i.email, length(%(at_domain)s)) = %(at_domain)s""",
        connection_id=connection_id,
        fence=fence,
        at_domain=f"@{domain}",
        servers=Jsonb(msgspec.to_builtins(servers)),
        by_local_part=by_local_part,
    )


async def write(tx: Tx, connection_id: str, changes: Sequence[Change]) -> list[Decided]:
    """Writes all of the changes and the counts that follow; returns the inboxes that are decided by them.

    What is decided already stays as it is. The connection is locked.
    """
    rows = await tx.all(
        Decided,
        """WITH change AS (
               SELECT * FROM ROWS FROM (jsonb_to_recordset(%(changes)s) AS (
                   id text, status text, already boolean, attempted boolean, ticket text, error jsonb))
               WITH ORDINALITY AS change (id, status, already, attempted, ticket, error, number)),
           changed AS (
               UPDATE connection_inboxes i
               SET status = n.status, already = n.already, attempted = n.attempted, ticket = n.ticket,
                   error = nullif(n.error, 'null'), version = c.version + n.number, updated_at = %(now)s,
                   password = CASE WHEN n.status IN ('connected', 'cancelled') THEN NULL ELSE i.password END
               FROM change n, connections c
               WHERE i.id = n.id AND i.connection_id = %(connection_id)s AND c.id = i.connection_id
                 AND i.status = ANY (%(open)s)
               RETURNING i.id, i.email, i.status, i.already, i.error),
           counted AS (
               UPDATE connections c
               SET version = c.version + %(size)s + 1,  -- never the version of an inbox, so that the end has its own
                   connected = connected + (SELECT count(*) FROM changed WHERE status = 'connected'),
                   failed = failed + (SELECT count(*) FROM changed WHERE status = 'failed'),
                   action_required = action_required + (SELECT count(*) FROM changed WHERE status = 'action_required'),
                   cancelled = cancelled + (SELECT count(*) FROM changed WHERE status = 'cancelled')
               WHERE id = %(connection_id)s)
           SELECT id, email, status, already, error FROM changed WHERE status <> ALL (%(open)s)""",
        connection_id=connection_id,
        changes=Jsonb(msgspec.to_builtins(changes)),
        size=len(changes),
        open=list(OPEN),
        now=tx.now,
    )
    await notify(tx, connection_id)
    return rows


async def finish(tx: Tx, connection_id: str, *, fence: int) -> Connection | None:
    """Ends the connection when all of its inboxes are decided; None when it is not for this run to end."""
    row = await tx.find(
        Connection,
        """UPDATE connections
           SET status = CASE WHEN connected = total THEN 'completed' WHEN failed = total THEN 'failed'
                             ELSE 'completed_with_errors' END,
               finished_at = %(now)s, platform_password = NULL, lease_until = NULL, version = version + 1
           WHERE id = %(id)s AND fence = %(fence)s AND status = 'running'
             AND connected + failed + action_required + cancelled = total
           RETURNING id, workspace_id, platform_account_id, platform_type, inbox_type, status, total, connected,
                     failed, action_required, cancelled, version, created_at, finished_at""",
        id=connection_id,
        fence=fence,
        now=tx.now,
    )
    if row is not None:
        await notify(tx, connection_id)
    return row


async def list_waiting(tx: Tx, *, after: str, limit: int) -> list[str]:
    """The oldest connections of the same workspace that nobody works on although something is left to do."""
    return await tx.values(
        str,
        """SELECT c.id FROM connections c JOIN connections ended ON ended.workspace_id = c.workspace_id
           WHERE ended.id = %(after)s AND c.id <> ended.id
             AND (c.finished_at IS NULL OR c.lease_until IS NOT NULL)
             AND (c.lease_until IS NULL OR c.lease_until < clock_timestamp())
           ORDER BY c.id LIMIT %(limit)s""",
        after=after,
        limit=limit,
    )


async def list_forgotten(tx: Tx, *, seconds: float) -> list[str]:
    """Connections that nobody has worked on for so long although something is left to do."""
    return await tx.values(
        str,
        """SELECT id FROM connections
           WHERE coalesce(lease_until, created_at) < clock_timestamp() - make_interval(secs => %(seconds)s)
             AND (finished_at IS NULL OR lease_until IS NOT NULL)
           ORDER BY id LIMIT 1000""",
        seconds=seconds,
    )


async def erase_platform_password(tx: Tx, connection_id: str) -> None:
    await tx.execute("UPDATE connections SET platform_password = NULL WHERE id = %(id)s", id=connection_id)


async def erase_platform_passwords(tx: Tx, *, seconds: float) -> int:
    return await tx.execute(
        """UPDATE connections SET platform_password = NULL
           WHERE platform_password IS NOT NULL AND created_at < %(now)s - make_interval(secs => %(seconds)s)""",
        seconds=seconds,
        now=tx.now,
    )


async def erase_inbox_passwords(tx: Tx, *, seconds: float, limit: int) -> int:
    """Of connections that ended so long ago; at most so many at once."""
    return await tx.execute(
        """UPDATE connection_inboxes SET password = NULL
           WHERE id IN (SELECT i.id FROM connection_inboxes i JOIN connections c ON c.id = i.connection_id
                        WHERE i.password IS NOT NULL AND c.finished_at < %(now)s - make_interval(secs => %(seconds)s)
                        LIMIT %(limit)s)""",
        seconds=seconds,
        limit=limit,
        now=tx.now,
    )
