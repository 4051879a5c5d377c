"""The outbox: events written in the transaction of the change, read later in commit-safe order.

A sequence alone would lose events: a transaction that took number 7 may commit after a reader has passed number 8.
So readers take only rows whose transaction is older than every transaction still running, in the order (xid, id).
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Literal

import msgspec
from psycopg import AsyncConnection

from litemail.kit import ids
from litemail.kit.actor import Actor

Audience = Literal["public", "audit"]
"""`public` goes to webhooks and live updates, and to the audit log; `audit` only to the audit log."""

CHANNEL = "litemail_events"

# One statement however many there are: exports write one event for each of very many mailboxes.
_WRITE = """
INSERT INTO events (id, workspace_id, type, audience, subject, data, before,
                    user_id, key_id, address, request_id, created_at)
SELECT id, workspace_id, type, audience, subject, data::jsonb, before::jsonb,
       %(user_id)s, %(key_id)s, %(address)s, %(request_id)s, %(now)s
FROM unnest(%(ids)s::text[], %(workspace_ids)s::text[], %(types)s::text[], %(audiences)s::text[], %(subjects)s::text[],
            %(data)s::text[], %(befores)s::text[])
     WITH ORDINALITY AS fact (id, workspace_id, type, audience, subject, data, before, place)
ORDER BY place
"""

_READ = """
SELECT xid::text::bigint AS xid, number, id, workspace_id, type, audience, subject, data, created_at
FROM events
WHERE (xid, number) > (%(xid)s::text::xid8, %(number)s) AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY xid, number
LIMIT %(limit)s
"""

_CURSOR = """
SELECT xid::text::bigint AS xid, number FROM event_cursors WHERE consumer = %(consumer)s FOR UPDATE SKIP LOCKED
"""

_NEW_CURSOR = """
INSERT INTO event_cursors (consumer) VALUES (%(consumer)s) ON CONFLICT DO NOTHING
"""

_WAITING = """
SELECT EXISTS (SELECT FROM events e JOIN event_cursors c ON c.consumer = %(consumer)s
               WHERE (e.xid, e.number) > (c.xid, c.number))
"""

_ADVANCE = """
UPDATE event_cursors SET xid = %(xid)s::text::xid8, number = %(number)s WHERE consumer = %(consumer)s
"""


class Fact(msgspec.Struct, frozen=True):
    """Something that has just become true, to be told."""

    type: str
    workspace_id: str
    subject: str
    data: object = None
    before: object = None
    audience: Audience = "public"


class Event(msgspec.Struct, frozen=True):
    """A fact that happened. `data` is what the type's shape says; it holds no secrets."""

    xid: int
    number: int
    id: str
    workspace_id: str
    type: str
    audience: Audience
    subject: str
    data: dict[str, object] | None
    created_at: datetime


async def write(connection: AsyncConnection, facts: Sequence[Fact], *, actor: Actor | None, now: datetime) -> None:
    """Numbers them in the order given."""
    if not facts:
        return
    await connection.execute(
        _WRITE,
        {
            "ids": [ids.new_id("evt") for _ in facts],
            "workspace_ids": [fact.workspace_id for fact in facts],
            "types": [fact.type for fact in facts],
            "audiences": [fact.audience for fact in facts],
            "subjects": [fact.subject for fact in facts],
            "data": [_json(fact.data) for fact in facts],
            "befores": [_json(fact.before) for fact in facts],
            "user_id": actor.user_id if actor else None,
            "key_id": actor.key_id if actor else None,
            "address": actor.address if actor else None,
            "request_id": actor.request_id if actor else None,
            "now": now,
        },
    )


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


async def consume(
    connection: AsyncConnection,
    consumer: str,
    handle: Callable[[Event], Awaitable[None]],
    *,
    limit: int = 500,
) -> int:
    """Hands the next events to `handle` and moves the cursor, all in the caller's transaction.

    Returns how many there were; 0 also when another process is at it. A new consumer starts with the oldest event.
    """
    row = await (await connection.execute(_CURSOR, {"consumer": consumer})).fetchone()
    if row is None and (await connection.execute(_NEW_CURSOR, {"consumer": consumer})).rowcount:
        row = await (await connection.execute(_CURSOR, {"consumer": consumer})).fetchone()
    if row is None:
        return 0
    cursor = await connection.execute(_READ, {"xid": str(row[0]), "number": row[1], "limit": limit})
    events = [Event(*values) for values in await cursor.fetchall()]
    for event in events:
        await handle(event)
    if events:
        await connection.execute(
            _ADVANCE, {"consumer": consumer, "xid": str(events[-1].xid), "number": events[-1].number}
        )
    return len(events)


async def is_waiting(connection: AsyncConnection, consumer: str) -> bool:
    """Whether there are events that `consume` has not handed out, perhaps because it may not yet: an older transaction
    is still running.
    """
    row = await (await connection.execute(_WAITING, {"consumer": consumer})).fetchone()
    return row is not None and bool(row[0])


async def count_waiting(connection: AsyncConnection, consumer: str, *, workspace_id: str) -> int:
    """How many events of a workspace `consume` has not handed out."""
    cursor = await connection.execute(
        """SELECT count(*) FROM events e JOIN event_cursors c ON c.consumer = %(consumer)s
           WHERE (e.xid, e.number) > (c.xid, c.number) AND e.workspace_id = %(workspace_id)s""",
        {"consumer": consumer, "workspace_id": workspace_id},
    )
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])
