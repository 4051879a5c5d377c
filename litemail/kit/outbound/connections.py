"""HTTP/1.1 connections of one client: at most so many at once, kept for a few seconds for the next request.

Not httpcore's pool: at every request that looks at each of its connections once for each idle one. With fifty, three
quarters of a client's processor time went there.
"""

import asyncio
import socket
import ssl
from collections import deque
from typing import Protocol, TypeAlias

import httpcore

_CONNECT_SECONDS = 15.0
_KEPT_SECONDS = 5.0
_MOST = 100

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connection: TypeAlias = httpcore.AsyncHTTP11Connection


class Dialer(Protocol):
    """What is needed of the guard."""

    def check_scheme(self, scheme: str) -> None: ...
    async def connect(self, host: str, port: int, *, timeout: float) -> socket.socket: ...  # noqa: ASYNC109
    async def stream(self, sock: socket.socket, *, tls: bool, host: str, port: int, timeout: float) -> Streams: ...  # noqa: ASYNC109


class Connections:
    """Every connection is made, checked and encrypted by the dialer."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._room = asyncio.Semaphore(_MOST)
        self._idle: deque[tuple[httpcore.Origin, Connection]] = deque()  # the one used last on the right
        self._busy: set[Connection] = set()

    async def send(self, request: httpcore.Request) -> tuple[httpcore.Response, Connection]:
        """The answer, whose body is still to be read, and its connection, to be given to `done` after that.

        Raises what the dialer raises, and httpcore's exceptions.
        """
        timeouts = request.extensions.get("timeout", {})
        try:
            async with asyncio.timeout(timeouts.get("pool")):
                await self._room.acquire()
        except TimeoutError:
            raise httpcore.PoolTimeout("too many requests at once") from None
        try:
            origin = request.url.origin
            connection = await self._kept(origin) or await self._opened(origin, timeouts.get("connect"))
            self._busy.add(connection)
            try:
                return await connection.handle_async_request(request), connection
            except BaseException:
                self._busy.discard(connection)
                raise
        except BaseException:
            self._room.release()
            raise

    async def done(self, connection: Connection, origin: httpcore.Origin) -> None:
        """The answer was read, or given up. Called any number of times."""
        if connection not in self._busy:
            return
        self._busy.discard(connection)
        self._room.release()
        if connection.is_idle():
            self._idle.append((origin, connection))
        while self._idle and (len(self._idle) > _MOST or self._idle[0][1].has_expired()):
            await self._idle.popleft()[1].aclose()

    async def aclose(self) -> None:
        connections = [*self._busy, *(connection for _, connection in self._idle)]
        self._idle.clear()
        for connection in connections:
            await connection.aclose()

    async def _kept(self, origin: httpcore.Origin) -> Connection | None:
        for index in range(len(self._idle) - 1, -1, -1):
            if self._idle[index][0] == origin:
                connection = self._idle[index][1]
                del self._idle[index]
                if not connection.has_expired():
                    return connection
                await connection.aclose()
                return await self._kept(origin)
        return None

    async def _opened(self, origin: httpcore.Origin, timeout: float | None) -> Connection:  # noqa: ASYNC109
        scheme, host, port = origin.scheme, origin.host.decode("ascii"), origin.port
        seconds = timeout or _CONNECT_SECONDS
        sock = await self._dialer.connect(host, port, timeout=seconds)
        streams = await self._dialer.stream(sock, tls=scheme == b"https", host=host, port=port, timeout=seconds)
        return Connection(origin, _Stream(streams), _KEPT_SECONDS)


class _Stream(httpcore.AsyncNetworkStream):
    """asyncio's streams as httpcore wants them."""

    def __init__(self, streams: Streams) -> None:
        self._reader, self._writer = streams

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        try:
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)
        except TimeoutError:
            raise httpcore.ReadTimeout("no answer in time") from None
        except OSError as error:
            raise httpcore.ReadError(str(error)) from None

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        try:
            async with asyncio.timeout(timeout):
                self._writer.write(buffer)
                await self._writer.drain()
        except TimeoutError:
            raise httpcore.WriteTimeout("the server takes no data") from None
        except OSError as error:
            raise httpcore.WriteError(str(error)) from None

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        raise NotImplementedError("the dialer has encrypted it already, where the URL asks for that")

    async def aclose(self) -> None:
        self._writer.close()

    def get_extra_info(self, info: str) -> object:
        # A kept connection that became readable was closed by the server: asyncio has read its end already.
        if info == "is_readable":
            return self._reader.at_eof() or self._writer.is_closing()
        return None
