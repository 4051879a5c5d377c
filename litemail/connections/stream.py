"""The changes of a connection as Server-Sent Events (WHATWG HTML, section 9.2).

The id of an event is the version of the change, so a client that comes back with Last-Event-ID gets what it missed:
each inbox once, as it is now. No database connection is held between events.
"""

import asyncio
from collections.abc import AsyncIterator

import msgspec
from litestar.response import ServerSentEventMessage

from litemail.connections import queries, service
from litemail.connections.queries import CHANNEL, Connection
from litemail.connections.schemas import show_connection, show_inbox
from litemail.kit.actor import Actor
from litemail.kit.db import Database
from litemail.kit.notify import RECONNECTED, Listener

HEARTBEAT = 15.0
LONGEST = 15 * 60.0
"""After so long the stream ends; whoever comes back is authenticated again."""
_TOGETHER = 0.05
_PAGE = 500


def is_over(connection: Connection) -> bool:
    """Whether nothing will change any more; a cancelled connection may still wait for what its platform was doing."""
    decided = connection.connected + connection.failed + connection.action_required + connection.cancelled
    return connection.finished and decided == connection.total


def last_seen(header: str | None) -> int:
    """The version after which to go on. An id that is none of ours means from the beginning."""
    text = (header or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0  # noqa: PLR2004 - fits a bigint


async def changes(
    database: Database,
    listener: Listener,
    actor: Actor,
    connection_id: str,
    *,
    after: int,
    heartbeat: float = HEARTBEAT,
    longest: float = LONGEST,
) -> AsyncIterator[ServerSentEventMessage]:
    """`inbox` events for what changed after that version, then as it changes, and `done` at the end."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + longest
    async with listener.subscribe(CHANNEL) as news:
        while loop.time() < ends:
            async with database.begin(actor) as tx:
                # First the whole, then the parts: when the whole is over, the parts are final.
                connection = await service.get(tx, connection_id)
                rows = await queries.list_changes(tx, connection_id, after=after, limit=_PAGE)
            for row in rows:
                yield _message("inbox", row.version, show_inbox(row))
                after = row.version
            if len(rows) == _PAGE:
                continue
            if is_over(connection):
                yield _message("done", connection.version, show_connection(connection))
                return
            if not await _heard(news, connection_id, seconds=heartbeat):
                yield ServerSentEventMessage(data=None, comment="still here")


async def _heard(news: asyncio.Queue[str], connection_id: str, *, seconds: float) -> bool:
    """Waits for news of the connection; what comes in the next moment is taken together."""
    try:
        async with asyncio.timeout(seconds):
            while await news.get() not in (connection_id, RECONNECTED):
                pass
    except TimeoutError:
        return False
    await asyncio.sleep(_TOGETHER)
    return True


def _message(event: str, version: int, data: msgspec.Struct) -> ServerSentEventMessage:
    return ServerSentEventMessage(data=msgspec.json.encode(data), event=event, id=version)
