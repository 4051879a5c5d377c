"""One SMTP connection: aiosmtpd's command loop with the parts replaced that must not be left to chance.

Ours are: DATA (only CRLF.CRLF ends it, bare CR, bare LF and NUL are refused, sizes and times are bounded), STARTTLS
(by the event loop's own upgrade, nothing said before it is kept), AUTH (asynchronous), paths, errors, and the end.
"""

import asyncio
import contextlib
import re
import ssl
from collections import defaultdict
from collections.abc import Sequence
from typing import NoReturn, Protocol, cast

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from litemail.kit import local_ca
from litemail.servers.smtp import sasl
from litemail.servers.smtp.intake import Intake
from litemail.servers.smtp.interface import Delivery, Forward, Sender, SignInRefused
from litemail.servers.smtp.listener import SmtpServer

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_COMMAND_OCTETS = 1024
_AUTH_OCTETS = 12288  # RFC 4954 section 4
_CHUNK = 64 * 1024
_LINGER = 5.0  # seconds for a last reply to leave
# RFC 5321 section 4.1.2: Path with its optional source route, brackets as everybody writes them or without
_LOCAL = r'(?:[^\x00-\x20\x7f<>"@\\:,]+|"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*")'
_DOMAIN = r"[^\x00-\x20\x7f<>@]+"
_PATH = re.compile(rf"<(?:@[^\s<>:]*:)?({_LOCAL}(?:@{_DOMAIN})?|)>(?: +(.*))?|({_LOCAL}@{_DOMAIN})(?: +(.*))?")
NULL_PATH = "<>"  # aiosmtpd wants something that is not empty


class Transaction(Envelope):
    """One mail transaction, from MAIL to the end of DATA."""

    def __init__(self) -> None:
        super().__init__()
        self.key = b""  # of the retry memory
        self.delivered: set[str] = set()  # who has it, when the reply is positive
        self.deliveries: dict[str, Delivery] = {}  # by mailbox: an alias and its mailbox get one copy
        self.forwards: dict[str, Forward] = {}  # by rule and target, for the same reason

    @property
    def reverse_path(self) -> str:
        """The sender's address without brackets, empty for a bounce."""
        return "" if self.mail_from in {None, NULL_PATH} else str(self.mail_from)


class Handler(Protocol):
    """What a server does with the commands. Each returns the whole reply."""

    offers_sign_in: bool

    async def sign_in(self, connection: "SmtpConnection", *, username: str, password: str) -> Sender: ...

    async def mail(self, connection: "SmtpConnection", path: str) -> str: ...

    async def rcpt(self, connection: "SmtpConnection", path: str) -> str: ...

    async def data(self, connection: "SmtpConnection", content: bytes) -> str: ...


class _Hooks:
    """aiosmtpd finds hooks by name on an object; this one leads them to our typed handler."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: "SmtpConnection", session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        del envelope
        session.host_name = hostname
        kept = [line for line in responses if not line.startswith(("250-AUTH", "250 HELP"))]
        if self.handler.offers_sign_in and server.is_secure:
            kept.append("250-AUTH " + " ".join(sasl.MECHANISMS))
        return [*kept, "250 PIPELINING"]

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: "SmtpConnection", session: Session, envelope: Envelope, path: str, options: list[str]
    ) -> str:
        del session
        reply = await self.handler.mail(server, "" if path == NULL_PATH else path)
        if reply.startswith("250"):
            envelope.mail_from = path
            envelope.mail_options.extend(options)
        return reply

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: "SmtpConnection", session: Session, envelope: Envelope, path: str, options: list[str]
    ) -> str:
        del session, options
        if len(envelope.rcpt_tos) >= server.listener.limits.recipients:
            return "452 4.5.3 Too many recipients, send the message again to the rest"
        reply = await self.handler.rcpt(server, path)
        if reply.startswith("250"):
            envelope.rcpt_tos.append(path)
        return reply


class SmtpConnection(SMTP):
    """`sender` is who signed in, `tls_name` the SNI name that the client asked for."""

    line_length_limit = _CHUNK  # of the reader's buffer; text lines may be longer

    def __init__(self, handler: Handler, listener: SmtpServer) -> None:
        limits = listener.limits
        super().__init__(
            _Hooks(handler),
            data_size_limit=limits.message_octets,
            hostname=listener.hostname,
            ident="ESMTP Litemail",
            tls_context=listener.ssl_context,
            timeout=limits.idle,
            auth_required=handler.offers_sign_in,
            loop=asyncio.get_running_loop(),
        )
        # aiosmtpd keeps these limits in one dictionary of the class, which every connection empties and raises
        self.command_size_limits = defaultdict(lambda: _COMMAND_OCTETS, AUTH=_AUTH_OCTETS)
        self.command_size_limit = _COMMAND_OCTETS
        self.handler = handler
        self.listener = listener
        self.limits = limits
        self.sender: Sender | None = None
        self.tls_name: str | None = None
        self.peer = ""
        self.is_secure = False
        self._wire: asyncio.Transport | None = None
        self._entered = False
        self._busy = False
        self._errors = 0
        self._failures = 0

    # -- life

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if peer else ""
        self._wire = cast("asyncio.Transport", transport)  # uvloop's are not instances of it
        refusal = self.listener.enter(self, self.peer)
        if refusal is None:
            self._entered = True
            super().connection_made(transport)
        else:
            self._end(refusal)

    def data_received(self, data: bytes) -> None:
        if self._entered:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        return super().eof_received() if self._entered else False

    def connection_lost(self, error: Exception | None) -> None:
        if self._entered:
            self._entered = False
            self.listener.exit(self)
            super().connection_lost(error)

    async def _handle_client(self) -> None:
        with contextlib.suppress(ConnectionError):
            await super()._handle_client()

    def leave(self) -> None:
        if not self._busy:
            self._end(f"421 4.3.2 {self.hostname} Service is shutting down")

    def abort(self) -> None:
        if self._wire is not None:
            self._wire.abort()

    def _timeout_cb(self) -> None:
        self._end(f"421 4.4.2 {self.hostname} Timeout")

    def _end(self, reply: str) -> None:
        """A last reply, then the end, also for a client that does not read it."""
        transport = self._wire
        if transport is not None and not transport.is_closing():
            transport.write(reply.encode() + b"\r\n")
            transport.close()
            self.loop.call_later(_LINGER, transport.abort)

    def _hang_up(self, reply: str) -> NoReturn:
        """Ends the connection from within a command, so that nothing more that the client sent is obeyed."""
        self._end(reply)
        raise ConnectionResetError

    async def push(self, status: str | bytes) -> None:
        reply = status if isinstance(status, bytes) else status.encode("ascii", "replace")
        await super().push(reply)
        if reply[:1] in {b"4", b"5"}:
            self._errors += 1
            if self._errors >= self.limits.errors:
                self._hang_up(f"421 4.7.0 {self.hostname} Too many errors")

    async def handle_exception(self, error: Exception) -> str:
        log.error("smtp.command_failed", exc_info=error, peer=self.peer)
        return "451 4.3.0 Internal error, try again later"

    def _create_envelope(self) -> Transaction:
        self.transaction = Transaction()
        return self.transaction

    @property
    def helo(self) -> str:
        return (self.session.host_name if self.session else None) or ""

    @property
    def protocol_name(self) -> str:
        """The name for Received fields (RFC 3848)."""
        if not self.session or not self.session.extended_smtp:
            return "SMTP"
        return "ESMTP" + ("S" if self.is_secure else "") + ("A" if self.sender else "")

    # -- commands

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        match = _PATH.fullmatch(arg)
        if match is None:
            return None, None
        path = match[1] if match[3] is None else match[3]
        return path or NULL_PATH, match[2] or match[4] or ""

    def _getparams(self, params: Sequence[str]) -> dict[str, str | bool] | None:
        found = super()._getparams(params)
        if found is not None and self.handler.offers_sign_in:
            found.pop("AUTH", None)  # RFC 4954 section 5: must be taken, may be ignored
        return found

    async def smtp_STARTTLS(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd's name
        """RFC 3207."""
        if arg:
            await self.push("501 5.5.4 Syntax: STARTTLS")
        elif self.tls_context is None or self._wire is None:
            await self.push("454 4.7.0 TLS is not available")
        elif self.is_secure:
            await self.push("503 5.5.1 TLS is already active")
        else:
            await self.push("220 2.0.0 Ready to start TLS")
            await self._start_tls(self._wire, self.tls_context)

    async def _start_tls(self, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        self._original_transport = transport
        # RFC 3207 section 4.2. Not after the handshake: what is there then came protected
        self._reader._buffer.clear()  # type: ignore[attr-defined]  # noqa: SLF001 - no public way to do it
        try:
            secure = await self.loop.start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=self.limits.handshake
            )
        except (OSError, EOFError) as error:
            transport.abort()
            self.connection_lost(error if isinstance(error, OSError) else None)  # a failed handshake tells nobody
            return
        if secure is None:
            return
        self.transport = self._wire = secure
        # the upgrade is the loop's; aiosmtpd and the streams only have to be told (no public way on Python 3.11)
        self._reader._transport = secure  # type: ignore[attr-defined]  # noqa: SLF001
        self._writer._transport = secure  # type: ignore[attr-defined]  # noqa: SLF001
        self._over_ssl = True
        self.is_secure = True
        ssl_object = secure.get_extra_info("ssl_object")
        self.tls_name = local_ca.requested_name(ssl_object)
        self.envelope = self._create_envelope()
        self.session = self._create_session()
        self.session.peer = secure.get_extra_info("peername")
        self.session.ssl = {"ssl_object": ssl_object}
        self._tls_protocol = ssl_object  # aiosmtpd only asks whether it is there
        self._reset_timeout()

    async def smtp_AUTH(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd's name
        """RFC 4954, PLAIN and LOGIN, only under TLS."""
        refusal = self._auth_refusal(arg)
        if refusal:
            await self.push(refusal)
            return
        mechanism, _, initial = (arg or "").partition(" ")
        try:
            username, password = await sasl.exchange(self._ask, mechanism.upper(), initial.strip() or None)
            sender = await self.handler.sign_in(self, username=username, password=password)
        except sasl.Aborted as error:
            await self.push(str(error))
        except SignInRefused as error:
            self._failures += 1
            await self.push("\r\n".join(error.reply.splitlines()))
            if self._failures >= self.limits.sign_in_failures:
                self._hang_up(f"421 4.7.0 {self.hostname} Too many failed sign-ins")
        else:
            self.sender = sender
            if self.session:
                self.session.authenticated = True
            await self.push("235 2.7.0 Authentication successful")

    def _auth_refusal(self, arg: str | None) -> str | None:
        mechanism = (arg or "").partition(" ")[0].upper()
        checks = (
            (not self.handler.offers_sign_in, "502 5.5.1 AUTH is not offered here"),
            (not self.is_secure, "538 5.7.11 Encryption required for requested authentication mechanism"),
            (not self.session or not self.session.extended_smtp, "503 5.5.1 Send EHLO first"),
            (self.sender is not None, "503 5.5.1 Already authenticated"),
            (self.transaction.mail_from is not None, "503 5.5.1 Not during a mail transaction"),
            (mechanism not in sasl.MECHANISMS, "504 5.5.4 Unrecognized authentication type"),
        )
        return next((reply for wrong, reply in checks if wrong), None)

    async def _ask(self, challenge: bytes) -> bytes:
        """Sends a challenge line of a sign-in and returns the client's answer without its line end."""
        await self.push(b"334 " + challenge)
        try:
            line = await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            self._hang_up("500 5.5.6 Authentication exchange line is too long")
        self._reset_timeout()
        return line.rstrip(b"\r\n")

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd's name
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        if not self.transaction.rcpt_tos:
            await self.push("503 5.5.1 Need RCPT first")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        if self._reader._buffer:  # type: ignore[attr-defined]  # noqa: SLF001 - no public way to see it
            # RFC 2920 section 3.1: nothing may follow DATA before its reply. Who does it anyway is smuggling.
            self._hang_up(f"421 4.5.0 {self.hostname} Improper use of pipelining")
        self._busy = True
        try:
            await self._receive()
        finally:
            self._busy = False
            if self.listener.closing:
                self.leave()

    async def _receive(self) -> None:
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        transaction = self.transaction
        intake = Intake(self.listener)
        try:
            await self._read(intake)
            self._reset_timeout(2 * self.limits.delivery)
            reply = intake.refusal or await self.handler.data(self, intake.content())
        finally:
            intake.release()
            self.envelope = self._create_envelope()
            if self.transport is not None:
                self._reset_timeout()
        try:
            await self.push(reply)
        except (ConnectionError, asyncio.CancelledError):
            self.listener.retries.remember(transaction.key, transaction.delivered, now=self.loop.time())
            raise

    async def _read(self, intake: Intake) -> None:
        try:
            async with asyncio.timeout(self.limits.data):
                await intake.read(self._reader, progress=self._reset_timeout)
        except TimeoutError:
            self._hang_up(f"421 4.4.2 {self.hostname} Timeout")
