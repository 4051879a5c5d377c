"""IMAP (RFC 3501, IDLE, UIDPLUS, MOVE, SPECIAL-USE, NAMESPACE, UNSELECT): Maildir++ under pymap's protocol engine."""

import ssl
from typing import TYPE_CHECKING

from litemail.servers.imap.account import Account as Account
from litemail.servers.imap.account import Backend as Backend
from litemail.servers.imap.account import Limits as Limits
from litemail.servers.imap.account import SignInRefused as SignInRefused
from litemail.servers.imap.account import SignInStalled as SignInStalled
from litemail.servers.imap.listener import ImapServer as ImapServer
from litemail.servers.imap.maildir import deliver as deliver

if TYPE_CHECKING:
    from litemail.servers.imap.store import Store

_DEFAULT_LIMITS = Limits()


async def serve(
    backend: Backend,
    *,
    host: str,
    port: int,
    ssl_context: ssl.SSLContext,
    implicit_tls: bool,
    store: "Store | None" = None,
    limits: Limits = _DEFAULT_LIMITS,
) -> ImapServer:
    """Listen for IMAP; port 0 takes a free one.

    `implicit_tls`: TLS from the first byte (imaps); else STARTTLS, and no sign-in before it (RFC 8314). Two listeners
    of one process should share a `store`, which the caller closes; without one the listener has its own.
    Raises OSError when the port is taken.
    """
    from litemail.servers.imap.server import start  # noqa: PLC0415 - the engine is loaded only where it is used

    return await start(
        backend,
        host=host,
        port=port,
        ssl_context=ssl_context,
        implicit_tls=implicit_tls,
        store=store,
        limits=limits,
    )
