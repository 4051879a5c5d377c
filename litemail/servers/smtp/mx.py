"""The MX server: takes mail from anybody for our addresses, relays nothing (RFC 5321, RFC 3207)."""

import secrets
import ssl

from litemail.kit import clock
from litemail.protocols import srs
from litemail.protocols.address import Address, InvalidAddress, parse
from litemail.protocols.header_fields import header_length
from litemail.servers.smtp import intake, trace
from litemail.servers.smtp.connection import SmtpConnection
from litemail.servers.smtp.delivery import TEXTS, Incoming, add_recipient, deliver
from litemail.servers.smtp.interface import MxBackend, Sender, SignInRefused
from litemail.servers.smtp.listener import Limits, SmtpServer


class MxHandler:
    offers_sign_in = False

    def __init__(self, backend: MxBackend) -> None:
        self._backend = backend

    async def sign_in(self, connection: SmtpConnection, *, username: str, password: str) -> Sender:
        del connection, username, password
        raise SignInRefused("502 5.5.1 AUTH is not offered here")

    async def mail(self, connection: SmtpConnection, path: str) -> str:
        del connection, path
        return "250 2.1.0 Ok"

    async def rcpt(self, connection: SmtpConnection, path: str) -> str:
        try:
            address = _address(path, connection.hostname)
        except InvalidAddress:
            return "553 5.1.3 The address is malformed"
        return await add_recipient(self._backend, connection, address, TEXTS)

    async def data(self, connection: SmtpConnection, content: bytes) -> str:
        refusal = intake.fault(
            content, header_length=header_length(content), header_octets=connection.limits.header_octets
        )
        if refusal:
            return refusal
        queue_id = secrets.token_hex(8)
        if not (connection.transaction.deliveries or connection.transaction.forwards):
            return f"250 2.0.0 Ok: {queue_id}"
        source = trace.source_clause(connection.helo, connection.peer)
        incoming = Incoming(content=content, message=content, source=source, queue_id=queue_id, now=clock.now())
        return await deliver(self._backend, connection, incoming)


def _address(path: str, hostname: str) -> Address:
    """Raises InvalidAddress."""
    if path.lower() == "postmaster":
        return Address("postmaster", hostname)
    return srs.parse_path(path) or parse(path)


async def serve_mx(
    backend: MxBackend,
    *,
    host: str,
    port: int,
    ssl_context: ssl.SSLContext | None,
    hostname: str,
    limits: Limits | None = None,
) -> SmtpServer:
    """Listens on `host`, `port` (0: any free one). STARTTLS is offered when there is a context, never required.

    `hostname` is what the server calls itself, also in Authentication-Results. Raises OSError if the port is taken.
    """
    server = SmtpServer(hostname=hostname, ssl_context=ssl_context, limits=limits or Limits())
    handler = MxHandler(backend)
    await server.listen(lambda: SmtpConnection(handler, server), host=host, port=port)
    return server
