"""A process: parts opened one after the other, closed in the opposite order, whatever ends it."""

import asyncio
import fcntl
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass

import structlog

from litemail.app import house as houses
from litemail.app.house import House, Part
from litemail.config import Settings
from litemail.kit import logging, stops
from litemail.kit.errors import Error, Kind
from litemail.kit.http_server import check_port

log = structlog.get_logger("process")

PORT_SETTINGS: Mapping[Part, Sequence[str]] = {
    Part.DNS: ("dns_port",),
    Part.MAIL: ("smtp_port", "submission_port", "imap_port", "imaps_port"),
    Part.REDIRECT: ("redirect_port", "redirect_tls_port"),
    Part.SANDBOX: ("sandbox_http_port", "sandbox_imap_port", "sandbox_smtp_port"),
    Part.WORKER: (),
    Part.API: ("http_port",),
}


_ONCE_A_FOLDER = (Part.DNS, Part.MAIL, Part.REDIRECT, Part.SANDBOX)


class AlreadyServed(Error):
    kind = Kind.CONFLICT
    code = "process.already_served"
    message = "Another process serves {part} out of {folder} already."
    action = "Stop that process, or choose another folder with LITEMAIL_DATA_DIR or --data-dir."


@dataclass(frozen=True)
class Running:
    """A process that is ready: its house and the ports that it opened."""

    house: House
    ports: Mapping[str, int]

    @property
    def url(self) -> str:
        return f"http://{self.house.settings.url_host}:{self.ports['http']}"


async def run(settings: Settings, parts: Sequence[Part], *, ready: Callable[[Running], Awaitable[None]]) -> None:
    """Opens the parts, calls `ready`, and stays until SIGTERM or Ctrl-C, which drain and close everything.

    Raises PortTaken before anything is started, and what opening a house raises.
    """
    logging.configure(settings.log_level)
    if settings.stop_at:
        stops.arm(settings.stop_at)
    if not settings.shared_port:
        refuse_taken_ports(settings, parts)
    me = asyncio.current_task()
    assert me is not None
    with suppress(asyncio.CancelledError), _stopped_by_signals(me):
        async with AsyncExitStack() as stack:
            house = await stack.enter_async_context(houses.opened(settings))
            from litemail.app import parts as openers  # noqa: PLC0415 - most of the program, loaded after PostgreSQL

            _claim(settings, parts, stack)
            ports: dict[str, int] = {}
            stack.callback(house.ports.forget, ports)
            for part in parts:
                ports |= await stack.enter_async_context(openers.OPENERS[part](house))
                house.ports.write(ports)
            if Part.API not in parts:
                await stack.enter_async_context(openers.health(house, parts[0]))
            _collect_garbage_from_now_on()
            await ready(Running(house, ports))
            await asyncio.Event().wait()


class _stopped_by_signals:  # noqa: N801 - reads as what it does
    """SIGTERM and SIGINT cancel the task, once; further ones change nothing, the way out is already taken."""

    def __init__(self, task: asyncio.Task[object]) -> None:
        self._task = task
        self._told = False

    def __enter__(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop)

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)

    def _stop(self) -> None:
        if not self._told:
            self._told = True
            self._task.cancel()


def _claim(settings: Settings, parts: Sequence[Part], stack: ExitStack | AsyncExitStack) -> None:
    """Makes sure that nobody else serves these parts out of this folder: the book of ports has one place for each.

    The lock goes with the process, however it ends. Workers and API processes may be many. Raises AlreadyServed.
    """
    for part in parts:
        if part in _ONCE_A_FOLDER:
            lock = stack.enter_context((settings.data_dir / f"{part}.lock").open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyServed(part=part, folder=settings.data_dir) from None


def _collect_garbage_from_now_on() -> None:
    """The command line switches it off while the program loads; what was loaded stays and need not be looked at."""
    gc.freeze()
    gc.enable()


def refuse_taken_ports(settings: Settings, parts: Sequence[Part]) -> None:
    """Looks at every fixed port before anything is started. Raises PortTaken."""
    for part in parts:
        for name in PORT_SETTINGS[part]:
            port = getattr(settings, name)
            if port:
                check_port(settings.host, port, setting=f"LITEMAIL_{name.upper()}")


async def run_api_workers(settings: Settings, *, workers: int, ready: Callable[[Running], Awaitable[None]]) -> None:
    """Several API processes on one port: the kernel spreads connections over them (SO_REUSEPORT).

    A worker that dies is started again. This process keeps the house open and serves nothing itself.
    """
    logging.configure(settings.log_level)
    port = check_port(settings.host, settings.http_port, setting="LITEMAIL_HTTP_PORT")
    me = asyncio.current_task()
    assert me is not None
    with suppress(asyncio.CancelledError), _stopped_by_signals(me):
        async with AsyncExitStack() as stack:
            house = await stack.enter_async_context(houses.opened(settings))
            group = await stack.enter_async_context(asyncio.TaskGroup())
            started = [asyncio.Event() for _ in range(workers)]
            for event in started:
                group.create_task(_keep_worker(settings, port, event))
            for event in started:
                await event.wait()
            house.ports.write({"http": port})
            _collect_garbage_from_now_on()
            await ready(Running(house, {"http": port}))


async def _keep_worker(settings: Settings, port: int, started: asyncio.Event) -> None:
    environment = {
        **os.environ,
        **settings.as_environment(),
        "LITEMAIL_SHARED_PORT": "1",
        "LITEMAIL_DATA_DIR": str(settings.data_dir),
        "LITEMAIL_HTTP_PORT": str(port),
    }
    while True:
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "litemail",
            "api",
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C comes to us; we tell the workers
        )
        try:
            assert worker.stdout is not None
            if await worker.stdout.readline():
                started.set()
            await worker.wait()
        finally:
            if worker.returncode is None:
                worker.terminate()
                await worker.wait()
        log.warning("an API worker ended and is started again", status=worker.returncode)
        await asyncio.sleep(1)
