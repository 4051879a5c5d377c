"""The embedded PostgreSQL: a real server in a folder, started by the first who needs it and stopped by the last.

    cluster = await embedded_pg.start(folder)         # a long-running process
    connection = await AsyncConnection.connect(cluster.url())
    await embedded_pg.stop(cluster)

    async with embedded_pg.attached(folder) as cluster:  # a command beside it

Locks on files (flock) tell who is there; the kernel drops them when their holder dies, however it dies:

    start.lock    held while somebody decides, starts or stops
    server.lock   inherited by the server's processes: held exactly as long as one of them lives
    users.lock    shared by the long-running processes
    guests.lock   shared by commands; `transient` marks a server that a command started and no process took over
"""

import asyncio
import fcntl
import math
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec
from urllib.parse import quote

import structlog

from litemail.kit import postgres_folder
from litemail.kit.errors import Error, Kind
from litemail.kit.postgres_process import Answer, is_held, is_postmaster, judge, lives, ping, send, try_lock
from litemail.kit.postgres_user import run, runner_for

POLL = 0.01  # seconds between looks at something that takes milliseconds; grows to ten times that
PATIENCE = 5.0  # seconds until a line says what we wait for
FAST_STOP_LIMIT = 60.0  # seconds; then an immediate stop, from which the next start recovers
IMMEDIATE_STOP_LIMIT = 10.0
CARE_INTERVAL = 60.0

P = ParamSpec("P")

log = structlog.get_logger("postgresql")


class ServerDied(Error):
    kind = Kind.UNAVAILABLE
    code = "database.server_died"
    message = "The embedded PostgreSQL stopped while it was starting. Its last lines:\n{tail}"
    action = "Correct what {path} complains about and start again. No data has been removed."


class NotStopped(Error):
    kind = Kind.UNAVAILABLE
    code = "database.not_stopped"
    message = "The embedded PostgreSQL in {folder} did not stop: {reason}"
    action = "Stop its process yourself before you move or copy the folder."


@dataclass
class _Membership:
    """Our place among the long-running processes of a folder."""

    users_lock: int | None
    care: asyncio.Task[None] | None = None
    leaving: asyncio.Lock = field(default_factory=asyncio.Lock)

    def join(self) -> None:
        assert self.users_lock is not None
        fcntl.flock(self.users_lock, fcntl.LOCK_SH)

    def leave(self) -> None:
        assert self.users_lock is not None
        if self.care:
            self.care.cancel()
        fcntl.flock(self.users_lock, fcntl.LOCK_UN)  # closing alone would not do if we have forked
        os.close(self.users_lock)
        self.users_lock = None


@dataclass(frozen=True)
class Cluster:
    """A running server. `pid` is its postmaster; `socket_folder` is private to us and the server's user."""

    folder: Path
    socket_folder: Path
    pid: int
    password: str = field(repr=False)
    membership: _Membership | None = field(default=None, repr=False, compare=False)

    def url(self, *, database: str = "postgres") -> str:
        """A libpq URL for the superuser over the Unix socket; holds the password."""
        host = quote(str(self.socket_folder), safe="")
        return (
            f"postgresql://postgres:{quote(self.password, safe='')}@/{quote(database, safe='')}?host={host}&port=5432"
        )


async def start(folder: Path, *, durable: bool = True) -> Cluster:
    """Starts the server in `folder`, creating the cluster when there is none, or adopts the one that runs.

    There is no limit on the time that recovery takes. `durable=False` is for tests: nothing is forced to disk.
    Raises ServerDied, InitFailed, OtherVersion, PasswordLost, FolderNotUsable, BinariesMissing, NoUnprivilegedUser.
    """
    folder = postgres_folder.prepare(folder)
    membership = _Membership(postgres_folder.open_private(folder / "users.lock"))

    def arrive(_: bool) -> None:
        membership.join()
        (folder / "transient").unlink(missing_ok=True)

    try:
        cluster = await _running(folder, arrive=arrive, durable=durable, membership=membership)
    except BaseException:
        await _leave(folder, membership)
        raise
    membership.care = asyncio.create_task(_take_care(cluster))
    return cluster


async def stop(cluster: Cluster) -> None:
    """Leaves the server, and stops it (fast) when no other long-running process uses the folder. Safe to repeat.

    Raises NotStopped.
    """
    if cluster.membership:
        await _leave(cluster.folder, cluster.membership)


@asynccontextmanager
async def attached(folder: Path) -> AsyncIterator[Cluster]:
    """The running server for a command beside it, which never stops it. When none runs, one for the time being.

    Raises what `start` and `stop` raise.
    """
    folder = postgres_folder.prepare(folder)
    guests = postgres_folder.open_private(folder / "guests.lock")
    transient = folder / "transient"

    def arrive(alone: bool) -> None:
        fcntl.flock(guests, fcntl.LOCK_SH)
        if alone:
            os.close(postgres_folder.open_private(transient))

    try:
        yield await _running(folder, arrive=arrive, durable=True, membership=None)
    finally:
        try:
            async with _deciding(folder):
                if transient.exists() and try_lock(guests, fcntl.LOCK_EX) and not is_held(folder / "users.lock"):
                    await _stop_server(folder)
        finally:
            os.close(guests)


async def _leave(folder: Path, membership: _Membership) -> None:
    async with membership.leaving:
        users = membership.users_lock
        if users is None:
            return
        async with _deciding(folder):
            try:
                if try_lock(users, fcntl.LOCK_EX):
                    await _stop_server(folder)
            finally:
                membership.leave()


async def _running(
    folder: Path, *, arrive: Callable[[bool], None], durable: bool, membership: _Membership | None
) -> Cluster:
    """Adopts the live server, or launches one, and waits for it.

    `arrive` takes our place among its users; it is told whether a server is about to be launched.
    Raises ServerDied and what keeps a server from being launched.
    """
    while True:
        async with _deciding(folder) as start_lock:
            await _until(lambda: _is_settled(folder), "what is left of an earlier PostgreSQL to end")
            launch = not lives(folder)
            arrive(launch)
            if launch:
                await _to_its_end(_spawn, folder, start_lock, durable)
                await _until(lambda: _has_begun(folder) or not lives(folder), "PostgreSQL to begin")
            pid_file = postgres_folder.read_pid_file(folder)
        if await _until_ready(folder) and pid_file:
            return Cluster(
                folder=folder,
                socket_folder=postgres_folder.socket_folder(folder),
                pid=pid_file.pid,
                password=postgres_folder.read_password(folder),
                membership=membership,
            )
        if launch:  # else it was adopted in its last moments
            raise ServerDied(tail=postgres_folder.log_tail(folder), path=folder / "postgresql.log")


async def _is_settled(folder: Path) -> bool:
    """Whether no server lives, or one that can be adopted: its postmaster is there, or it answers."""
    if not lives(folder):
        return True
    pid_file = postgres_folder.read_pid_file(folder)
    if pid_file is None:
        return False
    if not is_postmaster(folder, pid_file.pid):
        return await asyncio.to_thread(ping, folder) is not Answer.NONE
    if pid_file.status == "stopping":
        send(pid_file.pid, signal.SIGINT)  # turns a stop that waits for its clients into one that does not
        return False
    return True


def _spawn(folder: Path, start_lock: int, durable: bool) -> None:
    """Creates the cluster if need be, and starts a postmaster."""
    try:
        runner = runner_for(folder)
        if not (folder / "data").exists():
            postgres_folder.initialise(folder, runner, lock=start_lock, durable=durable)
        postgres_folder.configure(folder, durable=durable)
        pid_file = postgres_folder.read_pid_file(folder)
        if pid_file and judge(folder, pid_file.pid) is False:  # where we cannot know, PostgreSQL decides
            postgres_folder.remove_pid_files(folder)
        postgres_folder.bound_log(folder)
        with ExitStack() as opened:
            output = postgres_folder.open_private(folder / "postgresql.log", os.O_WRONLY | os.O_APPEND)
            opened.callback(os.close, output)
            server_lock = postgres_folder.open_private(folder / "server.lock")
            opened.callback(os.close, server_lock)
            data = os.open(folder / "data", os.O_RDONLY | os.O_DIRECTORY)
            opened.callback(os.close, data)
            fcntl.flock(server_lock, fcntl.LOCK_EX)
            place = postgres_folder.data_argument(folder / "data", data, runner)
            # The shell leaves it behind as nobody's child in a session of its own: neither our end nor Ctrl-C is its.
            command = ["/bin/sh", "-c", '"$@" >&2 &', "sh", str(runner.programs / "postgres"), "-D", place]
            run(runner, command, keep=(data, server_lock), stderr=output, own_session=True)
    except OSError as error:
        raise postgres_folder.FolderNotUsable(folder=folder, reason=str(error)) from error


def _has_begun(folder: Path) -> bool:
    pid_file = postgres_folder.read_pid_file(folder)
    return pid_file is not None and pid_file.status != ""


async def _until_ready(folder: Path) -> bool:
    """Waits until the server takes connections, as long as that may take; False when it died."""
    alive = True

    async def decided() -> bool:
        nonlocal alive
        alive = lives(folder)
        if not alive:
            return True
        pid_file = postgres_folder.read_pid_file(folder)
        if pid_file is None or pid_file.status != "ready":
            return False
        return await asyncio.to_thread(ping, folder) is Answer.READY

    await _until(decided, "PostgreSQL to recover")
    return alive


async def _stop_server(folder: Path) -> None:
    """Fast stop, and an immediate one when that takes too long. Raises NotStopped."""
    pid_file = postgres_folder.read_pid_file(folder)
    unseen = pid_file is not None and lives(folder) and not is_postmaster(folder, pid_file.pid)
    if unseen and await asyncio.to_thread(ping, folder) is not Answer.NONE:
        raise NotStopped(folder=folder, reason="it answers, but its process cannot be seen from here.")
    for number, limit in ((signal.SIGINT, FAST_STOP_LIMIT), (signal.SIGQUIT, IMMEDIATE_STOP_LIMIT)):
        if await _until(_stopping(folder, number), "PostgreSQL to stop", limit=limit):
            postgres_folder.remove_socket_alias(folder)
            (folder / "transient").unlink(missing_ok=True)
            return
    raise NotStopped(folder=folder, reason="it did not react to an immediate stop.")


def _stopping(folder: Path, number: signal.Signals) -> Callable[[], bool]:
    """Whether the server is gone; sends the signal once, as soon as there is a postmaster to take it."""
    told = 0

    def gone() -> bool:
        nonlocal told
        if not lives(folder):
            return True
        pid_file = postgres_folder.read_pid_file(folder)
        if pid_file and pid_file.pid != told and is_postmaster(folder, pid_file.pid):
            told = pid_file.pid
            send(told, number)
        return False

    return gone


async def _take_care(cluster: Cluster) -> None:
    while True:
        await asyncio.sleep(CARE_INTERVAL)
        postgres_folder.restore_socket_alias(cluster.folder, cluster.socket_folder)
        with suppress(OSError):
            await asyncio.to_thread(postgres_folder.bound_log, cluster.folder)


@asynccontextmanager
async def _deciding(folder: Path) -> AsyncIterator[int]:
    """Holds start.lock; gives its descriptor."""
    descriptor = postgres_folder.open_private(folder / "start.lock")
    try:
        await _until(lambda: try_lock(descriptor, fcntl.LOCK_EX), "another process to start or stop PostgreSQL")
        yield descriptor
    finally:
        os.close(descriptor)


async def _to_its_end(function: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Runs it in a thread; when we are cancelled, first lets it end, since it uses descriptors of ours."""
    thread = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait([thread])
        raise


async def _until(condition: Callable[[], bool | Awaitable[bool]], waited_for: str, *, limit: float = math.inf) -> bool:
    """Looks again and again; False when `limit` (seconds) has passed. Says from time to time what it waits for."""
    clock = asyncio.get_running_loop().time
    begun = said = clock()
    while True:
        outcome = condition()
        if outcome if isinstance(outcome, bool) else await outcome:
            return True
        now = clock()
        if now - begun >= limit:
            return False
        if now - said >= PATIENCE:
            said = now
            log.info("waiting", waited_for=waited_for, seconds=round(now - begun))
        await asyncio.sleep(min(POLL + (now - begun) / 10, POLL * 10))
