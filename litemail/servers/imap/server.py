"""The listener: accepts, limits, wires a connection to the backend, and closes gracefully."""

import asyncio
import logging
import ssl
from collections import Counter
from contextlib import suppress
from weakref import WeakKeyDictionary

from litemail.servers.imap.account import Account, Backend, Limits, SignInStalled
from litemail.servers.imap.connection import Connection, Disconnect
from litemail.servers.imap.listener import ImapServer
from litemail.servers.imap.state import Config, State
from litemail.servers.imap.store import Store

_log = logging.getLogger(__name__)
_FAREWELL_SECONDS = 1.0  # for a client to answer the end of TLS
_LARGE_AT_ONCE = 8  # literals of 50 MB that may be in memory


class _Names:
    """The host names that clients asked for in TLS (SNI), noted by the context's callback."""

    def __init__(self) -> None:
        self._names: WeakKeyDictionary[ssl.SSLObject, str] = WeakKeyDictionary()
        self._watched: WeakKeyDictionary[ssl.SSLContext, bool] = WeakKeyDictionary()

    def watch(self, context: ssl.SSLContext) -> None:
        """Note names from now on; a callback that the context has already keeps its say."""
        if context in self._watched:
            return
        self._watched[context] = True
        previous = context.sni_callback

        def note(tls: ssl.SSLObject, name: str, at: ssl.SSLContext) -> int | None:
            if name:  # None when the client sent none, whatever the stubs say
                self._names[tls] = name.lower()
            return previous(tls, name, at) if previous else None

        context.sni_callback = note

    def of(self, tls: ssl.SSLObject | None) -> str | None:
        return self._names.get(tls) if tls is not None else None


_names = _Names()


class _Listener:
    """Accepts connections for one port."""

    def __init__(self, backend: Backend, config: Config, store: Store, limits: Limits, *, implicit_tls: bool) -> None:
        self._backend = backend
        self._config = config
        self._store = store
        self._limits = limits
        self._implicit_tls = implicit_tls
        self._peers: Counter[str] = Counter()
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self.open: dict[asyncio.Task[None], Connection] = {}

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Called for each connection; with implicit TLS after the handshake."""
        peername = writer.get_extra_info("peername")
        peer = str(peername[0]) if peername else ""
        if len(self.open) >= self._limits.connections or self._peers[peer] >= self._limits.connections_per_peer:
            writer.write(b"* BYE [UNAVAILABLE] Too many connections.\r\n")
            writer.close()
            return
        connection = Connection(self._config, reader, writer, limits=self._limits, large=self._large)
        self._peers[peer] += 1
        task = asyncio.get_running_loop().create_task(self._serve(connection, peer), name="imap-connection")
        self.open[task] = connection
        task.add_done_callback(lambda done: self._closed(done, peer))

    def _closed(self, task: asyncio.Task[None], peer: str) -> None:
        del self.open[task]
        self._peers[peer] -= 1
        if self._peers[peer] <= 0:
            del self._peers[peer]

    async def _serve(self, connection: Connection, peer: str) -> None:
        async def sign_in(username: str, password: str) -> Account:
            asked = self._backend.sign_in(
                username=username, password=password, peer=peer, tls_name=_names.of(connection.tls_object)
            )
            try:
                return await connection.unless_lost(asked, seconds=self._limits.before_sign_in_seconds)
            except SignInStalled:
                await asyncio.wait({connection.lost}, timeout=self._limits.before_sign_in_seconds)
                raise EOFError from None

        state = State(self._config, store=self._store, sign_in=sign_in, limits=self._limits, hold=connection.hold_input)
        try:
            if self._implicit_tls:
                state.under_tls()
            await connection.run(state)
        except (Disconnect, OSError, EOFError):
            pass  # the client left, or was told why it had to
        except Exception:  # noqa: BLE001 - one broken connection must not be more than that
            _log.exception("imap: connection of %s failed", peer)
        finally:
            await self._end(connection)

    async def _end(self, connection: Connection) -> None:
        connection.close()
        with suppress(OSError):
            await asyncio.wait({connection.lost}, timeout=_FAREWELL_SECONDS)
        if not connection.lost.done():
            connection.writer.transport.abort()


async def start(
    backend: Backend,
    *,
    host: str,
    port: int,
    ssl_context: ssl.SSLContext,
    implicit_tls: bool,
    store: Store | None,
    limits: Limits,
) -> ImapServer:
    """See `litemail.servers.imap.serve`."""
    _names.watch(ssl_context)
    used_store = store or Store()
    config = Config(limits, ssl_context)
    listener = _Listener(backend, config, used_store, limits, implicit_tls=implicit_tls)
    server = await asyncio.start_server(
        listener.accept,
        host,
        port,
        limit=limits.line,
        backlog=512,
        ssl=ssl_context if implicit_tls else None,
        ssl_handshake_timeout=limits.handshake_seconds if implicit_tls else None,
        ssl_shutdown_timeout=_FAREWELL_SECONDS if implicit_tls else None,
    )

    async def close() -> None:
        server.close()
        deadline = asyncio.get_running_loop().time() + limits.closing_seconds
        while listener.open:
            for task, connection in listener.open.items():
                if connection.at_rest or asyncio.get_running_loop().time() > deadline:
                    task.cancel()
            await asyncio.wait(listener.open, timeout=0.05)
        await server.wait_closed()
        if store is None:
            await used_store.close()

    return ImapServer(port=server.sockets[0].getsockname()[1], close=close)
