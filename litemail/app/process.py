"""A process: parts opened one after the other, closed in the opposite order, whatever ends it."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

import structlog

from litemail.app import house as houses
from litemail.app.house import House, Part
from litemail.config import Settings
from litemail.kit import logging, stops
from litemail.kit.http_server import check_port

log = structlog.get_logger("process")

PORT_SETTINGS: Mapping[Part, Sequence[str]] = {
    Part.DNS: ("dns_port",),
    Part.MAIL: ("smtp_port", "submission_port", "imap_port", "imaps_port"),
    Part.SANDBOX: ("sandbox_http_port", "sandbox_imap_port", "sandbox_smtp_port"),
    Part.WORKER: (),
    Part.API: ("http_port",),
}
SHARED_PORT = "LITEMAIL_SHARED_PORT"
"""Set for the workers of `litemail api --workers N`: the port is theirs together."""


@dataclass(frozen=True)
class Running:
    """A process that is ready: its house and the ports that it opened."""

    house: House
    ports: Mapping[str, int]

    @property
    def url(self) -> str:
        host = self.house.settings.reachable_host
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.ports['http']}"


async def run(
    settings: Settings, parts: Sequence[Part], *, ready: Callable[[Running], Awaitable[None]], shared_port: bool = False
) -> None:
    """Opens the parts, calls `ready`, and stays until SIGTERM or Ctrl-C, which drain and close everything.

    Raises PortTaken before anything is started, and what opening a house raises.
    """
    logging.configure(settings.log_level)
    if settings.stop_at:
        stops.arm(settings.stop_at)
    if not shared_port:
        refuse_taken_ports(settings, parts)
    me = asyncio.current_task()
    assert me is not None
    with suppress(asyncio.CancelledError), _stopped_by_signals(me):
        async with AsyncExitStack() as stack:
            house = await stack.enter_async_context(houses.opened(settings))
            from litemail.app import parts as openers  # noqa: PLC0415 - most of the program, loaded after PostgreSQL

            ports: dict[str, int] = {}
            stack.callback(house.ports.forget, ports)
            for part in parts:
                ports |= await stack.enter_async_context(openers.OPENERS[part](house))
                house.ports.write(ports)
            if Part.API not in parts:
                await stack.enter_async_context(openers.health(house, parts[0]))
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
            await ready(Running(house, {"http": port}))


async def _keep_worker(settings: Settings, port: int, started: asyncio.Event) -> None:
    environment = {
        **os.environ,
        SHARED_PORT: "1",
        "LITEMAIL_DATA_DIR": str(settings.data_dir),
        "LITEMAIL_HOST": settings.host,
        "LITEMAIL_HTTP_PORT": str(port),
        **({"LITEMAIL_LOG_LEVEL": settings.log_level} if settings.log_level else {}),
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
