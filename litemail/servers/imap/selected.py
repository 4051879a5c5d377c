"""A selected folder of one session: what its client knows, and the untagged responses that bring it up to date.

The engine's own class copies all state at every command, which makes work grow with the folder even for a NOOP;
this one reads on in the folder's log of changes.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from pymap.flags import FlagOp, PermanentFlags, SessionFlags
from pymap.interfaces.message import CachedMessage
from pymap.parsing.command import Command
from pymap.parsing.primitives import List, Number
from pymap.parsing.response import ResponseBye, ResponseCode, UntaggedResponse
from pymap.parsing.response.specials import (
    ExistsResponse,
    ExpungeResponse,
    FetchResponse,
    FlagsResponse,
    RecentResponse,
)
from pymap.parsing.specials import FetchAttribute, FetchValue, Flag, ObjectId, SequenceSet
from pymap.parsing.specials.flag import Recent, Wildcard
from pymap.parsing.specials.sequenceset import MaxValue
from pymap.selected import SelectedMailbox, SynchronizedMessages

from litemail.servers.imap.flags import SYSTEM_FLAGS
from litemail.servers.imap.index import Snapshot
from litemail.servers.imap.store import Folder

_FLAGS = FetchAttribute(b"FLAGS")
_UID = FetchAttribute(b"UID")


def flag_objects(flags: Iterable[str]) -> frozenset[Flag]:
    return frozenset(Flag(flag) for flag in flags)


class View(SynchronizedMessages):
    """The messages as the client numbers them: UIDs in ascending order, the sequence number is the position."""

    def __init__(self, uids: list[int]) -> None:
        super().__init__()
        self.numbered = uids

    @property
    def exists(self) -> int:
        return len(self.numbered)

    @property
    def max_uid(self) -> int:
        return self.numbered[-1] if self.numbered else 0

    def get(self, uid: int) -> CachedMessage | None:
        """Not used: the folder's index has the messages."""
        del uid
        return None

    def get_all(self, seq_set: SequenceSet) -> Sequence[tuple[int, CachedMessage]]:
        """Not used: the folder's index has the messages."""
        del seq_set
        return ()

    def number_of(self, uid: int) -> int | None:
        position = bisect_left(self.numbered, uid)
        return position + 1 if position < len(self.numbered) and self.numbered[position] == uid else None

    def get_uids(self, seq_set: SequenceSet) -> Sequence[tuple[int, int]]:
        """Sequence numbers and UIDs in a sequence set (RFC 3501 9), ascending, each once."""
        spans = sorted(filter(None, (self._span(low, high, seq_set) for low, high in _bounds(seq_set))))
        found: list[tuple[int, int]] = []
        done = 0
        for start, end in spans:
            begin = max(start, done)
            found.extend(enumerate(self.numbered[begin:end], begin + 1))
            done = max(done, end)
        return found

    def _span(self, low: int | None, high: int | None, seq_set: SequenceSet) -> tuple[int, int] | None:
        """Positions `[start, end)` of a range; None stands for `*`, the last message."""
        last = self.max_uid if seq_set.uid else self.exists
        if not last:
            return None
        low, high = sorted((last if low is None else low, last if high is None else high))
        if seq_set.uid:
            return bisect_left(self.numbered, low), bisect_right(self.numbered, high)
        return min(low, self.exists + 1) - 1, min(high, self.exists)


def _bounds(seq_set: SequenceSet) -> Iterator[tuple[int | None, int | None]]:
    for item in seq_set.sequences:
        low, high = item if isinstance(item, tuple) else (item, item)
        yield (
            None if isinstance(low, MaxValue) else low,
            None if isinstance(high, MaxValue) else high,
        )


class Selected(SelectedMailbox):
    """What one client has selected."""

    def __init__(self, folder: Folder, *, name: str, readonly: bool) -> None:
        super().__init__(
            ObjectId(b"F" + folder.index.uids.guid.encode("ascii")),
            readonly,
            PermanentFlags({*flag_objects(SYSTEM_FLAGS.values()), Wildcard}),
            SessionFlags({Recent}),
            lookup=name,
        )
        self.folder = folder
        self.index = folder.index
        self.view = View([])
        self.told_gone = False
        self._position = 0
        self._expunged: set[int] = set()
        self._told: dict[int, frozenset[str]] = {}
        self._keywords = len(self.index.keywords.names)
        self._recent_told = 0

    @property
    def messages(self) -> View:
        return self.view

    @property
    def is_behind(self) -> bool:
        """Whether there is something to tell the client."""
        return self.index.gone or self._position < self.index.position

    def silence(self, seq_set: SequenceSet, flag_set: AbstractSet[Flag], flag_op: FlagOp) -> None:
        """STORE with .SILENT needs nothing here: `stored` notes what this client knows of its own changes."""
        del seq_set, flag_set, flag_op

    def stored(self, uids: Iterable[int]) -> None:
        """After this session's own STORE: the answer tells its client the flags, or it asked for silence."""
        entries = self.index.entries
        self._told = {uid: self.index.flags(entries[uid]) for uid in uids if uid in entries}

    def add_recent(self, uids: Iterable[int]) -> None:
        for uid in uids:
            self.session_flags.add_recent(uid)

    def settle(self, snapshot: Snapshot) -> None:
        """The answer to SELECT tells the client this much."""
        self.view = View(snapshot.uids)
        self._position = snapshot.position
        self._recent_told = self.session_flags.recent

    def fork(self, command: Command) -> tuple["Selected", Iterable[UntaggedResponse]]:
        """The untagged responses due after a command (RFC 3501 7.3, 7.4)."""
        untagged = list(self._news(with_uid=bool(getattr(command, "uid", False))))
        self.hide_expunged = False
        self._told.clear()
        return self, untagged

    def _news(self, *, with_uid: bool) -> Iterator[UntaggedResponse]:
        index = self.index
        if index.gone:
            self.told_gone = True
            yield ResponseBye(b"Selected mailbox no longer exists.", ResponseCode.of(b"UNAVAILABLE"))
            return
        changed = index.changed_since(self._position)
        self._position = index.position
        uids = set(index.entries).union(self.view.numbered) if changed is None else set(changed)
        here = [uid for uid in uids if uid in index.entries]
        known = [uid for uid in here if self.view.number_of(uid) is not None]
        self._expunged.update(uid for uid in uids if uid not in index.entries)
        if len(index.keywords.names) > self._keywords:
            self._keywords = len(index.keywords.names)
            yield FlagsResponse([*flag_objects(SYSTEM_FLAGS.values()), *flag_objects(index.keywords.names)])
        if self._expunged and not self.hide_expunged:
            yield from self._expunge()
        yield from self._arrivals(sorted(set(here).difference(known)))
        for uid in sorted(known):
            flags = index.flags(index.entries[uid])
            if self._told.get(uid) != flags:
                yield self._flags(uid, flags, with_uid=with_uid)

    def _expunge(self) -> Iterator[UntaggedResponse]:
        numbers = filter(None, map(self.view.number_of, self._expunged))
        for number in sorted(numbers, reverse=True):
            yield ExpungeResponse(number)
        self.view.numbered = [uid for uid in self.view.numbered if uid not in self._expunged]
        self.session_flags.remove(self._expunged)
        self._expunged = set()

    def _arrivals(self, uids: list[int]) -> Iterator[UntaggedResponse]:
        if uids:
            self.view.numbered.extend(uids)
            if len(self.view.numbered) > len(uids) and self.view.numbered[-len(uids) - 1] > uids[0]:
                self.view.numbered.sort()
            yield ExistsResponse(self.view.exists)
        if uids or self.session_flags.recent != self._recent_told:
            self._recent_told = self.session_flags.recent
            yield RecentResponse(self._recent_told)

    def _flags(self, uid: int, flags: frozenset[str], *, with_uid: bool) -> FetchResponse:
        named = set(flag_objects(flags)) | self.session_flags.get(uid)
        data = [FetchValue.of(_FLAGS, List(named, sort=True))]
        if with_uid:
            data.append(FetchValue.of(_UID, Number(uid)))
        return FetchResponse(self.view.number_of(uid) or 0, data)
