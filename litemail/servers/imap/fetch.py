"""FETCH: lines for the wire straight from the index and the files, in batches, so that memory stays bounded.

The response bytes of `BODY[]` are the file's bytes. Blocking functions; the streaming is in `responses.py`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import IntEnum

import msgspec
from pymap.parsing.specials.fetchattr import FetchAttribute

from litemail.servers.imap import mime, structure
from litemail.servers.imap.content import Content, open_message
from litemail.servers.imap.index import Entry, Index

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_BATCH_BYTES = 1 << 20


class Need(IntEnum):
    """How much of the file an answer needs."""

    NOTHING = 0
    INODE = 1
    HEADER = 2
    WHOLE = 3


_BATCH = {Need.NOTHING: 1000, Need.INODE: 500, Need.HEADER: 100, Need.WHOLE: 100}
_HEADER_SPECIFIERS = (b"HEADER", b"HEADER.FIELDS", b"HEADER.FIELDS.NOT")


class Wanted(msgspec.Struct, frozen=True):
    """One message to be fetched: its sequence number and UID, and whether it is recent in this session."""

    number: int
    uid: int
    recent: bool


def need_of(attribute: FetchAttribute) -> Need:
    name, section = attribute.value, attribute.section
    if name in (b"UID", b"FLAGS", b"RFC822.SIZE"):
        return Need.NOTHING
    if name == b"INTERNALDATE":
        return Need.INODE
    if name == b"ENVELOPE" or (section and not section.parts and section.specifier in _HEADER_SPECIFIERS):
        return Need.HEADER
    return Need.WHOLE


def is_supported(attribute: FetchAttribute) -> bool:
    """BINARY and OBJECTID are parsed by the engine, but we do not offer them."""
    return not attribute.value.startswith(b"BINARY") and attribute.value not in (b"EMAILID", b"THREADID")


def batches(index: Index, wanted: Sequence[Wanted], need: Need) -> Iterator[list[Wanted]]:
    """Cut the work so that one batch of answers stays near 1 MiB, or is one message."""
    batch: list[Wanted] = []
    size = 0
    for item in wanted:
        entry = index.entries.get(item.uid)
        weight = entry.size if entry and need is Need.WHOLE else 0
        if batch and (len(batch) >= _BATCH[need] or size + weight > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += weight
    if batch:
        yield batch


def render(index: Index, wanted: Iterable[Wanted], attributes: Sequence[FetchAttribute]) -> tuple[bytes, list[Wanted]]:
    """The FETCH lines for these messages, and those whose file was not where the index has it."""
    attributes = list(dict.fromkeys(attributes))
    need = max((need_of(attribute) for attribute in attributes), default=Need.NOTHING)
    lines: list[bytes] = []
    missed: list[Wanted] = []
    for item in wanted:
        entry = index.entries.get(item.uid)
        if entry is None:
            missed.append(item)
            continue
        try:
            lines.append(_line(index, item, entry, attributes, need))
        except FileNotFoundError:
            missed.append(item)
    return b"".join(lines), missed


def _line(index: Index, item: Wanted, entry: Entry, attributes: Sequence[FetchAttribute], need: Need) -> bytes:
    if need <= Need.INODE:
        values = [_simple(index, item, entry, attribute) for attribute in attributes]
    else:
        with open_message(index, entry) as file:
            content = Content(file)
            values = [
                _simple(index, item, entry, attribute)
                if need_of(attribute) <= Need.INODE
                else b"%b %b" % (bytes(attribute.for_response), _value(content, attribute))
                for attribute in attributes
            ]
    return b"* %d FETCH (%b)\r\n" % (item.number, b" ".join(values))


def _simple(index: Index, item: Wanted, entry: Entry, attribute: FetchAttribute) -> bytes:
    name = attribute.value
    if name == b"UID":
        return b"UID %d" % entry.uid
    if name == b"FLAGS":
        return b"FLAGS (%b)" % flag_list(index.flags(entry), recent=item.recent)
    if name == b"RFC822.SIZE":
        if entry.size < 0:
            entry.size = index.path_of(entry).stat().st_size
        return b"RFC822.SIZE %d" % entry.size
    return b'INTERNALDATE "%b"' % internal_date(received(index, entry))


def received(index: Index, entry: Entry) -> float:
    """INTERNALDATE in epoch seconds: the file's mtime, as Dovecot has it."""
    if entry.received is None:
        entry.received = index.path_of(entry).stat().st_mtime
    return entry.received


def flag_list(flags: frozenset[str], *, recent: bool) -> bytes:
    names = {*flags, "\\Recent"} if recent else flags
    return " ".join(sorted(names, key=lambda name: (name[0] != "\\", name))).encode("ascii")


def internal_date(seconds: float) -> bytes:
    """A date-time of RFC 3501 9, in UTC."""
    moment = datetime.fromtimestamp(int(seconds), UTC)
    return f"{moment:%d}-{_MONTHS[moment.month - 1]}-{moment.year:04d} {moment:%H:%M:%S} +0000".encode("ascii")


def _value(content: Content, attribute: FetchAttribute) -> bytes:
    special = _SPECIAL.get(attribute.value)
    if special:
        return special(content)
    section, partial = attribute.section, attribute.partial
    if section is None:
        return structure.bodystructure(content.whole, content.structure, extended=False)
    if partial and partial.length is not None and not section.parts and section.specifier is None:
        return _literal(content.span(partial.start, partial.length))
    found = _section(content, section)
    if found is None:
        return structure.NIL
    if partial and partial.length is not None:
        found = found[partial.start : partial.start + partial.length]
    return _literal(found)


_SPECIAL: dict[bytes, Callable[[Content], bytes]] = {
    b"ENVELOPE": lambda content: structure.envelope(content.header_part),
    b"BODYSTRUCTURE": lambda content: structure.bodystructure(content.whole, content.structure, extended=True),
}


def _section(content: Content, section: FetchAttribute.Section) -> bytes | None:
    path, specifier = list(section.parts), section.specifier
    if not path and specifier is None:
        return content.whole
    if not path and specifier == b"HEADER":
        return content.header
    data, message = (content.whole, content.structure) if path else (content.header, content.header_part)
    if specifier in (b"HEADER.FIELDS", b"HEADER.FIELDS.NOT"):
        names = frozenset(name.strip(b'"').lower() for name in section.headers or ())
        return mime.header_fields(data, message, path, names, inverse=specifier.endswith(b"NOT"))
    if not path:
        return content.whole[len(content.header) :]
    return mime.section(data, message, path, specifier)


def _literal(data: bytes) -> bytes:
    return b"{%d}\r\n%b" % (len(data), data)
