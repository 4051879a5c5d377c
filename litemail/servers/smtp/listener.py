"""The listening side: who may connect, how much at once, and an orderly end."""

import asyncio
import ipaddress
import logging
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Protocol, TypeVar

import msgspec
import structlog

from litemail.servers.smtp.retries import RetryMemory

MEBIBYTE = 1024 * 1024
_T = TypeVar("_T")
log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Times are in seconds. The defaults of RFC 5321 section 4.5.3.2 where it has some."""

    message_octets: int = 50 * MEBIBYTE
    header_octets: int = MEBIBYTE
    octets_in_flight: int = 128 * MEBIBYTE  # of all messages being received
    recipients: int = 100
    connections: int = 1000
    connections_per_peer: int = 50
    errors: int = 20  # negative replies in one connection
    sign_in_failures: int = 3  # in one connection
    idle: float = 300
    handshake: float = 30
    data: float = 1800  # for one message, however steadily it trickles
    delivery: float = 300
    drain: float = 10


class Connection(Protocol):
    """What the listener asks of a connection."""

    def leave(self) -> None:
        """Ends at the next moment at which nothing is lost."""
        ...

    def abort(self) -> None: ...


class SmtpServer:
    """One listener and its connections. Made by `serve_mx` and `serve_submission`."""

    def __init__(self, *, hostname: str, ssl_context: ssl.SSLContext | None, limits: Limits) -> None:
        self.hostname = hostname
        self.ssl_context = ssl_context
        self.limits = limits
        self.retries = RetryMemory()
        self.closing = False
        self.octets_in_flight = 0
        self._connections: dict[Connection, str] = {}
        self._per_peer: Counter[str] = Counter()
        self._work: set[asyncio.Task[object]] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._listener: asyncio.Server | None = None
        self.port = 0

    async def listen(self, factory: Callable[[], asyncio.Protocol], *, host: str, port: int) -> None:
        # aiosmtpd writes each address of each message into its log, which we neither need nor should keep
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(factory, host, port, backlog=512)
        self.port = self._listener.sockets[0].getsockname()[1]

    def enter(self, connection: Connection, address: str) -> str | None:
        """Counts a new connection in, or says why not (the reply)."""
        peer = _network(address)
        if self.closing:
            return f"421 4.3.2 {self.hostname} Service is shutting down"
        if len(self._connections) >= self.limits.connections:
            return f"421 4.3.2 {self.hostname} Too many connections, try again later"
        if self._per_peer[peer] >= self.limits.connections_per_peer:
            return f"421 4.7.0 {self.hostname} Too many connections from your address"
        self._connections[connection] = peer
        self._per_peer[peer] += 1
        self._quiet.clear()
        return None

    def exit(self, connection: Connection) -> None:
        peer = self._connections.pop(connection, None)
        if peer is None:
            return
        self._per_peer[peer] -= 1
        if not self._per_peer[peer]:
            del self._per_peer[peer]
        self._settle()

    def start(self, work: Coroutine[object, object, _T]) -> asyncio.Task[_T]:
        """Work that goes on when the connection that asked for it ends; `close` waits for it."""
        task = asyncio.create_task(work)
        self._work.add(task)
        self._quiet.clear()
        task.add_done_callback(self._worked)
        return task

    def _worked(self, task: asyncio.Task[object]) -> None:
        self._work.discard(task)
        if not task.cancelled() and task.exception():
            log.error("smtp.work_failed", exc_info=task.exception())
        self._settle()

    def _settle(self) -> None:
        if not self._connections and not self._work:
            self._quiet.set()

    async def close(self) -> None:
        """Takes no more, lets messages under way end for `limits.drain` seconds, then cuts what is left."""
        if self.closing:
            await self._quiet.wait()
            return
        self.closing = True
        if self._listener:
            self._listener.close()
        for connection in list(self._connections):
            connection.leave()
        try:
            async with asyncio.timeout(self.limits.drain):
                await self._quiet.wait()
        except TimeoutError:
            log.warning("smtp.drain_cut", connections=len(self._connections), deliveries=len(self._work))
            for connection in list(self._connections):
                connection.abort()
            for task in list(self._work):
                task.cancel()
            await self._quiet.wait()
        if self._listener:
            await self._listener.wait_closed()


def _network(address: str) -> str:
    """What counts as one peer: an IPv4 address, the /64 of an IPv6 address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return address
    return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
