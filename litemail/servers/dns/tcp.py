"""DNS over TCP: length framing, pipelined queries, and limits for clients that dawdle (RFC 7766)."""

import asyncio
import struct
from typing import cast

from litemail.servers.dns.respond import respond
from litemail.servers.dns.zones import Zones

_LENGTH = struct.Struct("!H")


class Connections:
    """All open connections. At the limit the one that was quiet for the longest makes room (RFC 7766 6.2.3)."""

    def __init__(self, zones: Zones, *, idle_timeout: float, limit: int) -> None:
        self.zones = zones
        self.idle_timeout = idle_timeout
        self.queries = 0
        self._limit = limit
        self._open: dict[_Connection, asyncio.Transport] = {}  # the quietest first

    def new(self) -> "_Connection":
        return _Connection(self)

    def add(self, connection: "_Connection", transport: asyncio.Transport) -> None:
        if len(self._open) >= self._limit:
            quietest = next(iter(self._open))
            self._open.pop(quietest).abort()
        self._open[connection] = transport

    def touch(self, connection: "_Connection") -> None:
        transport = self._open.pop(connection, None)
        if transport is not None:
            self._open[connection] = transport

    def drop(self, connection: "_Connection") -> None:
        self._open.pop(connection, None)

    def abort_all(self) -> None:
        for transport in list(self._open.values()):
            transport.abort()
        self._open.clear()


class _Connection(asyncio.Protocol):
    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._buffer = bytearray()
        self._paused = False
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # not its subclass in every event loop
        self._connections.add(self, self._transport)
        self._extend()
        self._check_idle()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self._connections.drop(self)
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._answer()

    def pause_writing(self) -> None:
        self._paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        self._extend()
        self._answer()
        if not self._paused and self._transport is not None:
            self._transport.resume_reading()

    def _answer(self) -> None:
        """Answer the whole queries in the buffer, until the client stops taking answers."""
        position = 0
        while not self._paused and self._transport is not None and len(self._buffer) - position >= _LENGTH.size:
            start = position + _LENGTH.size
            end = start + _LENGTH.unpack_from(self._buffer, position)[0]
            if end > len(self._buffer):
                break
            answer = respond(self._connections.zones, bytes(self._buffer[start:end]), tcp=True)
            position = end
            self._connections.queries += 1
            if answer is None:  # not a query, so what follows will not be one either
                self._transport.close()
                self._buffer.clear()
                return
            self._transport.write(_LENGTH.pack(len(answer)) + answer)
        if position:
            del self._buffer[:position]
            self._extend()

    def _extend(self) -> None:
        self._deadline = asyncio.get_running_loop().time() + self._connections.idle_timeout
        self._connections.touch(self)

    def _check_idle(self) -> None:
        loop = asyncio.get_running_loop()
        if self._transport is None:
            return
        if loop.time() >= self._deadline:
            self._transport.abort()
        else:
            self._timer = loop.call_at(self._deadline, self._check_idle)
