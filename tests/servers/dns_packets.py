"""Packets nobody should send, and what may be answered to them (RFC 8906)."""

import random
from collections.abc import Iterator, Sequence

import dns.edns
import dns.exception
import dns.message
import dns.rcode

from litemail.protocols.parent_side import PARENT_SIDE_OPTION

_HEADER = 12
_QR, _OPCODE = 0x80, 0x78
_UDP, _TCP = 1_232, 65_535


def option(code: int, data: bytes = b"") -> dns.edns.Option:
    return dns.edns.GenericOption(dns.edns.OptionType.make(code), data)


def well_made() -> list[bytes]:
    """Queries of every shape that the server knows, for zones `test` and `example.test`."""
    made = [
        dns.message.make_query("example.test", "A"),
        dns.message.make_query("www.example.test", "MX", use_edns=0, want_dnssec=True),
        dns.message.make_query("x.w.example.test", "A", options=[option(10, b"12345678")]),
        dns.message.make_query("c.example.test", "ANY", use_edns=0),
        dns.message.make_query("shop.example.test", "AAAA", use_edns=0),
        dns.message.make_query("a.sub.example.test", "TXT"),
        dns.message.make_query("missing.example.test", "SOA", use_edns=0, payload=4096),
        dns.message.make_query("deep.example.test", "NS", options=[option(PARENT_SIDE_OPTION)]),
        dns.message.make_query("example.org", "A", use_edns=0),
    ]
    return [message.to_wire() for message in made]


def mutated(chance: random.Random, seeds: Sequence[bytes], *, count: int) -> Iterator[bytes]:
    """Seeds with bytes changed, taken out, doubled and glued together."""
    for _ in range(count):
        packet = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 4)):
            packet[chance.randrange(len(packet))] = chance.randrange(256)
        how = chance.random()
        if how < 0.25:
            del packet[chance.randrange(len(packet)) :]
        elif how < 0.35:
            start = chance.randrange(len(packet))
            packet[start:start] = packet[start : start + chance.randint(1, 40)]
        elif how < 0.4:
            packet += chance.choice(seeds)[_HEADER:]
        yield bytes(packet)


def fault(packet: bytes, answer: bytes | None, *, tcp: bool, read: bool) -> str | None:
    """What is wrong with the answer; with `read`, also whether dnspython can read it, which takes long."""
    silent = len(packet) < _HEADER or bool(packet[2] & _QR)
    if answer is None or silent:
        return None if answer is None and silent else "an answer where silence is right, or the other way round"
    if answer[:2] != packet[:2] or not answer[2] & _QR or (answer[2] ^ packet[2]) & _OPCODE:
        return "the header is not that of an answer to this query"
    if answer[3] & 0x0F == dns.rcode.SERVFAIL:
        return "the server failed"
    if len(answer) > (_TCP if tcp else _UDP):
        return "the answer is too long"
    if read:
        try:
            dns.message.from_wire(answer, question_only=False)
        except dns.exception.DNSException as error:
            return f"the answer cannot be read: {error}"
    return None
