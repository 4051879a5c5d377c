"""What lies in the folder of the embedded PostgreSQL, and how it is written.

data/                the cluster itself, owned by the user that runs it; its socket lies here too
data/custom.conf     the operator's own settings, read last (never written by us)
password             of the superuser `postgres`
postgresql.log       what the server says, bounded; `.1` is the part before
socket_alias         where a short way to `data` is, when its own path is too long for a socket
*.lock               see `embedded_pg`
"""

import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from litemail.kit.errors import Error, Kind
from litemail.kit.postgres_user import MAJOR, Account, Runner, give, run

SOCKET = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 103  # bytes; macOS has 103, Linux 107
LOG_LIMIT = 4 * 2**20

HBA = """\
# Written by Litemail at each start.
local all all scram-sha-256
local replication all scram-sha-256
"""

CONFIGURATION = """\
# Written by Litemail at each start. Your own settings belong into custom.conf beside this file.
cluster_name = 'litemail'
listen_addresses = ''
unix_socket_directories = '.'  # the data folder: no path to be too long, no parent to be unreadable
unix_socket_permissions = 0700
max_connections = 100
password_encryption = 'scram-sha-256'

shared_buffers = 64MB
effective_cache_size = 512MB
autovacuum_work_mem = 32MB
autovacuum_max_workers = 2
random_page_cost = 1.1
jit = off
io_method = 'sync'  # spares three resident processes
max_worker_processes = 4
max_logical_replication_workers = 0
max_parallel_workers_per_gather = 0  # parallel queries need more shared memory than containers give
max_parallel_maintenance_workers = 0

synchronous_commit = on
min_wal_size = 32MB
max_wal_size = 512MB
checkpoint_timeout = 15min
max_wal_senders = 4

log_line_prefix = '%m [%p] '
log_error_verbosity = terse  # details and statements hold customers' values
log_min_error_statement = panic
log_checkpoints = off

timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
lc_monetary = 'C'
lc_numeric = 'C'
lc_time = 'C'
"""

NOT_DURABLE = """
# For tests: a crash of the machine loses the cluster.
fsync = off
synchronous_commit = off
full_page_writes = off
"""

CUSTOM = "\ninclude_if_exists = 'custom.conf'\n"


class InitFailed(Error):
    kind = Kind.UNAVAILABLE
    code = "database.init_failed"
    message = "The embedded PostgreSQL could not be created in {folder}: {output}"
    action = "Check that the folder has free space, or set LITEMAIL_DATABASE_URL to a PostgreSQL of your own."


class OtherVersion(Error):
    kind = Kind.CONFLICT
    code = "database.other_version"
    message = "The data in {folder} was made by PostgreSQL {found}; this program brings PostgreSQL {wanted}."
    action = "Dump it with the version that made it, move the folder away, start, and load the dump."


class PasswordLost(Error):
    kind = Kind.UNAVAILABLE
    code = "database.password_lost"
    message = "{path} is missing: without it nobody can sign in to the embedded PostgreSQL."
    action = "Restore the file from a backup of the data folder."


class FolderNotUsable(Error):
    kind = Kind.UNAVAILABLE
    code = "database.folder_not_usable"
    message = "The folder {folder} of the embedded PostgreSQL is not usable: {reason}"
    action = "Make it writable for the user that runs Litemail, or choose another LITEMAIL_DATA_DIR."


@dataclass(frozen=True)
class PidFile:
    """`status` is what the postmaster wrote last: starting, ready, stopping; empty while the file is incomplete."""

    pid: int
    status: str


def prepare(folder: Path) -> Path:
    """Makes the folder, private to us; its absolute path. Raises FolderNotUsable."""
    folder = folder.absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        os.close(open_private(folder / "users.lock"))
    except OSError as error:
        raise FolderNotUsable(folder=folder, reason=error.strerror) from error
    return folder


def open_private(path: Path, flags: int = os.O_RDWR) -> int:
    """Opens or makes a file that only its folder's owner may read, whoever of owner and root comes first."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def initialise(folder: Path, runner: Runner, *, lock: int, durable: bool) -> None:
    """Makes `data` out of nothing or not at all: a folder beside it gets its name when it is complete.

    A left-over of an earlier attempt is removed. initdb holds `lock` open, so that nobody tries again before it has
    ended, even if we are killed.
    """
    for left_over in folder.glob("initdb-*"):
        shutil.rmtree(left_over)
    password = secrets.token_urlsafe(32)
    descriptor = open_private(folder / "password", os.O_WRONLY | os.O_TRUNC)
    with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 - a descriptor, not a path
        file.write(password)
        file.flush()
        os.fsync(descriptor)
    new = Path(tempfile.mkdtemp(prefix="initdb-", dir=folder))
    descriptor = os.open(new, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if runner.account:
            give(descriptor, runner.account)
        with _password_file(folder, runner.account, password) as (password_path, keep):
            command = [
                str(runner.programs / "initdb"),
                f"--pgdata={data_argument(new, descriptor, runner)}",
                f"--pwfile={password_path}",
                "--username=postgres",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",  # code point order: a plain index serves a search by prefix
                "--text-search-config=simple",
                "--no-instructions",
                *([] if durable else ["--no-sync"]),
            ]
            result = run(runner, command, keep=(descriptor, lock, *keep))
        if result.returncode != 0:
            output = result.stdout.decode(errors="replace").strip().splitlines()[-5:]
            raise InitFailed(folder=folder, output=" / ".join(output) or f"initdb ended with {result.returncode}")
        new.rename(folder / "data")
        parent = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(parent)
        os.close(parent)
    finally:
        os.close(descriptor)
        shutil.rmtree(new, ignore_errors=True)


@contextmanager
def _password_file(folder: Path, account: Account | None, password: str) -> Iterator[tuple[str, Sequence[int]]]:
    """The password where initdb can read it: our file, or memory that belongs to the other user."""
    if account is None:
        yield str(folder / "password"), ()
        return
    descriptor = os.memfd_create("password")
    try:
        os.write(descriptor, password.encode())
        give(descriptor, account)
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


def data_argument(data: Path, descriptor: int, runner: Runner) -> str:
    """What `-D` gets: the path, or for another user, who may not walk there, the way over the open folder."""
    return f"/proc/self/fd/{descriptor}" if runner.account else str(data)


def configure(folder: Path, *, durable: bool) -> None:
    """Writes our configuration into `data`. Raises OtherVersion."""
    data = folder / "data"
    found = (_content(data / "PG_VERSION") or "an unknown version").strip()
    if found != MAJOR:
        raise OtherVersion(folder=folder, found=found, wanted=MAJOR)
    text = CONFIGURATION + ("" if durable else NOT_DURABLE) + CUSTOM
    for name, content in (("postgresql.conf", text), ("pg_hba.conf", HBA)):
        if _content(data / name) != content:
            _replace(data / name, content)
    if not os.path.lexists(data / "custom.conf"):
        _replace(data / "custom.conf", "# Your own settings for PostgreSQL, read after ours.\n")


def _replace(path: Path, content: str) -> None:
    """Writes a file of `data`. The folder may belong to another user than us: no link that stands there is followed."""
    building = path.with_name(f"{path.name}.new")
    building.unlink(missing_ok=True)
    descriptor = os.open(building, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 - a descriptor, not a path
        file.write(content)
        file.flush()
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        os.fsync(descriptor)
    building.rename(path)


def _content(path: Path) -> str | None:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return None


def read_password(folder: Path) -> str:
    path = folder / "password"
    try:
        return path.read_text()
    except FileNotFoundError:
        raise PasswordLost(path=path) from None


def read_pid_file(folder: Path) -> PidFile | None:
    text = _content(folder / "data" / "postmaster.pid") or ""
    lines = [line.strip() for line in text.splitlines()]
    if not lines or not lines[0].isdigit():
        return None
    return PidFile(int(lines[0]), lines[7] if len(lines) > 7 else "")  # noqa: PLR2004 - the eighth line


def remove_pid_files(folder: Path) -> None:
    """Takes away what a dead server left, whose process id may be somebody else's by now."""
    for name in ("postmaster.pid", SOCKET, f"{SOCKET}.lock"):
        (folder / "data" / name).unlink(missing_ok=True)


def socket_folder(folder: Path) -> Path:
    """The folder to connect to: `data`, or a short private way to it, made when there is none."""
    data = folder / "data"
    if _fits(data):
        return data
    recorded = Path(_content(folder / "socket_alias") or "/nowhere")
    if not _is_our_alias(recorded, data):
        recorded = _make_alias(folder, data)
    return recorded


def restore_socket_alias(folder: Path, alias: Path) -> None:
    """Makes a way that is gone again: temporary folders are cleaned of what looks old."""
    data = folder / "data"
    if alias != data and not _is_our_alias(alias, data):
        with suppress(OSError):
            alias.parent.mkdir(mode=0o700)
            alias.symlink_to(data)


def remove_socket_alias(folder: Path) -> None:
    record = folder / "socket_alias"
    recorded = Path(_content(record) or "/nowhere")
    if _is_our_alias(recorded, folder / "data"):
        shutil.rmtree(recorded.parent, ignore_errors=True)
    record.unlink(missing_ok=True)


def _make_alias(folder: Path, data: Path) -> Path:
    for base in (None, "/tmp"):  # noqa: S108 - the temporary folder of the system may itself be too deep
        made = Path(tempfile.mkdtemp(prefix="litemail-", dir=base))
        alias = made / "data"
        if _fits(alias):
            alias.symlink_to(data)
            descriptor = open_private(folder / "socket_alias", os.O_WRONLY | os.O_TRUNC)
            os.write(descriptor, os.fsencode(alias))
            os.close(descriptor)
            return alias
        made.rmdir()
    raise FolderNotUsable(folder=folder, reason="its path is too long for a socket, and so is the temporary folder's.")


def _is_our_alias(alias: Path, data: Path) -> bool:
    try:
        status = alias.parent.lstat()
        ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and status.st_mode & 0o077 == 0
        return ours and alias.readlink() == data
    except OSError:
        return False


def _fits(directory: Path) -> bool:
    return len(os.fsencode(directory / SOCKET)) <= SOCKET_PATH_LIMIT


def bound_log(folder: Path) -> None:
    """Moves a log that passed LOG_LIMIT to `.1`. The server appends to the file that it has open: it is emptied."""
    path, before = folder / "postgresql.log", folder / "postgresql.log.1"
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        os.close(open_private(before))
        shutil.copyfile(path, before)
        os.truncate(path, 0)


def log_tail(folder: Path) -> str:
    """The last lines of the server's log."""
    with suppress(OSError), (folder / "postgresql.log").open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
        return "\n".join(file.read().decode(errors="replace").strip().splitlines()[-12:])
    return ""
