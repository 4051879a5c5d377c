"""The mailboxes of a lemlist team. There is no list of them: they hang off the team's members, so all are read at once.

Hundreds of inboxes are looked for at the same time. Those who ask while a reading is under way share the next one: it
is the first that surely has what was added before they asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from litemail.providers.platform import lemlist_wire as wire

Mailboxes: TypeAlias = Mapping[str, wire.Mailbox]
"""By address, in lower case."""


@dataclass(eq=False)
class _Reading:
    task: asyncio.Task[Mailboxes]
    waiting: int = 0


class TeamMailboxes:
    """Reads them no more often than needed."""

    def __init__(self, read: Callable[[], Awaitable[Mailboxes]]) -> None:
        self._read = read
        self._current: asyncio.Task[Mailboxes] | None = None
        self._next: _Reading | None = None

    async def read(self) -> Mailboxes:
        """As they are after this call began. Raises what reading raises, to all who share it."""
        if self._next is None:
            self._next = _Reading(asyncio.create_task(self._after(self._current)))
        reading = self._next
        reading.waiting += 1
        try:
            return await asyncio.shield(reading.task)
        finally:
            reading.waiting -= 1
            if not reading.waiting:
                self._leave(reading)

    async def _after(self, earlier: asyncio.Task[Mailboxes] | None) -> Mailboxes:
        if earlier is not None:
            await asyncio.wait({earlier})
        self._next, self._current = None, asyncio.current_task()
        return await self._read()

    def _leave(self, reading: _Reading) -> None:
        reading.task.cancel()
        if self._next is reading:
            self._next = None
