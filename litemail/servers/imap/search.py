"""SEARCH (RFC 3501 6.4.4): keys become tests, cheap ones first; a file is read only when it matters. Blocking."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime
from email.utils import parsedate

import msgspec
from pymap.exceptions import SearchNotAllowed
from pymap.parsing.specials import SearchKey, SequenceSet

from litemail.servers.imap import decode, mime
from litemail.servers.imap.content import Content, open_message
from litemail.servers.imap.fetch import Need, Wanted, received
from litemail.servers.imap.index import Entry, Index

_FLAGS = {b"ANSWERED": "R", b"DELETED": "T", b"DRAFT": "D", b"FLAGGED": "F", b"SEEN": "S"}

Resolve = Callable[[SequenceSet], frozenset[int]]


class _Candidate:
    """One message under test; its file is opened when a test asks for it."""

    def __init__(self, index: Index, item: Wanted, entry: Entry, stack: ExitStack) -> None:
        self.index = index
        self.item = item
        self.entry = entry
        self._stack = stack
        self._content: Content | None = None

    @property
    def content(self) -> Content:
        if self._content is None:
            self._content = Content(self._stack.enter_context(open_message(self.index, self.entry)))
        return self._content


class Test(msgspec.Struct, frozen=True):
    """Whether a message matches, and how much of its file it takes to tell."""

    need: Need
    matches: Callable[[_Candidate], bool]


def compile_keys(keys: Iterable[SearchKey], resolve: Resolve) -> Test:
    """One test for all keys. `resolve` gives the UIDs of a sequence set. Raises SearchNotAllowed."""
    tests = sorted((_compile(key, resolve) for key in keys), key=lambda test: test.need)
    need = max((test.need for test in tests), default=Need.NOTHING)
    return Test(need, lambda candidate: all(test.matches(candidate) for test in tests))


def search(index: Index, wanted: Sequence[Wanted], test: Test) -> list[Wanted]:
    """Those messages that match."""
    return [item for item in wanted if _matches(index, item, test)]


def _matches(index: Index, item: Wanted, test: Test) -> bool:
    entry = index.entries.get(item.uid)
    if entry is None:
        return False
    with ExitStack() as stack:
        try:
            return test.matches(_Candidate(index, item, entry, stack))
        except FileNotFoundError:
            return False  # expunged by another session a moment ago


def _compile(key: SearchKey, resolve: Resolve) -> Test:
    test = _positive(key, resolve)
    if key.inverse:
        return Test(test.need, lambda candidate: not test.matches(candidate))
    return test


def _positive(key: SearchKey, resolve: Resolve) -> Test:
    name = key.value
    if name == b"SEQSET":
        uids = resolve(key.filter_sequence_set)
        return Test(Need.NOTHING, lambda candidate: candidate.item.uid in uids)
    if name == b"KEYSET":
        return compile_keys(key.filter_key_set, resolve)
    if name == b"OR":
        return _either(*(_compile(side, resolve) for side in key.filter_key_or))
    return _BUILDERS.get(name, _flag_test)(key)


def _keyword_test(key: SearchKey) -> Test:
    keyword, expected = str(key.filter_flag).lower(), key.value == b"KEYWORD"
    return Test(Need.NOTHING, lambda candidate: (keyword in _keywords(candidate)) is expected)


def _flag_test(key: SearchKey) -> Test:
    name = key.value
    if name in (b"ALL", b"RECENT", b"OLD", b"NEW"):
        return Test(Need.NOTHING, _RECENCY[name])
    letter = _FLAGS.get(name.removeprefix(b"UN"))
    if letter is None:
        raise SearchNotAllowed(key)
    expected = name in _FLAGS
    return Test(Need.NOTHING, lambda candidate: (letter in candidate.entry.letters) is expected)


_RECENCY: dict[bytes, Callable[[_Candidate], bool]] = {
    b"ALL": lambda _: True,
    b"RECENT": lambda candidate: candidate.item.recent,
    b"OLD": lambda candidate: not candidate.item.recent,
    b"NEW": lambda candidate: candidate.item.recent and "S" not in candidate.entry.letters,
}


def _keywords(candidate: _Candidate) -> set[str]:
    return {flag.lower() for flag in candidate.index.flags(candidate.entry)}


def _either(left: Test, right: Test) -> Test:
    first, second = sorted((left, right), key=lambda test: test.need)
    return Test(second.need, lambda candidate: first.matches(candidate) or second.matches(candidate))


def _size_test(key: SearchKey) -> Test:
    limit, larger = key.filter_int, key.value == b"LARGER"

    def matches(candidate: _Candidate) -> bool:
        entry = candidate.entry
        if entry.size < 0:
            entry.size = candidate.index.path_of(entry).stat().st_size
        return entry.size > limit if larger else entry.size < limit

    return Test(Need.NOTHING, matches)


def _date_test(key: SearchKey) -> Test:
    sent = key.value.startswith(b"SENT")
    relation, day, of = key.value.removeprefix(b"SENT"), key.filter_datetime.date(), _sent_on if sent else _received_on

    def matches(candidate: _Candidate) -> bool:
        found = of(candidate)
        if found is None:
            return False
        return {b"BEFORE": found < day, b"ON": found == day, b"SINCE": found >= day}[relation]

    return Test(Need.HEADER if sent else Need.INODE, matches)


def _received_on(candidate: _Candidate) -> date | None:
    return datetime.fromtimestamp(received(candidate.index, candidate.entry), UTC).date()


def _sent_on(candidate: _Candidate) -> date | None:
    """The date that the Date field shows, disregarding time and zone."""
    parsed = parsedate(decode.header_text(candidate.content.header_part.fields.get(b"date", b"")))
    try:
        return date(*parsed[:3]) if parsed else None
    except ValueError:
        return None


def _header_test(key: SearchKey) -> Test:
    field, text = key.filter_header if key.value == b"HEADER" else (key.value.decode("ascii"), key.filter_str)
    name, sought = field.encode("utf-8").lower(), text.casefold()

    def values(content: Content) -> Iterator[str]:
        for field_name, raw in mime.raw_fields(content.header, content.header_part):
            if field_name == name:
                yield decode.header_text(mime.unfold(raw))

    def matches(candidate: _Candidate) -> bool:
        return any(sought in value.casefold() for value in values(candidate.content))

    return Test(Need.HEADER, matches)


def _text_test(key: SearchKey) -> Test:
    sought, with_headers = key.filter_str.casefold(), key.value == b"TEXT"

    def matches(candidate: _Candidate) -> bool:
        content = candidate.content
        if with_headers and any(sought in line.casefold() for line in decode.headers(content.whole, content.structure)):
            return True
        return any(sought in body.casefold() for body in decode.texts(content.whole, content.structure))

    return Test(Need.WHOLE, matches)


_BUILDERS: dict[bytes, Callable[[SearchKey], Test]] = {
    **dict.fromkeys((b"KEYWORD", b"UNKEYWORD"), _keyword_test),
    **dict.fromkeys((b"LARGER", b"SMALLER"), _size_test),
    **dict.fromkeys((b"BEFORE", b"ON", b"SINCE", b"SENTBEFORE", b"SENTON", b"SENTSINCE"), _date_test),
    **dict.fromkeys((b"BCC", b"CC", b"FROM", b"SUBJECT", b"TO", b"HEADER"), _header_test),
    **dict.fromkeys((b"BODY", b"TEXT"), _text_test),
}
