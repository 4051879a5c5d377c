"""A bounded conversation in lines with a mail server, and what can go wrong in one.

However much or badly a server talks, it costs a few kilobytes: a line and a session have a longest length, and the
caller limits the time.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from litemail.kit.outbound import Guard
from litemail.providers.mailhost.presets import Security, Server

_LONGEST_LINE = 8 * 1024
_MOST_BYTES = 128 * 1024
_CHUNK = 4096


class Trouble(Exception):
    """Base. The text is the server's own words or a clause about it, not yet fit to be shown."""


class Refused(Trouble):
    """The server said no to the sign-in, in these words."""


class TurnedAway(Trouble):
    """The server ended the session, in these words, before it judged the sign-in."""


class Unexpected(Trouble):
    """The server does not speak the protocol as it should, or too much of it."""


class Closed(Trouble):
    """The server ended the connection without a word."""


class NoStartTls(Trouble):
    """The server does not start TLS when asked to."""


class NoPasswords(Trouble):
    """The server offers no way to sign in with a password on this connection."""


class Lines:
    """Lines in, lines out."""

    def __init__(self, receive: Callable[[int], Awaitable[bytes]], send: Callable[[bytes], Awaitable[None]]) -> None:
        self._receive = receive
        self._send = send
        self._searched = 0
        self._left = _MOST_BYTES
        self.pending = bytearray()

    async def read(self) -> str:
        """The next line without its end. Raises Unexpected for too much, Closed at the end."""
        while (end := self.pending.find(b"\n", self._searched)) < 0:
            self._searched = len(self.pending)
            if self._searched > _LONGEST_LINE:
                raise Unexpected("it sends lines without end")
            data = await self._receive(_CHUNK)
            if not data:
                raise Closed
            self.pending += data
            self._left -= len(data)
            if self._left < 0:
                raise Unexpected("it does not stop talking")
        line = bytes(self.pending[:end])
        del self.pending[: end + 1]
        self._searched = 0
        return line.decode("utf-8", "replace").strip()

    async def write(self, line: str) -> None:
        await self._send(f"{line}\r\n".encode())


@contextlib.asynccontextmanager
async def dialogue(
    server: Server, guard: Guard, *, seconds: float, start_tls: Callable[[Lines], Awaitable[None]]
) -> AsyncIterator[Lines]:
    """A conversation with the server under its security; closed at the end without waiting for the other side.

    `start_tls` conducts the part before the handshake where the security is STARTTLS; the greeting is part of that.
    It runs on the bare socket and anything left over ends the session (RFC 9051 section 6.2.1, RFC 3207 section 6), so
    nothing sent in the clear by somebody in between gets into the encrypted part.
    Raises Trouble, OSError, and the guard's OutboundError.
    """
    loop = asyncio.get_running_loop()
    sock = await guard.connect(server.host, server.port, timeout=seconds)
    if server.security is Security.STARTTLS:
        try:
            lines = Lines(partial(loop.sock_recv, sock), partial(loop.sock_sendall, sock))
            await start_tls(lines)
            _refuse_left_over(lines)
        except BaseException:
            sock.close()
            raise
    tls = server.security is not Security.NONE
    reader, writer = await guard.stream(sock, tls=tls, host=server.host, port=server.port, timeout=seconds)

    async def send(data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    try:
        yield Lines(reader.read, send)
    finally:
        # Not close(): a server that never answers the end of TLS would keep the socket.
        writer.transport.abort()


def _refuse_left_over(lines: Lines) -> None:
    if lines.pending:
        raise Unexpected("it sent more before the encryption began")
