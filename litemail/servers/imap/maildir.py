"""Maildir++ on disk: names, folders, the lock, durable delivery. Blocking functions, to be called in threads.

Layout (https://www.courier-mta.org/imap/README.maildirquota.html): the root is INBOX; `.Sent` and `.Sent.2026` beside
its `cur`, `new` and `tmp` are folders. Whoever delivers writes to `tmp` and renames into `new`, without a lock. Whoever
changes `cur` (flags, expunge, append) holds the folder's lock and raises its generation: other processes see that.
"""

import base64
import binascii
import fcntl
import itertools
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from litemail.kit import clock
from litemail.kit.errors import Error, Kind

DELIMITER = "."
SPECIAL_USE = {"Drafts": b"Drafts", "Junk": b"Junk", "Sent": b"Sent", "Trash": b"Trash"}  # RFC 6154
LOCK_FILE = "litemail.lock"
_GENERATION_BYTES = 20
_LONGEST_NAME = 200
_ABANDONED_SECONDS = 36 * 3600  # the maildir convention for files left in tmp
_RUN = secrets.token_hex(4)
_HOST = socket.gethostname().replace("/", "\\057").replace(":", "\\072").replace(",", "\\054")
_count = itertools.count()


class FolderBusy(Error):
    kind = Kind.UNAVAILABLE
    code = "imap.folder_busy"
    message = "Another process holds the lock of this folder."
    action = "Try again in a moment."
    retryable = True


class FolderGone(Error):
    kind = Kind.NOT_FOUND
    code = "imap.folder_gone"
    message = "The folder no longer exists."


class BadFolderName(Error):
    kind = Kind.INVALID
    code = "imap.bad_folder_name"
    message = "This is not a usable folder name: {why}."


def encode_name(name: str) -> str:
    """Modified UTF-7 of a folder name (RFC 3501 5.1.3), as it stands on disk."""

    def shifted(match: re.Match[str]) -> str:
        if match[0] == "&":
            return "&-"
        encoded = base64.b64encode(match[0].encode("utf-16-be")).decode("ascii")
        return "&" + encoded.rstrip("=").replace("/", ",") + "-"

    try:
        return re.sub(r"&|[^\x20-\x7e]+", shifted, name)
    except UnicodeEncodeError as error:
        raise BadFolderName(why="it is not Unicode text") from error


def decode_name(encoded: str) -> str:
    """The folder name in modified UTF-7 text. Raises BadFolderName for a shift that does not end or decode."""

    def plain(match: re.Match[str]) -> str:
        if match[1] == "":
            return "&"
        padded = match[1].replace(",", "/") + "=" * (-len(match[1]) % 4)
        return base64.b64decode(padded, validate=True).decode("utf-16-be")

    if not re.fullmatch(r"(?:[\x20-\x25\x27-\x7e]|&[A-Za-z0-9+,]*-)*", encoded):
        raise BadFolderName(why="it is not modified UTF-7")
    try:
        return re.sub(r"&([^-]*)-", plain, encoded)
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BadFolderName(why="it is not modified UTF-7") from error


def canonical_name(name: str) -> str:
    """The name as we keep it: INBOX in upper case, no trailing delimiter. Raises BadFolderName."""
    name = name.removesuffix(DELIMITER)
    parts = name.split(DELIMITER)
    if not all(parts):
        raise BadFolderName(why="a part of it is empty")
    if any(letter in "/*%\x7f" or letter < " " for letter in name):
        raise BadFolderName(why="/, *, % and control characters are not allowed")
    if len(encode_name(name)) > _LONGEST_NAME:
        raise BadFolderName(why="it is too long")
    if parts[0].upper() == "INBOX":
        parts[0] = "INBOX"
    return DELIMITER.join(parts)


def folder_path(root: Path, name: str) -> Path:
    """Where a folder is. Raises BadFolderName for names that could leave the root."""
    name = canonical_name(name)
    return root if name == "INBOX" else root / f".{encode_name(name)}"


def exists(folder: Path) -> bool:
    return (folder / "cur").is_dir()


def create(root: Path) -> None:
    """Make a mailbox with its special-use folders; does nothing when it is there."""
    if exists(root):
        return
    for name in SPECIAL_USE:
        make_folder(root, name)
    make_folder(root, "INBOX")


def make_folder(root: Path, name: str) -> Path:
    """Make one folder and return its path; `cur` comes last, so that a folder exists whole or not at all.

    Nothing is flushed here: a journaling file system keeps the order, so the flush that makes the first message durable
    makes its folder durable too. Flushing each directory would cost a new mailbox 12 ms.
    """
    folder = folder_path(root, name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in ("tmp", "new"):
        (folder / part).mkdir(mode=0o700, exist_ok=True)
    if folder != root:
        (folder / "maildirfolder").touch(mode=0o600)
    (folder / "cur").mkdir(mode=0o700, exist_ok=True)
    return folder


def list_folders(root: Path) -> list[str]:
    """Names of all folders that exist, INBOX first."""
    names: list[str] = []
    with os.scandir(root) as found:
        for item in found:
            if item.name.startswith(".") and exists(root / item.name):
                try:
                    names.append(canonical_name(decode_name(item.name[1:])))
                except BadFolderName:
                    continue  # put there by another program; it could not be selected
    return ["INBOX", *sorted(names)]


def remove_folder(root: Path, name: str) -> None:
    """Remove one folder with its messages. First out of sight, so that a crash leaves only rubbish in `tmp`."""
    rubbish = root / "tmp" / f"removed-{unique_name()}"
    try:
        folder_path(root, name).rename(rubbish)
    except FileNotFoundError:
        raise FolderGone from None
    shutil.rmtree(rubbish, ignore_errors=True)


def deliver(root: Path, message: bytes, *, folder: str = "INBOX", flags: str = "") -> str:
    """Deliver a message, exactly these bytes, and return its file's name.

    When it returns the message is on disk. `flags` are maildir letters: `S` seen, `F` flagged, `D` draft, `R` answered.
    Makes the folder when it is missing. Raises BadFolderName, OSError (disk full).
    """
    path = folder_path(root, folder)
    if not exists(path):
        create(root)
        make_folder(root, folder)
    written = write_temporary(path, message)
    if flags:
        with locked(path) as lock:
            final = written.rename(path / "cur" / file_name(written.name, flags))
            lock.raise_generation()
    else:
        final = written.rename(path / "new" / written.name)
    sync_directory(final.parent)
    return final.name


def write_temporary(folder: Path, message: bytes, *, received: float | None = None) -> Path:
    """Write the message into the folder's `tmp`, flushed to disk. `received`: its INTERNALDATE in epoch seconds."""
    lone_feeds = message.count(b"\n") - message.count(b"\r\n")
    path = folder / "tmp" / f"{unique_name()},S={len(message)},W={len(message) + lone_feeds}"
    try:
        with path.open("xb", buffering=0) as file:
            os.fchmod(file.fileno(), 0o600)
            view = memoryview(message)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        if received is not None:
            os.utime(path, (received, received))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def unique_name() -> str:
    now = clock.now()
    return f"{int(now.timestamp())}.M{now.microsecond}P{os.getpid()}Q{next(_count)}R{_RUN}.{_HOST}"


def file_name(base: str, letters: str) -> str:
    return f"{base}:2,{letters}"


_ARRIVAL = re.compile(r"(\d+)\.(?:M(\d+))?(?:P\d+)?(?:Q(\d+))?")


def arrival_order(base: str) -> tuple[int, int, int, str]:
    """Sort key: the order in which files came, as far as their names tell."""
    match = _ARRIVAL.match(base)
    if match is None:
        return (0, 0, 0, base)
    return (int(match[1]), int(match[2] or 0), int(match[3] or 0), base)


def sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clean_temporary(folder: Path) -> None:
    """Remove what crashed writers left in `tmp` more than 36 hours ago."""
    oldest = clock.now().timestamp() - _ABANDONED_SECONDS
    with os.scandir(folder / "tmp") as found:
        for item in found:
            if item.stat(follow_symlinks=False).st_mtime > oldest:
                continue
            if item.is_dir(follow_symlinks=False):
                shutil.rmtree(item.path, ignore_errors=True)
            else:
                Path(item.path).unlink(missing_ok=True)


class Lock:
    """A held folder lock. Its file also keeps the generation of `cur`, a number that every change raises."""

    __slots__ = ("_descriptor", "generation")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.generation = _parse_generation(os.pread(descriptor, _GENERATION_BYTES, 0))

    def raise_generation(self) -> int:
        self.generation += 1
        os.pwrite(self._descriptor, b"%0*d" % (_GENERATION_BYTES, self.generation), 0)
        return self.generation


def _parse_generation(text: bytes) -> int:
    return int(text) if text.isdigit() else 0


def generation(folder: Path) -> int:
    """The generation of `cur` now, without the lock; 0 when nothing ever changed."""
    try:
        return _parse_generation((folder / LOCK_FILE).read_bytes())
    except FileNotFoundError:
        return 0


@contextmanager
def locked(folder: Path, *, patience: float = 10.0) -> Iterator[Lock]:
    """Hold the folder's lock, between threads and processes; the kernel frees it when a process dies.

    Raises FolderBusy after `patience` seconds, FolderGone when there is no such folder.
    """
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except (FileNotFoundError, NotADirectoryError):
        raise FolderGone from None
    try:
        _wait_for(descriptor, patience)
        yield Lock(descriptor)
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise FolderBusy from None
            time.sleep(0.01)
        else:
            return
