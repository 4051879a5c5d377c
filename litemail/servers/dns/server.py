"""Sockets: UDP in batches, TCP with limits (RFC 7766)."""

import asyncio
import errno
import socket
from typing import Final

from litemail.servers.dns.respond import respond
from litemail.servers.dns.tcp import Connections
from litemail.servers.dns.zones import Zones

IDLE_TIMEOUT: Final = 10.0  # seconds from one whole query to the next
MAX_CONNECTIONS: Final = 512

_BATCH: Final = 64  # packets before the event loop gets its turn, which is about 1 ms
_LONGEST_QUERY: Final = 4_096
_RECEIVE_BUFFER: Final = 1 << 20
_TRIES: Final = 50


class DnsServer:
    """A running server. `port` is the same for UDP and TCP; `queries` counts what came in over both."""

    def __init__(self, udp: socket.socket, connections: Connections, zones: Zones) -> None:
        self._udp = udp
        self._connections = connections
        self._zones = zones
        self._listener: asyncio.Server | None = None
        self._udp_queries = 0
        self.host, self.port = udp.getsockname()[:2]

    @property
    def queries(self) -> int:
        return self._udp_queries + self._connections.queries

    async def start(self, tcp: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._connections.new, sock=tcp)
        loop.add_reader(self._udp.fileno(), self._readable)

    async def close(self) -> None:
        """Stop at once: queries that came in are answered, open connections are cut."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        asyncio.get_running_loop().remove_reader(self._udp.fileno())
        self._udp.close()
        listener.close()
        self._connections.abort_all()
        await listener.wait_closed()

    def _readable(self) -> None:
        receive, send, zones = self._udp.recvfrom, self._udp.sendto, self._zones
        for _ in range(_BATCH):
            try:
                packet, sender = receive(_LONGEST_QUERY)
            except OSError:  # nothing more to read, or the network's word about an earlier answer
                return
            self._udp_queries += 1
            answer = respond(zones, packet)
            if answer is not None:
                try:
                    send(answer, sender)
                except OSError:  # the buffer is full, or the sender's port cannot be: UDP may lose packets
                    continue


async def serve(
    host: str,
    port: int,
    zones: Zones,
    *,
    idle_timeout: float = IDLE_TIMEOUT,
    max_connections: int = MAX_CONNECTIONS,
) -> DnsServer:
    """Answer for `zones` on UDP and TCP. Port 0 takes one that is free for both. Raises OSError when it is taken."""
    udp, tcp = await _bind(host, port)
    try:
        server = DnsServer(udp, Connections(zones, idle_timeout=idle_timeout, limit=max_connections), zones)
        await server.start(tcp)
    except BaseException:
        udp.close()
        tcp.close()
        raise
    return server


async def _bind(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    for attempt in range(1, _TRIES + 1):
        udp = _socket(family, socket.SOCK_DGRAM, address)
        try:
            tcp = _socket(family, socket.SOCK_STREAM, udp.getsockname())
        except OSError as error:
            udp.close()
            if port == 0 and error.errno == errno.EADDRINUSE and attempt < _TRIES:
                continue
            raise
        return udp, tcp
    raise AssertionError("unreachable")


def _socket(
    family: socket.AddressFamily, kind: socket.SocketKind, address: tuple[str | int, ...] | tuple[int, bytes]
) -> socket.socket:
    bound = socket.socket(family, kind)
    try:
        bound.setblocking(False)
        if kind is socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        bound.bind(address)
        if kind is socket.SOCK_STREAM:
            bound.listen(128)
    except BaseException:
        bound.close()
        raise
    return bound
