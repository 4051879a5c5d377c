import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.kit.errors import Error, Invalid, Kind
from litemail.protocols.record_sets import check_set
from litemail.protocols.record_wire import from_rdata, join_txt, split_txt, to_rdata
from litemail.protocols.records import Record, RecordType, normalise_record

ZONE = "example.com"
DIGEST = "ab" * 32


def record(type: str, name: str, content: str, ttl: int = 3600, priority: int | None = None) -> Record:  # noqa: A002
    return normalise_record(zone=ZONE, type=type, name=name, content=content, ttl=ttl, priority=priority)


@pytest.mark.parametrize(
    ("given_", "stored"),
    [
        (("a", "WWW", " 192.0.2.1 "), ("A", "www", "192.0.2.1", None)),
        (("A", "www.example.com", "192.0.2.1"), ("A", "www", "192.0.2.1", None)),
        (("A", "example.com.", "192.0.2.1"), ("A", "@", "192.0.2.1", None)),
        (("A", "*.dev.example.com.", "192.0.2.1"), ("A", "*.dev", "192.0.2.1", None)),
        (("A", "*.example.com", "192.0.2.1"), ("A", "*", "192.0.2.1", None)),
        (("A", "bücher", "192.0.2.1"), ("A", "xn--bcher-kva", "192.0.2.1", None)),
        (("AAAA", "@", "2001:DB8:0:0::1"), ("AAAA", "@", "2001:db8::1", None)),
        (("ALIAS", "@", "Host.Example.NET."), ("ALIAS", "@", "host.example.net", None)),
        (("CNAME", "s1._domainkey", "s1._domainkey.bücher.de."),
         ("CNAME", "s1._domainkey", "s1._domainkey.xn--bcher-kva.de", None)),
        (("CNAME", "www", "@"), ("CNAME", "www", "example.com", None)),
        (("MX", "@", "10 mail.example.net."), ("MX", "@", "mail.example.net", 10)),
        (("MX", "@", "mail.example.net", 3600, 0), ("MX", "@", "mail.example.net", 0)),
        (("MX", "@", ".", 3600, 0), ("MX", "@", ".", 0)),
        (("NS", "_acme-challenge", "ns1.example.net"), ("NS", "_acme-challenge", "ns1.example.net", None)),
        (("SRV", "_imaps._tcp", "5 0993 imap.example.net", 3600, 1),
         ("SRV", "_imaps._tcp", "5 993 imap.example.net", 1)),
        (("SRV", "_imap._tcp", "0 0 0 ."), ("SRV", "_imap._tcp", "0 0 .", 0)),
        (("TXT", "@", "  v=spf1 -all\n"), ("TXT", "@", "v=spf1 -all", None)),
        (("TXT", "_dmarc", '"v=DMARC1; p=none"'), ("TXT", "_dmarc", "v=DMARC1; p=none", None)),
        (("TXT", "k", '"v=DKIM1; " \n "p=MII\\"\\\\\\065"'), ("TXT", "k", 'v=DKIM1; p=MII"\\A', None)),
        (("TXT", "k", 'say "hello" \\ grüße'), ("TXT", "k", 'say "hello" \\ grüße', None)),
        (("CAA", "@", "0 ISSUE letsencrypt.org"), ("CAA", "@", '0 issue "letsencrypt.org"', None)),
        (("CAA", "@", '128 issuewild ";"'), ("CAA", "@", '128 issuewild ";"', None)),
        (("TLSA", "_25._tcp.mail", f"3 1 1 {DIGEST[:32]} {DIGEST[32:].upper()}"),
         ("TLSA", "_25._tcp.mail", f"3 1 1 {DIGEST}", None)),
    ],
)  # fmt: skip
def test_records_are_stored_in_one_form(
    given_: tuple[str, str, str, int, int | None], stored: tuple[str, str, str, int | None]
) -> None:
    made = record(*given_)
    assert (made.type, made.name, made.content, made.priority) == stored
    again = record(made.type, made.name, made.content, made.ttl, made.priority)
    assert again == made


@pytest.mark.parametrize(
    ("wrong", "code", "words"),
    [
        (("HINFO", "@", "x"), "dns.unknown_type", "HINFO"),
        (("SOA", "@", "x"), "dns.unknown_type", "SOA"),
        (("A", "", "192.0.2.1"), "dns.bad_name", "empty"),
        (("A", "a..b", "192.0.2.1"), "dns.bad_name", "empty part"),
        (("A", "a.*.b", "192.0.2.1"), "dns.bad_name", "other characters"),
        (("A", "x*", "192.0.2.1"), "dns.bad_name", "other characters"),
        (("A", "a" * 64, "192.0.2.1"), "dns.bad_name", "63"),
        (("A", ".".join(["a" * 60] * 4), "192.0.2.1"), "dns.bad_name", "253"),
        (("A", "other.org.", "192.0.2.1"), "dns.bad_name", "not in the zone"),
        (("A", "_x", "192.0.2.1"), "dns.bad_name", "underscore"),
        (("MX", "_x", "m.example.net", 300, 1), "dns.bad_name", "underscore"),
        (("NS", "*.x", "ns.example.net"), "dns.bad_name", "wildcard"),
        (("SRV", "imap", "1 2 a.example.net", 300, 1), "dns.bad_name", "RFC 2782"),
        (("TLSA", "mail", f"3 1 1 {DIGEST}"), "dns.bad_name", "RFC 6698"),
        (("A", "@", "2001:db8::1"), "dns.bad_content", "AAAA"),
        (("A", "@", "192.0.2.256"), "dns.bad_content", "IPv4"),
        (("A", "@", "192.0.2.01"), "dns.bad_content", "IPv4"),
        (("AAAA", "@", "192.0.2.1"), "dns.bad_content", "A record"),
        (("AAAA", "@", "fe80::1%eth0"), "dns.bad_content", "zone index"),
        (("CNAME", "www", ""), "dns.bad_content", "empty"),
        (("CNAME", "www", "a b"), "dns.bad_content", "space"),
        (("CNAME", "www", "host"), "dns.bad_content", "host.example.com"),
        (("NS", "sub", "ns_1.example.net"), "dns.bad_content", "underscore"),
        (("MX", "@", "192.0.2.1", 300, 10), "dns.target_is_address", "192.0.2.1"),
        (("MX", "@", "[192.0.2.1]", 300, 10), "dns.target_is_address", "MX"),
        (("CNAME", "www", "192.0.2.1"), "dns.target_is_address", "CNAME"),
        (("SRV", "_a._tcp", "1 2 ::1", 300, 10), "dns.target_is_address", "SRV"),
        (("SRV", "_a._tcp", "70000 2 a.example.net", 300, 10), "dns.bad_content", "65535"),
        (("SRV", "_a._tcp", "a.example.net", 300, 10), "dns.bad_content", "weight"),
        (("CNAME", "@", "a.example.net"), "dns.cname_at_apex", "ALIAS"),
        (("NS", "@", "ns.example.net"), "dns.ns_at_apex", "sub-domain"),
        (("CNAME", "www", "www.example.com"), "dns.points_to_itself", "own name"),
        (("ALIAS", "@", "example.com"), "dns.points_to_itself", "own name"),
        (("TXT", "@", ""), "dns.bad_content", "empty"),
        (("TXT", "@", '""'), "dns.bad_content", "empty"),
        (("TXT", "@", '"a" b'), "dns.bad_content", "quotation marks"),
        (("TXT", "@", '"a'), "dns.bad_content", "quotation marks"),
        (("TXT", "@", '"\\""'), "dns.bad_content", "begins with"),
        (("TXT", "@", '"\\999"'), "dns.bad_content", "byte"),
        (("TXT", "@", '"\\255"'), "dns.bad_content", "UTF-8"),
        (("TXT", "@", "a\nb"), "dns.bad_content", "line break"),
        (("TXT", "@", "\ud800"), "dns.bad_content", "Unicode"),
        (("TXT", "@", "x" * 4097), "dns.bad_content", "4096"),
        (("TXT", "@", '"' + "\\" * 3_000_000), "dns.bad_content", "4096"),
        (("TXT", "@", "v=spf1 mx bogus -all"), "dns.bad_spf", "bogus"),
        (("TXT", "send", "V=SPF1 ip4:192.0.2.0/33"), "dns.bad_spf", "ip4"),
        (("TXT", "@", "v=spf1 " + "mx " * 11 + "-all"), "dns.spf_lookups", "11"),
        (("TXT", "_dmarc", "v=DMARC1; p=maybe"), "dns.bad_dmarc", "maybe"),
        (("TXT", "_dmarc.sub", "v=DMARC1"), "dns.bad_dmarc", "p= is missing"),
        (("TLSA", "_25._tcp", "3 1 1 a" + " " * 20_000 + "x"), "dns.bad_content", "hexadecimal"),
        (("CAA", "@", "256 issue x"), "dns.bad_content", "255"),
        (("CAA", "@", "0 issue"), "dns.bad_content", "value"),
        (("CAA", "@", "0 issue ü"), "dns.bad_content", "ASCII"),
        (("TLSA", "_25._tcp", "3 1 1 abcd"), "dns.bad_content", "32 bytes"),
        (("TLSA", "_25._tcp", "4 1 1 abcd"), "dns.bad_content", "usage"),
        (("TLSA", "_25._tcp", "3 1 0 abc"), "dns.bad_content", "whole number"),
        (("A", "@", "192.0.2.1", 59), "dns.bad_ttl", "59"),
        (("A", "@", "192.0.2.1", 86401), "dns.bad_ttl", "86401"),
        (("MX", "@", "m.example.net"), "dns.priority_missing", "priority"),
        (("MX", "@", "m.example.net", 300, 65536), "dns.bad_priority", "65536"),
        (("MX", "@", ".", 300, 10), "dns.null_mx_priority", "RFC 7505"),
        (("A", "@", "192.0.2.1", 300, 1), "dns.priority_not_used", "A"),
    ],
)
def test_wrong_records_are_refused_with_the_reason(
    wrong: tuple[str, str, str, int, int | None], code: str, words: str
) -> None:
    with pytest.raises(Error) as caught:
        record(*wrong)
    problem = caught.value.problem()
    assert problem.code == code
    assert words in f"{problem.message} {problem.action}"
    assert problem.action


def test_texts_that_only_look_like_policies_are_taken() -> None:
    for name, text in (("@", "v=spf10 x"), ("www", "v=DMARC1"), ("@", "v=spf1 " + "mx " * 10 + "-all")):
        assert record("TXT", name, text).content == text.strip()


def test_all_wrong_fields_are_named_at_once_by_path() -> None:
    with pytest.raises(Invalid) as caught:
        normalise_record(zone=ZONE, type="MX", name="a b", content="1.2.3.4", ttl=1, path="records[2]")
    assert [detail.field for detail in caught.value.details] == [
        "records[2].name",
        "records[2].content",
        "records[2].ttl",
    ]


@pytest.mark.parametrize(
    ("there", "new", "code"),
    [
        (("A", "www", "192.0.2.1"), ("CNAME", "www", "a.example.net"), "dns.cname_conflict"),
        (("CNAME", "www", "a.example.net"), ("TXT", "www", "x"), "dns.cname_conflict"),
        (("CNAME", "www", "a.example.net"), ("CNAME", "www", "b.example.net"), "dns.cname_conflict"),
        (("CNAME", "www", "a.example.net"), ("CNAME", "www", "a.example.net"), "dns.duplicate_record"),
        (("MX", "@", "m.example.net", 300, 1), ("MX", "@", "m.example.net", 300, 2), "dns.duplicate_record"),
        (("A", "@", "192.0.2.1"), ("ALIAS", "@", "a.example.net"), "dns.alias_conflict"),
        (("ALIAS", "@", "a.example.net"), ("AAAA", "@", "::1"), "dns.alias_conflict"),
        (("ALIAS", "@", "a.example.net"), ("ALIAS", "@", "b.example.net"), "dns.alias_conflict"),
        (("TXT", "@", "v=spf1 -all"), ("TXT", "@", "V=SPF1 include:x.example.net ~all"), "dns.two_spf"),
        (("TXT", "_dmarc", "v=DMARC1; p=none"), ("TXT", "_dmarc", "v=DMARC1;p=reject"), "dns.two_dmarc"),
        (("MX", "@", "m.example.net", 300, 1), ("MX", "@", ".", 300, 0), "dns.null_mx_conflict"),
        (("MX", "@", ".", 300, 0), ("MX", "@", "m.example.net", 300, 1), "dns.null_mx_conflict"),
    ],
)  # fmt: skip
def test_records_that_cannot_stand_together(
    there: tuple[str, str, str, int, int | None], new: tuple[str, str, str, int, int | None], code: str
) -> None:
    with pytest.raises(Error) as caught:
        check_set([record(*there)], record(*new))
    assert caught.value.problem().code == code
    assert caught.value.kind is Kind.CONFLICT


def test_records_that_can_stand_together() -> None:
    check_set(
        [
            record("A", "@", "192.0.2.1"),
            record("TXT", "@", "v=spf1 -all"),
            record("CNAME", "www", "a.example.net"),
            record("MX", "@", "m.example.net", 300, 1),
        ],
        record("A", "@", "192.0.2.2"),
    )
    check_set([record("TXT", "@", "v=spf1 -all")], record("TXT", "@", "v=spf10 is no SPF"))
    check_set([record("ALIAS", "@", "a.example.net")], record("TXT", "@", "v=spf1 -all"))


def test_a_set_stays_small_enough_for_one_answer() -> None:
    there = [record("TXT", "@", f"{number} " + "x" * 4000) for number in range(3)]
    check_set(there, record("TXT", "@", "small"))
    with pytest.raises(Error, match="larger than one DNS answer"):
        check_set([*there, record("TXT", "@", "4 " + "x" * 4000)], record("TXT", "@", "5 " + "x" * 4000))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_txt_is_split_for_the_wire_and_joined_again(text: str) -> None:
    strings = split_txt(text)
    assert strings
    assert all(len(string) == 255 for string in strings[:-1])
    assert len(strings[-1]) <= 255
    assert join_txt(strings) == text


def test_foreign_bytes_in_txt_are_shown_not_lost() -> None:
    assert join_txt([b"a\xff"]) == "a\\xff"


_label = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True).filter(lambda label: label[2:4] != "--")
_host = st.lists(_label, min_size=2, max_size=4).map(".".join)
_rank = st.integers(0, 65_535)
_any_record = st.one_of(
    st.builds(lambda a: ("A", "www", str(a), None), st.ip_addresses(v=4)),
    st.builds(lambda a: ("AAAA", "www", str(a), None), st.ip_addresses(v=6)),
    st.builds(lambda h: ("CNAME", "www", h, None), _host),
    st.builds(lambda h: ("NS", "sub", h, None), _host),
    st.builds(lambda h, r: ("MX", "@", h, r), _host, _rank),
    st.builds(lambda h, r, w, p: ("SRV", "_a._tcp", f"{w} {p} {h}", r), _host, _rank, _rank, _rank),
    st.builds(lambda t: ("TXT", "@", t, None), st.text(min_size=1, max_size=600)),
    st.builds(
        lambda f, t, v: ("CAA", "@", f"{f} {t} {v}", None),
        st.integers(0, 255),
        st.sampled_from(["issue", "issuewild", "iodef"]),
        st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80),
    ),
    st.builds(lambda u, s, d: ("TLSA", "_25._tcp", f"{u} {s} 1 {d.hex()}", None), st.integers(0, 3),
              st.integers(0, 1), st.binary(min_size=32, max_size=32)),
)  # fmt: skip


@given(_any_record)
def test_a_record_survives_the_wire(fields: tuple[str, str, str, int | None]) -> None:
    kind, name, content, rank = fields
    try:
        stored = record(kind, name, content, 300, rank)
    except Error:
        return
    wire = to_rdata(stored).to_wire()
    assert wire is not None
    rdtype = dns.rdatatype.from_text(stored.type)
    back = dns.rdata.from_wire(dns.rdataclass.IN, rdtype, wire, 0, len(wire))
    assert from_rdata(back) == (stored.type, stored.content, stored.priority)


def test_types_we_do_not_keep_are_left_out() -> None:
    assert from_rdata(dns.rdata.from_text("IN", "HINFO", "a b")) is None
    with pytest.raises(ValueError, match="ALIAS"):
        to_rdata(Record(type=RecordType.ALIAS, name="@", content="a.example.net"))
