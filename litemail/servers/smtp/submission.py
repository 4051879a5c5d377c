"""The submission server: takes mail from our mailboxes, signed in under TLS (RFC 6409, RFC 8314, RFC 4954)."""

import email.errors
import email.policy
import secrets
import ssl
from email.headerregistry import AddressHeader
from email.utils import format_datetime

from litemail.kit import clock
from litemail.protocols import dkim
from litemail.protocols.address import Address, InvalidAddress, parse
from litemail.protocols.header_fields import MalformedHeader, Message, header_length, unfold
from litemail.protocols.header_fields import parse as parse_message
from litemail.servers.smtp import intake
from litemail.servers.smtp.connection import SmtpConnection
from litemail.servers.smtp.delivery import TEXTS, Incoming, add_recipient, deliver
from litemail.servers.smtp.interface import OverLimit, Reason, Sender, SubmissionBackend
from litemail.servers.smtp.listener import Limits, SmtpServer

_TEXTS = TEXTS | {Reason.FOREIGN_DOMAIN: "Mail to other servers is not delivered by this installation yet"}
_FROM_OCTETS = 4096  # of a From field that is looked at
DEFAULT_LIMITS = Limits(connections_per_peer=200)  # people behind one address, and platforms with many mailboxes


class Unacceptable(Exception):
    """The message cannot be sent as it is; the text is the reply."""


class SubmissionHandler:
    offers_sign_in = True

    def __init__(self, backend: SubmissionBackend) -> None:
        self._backend = backend

    async def sign_in(self, connection: SmtpConnection, *, username: str, password: str) -> Sender:
        return await self._backend.sign_in(
            username=username, password=password, peer=connection.peer, tls_name=connection.tls_name
        )

    async def mail(self, connection: SmtpConnection, path: str) -> str:
        """The null sender is fine: receipts have it (RFC 8098 section 3). Their From is checked like any other."""
        if path:
            try:
                await self._check_sender(connection, parse(path))
            except InvalidAddress:
                return "553 5.1.7 The sender's address is malformed"
            except Unacceptable as error:
                return str(error)
        return "250 2.1.0 Ok"

    async def rcpt(self, connection: SmtpConnection, path: str) -> str:
        try:
            address = parse(path)
        except InvalidAddress:
            return "553 5.1.3 The address is malformed"
        return await add_recipient(self._backend, connection, address, _TEXTS)

    async def data(self, connection: SmtpConnection, content: bytes) -> str:
        refusal = intake.fault(
            content, header_length=header_length(content), header_octets=connection.limits.header_octets
        )
        if refusal:
            return refusal
        try:
            message = parse_message(content)
            authors = authors_of(message)
            for author in authors:
                await self._check_sender(connection, author)
            await self._admit(connection)
        except MalformedHeader:
            return "550 5.6.0 The message header is malformed"
        except Unacceptable as error:
            return str(error)
        except OverLimit as error:
            return error.reply
        queue_id = secrets.token_hex(8)
        if not (connection.transaction.deliveries or connection.transaction.forwards):
            return f"250 2.0.0 Ok: {queue_id}"
        now = clock.now()
        domain = authors[0].domain
        missing = []
        if not message.all("date"):
            missing.append(f"Date: {format_datetime(now)}\r\n")
        if not message.all("message-id"):
            missing.append(f"Message-ID: <{secrets.token_hex(16)}@{domain}>\r\n")
        complete = "".join(missing).encode() + content
        signed = dkim.sign(complete, domain=domain, keys=await self._backend.signing_keys(domain), now=now)
        incoming = Incoming(content=content, message=signed, source=None, queue_id=queue_id, now=now)
        return await deliver(self._backend, connection, incoming)

    async def _check_sender(self, connection: SmtpConnection, address: Address) -> None:
        sender = connection.sender
        if sender is None or not await self._backend.may_send_as(sender, address):
            raise Unacceptable(f"550 5.7.1 You may not send as {address}")

    async def _admit(self, connection: SmtpConnection) -> None:
        if connection.sender is not None:
            await self._backend.admit(connection.sender, len(connection.transaction.rcpt_tos))


def authors_of(message: Message) -> list[Address]:
    """The addresses of the From field (RFC 5322 section 3.6.2). Raises Unacceptable.

    A field that can be read in two ways is refused: what we check must be what a mail client shows.
    """
    fields = message.all("from")
    if len(fields) != 1:
        raise Unacceptable("550 5.6.0 The message must have one From field")
    raw = fields[0].raw
    text = unfold(fields[0].value).decode("utf-8", "replace").strip()
    try:
        if len(raw) > _FROM_OCTETS:
            raise Unacceptable("550 5.6.0 The From field is too long")
        header = email.policy.SMTP.header_factory("from", text)
        if header.defects or not isinstance(header, AddressHeader) or not header.addresses:
            raise Unacceptable("550 5.6.0 The From field is malformed")
        return [parse(address.addr_spec) for address in header.addresses]
    except (InvalidAddress, email.errors.MessageError, ValueError, IndexError, AttributeError, TypeError) as error:
        # the library's parser fails with the last four on some malformed fields
        raise Unacceptable("550 5.6.0 The From field is malformed") from error


async def serve_submission(
    backend: SubmissionBackend,
    *,
    host: str,
    port: int,
    ssl_context: ssl.SSLContext,
    hostname: str,
    limits: Limits | None = None,
) -> SmtpServer:
    """Listens on `host`, `port` (0: any free one) with STARTTLS; nothing but that is possible before it.

    A backend whose routes deliver to nobody makes it a server that takes every message and drops it.
    Raises OSError if the port is taken.
    """
    server = SmtpServer(hostname=hostname, ssl_context=ssl_context, limits=limits or DEFAULT_LIMITS)
    handler = SubmissionHandler(backend)
    await server.listen(lambda: SmtpConnection(handler, server), host=host, port=port)
    return server
