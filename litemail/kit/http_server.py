"""An ASGI application on a port, in this event loop: Granian's embedded server, with the manners it lacks.

It says nothing of the port it got for 0, and dies late when a port is taken; so the port is bound once beforehand.
When it stops, it waits without end for what is under way; so requests get a time, and are cancelled after it.
"""

import asyncio
import logging
import socket

from granian.constants import Interfaces
from granian.server.embed import Server
from litestar.types import ASGIApp, Receive, Scope, Send

from litemail.kit.errors import Error, Kind

DRAIN_LIMIT = 10.0
"""Seconds that requests under way get to finish."""
_START_LIMIT = 10.0
_TRIES = 5


class PortTaken(Error):
    kind = Kind.UNAVAILABLE
    code = "server.port_taken"
    message = "Port {port} on {host} is taken by another program."
    action = "Stop that program, or choose another port with {setting}."


class HttpServer:
    """A server that accepts requests until it is closed."""

    def __init__(self, app: ASGIApp, *, host: str, port: int) -> None:
        self._app = app
        self._under_way: set[asyncio.Task[object]] = set()
        self._closing = False
        self._idle = asyncio.Event()
        self._idle.set()
        self.port = port
        self._server = Server(
            self._count,
            address=host,
            port=port,
            interface=Interfaces.ASGINL,
            log_enabled=False,
            websockets=False,
            backlog=1024,
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        # Each embedded server announces itself as experimental; the tests of the program hold what we need of it.
        logging.getLogger("_granian").setLevel(logging.ERROR)
        self._task = asyncio.create_task(self._server.serve(), name=f"http server {self.port}")
        async with asyncio.timeout(_START_LIMIT):
            while not await _accepts(self._server.bind_addr, self.port):
                if self._task.done():
                    await self._task
                await asyncio.sleep(0.005)

    async def close(self) -> None:
        """Lets requests under way finish, for 10 s at the most, and stops. Streams must end by themselves.

        Further requests hear 503 meanwhile: under steady load there would be no end of them.
        """
        self._closing = True
        try:
            async with asyncio.timeout(DRAIN_LIMIT):
                await self._idle.wait()
        except TimeoutError:
            for request in self._under_way:  # granian would wait for them without end
                request.cancel()
        if self._task is not None:
            self._server.stop()  # type: ignore[no-untyped-call]  # granian leaves it unannotated
            await asyncio.gather(self._task, return_exceptions=True)

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._closing:
            await _turn_away(send)
            return
        request = asyncio.current_task()
        assert request is not None
        self._under_way.add(request)
        self._idle.clear()
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way.discard(request)
            if not self._under_way:
                self._idle.set()


async def _turn_away(send: Send) -> None:
    headers = [(b"retry-after", b"1"), (b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def serve(app: ASGIApp, *, host: str, port: int, setting: str, shared: bool = False) -> HttpServer:
    """Starts a server; port 0 takes any free one. A `shared` port may have other processes of ours on it.

    Raises PortTaken, which names the setting that changes the port.
    """
    for _ in range(_TRIES):
        chosen = port if shared else check_port(host, port, setting=setting)
        server = HttpServer(app, host=host, port=chosen)
        try:
            await server.start()
        except (OSError, RuntimeError):  # granian wraps what the operating system said
            if port:
                raise PortTaken(host=host, port=port, setting=setting) from None
            continue  # somebody took it in between
        return server
    raise PortTaken(host=host, port=port, setting=setting)


def check_port(host: str, port: int, *, setting: str) -> int:
    """The port, or a free one for 0, after a look whether it can be bound. Raises PortTaken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError as error:
            raise PortTaken(host=host, port=port, setting=setting) from error
        return int(probe.getsockname()[1])


async def _accepts(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True
