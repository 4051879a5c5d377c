"""Bytes in, bytes out: RFC 8906's list of what servers get wrong, and packets nobody should send."""

import random
import struct
import tracemalloc

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.protocols.parent_side import PARENT_SIDE_OPTION
from litemail.protocols.records import Record, RecordType
from litemail.servers.dns import Delegation, ZoneData, Zones
from litemail.servers.dns.respond import respond
from tests.servers.dns_packets import fault, mutated, option, well_made


def zone(name: str, *records: Record, serial: int = 1, delegations: tuple[Delegation, ...] = ()) -> ZoneData:
    return ZoneData(
        name=name,
        serial=serial,
        primary_ns="ns1.litemail.test",
        contact="hostmaster@litemail.test",
        name_servers=("ns1.litemail.test",),
        records=records,
        delegations=delegations,
    )


def a(name: str, address: str = "192.0.2.1") -> Record:
    return Record(type=RecordType.A, name=name, content=address)


EXAMPLE = zone("example.test", a("@"), a("www"), a("*.w"), Record(type=RecordType.CNAME, name="c", content="x.w.test"))
REGISTRY = zone("test", delegations=(Delegation("example", ("ns1.litemail.test",)),))


@pytest.fixture
def zones() -> Zones:
    made = Zones()
    made.replace_all([EXAMPLE])
    return made


def query(name: str = "example.test", kind: str = "A", **options: object) -> dns.message.Message:
    return dns.message.make_query(name, kind, **options)  # type: ignore[arg-type]  # passed on as given


def asked(zones: Zones, packet: bytes) -> dns.message.Message:
    answer = respond(zones, packet)
    assert answer is not None
    message = dns.message.from_wire(answer)
    assert message.id == int.from_bytes(packet[:2], "big")
    assert message.flags & dns.flags.QR
    return message


def header_of(packet: bytes, *, flags: int | None = None, counts: tuple[int, ...] = ()) -> bytes:
    header = list(struct.unpack("!6H", packet[:12]))
    if flags is not None:
        header[1] = flags
    header[2 : 2 + len(counts)] = counts
    return struct.pack("!6H", *header) + packet[12:]


def test_silence_for_answers_and_for_what_has_no_header(zones: Zones) -> None:
    packet = query().to_wire()
    assert respond(zones, header_of(packet, flags=0x8000)) is None
    for length in range(12):
        assert respond(zones, packet[:length]) is None


@pytest.mark.parametrize("opcode", [1, 2, 3, 4, 5, 6, 15])
def test_other_opcodes_are_not_implemented(zones: Zones, opcode: int) -> None:
    answer = respond(zones, header_of(query().to_wire(), flags=opcode << 11))
    assert answer is not None
    assert answer[2] >> 3 & 0x0F == opcode
    assert answer[3] & 0x0F == dns.rcode.NOTIMP


@pytest.mark.parametrize("counts", [(0,), (2,), (1, 1), (1, 0, 1), (1, 0, 0, 1), (65535, 65535, 65535, 65535)])
def test_counts_that_do_not_fit_are_a_format_error(zones: Zones, counts: tuple[int, ...]) -> None:
    packet = header_of(query().to_wire(), counts=counts)
    assert asked(zones, packet).rcode() == dns.rcode.FORMERR


def test_every_cut_and_every_extra_byte_is_a_format_error(zones: Zones) -> None:
    for made in (query(), query(use_edns=0), query(options=[dns.edns.GenericOption(dns.edns.OptionType.NSID, b"x")])):
        packet = made.to_wire()
        assert asked(zones, packet).rcode() == dns.rcode.NOERROR
        for end in range(12, len(packet)):
            assert asked(zones, packet[:end]).rcode() == dns.rcode.FORMERR
        assert asked(zones, packet + b"\0").rcode() == dns.rcode.FORMERR


def test_a_compressed_or_overlong_question_is_a_format_error(zones: Zones) -> None:
    header = query().to_wire()[:12]
    for name in (b"\xc0\x0c", b"\x01a\xc0\x0c", b"\x40a", b"\x3f" + b"a" * 63 + b"\x80", (b"\x01a" * 127) + b"\x01a\0"):
        assert asked(zones, header + name + b"\0\1\0\1").rcode() == dns.rcode.FORMERR
    longest = (b"\x01a" * 127) + b"\0"
    assert asked(zones, header + longest + b"\0\1\0\1").rcode() == dns.rcode.REFUSED


def test_reserved_and_unneeded_flags_are_ignored_and_not_returned(zones: Zones) -> None:
    for bits in (0x0040, dns.flags.AD, dns.flags.CD, dns.flags.TC, dns.flags.AA, dns.flags.RA):
        answer = asked(zones, header_of(query().to_wire(), flags=bits))
        assert answer.rcode() == dns.rcode.NOERROR
        assert answer.flags == dns.flags.QR | dns.flags.AA
    assert asked(zones, header_of(query().to_wire(), flags=dns.flags.RD)).flags & dns.flags.RD


@pytest.mark.parametrize(
    ("kind", "rcode"),
    [
        ("AXFR", dns.rcode.REFUSED),
        ("IXFR", dns.rcode.REFUSED),
        ("TSIG", dns.rcode.NOTIMP),
        ("MAILB", dns.rcode.NOTIMP),
        ("OPT", dns.rcode.FORMERR),
        ("TYPE0", dns.rcode.NOERROR),
        ("TYPE1000", dns.rcode.NOERROR),
    ],
)
def test_types_that_are_no_data(zones: Zones, kind: str, rcode: dns.rcode.Rcode) -> None:
    packet = bytearray(query().to_wire())
    packet[-4:-2] = int(dns.rdatatype.from_text(kind)).to_bytes(2, "big")
    assert asked(zones, bytes(packet)).rcode() == rcode


@pytest.mark.parametrize("klass", ["CH", "HS", "ANY"])
def test_other_classes_are_refused(zones: Zones, klass: str) -> None:
    assert asked(zones, query(rdclass=klass).to_wire()).rcode() == dns.rcode.REFUSED


def test_type_and_letter_case_do_not_mix_up_cached_answers(zones: Zones) -> None:
    # Type 65 in lower case would be type 97 if the whole question were folded.
    assert asked(zones, query(kind="A").to_wire()).answer
    assert not asked(zones, query(kind="TYPE65").to_wire()).answer
    assert not asked(zones, query(kind="TYPE97").to_wire()).answer


def test_a_newer_edns_version_is_badvers_with_ours(zones: Zones) -> None:
    for _ in range(2):
        answer = asked(zones, query(use_edns=1, ednsflags=1 << 16).to_wire())
        assert answer.rcode() == dns.rcode.BADVERS
        assert answer.edns == 0
        assert not answer.answer


def test_edns_flags_and_options_that_are_not_known_are_ignored(zones: Zones) -> None:
    for _ in range(2):
        answer = asked(zones, query(use_edns=0, ednsflags=0x00FF).to_wire())
        assert answer.rcode() == dns.rcode.NOERROR
        assert answer.ednsflags == 0


def test_two_opt_records_or_a_broken_option_are_a_format_error(zones: Zones) -> None:
    packet = query(use_edns=0).to_wire()
    opt = packet[-11:]
    assert asked(zones, header_of(packet + opt, counts=(1, 0, 0, 2))).rcode() == dns.rcode.FORMERR
    named = header_of(packet[:-11] + b"\1a" + opt, counts=(1, 0, 0, 1))
    assert asked(zones, named).rcode() == dns.rcode.FORMERR
    broken = packet[:-2] + b"\0\4" + b"\0\x0a\0\1"
    assert asked(zones, broken).rcode() == dns.rcode.FORMERR


def test_small_and_large_payload_sizes_are_bounded(zones: Zones) -> None:
    zones.put(zone("example.test", *(a("@", f"192.0.2.{last}") for last in range(60))))
    sizes = {}
    for payload in (0, 511, 512, 900, 1232, 65535):
        for _ in range(2):
            answer = respond(zones, query(use_edns=0, payload=payload).to_wire())
            assert answer is not None
            sizes[payload] = (len(answer) > 512, bool(answer[2] & 0x02))
    assert sizes == {
        0: (False, True),
        511: (False, True),
        512: (False, True),
        900: (False, True),
        1232: (True, False),
        65535: (True, False),
    }


def test_the_parents_side_is_answered_to_who_asks_for_it(zones: Zones) -> None:
    parent_side = option(PARENT_SIDE_OPTION)
    packet = query("example.test", "NS", options=[parent_side]).to_wire()
    assert asked(zones, packet).rcode() == dns.rcode.REFUSED  # we have no parent of it
    zones.put(REGISTRY)
    plain = asked(zones, query("example.test", "NS").to_wire())
    assert plain.flags & dns.flags.AA
    assert plain.answer
    for _ in range(2):
        referral = asked(zones, packet)
        assert not referral.flags & dns.flags.AA
        assert referral.authority
        assert not referral.answer
    assert asked(zones, query("example.test", "NS").to_wire()).answer


def test_a_change_is_seen_by_the_next_query(zones: Zones) -> None:
    def address() -> str:
        return str(asked(zones, query().to_wire()).answer[0][0])

    assert [address(), address()] == ["192.0.2.1", "192.0.2.1"]
    zones.put(zone("example.test", a("@", "192.0.2.9"), serial=2))
    assert [address(), address()] == ["192.0.2.9", "192.0.2.9"]
    zones.remove("example.test")
    assert asked(zones, query().to_wire()).rcode() == dns.rcode.REFUSED
    zones.remove("example.test")


def test_a_new_zone_takes_its_names_over_from_the_zone_above(zones: Zones) -> None:
    www = query("www.example.test").to_wire()
    assert str(asked(zones, www).answer[0][0]) == "192.0.2.1"
    zones.put(zone("www.example.test", a("@", "192.0.2.9")))
    assert str(asked(zones, www).answer[0][0]) == "192.0.2.9"
    zones.remove("www.example.test")
    assert str(asked(zones, www).answer[0][0]) == "192.0.2.1"


def test_replacing_all_serves_exactly_the_new_ones(zones: Zones) -> None:
    assert asked(zones, query().to_wire()).answer
    zones.replace_all([zone("other.test", a("@"))])
    assert len(zones) == 1
    assert asked(zones, query().to_wire()).rcode() == dns.rcode.REFUSED
    assert asked(zones, query("other.test").to_wire()).answer


def test_an_alias_follows_a_change_in_another_zone(zones: Zones) -> None:
    alias = Record(type=RecordType.ALIAS, name="@", content="www.example.test")
    zones.put(zone("alias.test", alias))
    assert str(asked(zones, query("alias.test").to_wire()).answer[0][0]) == "192.0.2.1"
    zones.put(zone("example.test", a("www", "192.0.2.9")))
    assert str(asked(zones, query("alias.test").to_wire()).answer[0][0]) == "192.0.2.9"


def test_records_that_cannot_be_sent_are_left_out_and_bad_zones_fail_alone(zones: Zones) -> None:
    zones.put(zone("mixed.test", a("@"), a("bad", "no address"), a("x" * 64)))
    assert asked(zones, query("mixed.test").to_wire()).answer
    assert asked(zones, query("bad.mixed.test").to_wire()).rcode() == dns.rcode.NOERROR
    zones.put(
        ZoneData(name="broken.test", serial=1, primary_ns="x" * 64, contact="a@b.test", name_servers=(), records=())
    )
    for _ in range(2):
        assert asked(zones, query("broken.test").to_wire()).rcode() == dns.rcode.SERVFAIL
    zones.put(zone("x" * 64 + ".test"))
    assert asked(zones, query().to_wire()).answer


def test_made_up_names_leave_nothing_behind(zones: Zones) -> None:
    for number in range(500):
        respond(zones, query(f"n{number}.example.test").to_wire())
        respond(zones, query(f"n{number}.w.example.test").to_wire())
        respond(zones, query(f"n{number}.example.net").to_wire())
    assert not zones.cache


def test_the_cache_and_the_ready_zones_are_bounded() -> None:
    zones = Zones(cached_answers=50, ready_zones=10)
    zones.replace_all([zone(f"z{number}.test", a("@")) for number in range(100)])
    for number in range(100):
        for kind in ("A", "MX"):
            assert asked(zones, query(f"z{number}.test", kind).to_wire()).rcode() == dns.rcode.NOERROR
            assert len(zones.cache) <= 50
    assert len(zones._ready) <= 10


@given(st.binary(max_size=80))
def test_no_bytes_after_a_query_header_break_it(tail: bytes) -> None:
    zones = Zones()
    zones.replace_all([EXAMPLE, REGISTRY])
    answer = respond(zones, query().to_wire()[:12] + tail)
    assert answer is not None
    assert answer[3] & 0x0F != dns.rcode.SERVFAIL


def test_mutated_packets_never_break_it_nor_make_it_grow() -> None:
    """A million of them: `python -m benchmarks --only dns_fuzz`."""
    chance = random.Random(8906)
    zones = Zones(cached_answers=256)
    zones.replace_all([EXAMPLE, REGISTRY])
    tracemalloc.start()
    try:
        before = 0
        for round_, packet in enumerate(mutated(chance, well_made(), count=20_000)):
            tcp = chance.random() < 0.2
            answer = respond(zones, packet, tcp=tcp)
            assert fault(packet, answer, tcp=tcp, read=round_ % 10 == 0) is None, packet.hex()
            if round_ == 10_000:
                before = tracemalloc.get_traced_memory()[0]
        assert tracemalloc.get_traced_memory()[0] - before < 300_000
    finally:
        tracemalloc.stop()
