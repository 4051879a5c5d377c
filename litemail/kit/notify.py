"""LISTEN/NOTIFY: one connection a process that tells listeners about changes elsewhere."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from psycopg import AsyncConnection, OperationalError, sql

log = structlog.get_logger("notify")

RECONNECTED = ""
"""Heard after a gap in listening: anything may have changed."""


class Listener:
    """Fans the notifications of some channels out to any number of subscribers.

    A subscriber that falls behind loses payloads but not the news: it hears `RECONNECTED` and looks afresh.
    """

    def __init__(self, url: str, *, channels: tuple[str, ...], backlog: int = 1000) -> None:
        self._url = url
        self._channels = channels
        self._backlog = backlog
        self._subscribers: dict[str, set[asyncio.Queue[str]]] = defaultdict(set)
        self._listening = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._run(), name="listener")
        try:
            await self._listening.wait()
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncIterator[asyncio.Queue[str]]:
        """A queue of the payloads heard from now on."""
        assert channel in self._channels
        queue: asyncio.Queue[str] = asyncio.Queue(self._backlog)
        self._subscribers[channel].add(queue)
        try:
            yield queue
        finally:
            self._subscribers[channel].discard(queue)

    async def _run(self) -> None:
        while True:
            try:
                async with await AsyncConnection.connect(self._url, autocommit=True) as connection:
                    for channel in self._channels:
                        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                    if self._listening.is_set():
                        for channel in self._channels:
                            self._tell(channel, RECONNECTED)
                    self._listening.set()
                    async for notification in connection.notifies():
                        self._tell(notification.channel, notification.payload)
            except OperationalError as error:
                log.warning("not listening, will try again", reason=str(error).strip())
                await asyncio.sleep(1)

    def _tell(self, channel: str, payload: str) -> None:
        for queue in self._subscribers[channel]:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                payload = RECONNECTED
            queue.put_nowait(payload)
