import ipaddress
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import dns.zone
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from litemail.kit.errors import Error
from litemail.protocols import zone_file
from litemail.protocols.record_sets import SetConflict, check_set
from litemail.protocols.records import Record, RecordType, normalise_record
from litemail.protocols.zone_file import Header, parse, write

ZONE = "example.com"
HEADER = Header(ZONE, 1769712116, ["ns04.litemail.test", "ns11.litemail.test"], "host.master@litemail.test")
CHECKZONE = shutil.which("named-checkzone")


def record(kind: str, name: str, content: str, *, ttl: int = 3600, priority: int | None = None) -> Record:
    return normalise_record(zone=ZONE, type=kind, name=name, content=content, ttl=ttl, priority=priority)


def read_back(text: str) -> list[Record]:
    parsed = parse(text, zone=ZONE)
    assert parsed.faults == []
    return [record(line.type, line.name, line.content, ttl=line.ttl, priority=line.priority) for line in parsed.lines]


EVERY_TYPE = [
    record("A", "@", "192.0.2.1"),
    record("AAAA", "www", "2001:db8::1", ttl=60),
    record("ALIAS", "shop", "shops.example.net"),
    record("CAA", "@", '0 issue "letsencrypt.org; x=\\"y\\""'),
    record("CNAME", "*.dev", "host.example.net"),
    record("MX", "@", "10 mail.example.net"),
    record("NS", "sub", "ns1.example.net"),
    record("SRV", "_imaps._tcp", "0 5 993 imap.example.net"),
    record("TXT", "@", 'some; "quoted" \\ ü ; semicolon'),
    record("TXT", "long", "x" * 400 + "é" * 300),
    record("TLSA", "_25._tcp.mail", "3 1 1 " + "ab" * 32),
]


def test_a_zone_survives_the_file() -> None:
    assert sorted(read_back(write(HEADER, EVERY_TYPE)), key=repr) == sorted(EVERY_TYPE, key=repr)


def test_the_file_is_one_that_others_read() -> None:
    zone = dns.zone.from_text(write(HEADER, EVERY_TYPE), ZONE)
    soa = zone.get_soa()
    assert (soa.serial, soa.mname.to_text(), soa.rname.to_text()) == (
        1769712116, "ns04.litemail.test.", r"host\.master.litemail.test."
    )  # fmt: skip
    assert len(zone.find_rdataset("@", "NS")) == 2


def test_files_of_others_are_read() -> None:
    text = """
; a comment
$TTL 1h
@ IN SOA ns1.example.net. admin.example.net. (
     2026010101 ; serial
     1h 15m 4w 5m )
   IN NS ns1.example.net.
www 5m IN A 192.0.2.1
    IN TXT ( "one "
             "two" )
$ORIGIN sub.example.com.
mail A 192.0.2.2
@ 300 MX 10 mail
shop.example.com. ALIAS shops.example.net.
@ IN DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==
"""
    parsed = parse(text, zone=ZONE)
    assert parsed.faults == []
    assert [(each.number, each.type, each.name, each.content, each.ttl) for each in parsed.lines] == [
        (8, "A", "www", "192.0.2.1", 300),
        (9, "TXT", "www", '"one " "two"', 3600),
        (12, "A", "mail.sub", "192.0.2.2", 3600),
        (13, "MX", "sub", "mail.sub.example.com", 300),
        (14, "ALIAS", "shop", "shops.example.net", 3600),
    ]
    assert [(each.line, each.type, each.name) for each in parsed.skipped] == [
        (4, "SOA", "@"), (7, "NS", "@"), (15, "DNSKEY", "sub")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("$INCLUDE /etc/passwd", 1, "'$INCLUDE' is not allowed"),
        ("$GENERATE 1-1000000 h$ A 192.0.2.1", 1, "'$GENERATE' is not allowed"),
        ("\n\nwww A 192.0.2.300", 3, "www A 192.0.2.300"),
        ("www BOGUS x", 1, "BOGUS"),
        ("www CH TXT x", 1, "class"),
        ("www HINFO a b", 1, "HINFO cannot be kept"),
        ("www.other.org. A 192.0.2.1", 1, "not in the zone"),
        ("$ORIGIN other.org.\nwww A 192.0.2.1", 2, "not in the zone"),
        ("www TXT x\nother TXT ( x\nlast TXT x\n", 4, "rest was not read"),
        ('www TXT "x', 1, "rest was not read|quot"),
        ("www A \\# 4 c00002", 1, "www A"),
        ("\x00", 1, "cannot be read"),
        ("; comment\n" * 10_000 + "www A 192.0.2.1", 10_001, "10000 lines"),
    ],
)
def test_faults_are_named_by_line(text: str, line: int, words: str) -> None:
    faults = parse(text, zone=ZONE).faults
    assert any(fault.number == line and any(word in fault.reason for word in words.split("|")) for fault in faults)


def test_every_fault_is_named_at_once_and_the_good_lines_are_read() -> None:
    parsed = parse("a A x\nb A 192.0.2.1\nc MX y\nd TXT z\ne HINFO a b\nf A\ng A 192.0.2.1\n", zone=ZONE)
    assert [fault.number for fault in parsed.faults] == [1, 3, 5, 6]
    assert [line.name for line in parsed.lines] == ["b", "d", "g"]


@given(st.text(max_size=300))
@settings(max_examples=300)
def test_no_text_breaks_the_reader(text: str) -> None:
    parse(text, zone=ZONE)


_label = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True).filter(lambda label: label[2:4] != "--")
_host = st.lists(_label, min_size=2, max_size=3).map(lambda labels: ".".join([*labels, "example.net"]))
_name = st.one_of(st.just("@"), _label, st.builds("*.{}".format, _label), st.builds("_x.{}".format, _label))
_rank = st.integers(0, 65_535)
_text = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), min_size=1, max_size=400)


def _made(kind: str, name: str, content: str, ttl: int, priority: int | None = None) -> Record | None:
    try:
        return record(kind, name, content, ttl=ttl, priority=priority)
    except Error:
        return None


_ttl = st.integers(60, 86_400)
_any_record = st.one_of(
    st.builds(_made, st.just("A"), _name, st.integers(0, 2**32 - 1).map(lambda n: str(ipaddress.IPv4Address(n))), _ttl),
    st.builds(_made, st.just("AAAA"), _name, st.ip_addresses(v=6).map(str), _ttl),
    st.builds(_made, st.sampled_from(["CNAME", "ALIAS", "NS"]), _name, _host, _ttl),
    st.builds(_made, st.just("MX"), _name, _host, _ttl, _rank),
    st.builds(_made, st.just("TXT"), _name, _text, _ttl),
    st.builds(_made, st.just("SRV"), _label.map("_{}._tcp".format), st.builds("1 2 {}".format, _host), _ttl, _rank),
    st.builds(_made, st.just("CAA"), _name, st.builds("0 issue {}".format, _label), _ttl),
    st.builds(_made, st.just("TLSA"), st.just("_25._tcp"), st.binary(min_size=32, max_size=32).map(
        lambda digest: f"3 1 1 {digest.hex()}"), _ttl),
)  # fmt: skip


@st.composite
def zones(draw: st.DrawFn) -> Sequence[Record]:
    """Records that can be in one zone together."""
    chosen: list[Record] = []
    for each in draw(st.lists(_any_record, max_size=12)):
        if each is not None:
            try:
                check_set(chosen, each)
            except SetConflict:
                continue
            chosen.append(each)
    return chosen


@given(zones())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_zone_survives_the_file(chosen: Sequence[Record]) -> None:
    assert sorted(read_back(write(HEADER, chosen)), key=repr) == sorted(chosen, key=repr)


@pytest.mark.skipif(CHECKZONE is None, reason="named-checkzone is not installed")
@given(zones())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_bind_accepts_any_zone(tmp_path: Path, chosen: Sequence[Record]) -> None:
    assume(chosen)
    _accepted(tmp_path / "zone", [*EVERY_TYPE[:3], *(each for each in chosen if each.name not in {"@", "shop", "www"})])


@pytest.mark.skipif(CHECKZONE is None, reason="named-checkzone is not installed")
def test_bind_accepts_every_type(tmp_path: Path) -> None:
    _accepted(tmp_path / "zone", EVERY_TYPE)


def _accepted(path: Path, chosen: Sequence[Record]) -> None:
    assert CHECKZONE is not None
    path.write_text(write(HEADER, chosen))
    # -i local: names outside the zone are not looked up, there is no network here.
    checked = subprocess.run([CHECKZONE, "-i", "local", ZONE, path], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + path.read_text()


def test_the_alias_type_is_that_of_powerdns() -> None:
    assert zone_file.ALIAS_TYPE == 65401
    assert RecordType.ALIAS in {each.type for each in read_back(write(HEADER, EVERY_TYPE))}
