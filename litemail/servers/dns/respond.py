"""From the bytes of a query to the bytes of its answer, or to silence (RFC 8906)."""

import logging
from typing import Final

from litemail.servers.dns.resolve import resolve, responsible
from litemail.servers.dns.wire import (
    CLASSIC_SIZE,
    EDNS_SIZE,
    HEADER,
    TCP_SIZE,
    Malformed,
    Packed,
    Query,
    Rcode,
    opt,
    pack,
    parse,
)
from litemail.servers.dns.zones import Zones

_QR, _OPCODE, _TC, _RD = 0x80, 0x78, 0x02, 0x01
_IN: Final = 1
_OPT_TYPE: Final = 41
_TRANSFERS: Final = frozenset({251, 252})  # IXFR, AXFR
_META: Final = frozenset({249, 250, 253, 254})  # TKEY, TSIG, MAILB, MAILA
_NO_COUNTS: Final = bytes(8)
_ONE_QUESTION: Final = bytes([0, 1, 0, 0, 0, 0, 0, 0])
_ONE_QUESTION_EDNS: Final = bytes([0, 1, 0, 0, 0, 0, 0, 1])
_PLAIN_OPT_NAME_TYPE: Final = bytes([0, 0, 41])
_PLAIN_OPT_SIZE: Final = 11
_OPT: Final = opt()
_OPT_DO: Final = opt(dnssec_ok=True)
_MAX_LABEL: Final = 63
_NO_OPTIONS: Final = bytes(2)

log = logging.getLogger(__name__)


def respond(zones: Zones, packet: bytes, *, tcp: bool = False) -> bytes | None:
    """The answer to a packet; None where silence is right: too short for a header, or itself an answer.

    The usual query, one that was answered before, is recognised here with no more work than that needs.
    """
    try:
        question_only = packet[4:12] == _ONE_QUESTION
        if not tcp and not packet[2] & ~_RD and (question_only or packet[4:12] == _ONE_QUESTION_EDNS):
            position = HEADER
            while length := packet[position]:
                if length > _MAX_LABEL:
                    return _respond(zones, packet, tcp=tcp)
                position += length + 1
            end = position + 5
            kept = zones.cache.get(packet[HEADER : position + 1].lower() + packet[position + 1 : end])
            if kept is not None and kept[0].live:
                packed = kept[1]
                flags = packed.flags_rd if packet[2] else packed.flags
                if question_only:
                    size = end + len(packed.body)
                    if len(packet) == end and size <= CLASSIC_SIZE:
                        return packet[:2] + flags + packed.counts + packet[HEADER:end] + packed.body
                elif (
                    len(packet) == end + _PLAIN_OPT_SIZE
                    and packet[end : end + 3] == _PLAIN_OPT_NAME_TYPE
                    and packet[end + 6] == 0
                    and packet[end + 9 :] == _NO_OPTIONS
                ):
                    payload = packet[end + 3] << 8 | packet[end + 4]
                    size = end + len(packed.body) + _PLAIN_OPT_SIZE
                    if size <= CLASSIC_SIZE or size <= min(payload, EDNS_SIZE):
                        tail = _OPT_DO if packet[end + 7] & 0x80 else _OPT
                        return packet[:2] + flags + packed.counts_edns + packet[HEADER:end] + packed.body + tail
    except IndexError:
        pass
    return _respond(zones, packet, tcp=tcp)


def _respond(zones: Zones, packet: bytes, *, tcp: bool) -> bytes | None:
    if len(packet) < HEADER or packet[2] & _QR:
        return None
    if packet[2] & _OPCODE:
        return _header_only(packet, Rcode.NOTIMP)
    try:
        query = parse(packet)
    except Malformed:
        return _header_only(packet, Rcode.FORMERR)
    try:
        packed = _answer(zones, packet, query)
    except Exception:
        log.exception("A question for %r, type %d, could not be answered", query.qname, query.qtype)
        packed = pack(query=query, rcode=Rcode.SERVFAIL, authoritative=False)
    limit = TCP_SIZE if tcp else query.payload
    return _message(packet, query, packed, limit)


def _answer(zones: Zones, packet: bytes, query: Query) -> Packed:
    refusal = _refusal(query)
    key = query.qname + packet[query.end - 4 : query.end]
    kept = zones.cache.get(key) if refusal is None and not query.parent_side else None
    if kept is not None and kept[0].live:
        return kept[1]
    slot = responsible(zones, query) if refusal is None else None
    if slot is None:
        return pack(query=query, rcode=refusal or Rcode.REFUSED, authoritative=False)
    zone = zones.ready(slot)
    if zone is None:
        return pack(query=query, rcode=Rcode.SERVFAIL, authoritative=False)
    found = resolve(zones, zone, query.qname, query.qtype)
    packed = pack(
        query=query,
        rcode=found.rcode,
        authoritative=found.authoritative,
        answer=found.answer,
        authority=found.authority,
        additional=found.additional,
    )
    if found.cacheable and not query.parent_side:
        zones.keep(key, slot, packed)
    return packed


def _refusal(query: Query) -> Rcode | None:
    if query.version > 0:
        return Rcode.BADVERS
    if query.qtype == _OPT_TYPE:
        return Rcode.FORMERR
    if query.qtype in _META:
        return Rcode.NOTIMP
    if query.qclass != _IN or query.qtype in _TRANSFERS:
        return Rcode.REFUSED
    return None


def _message(packet: bytes, query: Query, packed: Packed, limit: int) -> bytes:
    flags = packed.flags_rd if packet[2] & _RD else packed.flags
    counts = packed.counts_edns if query.edns else packed.counts
    tail = b""
    if query.edns:
        badvers = query.version > 0
        tail = opt(rcode=Rcode.BADVERS if badvers else Rcode.NOERROR, dnssec_ok=query.dnssec_ok)
    if query.end + len(packed.body) + len(tail) <= limit:
        return packet[:2] + flags + counts + packet[HEADER : query.end] + packed.body + tail
    truncated = bytes([flags[0] | _TC, flags[1]])
    counts = _ONE_QUESTION_EDNS if query.edns else _ONE_QUESTION
    return packet[:2] + truncated + counts + packet[HEADER : query.end] + tail


def _header_only(packet: bytes, rcode: Rcode) -> bytes:
    return packet[:2] + bytes([_QR | packet[2] & (_OPCODE | _RD), rcode]) + _NO_COUNTS
