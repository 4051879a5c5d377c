"""One client's connection: the engine's loop of commands with our limits, time-outs and back-pressure."""

import asyncio
import base64
import binascii
import logging
import re
import socket
import ssl
import sys
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

from proxyprotocol.sock import SocketInfo
from pymap.concurrent import Event
from pymap.imap import IMAPConnection
from pymap.imap.state import ConnectionState
from pymap.parsing.command import Command
from pymap.parsing.command.select import IdleCommand
from pymap.parsing.response import (
    CommandResponse,
    Response,
    ResponseBad,
    ResponseBye,
    ResponseCode,
    ResponseContinuation,
    ResponseOk,
)
from pymap.parsing.state import ExpectContinuation, ParsingInterrupt
from pysasl.creds.server import ServerCredentials
from pysasl.exception import AuthenticationError

from litemail.servers.imap.account import Limits
from litemail.servers.imap.responses import Collected, FetchOk
from litemail.servers.imap.state import Config, Password, State

_log = logging.getLogger(__name__)
_LITERAL_PLUS = re.compile(rb"\{(\d{1,15})\+\}\r?\n\Z")
_PIECE = 64 * 1024


_T = TypeVar("_T")


class Disconnect(Exception):
    """The client is to be told why, and the connection closed."""

    def __init__(self, text: bytes, code: bytes | None = None) -> None:
        super().__init__(text.decode("ascii"))
        self.response = ResponseBye(text, ResponseCode.of(code))


class Connection(IMAPConnection):
    """Reads commands and writes responses; no client can hold it, or fill the memory, for long."""

    def __init__(
        self,
        config: Config,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        limits: Limits,
        large: asyncio.Semaphore,
    ) -> None:
        super().__init__(config.commands, config, reader, writer, SocketInfo.get(writer, None))
        self.params = config.before_sign_in
        self.at_rest = True
        self.lost = asyncio.ensure_future(writer.wait_closed())
        self.lost.add_done_callback(_note_outcome)
        self._limits = limits
        self._large = large
        self._budget = 0
        self._sign_in_by = asyncio.get_running_loop().time() + limits.before_sign_in_seconds
        self._signed_in = False

    @property
    def tls_object(self) -> ssl.SSLObject | None:
        found = self.writer.get_extra_info("ssl_object")
        return found if isinstance(found, ssl.SSLObject) else None

    # Reading

    async def read_command(self, state: ConnectionState) -> Command:
        if isinstance(state, State) and state.is_signed_in and not self._signed_in:
            self._signed_in = True
            self.params = self.config.parsing_params
        literal = self._limits.literal if self._signed_in else self._limits.literal_before_sign_in
        self._budget = literal + 2 * self._limits.line
        self.at_rest = True
        try:
            return await super().read_command(state)
        finally:
            self.at_rest = False

    async def read_idle_done(self, cmd: IdleCommand) -> bool:
        self.at_rest = True
        self._budget = self._limits.line
        try:
            return await super().read_idle_done(cmd)
        finally:
            self.at_rest = False

    async def readline(self) -> memoryview:
        """A line with the non-synchronising literals in it (RFC 7888)."""
        read = bytearray()
        while True:
            line = await self._within(self.reader.readuntil(b"\n"))
            self.at_rest = False
            self._spend(len(line))
            read += line
            literal = _LITERAL_PLUS.search(line, max(0, len(line) - 32))
            if literal is None:
                return memoryview(bytes(read))
            read += await self._literal(int(literal[1]))

    async def read_continuation(self, literal_length: int) -> memoryview:
        if not literal_length:
            return await self.readline()
        return memoryview(await self._literal(literal_length) + bytes(await self.readline()))

    async def _interrupt(
        self, state: ConnectionState, interrupt: ParsingInterrupt, continuations: list[memoryview]
    ) -> None:
        expected = interrupt.expected
        if isinstance(expected, ExpectContinuation) and expected.literal_length > self._budget:
            raise Disconnect(b"The command is too large.", b"TOOBIG")
        await super()._interrupt(state, interrupt, continuations)

    async def _literal(self, length: int) -> bytes:
        self._spend(length)
        self._acknowledge_at_once()
        if length <= _PIECE:
            return await self._within(self.reader.readexactly(length))
        async with self._large:
            read = bytearray()
            while len(read) < length:
                read += await self._within(self.reader.readexactly(min(_PIECE, length - len(read))))
            return bytes(read)

    def _acknowledge_at_once(self) -> None:
        """Many clients write what follows a literal apart from it; with a delayed ACK that costs them 40 ms each."""
        connected = self.writer.get_extra_info("socket")
        if connected is not None and hasattr(socket, "TCP_QUICKACK"):
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _spend(self, size: int) -> None:
        self._budget -= size
        if self._budget < 0:
            raise Disconnect(b"The command is too large.", b"TOOBIG")

    async def _within(self, reading: Awaitable[bytes]) -> bytes:
        try:
            async with asyncio.timeout_at(self._deadline()):
                return await reading
        except TimeoutError:
            raise Disconnect(b"Autologout; idle for too long.") from None
        except asyncio.LimitOverrunError:
            raise Disconnect(b"The line is too long.", b"TOOBIG") from None

    def _deadline(self) -> float:
        now = asyncio.get_running_loop().time()
        patience = self._limits.idle_seconds if self.at_rest else self._limits.stalled_seconds
        return now + patience if self._signed_in else min(now + patience, self._sign_in_by)

    async def idle(self, state: ConnectionState, cmd: IdleCommand) -> CommandResponse:
        """IDLE (RFC 2177): news until the client says DONE."""
        response = await state.do_command(cmd)
        if not isinstance(response, ResponseOk):
            return response
        await self.write_response(ResponseContinuation(b"Idling."))
        done = Event.for_asyncio()
        reading = asyncio.ensure_future(self.read_idle_done(cmd))
        telling = asyncio.ensure_future(self.handle_updates(state, done, cmd))
        try:
            await asyncio.wait({reading, telling}, return_when=asyncio.FIRST_COMPLETED)
            done.set()
            await telling
            return response if await reading else ResponseBad(cmd.tag, b"Expected DONE.")
        finally:
            done.set()
            reading.cancel()
            telling.cancel()
            await asyncio.gather(reading, telling, return_exceptions=True)

    async def handle_updates(self, state: ConnectionState, done: Event, cmd: IdleCommand) -> None:
        while not done.is_set():
            for news in await state.receive_updates(cmd, done):
                await self.write_response(news)
                if news.is_terminal:
                    raise EOFError

    # Writing

    async def send(self, data: bytes) -> None:
        """Send in pieces, so that only a client that reads nothing at all for a minute is given up."""
        for start in range(0, len(data), _PIECE):
            self.writer.write(data[start : start + _PIECE])
            try:
                async with asyncio.timeout(self._limits.stalled_seconds):
                    await self.writer.drain()
            except TimeoutError:
                self.writer.transport.abort()
                raise ConnectionResetError("the client does not read") from None

    async def write_response(self, resp: Response) -> None:
        if isinstance(resp, FetchOk):
            await resp.stream(self.send)
        collected = Collected()
        resp.write(collected)
        await self.send(b"".join(collected.parts))

    async def send_error_disconnect(self) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, Disconnect):
            goodbye = error.response
        elif isinstance(error, asyncio.CancelledError):
            goodbye = ResponseBye(b"The server is closing.", ResponseCode.of(b"UNAVAILABLE"))
        elif isinstance(error, OSError | EOFError):
            return
        else:
            goodbye = ResponseBye(b"Internal error.", ResponseCode.of(b"SERVERBUG"))
        with suppress(OSError):
            await self.write_response(goodbye)

    # TLS and sign-in

    def hold_input(self) -> bool:
        """Stop reading before TLS begins. False when the client sent more already."""
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a Transport, typed as WriteTransport
        return not self.reader._buffer  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public way to ask

    async def start_tls(self) -> None:
        try:
            await self.writer.start_tls(self.config.ssl_context, ssl_handshake_timeout=self._limits.handshake_seconds)
        except (OSError, EOFError) as error:
            raise ConnectionResetError("no TLS") from error
        # Python 3.11 leaves the reader with the plain transport, whose flow control belongs to TLS now.
        self.reader._transport = self.writer.transport  # type: ignore[attr-defined]  # noqa: SLF001

    async def authenticate(self, state: ConnectionState, mech_name: bytes) -> ServerCredentials | None:
        """The client's part of AUTHENTICATE PLAIN (RFC 4616)."""
        if state.auth.get_server(mech_name) is None:
            return None
        await self.write_response(ResponseContinuation(b""))
        line = bytes(await self.readline()).strip()
        if line == b"*":
            raise AuthenticationError("AUTHENTICATE cancelled.")
        try:
            authzid, authcid, password = base64.b64decode(line, validate=True).decode("utf-8").split("\0")
        except (binascii.Error, ValueError):
            raise AuthenticationError("Not a PLAIN message.") from None
        return Password(authcid, password, authzid)

    async def unless_lost(self, work: Awaitable[_T], *, seconds: float) -> _T:
        """Wait for `work`; cancel it when the client leaves (EOFError) or time is over (TimeoutError)."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, self.lost}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            if self.lost.done():
                raise EOFError
            raise TimeoutError
        finally:
            task.cancel()


def _note_outcome(task: asyncio.Future[None]) -> None:
    if not task.cancelled():
        task.exception()
