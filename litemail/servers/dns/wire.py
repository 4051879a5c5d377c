"""Messages as bytes: what a query asks, and how an answer is packed (RFC 1035 4, RFC 6891)."""

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

import msgspec

from litemail.protocols.parent_side import PARENT_SIDE_OPTION
from litemail.servers.dns.zone import CNAME, MX, NS, SOA, RRset

HEADER: Final = 12
CLASSIC_SIZE: Final = 512  # RFC 1035 2.3.4
EDNS_SIZE: Final = 1_232  # what passes every path unfragmented (RFC 9715 3.1)
TCP_SIZE: Final = 65_535

_OPT: Final = 41
_OPT_FIXED: Final = 11
_RR_FIXED: Final = 10
_MAX_LABEL: Final = 63
_MAX_NAME: Final = 255
_POINTER: Final = 0xC000
_MAX_POINTER: Final = 0x3FFF
_U16 = struct.Struct("!H")
_COUNTS = struct.Struct("!4H")
_RR = struct.Struct("!HHIH")
_OPT_RR = struct.Struct("!BHHBBHH")
_OPTION = struct.Struct("!HH")
_DO: Final = 0x8000
_CLASS_IN: Final = 1


class Rcode(IntEnum):
    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


class Malformed(ValueError):
    """The bytes after the header are not a message."""


class Query(msgspec.Struct, frozen=True):
    """What matters of a query. `end` is where its question ends, `qname` in lower case."""

    qname: bytes
    qtype: int
    qclass: int
    end: int
    edns: bool = False
    version: int = 0
    payload: int = CLASSIC_SIZE
    dnssec_ok: bool = False
    parent_side: bool = False


class Packed(msgspec.Struct, frozen=True):
    """An answer for one question, whatever the id, the letter case of the name and EDNS may be in the query."""

    flags: bytes  # with QR, AA and the response code, RD clear
    flags_rd: bytes
    counts: bytes
    counts_edns: bytes
    body: bytes


def parse(packet: bytes) -> Query:
    """Read a query with exactly one question, as a well-made one has (RFC 9619). Raises Malformed."""
    questions, answers, authorities, additionals = _COUNTS.unpack_from(packet, 4)
    if questions != 1:
        raise Malformed("not one question")
    try:
        end_of_name = _skip_name(packet, HEADER, pointers=False)
        qtype, qclass = struct.unpack_from("!HH", packet, end_of_name)
        query = Query(packet[HEADER:end_of_name].lower(), qtype, qclass, end_of_name + 4)
        position = query.end
        for _ in range(answers + authorities):
            position = _skip_name(packet, position, pointers=True)
            position += _RR_FIXED + _U16.unpack_from(packet, position + 8)[0]
        for _ in range(additionals):
            query, position = _additional(packet, position, query)
    except (IndexError, struct.error) as error:
        raise Malformed("cut short") from error
    if position != len(packet):
        raise Malformed("bytes after its end")
    return query


def pack(
    *,
    query: Query,
    rcode: Rcode,
    authoritative: bool,
    answer: Iterable[RRset] = (),
    authority: Iterable[RRset] = (),
    additional: Iterable[RRset] = (),
) -> Packed:
    """Put an answer together, with names compressed against the question, whose place in the message is fixed."""
    packer = _Packer(query)
    counts = [1, *(sum(map(packer.add, section)) for section in (answer, authority, additional))]
    high, low = 0x80 | (0x04 if authoritative else 0), int(rcode) & 0x0F
    return Packed(
        flags=bytes([high, low]),
        flags_rd=bytes([high | 1, low]),
        counts=_COUNTS.pack(*counts),
        counts_edns=_COUNTS.pack(*counts[:3], counts[3] + 1),
        body=bytes(packer.body),
    )


def opt(*, rcode: Rcode = Rcode.NOERROR, dnssec_ok: bool = False) -> bytes:
    """Our OPT record: version 0, the upper bits of the response code, DO as it was asked (RFC 3225 3)."""
    return _OPT_RR.pack(0, _OPT, EDNS_SIZE, int(rcode) >> 4, 0, _DO if dnssec_ok else 0, 0)


def _additional(packet: bytes, position: int, query: Query) -> tuple[Query, int]:
    end_of_name = _skip_name(packet, position, pointers=True)
    kind, payload, ttl, length = _RR.unpack_from(packet, end_of_name)
    start = end_of_name + _RR_FIXED
    end = start + length
    if end > len(packet):
        raise Malformed("cut short")
    if kind != _OPT:
        return query, end
    if query.edns or packet[position] != 0:
        raise Malformed("two OPT records, or one with a name (RFC 6891 6.1.1)")
    version = ttl >> 16 & 0xFF
    # The options of a version that we do not know may have another shape.
    options = _options(packet, start, end) if version == 0 else set()
    return (
        msgspec.structs.replace(
            query,
            edns=True,
            version=version,
            payload=min(max(payload, CLASSIC_SIZE), EDNS_SIZE),
            dnssec_ok=bool(ttl & _DO),
            parent_side=PARENT_SIDE_OPTION in options,
        ),
        end,
    )


def _options(packet: bytes, position: int, end: int) -> set[int]:
    codes: set[int] = set()
    while position < end:
        if position + _OPTION.size > end:
            raise Malformed("an EDNS option is cut short")
        code, length = _OPTION.unpack_from(packet, position)
        position += _OPTION.size + length
        codes.add(code)
    if position != end:
        raise Malformed("an EDNS option is longer than its record")
    return codes


def _skip_name(packet: bytes, position: int, *, pointers: bool) -> int:
    start = position
    while length := packet[position]:
        if length > _MAX_LABEL:
            if pointers and length >= _POINTER >> 8:
                return position + 2
            raise Malformed("a label of an unknown kind")
        position += length + 1
    if position - start >= _MAX_NAME:
        raise Malformed("a name longer than 255 bytes")
    return position + 1


class _Packer:
    """Sections after the question. Owners and the names of RFC 1035's own types are compressed (RFC 3597 4)."""

    def __init__(self, query: Query) -> None:
        self.body = bytearray()
        self._start = query.end
        self._places: dict[bytes, int] = {}
        self._remember(query.qname, HEADER)

    def add(self, rrset: RRset) -> int:
        for rdata in rrset.rdatas:
            self._name(rrset.owner)
            at = len(self.body)
            self.body += _RR.pack(rrset.type, _CLASS_IN, rrset.ttl, 0)
            self._rdata(rrset.type, rdata)
            _U16.pack_into(self.body, at + 8, len(self.body) - at - _RR_FIXED)
        return len(rrset.rdatas)

    def _rdata(self, kind: int, rdata: bytes) -> None:
        if kind in {NS, CNAME}:
            self._name(rdata)
        elif kind == MX:
            self.body += rdata[:2]
            self._name(rdata[2:])
        elif kind == SOA:
            middle = _skip_name(rdata, 0, pointers=False)
            end = _skip_name(rdata, middle, pointers=False)
            self._name(rdata[:middle])
            self._name(rdata[middle:end])
            self.body += rdata[end:]
        else:
            self.body += rdata

    def _name(self, name: bytes) -> None:
        position = 0
        while name[position]:
            place = self._places.get(name[position:])
            if place is not None:
                self._remember(name[:position], self._start + len(self.body), rest=name[position:])
                self.body += name[:position] + _U16.pack(_POINTER | place)
                return
            position += name[position] + 1
        self._remember(name, self._start + len(self.body))
        self.body += name

    def _remember(self, name: bytes, place: int, *, rest: bytes = b"") -> None:
        position = 0
        while position < len(name) and name[position]:
            if place + position > _MAX_POINTER:
                return
            self._places.setdefault(name[position:] + rest, place + position)
            position += name[position] + 1
