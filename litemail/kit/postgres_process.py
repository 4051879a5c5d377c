"""Which process is the server of a folder, and whether it lives.

server.lock answers it: it is inherited by the server's processes, so it is held exactly as long as one of them lives.
A process id in a file proves nothing: after a power loss or in another container it is somebody else's.
"""

import fcntl
import os
import signal
from contextlib import suppress
from enum import Enum
from pathlib import Path

from litemail.kit import postgres_folder


class Answer(Enum):
    READY = "ready"
    NOT_YET = "not yet"
    NONE = "none"


def lives(folder: Path) -> bool:
    """Whether a process of this folder's server lives. One started by hand is known by its working folder alone."""
    if is_held(folder / "server.lock"):
        return True
    pid_file = postgres_folder.read_pid_file(folder)
    return pid_file is not None and judge(folder, pid_file.pid) is True


def is_postmaster(folder: Path, pid: int) -> bool:
    """Whether it is safe to signal `pid`, read from the file of a server that lives."""
    verdict = judge(folder, pid)
    return is_held(folder / "server.lock") if verdict is None else verdict


def judge(folder: Path, pid: int) -> bool | None:
    """Whether `pid` is a PostgreSQL of this folder; None where nothing speaks against it but proof is not to be had.

    Proof is its working folder, which root in a container may not see of another user's process.
    """
    data = folder / "data"
    process = Path("/proc", str(pid))
    try:
        if not Path("/proc/self").exists():
            os.kill(pid, 0)
            return None
        if process.stat().st_uid != data.stat().st_uid or (process / "comm").read_text().strip() != "postgres":
            return False
        return (process / "cwd").samefile(data)
    except (FileNotFoundError, ProcessLookupError):
        return False
    except PermissionError:
        return None


def ping(folder: Path) -> Answer:
    from psycopg import conninfo, pq  # noqa: PLC0415 - takes 0.1 s, which every command line would pay

    host = str(postgres_folder.socket_folder(folder))
    # Named in full: libpq would ask the environment and the list of system users for what is missing.
    target = conninfo.make_conninfo(host=host, port=5432, user="postgres", dbname="postgres", connect_timeout=3)
    outcome = pq.PGconn.ping(os.fsencode(target))
    return {pq.Ping.OK: Answer.READY, pq.Ping.REJECT: Answer.NOT_YET}.get(pq.Ping(outcome), Answer.NONE)


def send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def try_lock(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(descriptor, fcntl.LOCK_SH if path.name == "server.lock" else fcntl.LOCK_EX)
    finally:
        os.close(descriptor)
