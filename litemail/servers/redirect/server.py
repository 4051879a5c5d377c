"""Sockets and limits."""

import asyncio
import ssl
from email.utils import format_datetime

import msgspec

from litemail.kit import clock
from litemail.servers.redirect.connection import Connection
from litemail.servers.redirect.rules import Rules


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """`idle`: seconds for a whole head to come, the first one and each further one."""

    connections: int = 10_000
    idle: float = 15.0


class RedirectServer:
    """One listener and its connections. Made by `serve`."""

    def __init__(self, rules: Rules, limits: Limits) -> None:
        self.rules = rules
        self._limits = limits
        self._connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._date = ("", -1)
        self.port = 0

    async def listen(self, *, host: str, port: int, ssl_context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: Connection(self), host, port, ssl=ssl_context, backlog=512)
        self.port = self._listener.sockets[0].getsockname()[1]
        self._sweeper = asyncio.create_task(self._sweep(), name="idle redirect connections")

    async def close(self) -> None:
        """Stops at once: what came in whole is answered already."""
        if self._listener is None or self._sweeper is None:
            return
        self._listener.close()
        self._sweeper.cancel()
        await asyncio.gather(self._sweeper, return_exceptions=True)
        for connection in list(self._connections):
            connection.leave()
        await self._listener.wait_closed()

    def enter(self, connection: Connection) -> bool:
        if len(self._connections) >= self._limits.connections:
            return False
        self._connections.add(connection)
        return True

    def exit(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def date(self) -> str:
        """Made once a second."""
        second = int(asyncio.get_running_loop().time())
        if self._date[1] != second:
            self._date = (format_datetime(clock.now(), usegmt=True), second)
        return self._date[0]

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._limits.idle / 4)
            latest = loop.time() - self._limits.idle
            for connection in [one for one in self._connections if one.waiting_since < latest]:
                connection.leave()


async def serve(
    rules: Rules, *, host: str, port: int, ssl_context: ssl.SSLContext | None = None, limits: Limits | None = None
) -> RedirectServer:
    """Listens on `host`, `port` (0: any free one); under TLS with a context. Raises OSError if the port is taken."""
    server = RedirectServer(rules, limits or Limits())
    await server.listen(host=host, port=port, ssl_context=ssl_context)
    return server
