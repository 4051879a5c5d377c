"""SQL of connections and their inboxes, as people see and change them. What a run needs is in `run_queries`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
from psycopg.types.json import Jsonb

from litemail.kit.actor import Mode
from litemail.kit.db import Tx
from litemail.kit.errors import Problem
from litemail.platforms import OPEN
from litemail.providers.mailhost import Servers
from litemail.providers.platform import InboxType

ConnectionStatus = Literal["queued", "running", "completed", "completed_with_errors", "failed", "cancelled"]
InboxStatus = Literal[
    "queued", "verifying", "connecting", "confirming", "connected", "action_required", "failed", "cancelled"
]

CHANNEL = "litemail_connections"
"""Notifications of changes; the payload is the connection's id."""


class Options(msgspec.Struct, frozen=True):
    verify: bool = True
    warmup: bool = False
    daily_limit: int | None = None
    tags: tuple[str, ...] = ()


class Connection(msgspec.Struct, frozen=True):
    id: str
    workspace_id: str
    platform_account_id: str
    platform_type: str
    inbox_type: InboxType
    status: ConnectionStatus
    total: int
    connected: int
    failed: int
    action_required: int
    cancelled: int
    version: int
    created_at: datetime
    finished_at: datetime | None

    @property
    def finished(self) -> bool:
        return self.finished_at is not None


class Inbox(msgspec.Struct, frozen=True):
    id: str
    email: str
    status: InboxStatus
    already: bool
    action: str | None
    error: Problem | None
    servers: Servers | None
    version: int
    updated_at: datetime


class FreshInbox(msgspec.Struct, frozen=True):
    """An inbox to insert. `password` is sealed and in base64, `servers` are those given for `custom`."""

    id: str
    email: str
    username: str | None
    first_name: str | None
    last_name: str | None
    daily_limit: int | None
    servers: Servers | None
    mailbox_id: str | None
    password: str | None


_CONNECTION = """id, workspace_id, platform_account_id, platform_type, inbox_type, status, total, connected, failed,
    action_required, cancelled, version, created_at, finished_at"""
_INBOX = "id, email, status, already, action, error, servers, version, updated_at"


async def insert(
    tx: Tx,
    *,
    connection_id: str,
    workspace_id: str,
    platform_account_id: str,
    platform_type: str,
    inbox_type: InboxType,
    mode: Mode,
    options: Options,
    platform_password: bytes | None,
    inboxes: Sequence[FreshInbox],
) -> Connection:
    """The connection with all its inboxes, in two statements."""
    connection = await tx.one(
        Connection,
        f"""INSERT INTO connections (id, workspace_id, platform_account_id, platform_type, inbox_type, mode, status,
                                     options, total, platform_password, version, created_at)
            VALUES (%(id)s, %(workspace_id)s, %(platform_account_id)s, %(platform_type)s, %(inbox_type)s, %(mode)s,
                    'queued', %(options)s, %(total)s, %(platform_password)s, %(total)s, %(now)s)
            RETURNING {_CONNECTION}""",
        id=connection_id,
        workspace_id=workspace_id,
        platform_account_id=platform_account_id,
        platform_type=platform_type,
        inbox_type=inbox_type,
        mode=mode,
        options=Jsonb(msgspec.to_builtins(options)),
        total=len(inboxes),
        platform_password=platform_password,
        now=tx.now,
    )
    await tx.execute(
        """INSERT INTO connection_inboxes (id, workspace_id, connection_id, email, username, first_name, last_name,
                                           daily_limit, servers, mailbox_id, password, status, version, updated_at)
           SELECT id, %(workspace_id)s, %(connection_id)s, email, username, first_name, last_name, daily_limit,
                  nullif(servers, 'null'), mailbox_id, decode(password, 'base64'), 'queued', number, %(now)s
           FROM ROWS FROM (jsonb_to_recordset(%(inboxes)s) AS (
                    id text, email text, username text, first_name text, last_name text, daily_limit integer,
                    servers jsonb, mailbox_id text, password text))
                WITH ORDINALITY AS inbox (id, email, username, first_name, last_name, daily_limit, servers,
                                          mailbox_id, password, number)""",
        workspace_id=workspace_id,
        connection_id=connection_id,
        inboxes=Jsonb(msgspec.to_builtins(inboxes)),
        now=tx.now,
    )
    return connection


async def find(tx: Tx, connection_id: str, *, workspace_id: str) -> Connection | None:
    return await tx.find(
        Connection,
        f"SELECT {_CONNECTION} FROM connections WHERE id = %(id)s AND workspace_id = %(workspace_id)s",
        id=connection_id,
        workspace_id=workspace_id,
    )


async def find_for_update(tx: Tx, connection_id: str, *, workspace_id: str) -> Connection | None:
    return await tx.find(
        Connection,
        f"SELECT {_CONNECTION} FROM connections WHERE id = %(id)s AND workspace_id = %(workspace_id)s FOR UPDATE",
        id=connection_id,
        workspace_id=workspace_id,
    )


async def list_(
    tx: Tx, *, workspace_id: str, status: ConnectionStatus | None, limit: int, after: str | None
) -> list[Connection]:
    """Newest first."""
    return await tx.all(
        Connection,
        f"""SELECT {_CONNECTION} FROM connections
            WHERE workspace_id = %(workspace_id)s AND (%(status)s::text IS NULL OR status = %(status)s)
              AND (%(after)s::text IS NULL OR id < %(after)s)
            ORDER BY id DESC LIMIT %(limit)s""",
        workspace_id=workspace_id,
        status=status,
        limit=limit,
        after=after,
    )


async def count(tx: Tx, *, workspace_id: str, status: ConnectionStatus | None) -> int:
    return (
        await tx.value(
            int,
            """SELECT count(*) FROM connections
               WHERE workspace_id = %(workspace_id)s AND (%(status)s::text IS NULL OR status = %(status)s)""",
            workspace_id=workspace_id,
            status=status,
        )
        or 0
    )


async def list_inboxes(
    tx: Tx, connection_id: str, *, status: InboxStatus | None, limit: int, after: str | None
) -> list[Inbox]:
    """In the order they were given in."""
    return await tx.all(
        Inbox,
        f"""SELECT {_INBOX} FROM connection_inboxes
            WHERE connection_id = %(connection_id)s AND (%(status)s::text IS NULL OR status = %(status)s)
              AND (%(after)s::text IS NULL OR id > %(after)s)
            ORDER BY id LIMIT %(limit)s""",
        connection_id=connection_id,
        status=status,
        limit=limit,
        after=after,
    )


async def count_inboxes(tx: Tx, connection_id: str, *, status: InboxStatus | None) -> int:
    return (
        await tx.value(
            int,
            """SELECT count(*) FROM connection_inboxes
               WHERE connection_id = %(connection_id)s AND (%(status)s::text IS NULL OR status = %(status)s)""",
            connection_id=connection_id,
            status=status,
        )
        or 0
    )


async def list_changes(tx: Tx, connection_id: str, *, after: int, limit: int) -> list[Inbox]:
    """The inboxes that changed after that version, each once as it is now, in the order of their changes."""
    return await tx.all(
        Inbox,
        f"""SELECT {_INBOX} FROM connection_inboxes
            WHERE connection_id = %(connection_id)s AND version > %(after)s ORDER BY version LIMIT %(limit)s""",
        connection_id=connection_id,
        after=after,
        limit=limit,
    )


async def cancel(tx: Tx, connection_id: str) -> tuple[Connection, int]:
    """Cancels every inbox that the platform was not yet given, erases all secrets.

    Also says how many inboxes are at the platform just now, of which a run has still to find out.
    """
    counts = await tx.one(
        _Cancelled,
        """WITH stopped AS (
               UPDATE connection_inboxes i SET status = 'cancelled', error = NULL, updated_at = %(now)s,
                      version = c.version + o.number
               FROM connections c, (SELECT id, row_number() OVER (ORDER BY id) AS number FROM connection_inboxes
                                    WHERE connection_id = %(id)s AND status = ANY (%(open)s) AND NOT attempted) o
               WHERE i.id = o.id AND c.id = i.connection_id
               RETURNING i.id)
           SELECT (SELECT count(*) FROM stopped)::int AS stopped,
                  (SELECT count(*) FROM connection_inboxes
                   WHERE connection_id = %(id)s AND status = ANY (%(open)s) AND attempted)::int AS undecided""",
        id=connection_id,
        open=list(OPEN),
        now=tx.now,
    )
    await tx.execute(
        """UPDATE connection_inboxes SET password = NULL
           WHERE connection_id = %(id)s AND password IS NOT NULL""",
        id=connection_id,
    )
    connection = await tx.one(
        Connection,
        f"""UPDATE connections
            SET status = 'cancelled', finished_at = %(now)s, platform_password = NULL,
                cancelled = cancelled + %(stopped)s, version = version + %(stopped)s + 1
            WHERE id = %(id)s RETURNING {_CONNECTION}""",
        id=connection_id,
        stopped=counts.stopped,
        now=tx.now,
    )
    await notify(tx, connection_id)
    return connection, counts.undecided


class _Cancelled(msgspec.Struct, frozen=True):
    stopped: int
    undecided: int


async def count_retryable(tx: Tx, connection_id: str) -> tuple[int, int]:
    """How many inboxes failed, and of how many of these the password was erased."""
    row = await tx.one(
        _Retryable,
        """SELECT count(*)::int AS failed, (count(*) FILTER (WHERE password IS NULL))::int AS erased
           FROM connection_inboxes WHERE connection_id = %(id)s AND status IN ('failed', 'action_required')""",
        id=connection_id,
    )
    return row.failed, row.erased


class _Retryable(msgspec.Struct, frozen=True):
    failed: int
    erased: int


async def queue_failed(tx: Tx, connection_id: str) -> Connection:
    """Every failed inbox again."""
    queued = await tx.execute(
        """UPDATE connection_inboxes i
           SET status = 'queued', error = NULL, action = NULL, updated_at = %(now)s, version = c.version + o.number
           FROM connections c,
                (SELECT id, row_number() OVER (ORDER BY id) AS number FROM connection_inboxes
                 WHERE connection_id = %(id)s AND status IN ('failed', 'action_required')) o
           WHERE i.id = o.id AND c.id = i.connection_id""",
        id=connection_id,
        now=tx.now,
    )
    connection = await tx.one(
        Connection,
        f"""UPDATE connections
            SET status = 'queued', finished_at = NULL, failed = 0, action_required = 0,
                version = version + %(queued)s
            WHERE id = %(id)s RETURNING {_CONNECTION}""",
        id=connection_id,
        queued=queued,
    )
    await notify(tx, connection_id)
    return connection


async def notify(tx: Tx, connection_id: str) -> None:
    await tx.execute("SELECT pg_notify(%(channel)s, %(id)s)", channel=CHANNEL, id=connection_id)
