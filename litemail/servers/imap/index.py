"""The index of one folder: every message's UID, file and flags in memory, kept equal to the disk.

Blocking; one call at a time (`store.Folder` sees to it). It reads directory listings and `dovecot-uidlist`, never a
message. Every change is noted in a log of UIDs; sessions read on from the position that they have told their client.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from litemail.kit import clock
from litemail.servers.imap import maildir
from litemail.servers.imap.flags import Change, Keywords, changed_letters, clean_letters
from litemail.servers.imap.uidlist import UidList

_UNSETTLED_SECONDS = 1.1  # a directory's mtime may be that coarse: what came later may not show in it
_LONGEST_LOG = 50_000


class Entry:
    """One message. `letters`: its flags as in the file's name; `fresh`: the file still is in `new`."""

    __slots__ = ("base", "fresh", "letters", "received", "size", "uid")

    def __init__(self, uid: int, base: str, letters: str, *, fresh: bool) -> None:
        self.uid = uid
        self.base = base
        self.letters = letters
        self.fresh = fresh
        self.size = _size_in(base)
        self.received: float | None = None  # epoch seconds, read from the file when first asked for


def _size_in(base: str) -> int:
    number = base.partition(",S=")[2].partition(",")[0]
    return int(number) if number.isdigit() and len(number) < 15 else -1  # noqa: PLR2004 - longer is no size


class Draft(msgspec.Struct, frozen=True):
    """A message that lies in the folder's `tmp` and is to be adopted."""

    base: str
    flags: frozenset[str]


class Snapshot(msgspec.Struct, frozen=True):
    """The folder at one moment. `first_unseen` is a sequence number, `position` one of the log of changes."""

    uids: list[int]
    recent: int
    unseen: int
    first_unseen: int | None
    uid_next: int
    uid_validity: int
    keywords: tuple[str, ...]
    position: int


class Index:
    """All messages of one folder, by UID in ascending order."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.uids = UidList(folder, root)
        self.entries: dict[int, Entry] = {}
        self.keywords = Keywords()
        self.unclaimed: set[int] = set()  # \Recent for the next session that may have it
        self.gone = False
        self._uid_of: dict[str, int] = {}
        self._last_uid = 0
        self._unsorted = False
        self._log: list[int] = []
        self._log_start = 0
        self._generation = -1
        self._cur_mtime = -1
        self._new_mtime = -1
        self._new_settled = False

    @property
    def folder(self) -> Path:
        return self.uids.folder

    def move_to(self, folder: Path) -> None:
        """The folder was renamed."""
        self.uids.folder = folder

    # What changed

    @property
    def position(self) -> int:
        return self._log_start + len(self._log)

    def changed_since(self, position: int) -> list[int] | None:
        """UIDs of what was added, changed or expunged since then; None when that was too long ago."""
        if position < self._log_start:
            return None
        return self._log[position - self._log_start :]

    def _note(self, uid: int) -> None:
        self._log.append(uid)
        if len(self._log) > _LONGEST_LOG + 4 * len(self.entries):
            keep = len(self._log) // 2
            self._log_start += len(self._log) - keep
            del self._log[:-keep]

    def flags(self, entry: Entry) -> frozenset[str]:
        """Its flags and keywords as IMAP writes them."""
        return self.keywords.flags(entry.letters)

    # Keeping equal to the disk

    def is_stale(self) -> bool:
        """Whether the disk looks different from what we know; three cheap calls. Raises FolderGone."""
        return (
            not self._new_settled
            or self._mtime("new") != self._new_mtime
            or self._mtime("cur") != self._cur_mtime
            or maildir.generation(self.folder) != self._generation
        )

    def refresh(self) -> None:
        """Take over what deliveries and other processes changed. Raises FolderGone, FolderBusy."""
        if self.is_stale():
            with maildir.locked(self.folder) as lock:
                self._read_disk(lock)

    def _mtime(self, part: str) -> int:
        try:
            return (self.folder / part).stat().st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            self.gone = True
            raise maildir.FolderGone from None

    def _read_disk(self, lock: maildir.Lock, *, whole: bool = False) -> None:
        validity = self.uids.uid_validity
        assigned = self.uids.read()
        if validity and validity != self.uids.uid_validity:
            self.gone = True  # to its clients this is another folder now
            raise maildir.FolderGone
        listed_at = clock.now().timestamp()
        new_mtime = self._mtime("new")
        found = dict.fromkeys(self._new_names(), ("", True))
        cur_mtime = self._mtime("cur")
        whole = whole or lock.generation != self._generation or cur_mtime != self._cur_mtime
        if not whole:
            # A file that left `new` by other hands is in `cur` now.
            whole = any(uid in self.entries and base not in found for base, uid in self._fresh())
        if whole:
            self.keywords.read(self.folder)
            for name in _names(self.folder / "cur"):
                base, _, info = name.partition(":2,")
                found[base.partition(":")[0]] = (clean_letters(info), False)
        self._take_over(found, assigned, whole=whole)
        self._generation, self._cur_mtime, self._new_mtime = lock.generation, cur_mtime, new_mtime
        self._new_settled = new_mtime / 1e9 < listed_at - _UNSETTLED_SECONDS
        if self.uids.records > 2 * len(self.entries) + 100:
            self.uids.rewrite((entry.uid, entry.base) for entry in self.entries.values())

    def _new_names(self) -> list[str]:
        names = _names(self.folder / "new")
        for name in [name for name in names if ":" in name]:  # flags belong in `cur`
            (self.folder / "new" / name).rename(self.folder / "cur" / name)
            names.remove(name)
            self._cur_mtime = -1
        return names

    def _fresh(self) -> list[tuple[str, int]]:
        return [
            (self.entries[uid].base, uid) for uid in self.unclaimed if uid in self.entries and self.entries[uid].fresh
        ]

    def _take_over(self, found: dict[str, tuple[str, bool]], assigned: dict[str, int], *, whole: bool) -> None:
        if whole:
            for base in [base for base in self._uid_of if base not in found]:
                self._forget(self._uid_of[base])
        unknown: list[str] = []
        for base, (letters, fresh) in found.items():
            uid = self._uid_of.get(base)
            if uid is not None:
                entry = self.entries[uid]
                if entry.letters != letters:
                    entry.letters = letters
                    self._note(uid)
                entry.fresh = fresh
            elif base in assigned:
                self._add(Entry(assigned[base], base, letters, fresh=fresh))
            else:
                unknown.append(base)
        unknown.sort(key=maildir.arrival_order)
        if unknown:
            for uid, base in zip(self.uids.append(unknown), unknown, strict=True):
                letters, fresh = found[base]
                self._add(Entry(uid, base, letters, fresh=fresh))
        if self._unsorted:
            self.entries = {uid: self.entries[uid] for uid in sorted(self.entries)}
            self._unsorted = False

    def _add(self, entry: Entry) -> None:
        self._unsorted = self._unsorted or entry.uid < self._last_uid
        self._last_uid = max(self._last_uid, entry.uid)
        self.entries[entry.uid] = entry
        self._uid_of[entry.base] = entry.uid
        if entry.fresh:
            self.unclaimed.add(entry.uid)
        self._note(entry.uid)

    def _forget(self, uid: int) -> None:
        entry = self.entries.pop(uid)
        del self._uid_of[entry.base]
        self.unclaimed.discard(uid)
        self._note(uid)

    # Changing

    def path_of(self, entry: Entry) -> Path:
        if entry.fresh:
            return self.folder / "new" / entry.base
        return self.folder / "cur" / maildir.file_name(entry.base, entry.letters)

    def _current(self, lock: maildir.Lock) -> None:
        if self.is_stale():
            self._read_disk(lock)

    def _finish(self, lock: maildir.Lock) -> None:
        """After a change of `cur` under the lock: tell other processes, and do not take it for theirs."""
        self._generation = lock.raise_generation()
        self._cur_mtime = self._mtime("cur")

    def _rename(self, lock: maildir.Lock, uid: int, letters: str) -> bool:
        """Give a message's file these letters, in `cur`. False when the message is gone."""
        for _ in range(2):
            entry = self.entries.get(uid)
            if entry is None:
                return False
            try:
                self.path_of(entry).rename(self.folder / "cur" / maildir.file_name(entry.base, letters))
            except FileNotFoundError:
                self._read_disk(lock, whole=True)
                continue
            entry.letters, entry.fresh = letters, False
            return True
        return False

    def store(self, uids: Sequence[int], change: Change, flags: frozenset[str]) -> None:
        """Change flags (RFC 3501 6.4.6). Raises KeywordsFull before anything is changed."""
        with maildir.locked(self.folder) as lock:
            self._current(lock)
            self.keywords.read(self.folder)
            operand = self.keywords.letters(self.folder, flags, new=change is not Change.REMOVE)
            changed = False
            for uid in uids:
                entry = self.entries.get(uid)
                if entry is None:
                    continue
                letters = changed_letters(entry.letters, change, operand)
                if letters != entry.letters and self._rename(lock, uid, letters):
                    changed = True
                    self._note(uid)
            if changed:
                self._finish(lock)

    def expunge(self, uids: Sequence[int]) -> None:
        """Remove messages for good."""
        with maildir.locked(self.folder) as lock:
            self._current(lock)
            for uid in uids:
                entry = self.entries.get(uid)
                if entry is not None:
                    self._unlink(lock, entry)
            self._finish(lock)

    def _unlink(self, lock: maildir.Lock, entry: Entry) -> None:
        try:
            self.path_of(entry).unlink()
        except FileNotFoundError:
            self._read_disk(lock, whole=True)
            if entry.uid not in self.entries:
                return
            self.path_of(self.entries[entry.uid]).unlink(missing_ok=True)
        self._forget(entry.uid)

    def adopt(self, drafts: Sequence[Draft]) -> list[int]:
        """Take messages from `tmp` into the folder, all or none; on disk, and with their UIDs, when it returns."""
        with maildir.locked(self.folder) as lock:
            self._current(lock)
            self.keywords.read(self.folder)
            letters = [
                changed_letters("", Change.ADD, self.keywords.letters(self.folder, draft.flags)) for draft in drafts
            ]
            targets = [
                self.folder / "cur" / maildir.file_name(draft.base, name)
                for draft, name in zip(drafts, letters, strict=True)
            ]
            try:
                for draft, target in zip(drafts, targets, strict=True):
                    (self.folder / "tmp" / draft.base).rename(target)
                maildir.sync_directory(self.folder / "cur")
                uids = self.uids.append([draft.base for draft in drafts])
            except OSError:
                for target in targets:
                    target.unlink(missing_ok=True)
                raise
            for uid, draft, name in zip(uids, drafts, letters, strict=True):
                self._add(Entry(uid, draft.base, name, fresh=False))
            self.unclaimed.update(uids)
            self._finish(lock)
        return uids

    def claim(self) -> set[int]:
        r"""Hand out \Recent, once, and move what was delivered from `new` to `cur`."""
        with maildir.locked(self.folder) as lock:
            self._current(lock)
            fresh = self._fresh()
            for _, uid in fresh:
                self._rename(lock, uid, self.entries[uid].letters if uid in self.entries else "")
            if fresh:
                self._finish(lock)
        claimed, self.unclaimed = self.unclaimed, set()
        return claimed & self.entries.keys()

    def link_out(self, uids: Sequence[int], destination: Path) -> list[tuple[int, Draft]]:
        """Put copies into another folder's `tmp`, by hard link where possible (same bytes, same INTERNALDATE)."""
        copies: list[tuple[int, Draft]] = []
        for uid in uids:
            entry = self.entries.get(uid)
            if entry is None:
                continue
            try:
                base = _duplicate(self.path_of(entry), destination, entry.base)
            except FileNotFoundError:
                with maildir.locked(self.folder) as lock:  # renamed or expunged by another process a moment ago
                    self._read_disk(lock, whole=True)
                entry = self.entries.get(uid)
                if entry is None:
                    continue
                base = _duplicate(self.path_of(entry), destination, entry.base)
            copies.append((uid, Draft(base, self.flags(entry))))
        return copies

    # Telling

    def snapshot(self) -> Snapshot:
        unseen = [number for number, entry in enumerate(self.entries.values(), 1) if "S" not in entry.letters]
        return Snapshot(
            uids=list(self.entries),
            recent=len(self.unclaimed),
            unseen=len(unseen),
            first_unseen=unseen[0] if unseen else None,
            uid_next=self.uids.uid_next,
            uid_validity=self.uids.uid_validity,
            keywords=tuple(filter(None, self.keywords.names)),
            position=self.position,
        )


def _duplicate(source: Path, destination: Path, base: str) -> str:
    _, comma, sizes = base.partition(",S=")
    copy = maildir.unique_name() + comma + sizes
    try:
        (destination / "tmp" / copy).hardlink_to(source)
    except FileNotFoundError:
        if not maildir.exists(destination):
            raise maildir.FolderGone from None
        raise
    except OSError:  # the file system has no more, or no, hard links
        received = source.stat().st_mtime
        return maildir.write_temporary(destination, source.read_bytes(), received=received).name
    return copy


def _names(directory: Path) -> list[str]:
    with os.scandir(directory) as found:
        return [item.name for item in found if not item.name.startswith(".")]
