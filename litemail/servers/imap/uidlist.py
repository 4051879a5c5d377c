"""Where UIDs are kept: `dovecot-uidlist`, in Dovecot's own format.

It is read and written under the folder's lock only (https://doc.dovecot.org/developer_manual/design/indexes/mailbox_format/maildir/).
"""

import fcntl
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from litemail.kit import clock
from litemail.servers.imap import maildir

_UIDLIST = "dovecot-uidlist"
_UIDVALIDITY = "dovecot-uidvalidity"
_LARGEST_UIDVALIDITY = 0xFFFFFFFF
_HEADER = re.compile(rb"3 V(\d+) N(\d+)(?: G([0-9a-f]{32}))?")
_RECORD = re.compile(r"^(\d+) [^:\n]*:([^:\n]+)", re.MULTILINE)


@dataclass(slots=True)
class UidList:
    """The UIDs of one folder: which file has which, the next one, and their validity (RFC 3501 2.3.1.1)."""

    folder: Path
    root: Path
    uid_validity: int = 0
    uid_next: int = 1
    guid: str = ""
    records: int = 0
    _inode: int = field(default=0, repr=False)
    _read_to: int = field(default=0, repr=False)

    def read(self) -> dict[str, int]:
        """UIDs by file name that were added since the last call; all of them when the file is new to us."""
        path = self.folder / _UIDLIST
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                if (status.st_ino, status.st_size) == (self._inode, self._read_to):
                    return {}
                if status.st_ino != self._inode or status.st_size < self._read_to:
                    self._inode, self._read_to, self.records = status.st_ino, 0, 0
                file.seek(self._read_to)
                data = file.read()
        except FileNotFoundError:
            data = b""
            self._read_to = 0
        if self._read_to == 0 and not self._read_header(data):
            self.uid_validity, self.uid_next = _next_uid_validity(self.root), 1
            self.guid = secrets.token_hex(16)
            self.rewrite(())
            return {}
        return self._read_records(data)

    def _read_header(self, data: bytes) -> bool:
        match = _HEADER.match(data)
        if match is None or b"\n" not in data:
            return False
        self.uid_validity = int(match[1])
        self.uid_next = int(match[2])
        self.guid = match[3].decode() if match[3] else f"{self.uid_validity:032x}"
        return True

    def _read_records(self, data: bytes) -> dict[str, int]:
        # What follows the last line feed was torn by a crash; the next append writes over it.
        complete = data[: data.rfind(b"\n") + 1]
        found: dict[str, int] = {}
        for uid, name in _RECORD.findall(complete.decode("utf-8", "surrogateescape")):
            found[name] = int(uid)
            self.records += 1
        self._read_to += len(complete)
        self.uid_next = max(self.uid_next, max(found.values(), default=0) + 1)
        return found

    def append(self, names: Iterable[str]) -> list[int]:
        """Give each file the next UID; on disk when it returns."""
        assigned = list(enumerate(names, self.uid_next))
        data = "".join(f"{uid} :{name}\n" for uid, name in assigned).encode("utf-8", "surrogateescape")
        with (self.folder / _UIDLIST).open("r+b") as file:
            file.truncate(self._read_to)
            file.seek(self._read_to)
            file.write(data)
            file.flush()
            os.fdatasync(file.fileno())
        self._read_to += len(data)
        self.records += len(assigned)
        self.uid_next += len(assigned)
        return [uid for uid, _ in assigned]

    def rewrite(self, records: Iterable[tuple[int, str]]) -> None:
        """Replace the file by one with these records only; UIDNEXT stays in its header."""
        lines = [f"3 V{self.uid_validity} N{self.uid_next} G{self.guid}\n"]
        lines.extend(f"{uid} :{name}\n" for uid, name in records)
        data = "".join(lines).encode("utf-8", "surrogateescape")
        status = replace_file(self.folder / _UIDLIST, data)
        self._inode, self._read_to, self.records = status.st_ino, len(data), len(lines) - 1


def replace_file(path: Path, data: bytes) -> os.stat_result:
    """Put new content in place of a file, whole or not at all."""
    draft = path.with_name(path.name + ".tmp")
    with draft.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        status = os.fstat(file.fileno())
    draft.rename(path)
    maildir.sync_directory(path.parent)
    return status


def _next_uid_validity(root: Path) -> int:
    """A UIDVALIDITY above every earlier one of this mailbox, even within one second or after the clock was set back."""
    descriptor = os.open(root / _UIDVALIDITY, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        text = os.pread(descriptor, 8, 0)
        last = int(text, 16) if re.fullmatch(rb"[0-9a-f]{8}", text) else 0
        validity = min(max(int(clock.now().timestamp()), last + 1), _LARGEST_UIDVALIDITY)
        os.pwrite(descriptor, b"%08x" % validity, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return validity
