"""The answer to FETCH, streamed: rendered in threads batch by batch while the client reads, never held as a whole."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from pymap.bytes import WriteStream
from pymap.parsing.response import ResponseCode, ResponseOk
from pymap.parsing.specials import FetchAttribute

from litemail.servers.imap import fetch
from litemail.servers.imap.fetch import Need, Wanted
from litemail.servers.imap.store import Folder

Send = Callable[[bytes], Awaitable[None]]


class FetchOk(ResponseOk):
    """A FETCH that was carried out; its lines are made while it is sent."""

    def __init__(
        self, tag: bytes, text: bytes, *, folder: Folder, wanted: Sequence[Wanted], attributes: Sequence[FetchAttribute]
    ) -> None:
        super().__init__(tag, text)
        self._folder = folder
        self._wanted = wanted
        self._attributes = attributes

    async def stream(self, send: Send) -> None:
        """Send all FETCH lines. Messages that another session expunged meanwhile have none (RFC 2180 4.1)."""
        index = self._folder.index
        need = max(map(fetch.need_of, self._attributes), default=Need.NOTHING)
        missed: list[Wanted] = []
        for batch in fetch.batches(index, self._wanted, need):
            lines, gone = await asyncio.to_thread(fetch.render, index, batch, self._attributes)
            missed += gone
            await send(lines)
        if missed:
            # Renamed by another process, perhaps: look again, and try once more.
            await self._folder.refresh()
            lines, gone = await asyncio.to_thread(fetch.render, index, missed, self._attributes)
            await send(lines)
            if gone:
                self.code = ResponseCode.of(b"EXPUNGEISSUED")


class Collected(WriteStream):
    """Gathers what the engine writes."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.parts.append(bytes(data))
