"""What is answered, asked over real sockets."""

from collections.abc import AsyncIterator, Awaitable, Callable

import dns.asyncquery
import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import pytest

from litemail.protocols.records import Record, RecordType
from litemail.servers.dns import Delegation, DnsServer, ZoneData, Zones, serve

NS1, NS2 = "ns1.litemail.test", "ns2.litemail.test"
DS = "2371 13 2 " + "1f" * 32


def record(kind: str, name: str, content: str, ttl: int = 300, priority: int | None = None) -> Record:
    return Record(type=RecordType(kind), name=name, content=content, ttl=ttl, priority=priority)


def zone(
    name: str, *records: Record, delegations: tuple[Delegation, ...] = (), name_servers: tuple[str, ...] = (NS1, NS2)
) -> ZoneData:
    return ZoneData(
        name=name,
        serial=7,
        primary_ns=NS1,
        contact="host.master@litemail.test",
        name_servers=name_servers,
        records=records,
        delegations=delegations,
    )


REGISTRY = zone(
    "test",
    delegations=(
        Delegation("example", (NS1, NS2)),
        Delegation("signed", ("ns1.elsewhere.net",), ds=(DS,)),
        Delegation("pending", ("ns1.elsewhere.net", "ns1.pending.test")),
    ),
)
EXAMPLE = zone(
    "example.test",
    record("A", "@", "192.0.2.1"),
    record("A", "@", "192.0.2.2", ttl=60),
    record("MX", "@", "mail.example.test", priority=10),
    record("TXT", "@", "v=spf1 -all"),
    record("TXT", "big", "x" * 600),
    record("TXT", "big", "y" * 600),
    record("TXT", "big", "z" * 600),
    record("CNAME", "www", "cdn.example.test"),
    record("A", "cdn", "192.0.2.3"),
    record("AAAA", "cdn", "2001:db8::3"),
    record("CNAME", "out", "www.example.net"),
    record("CNAME", "gone", "nothing.example.test"),
    record("CNAME", "to-other-zone", "www.other.test"),
    record("CNAME", "to-delegated", "x.sub.example.test"),
    record("CNAME", "loop1", "loop2.example.test"),
    record("CNAME", "loop2", "loop1.example.test"),
    record("A", "*.w", "192.0.2.4"),
    record("TXT", "only.w", "no A here"),
    record("CNAME", "*.cw", "cdn.example.test"),
    record("A", "a.b.c", "192.0.2.5"),
    record("NS", "sub", "ns1.sub.example.test"),
    record("NS", "sub", "ns.elsewhere.net"),
    record("A", "ns1.sub", "192.0.2.6"),
    record("AAAA", "ns1.sub", "2001:db8::6"),
    record("A", "deep.sub", "192.0.2.66"),
    record("NS", "child", "ns.elsewhere.net"),
    record("ALIAS", "alias", "www.other.test"),
    record("ALIAS", "alias-chain", "alias.example.test"),
    record("ALIAS", "alias-out", "host.example.net"),
    record("ALIAS", "alias-loop", "alias-loop2.example.test"),
    record("ALIAS", "alias-loop2", "alias-loop.example.test"),
    record("SRV", "_imaps._tcp", "5 993 mail.example.test", priority=1),
    record("CAA", "@", '0 issue "letsencrypt.org"'),
    record("TLSA", "_25._tcp.mail", "3 1 1 " + "ab" * 32),
)
CHILD = zone("child.example.test", record("A", "@", "192.0.2.7"))
OTHER = zone("other.test", record("ALIAS", "@", "www.other.test"), record("A", "www", "192.0.2.8", ttl=120))

Ask = Callable[..., Awaitable[dns.message.Message]]


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[DnsServer]:
    zones = Zones()
    zones.replace_all([REGISTRY, EXAMPLE, CHILD, OTHER])
    running = await serve("127.0.0.1", 0, zones)
    yield running
    await running.close()


@pytest.fixture
def ask(server: DnsServer) -> Ask:
    async def asked(name: str, kind: str, *, tcp: bool = False, **options: object) -> dns.message.Message:
        query = dns.message.make_query(name, kind, flags=0, **options)  # type: ignore[arg-type]  # passed on as given
        way = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
        first = await way(query, "127.0.0.1", port=server.port, timeout=2)
        again = await way(query, "127.0.0.1", port=server.port, timeout=2)
        assert first == again  # the second may come out of the cache
        return first

    return asked


def lines(section: list[object]) -> set[str]:
    return {line for rrset in section for line in str(rrset).splitlines()}


def aa(message: dns.message.Message) -> bool:
    return bool(message.flags & dns.flags.AA)


def assert_negative(message: dns.message.Message, rcode: dns.rcode.Rcode, apex: str) -> None:
    assert message.rcode() == rcode
    assert aa(message)
    [soa] = message.authority
    assert soa.name == dns.name.from_text(apex)
    assert soa.rdtype == dns.rdatatype.SOA
    assert soa.ttl == 300  # RFC 2308: min(SOA TTL, MINIMUM)


async def test_the_soa_names_serial_primary_and_contact(ask: Ask) -> None:
    answer = await ask("example.test", "SOA")
    assert aa(answer)
    assert not answer.flags & dns.flags.RA
    assert lines(list(answer.answer)) == {
        "example.test. 3600 IN SOA ns1.litemail.test. host\\.master.litemail.test. 7 3600 600 1209600 300"
    }


async def test_the_apex_has_its_name_servers(ask: Ask) -> None:
    answer = await ask("example.test", "NS")
    assert aa(answer)
    assert lines(list(answer.answer)) == {f"example.test. 3600 IN NS {NS1}.", f"example.test. 3600 IN NS {NS2}."}


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("example.test", "A", {"example.test. 60 IN A 192.0.2.1", "example.test. 60 IN A 192.0.2.2"}),
        ("example.test", "MX", {"example.test. 300 IN MX 10 mail.example.test."}),
        ("example.test", "TXT", {'example.test. 300 IN TXT "v=spf1 -all"'}),
        ("example.test", "CAA", {'example.test. 300 IN CAA 0 issue "letsencrypt.org"'}),
        ("_imaps._tcp.example.test", "SRV", {"_imaps._tcp.example.test. 300 IN SRV 1 5 993 mail.example.test."}),
        ("_25._tcp.mail.example.test", "TLSA", {"_25._tcp.mail.example.test. 300 IN TLSA 3 1 1 " + "ab" * 32}),
        ("www.example.test", "CNAME", {"www.example.test. 300 IN CNAME cdn.example.test."}),
        ("www.example.test", "AAAA",
         {"www.example.test. 300 IN CNAME cdn.example.test.", "cdn.example.test. 300 IN AAAA 2001:db8::3"}),
        ("out.example.test", "A", {"out.example.test. 300 IN CNAME www.example.net."}),
        ("to-other-zone.example.test", "A", {"to-other-zone.example.test. 300 IN CNAME www.other.test."}),
        ("to-delegated.example.test", "A", {"to-delegated.example.test. 300 IN CNAME x.sub.example.test."}),
        ("loop1.example.test", "A", {"loop1.example.test. 300 IN CNAME loop2.example.test.",
                                     "loop2.example.test. 300 IN CNAME loop1.example.test."}),
        ("any.w.example.test", "A", {"any.w.example.test. 300 IN A 192.0.2.4"}),
        ("two.levels.w.example.test", "A", {"two.levels.w.example.test. 300 IN A 192.0.2.4"}),
        ("*.w.example.test", "A", {"*.w.example.test. 300 IN A 192.0.2.4"}),
        ("x.cw.example.test", "A", {"x.cw.example.test. 300 IN CNAME cdn.example.test.",
                                    "cdn.example.test. 300 IN A 192.0.2.3"}),
        ("alias.example.test", "A", {"alias.example.test. 120 IN A 192.0.2.8"}),
        ("alias-chain.example.test", "A", {"alias-chain.example.test. 120 IN A 192.0.2.8"}),
        ("other.test", "A", {"other.test. 120 IN A 192.0.2.8"}),
        ("child.example.test", "A", {"child.example.test. 300 IN A 192.0.2.7"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("tcp", [False, True])
async def test_records_are_answered(ask: Ask, name: str, kind: str, expected: set[str], *, tcp: bool) -> None:
    answer = await ask(name, kind, tcp=tcp)
    assert answer.rcode() == dns.rcode.NOERROR
    assert aa(answer)
    assert lines(list(answer.answer)) == expected


@pytest.mark.parametrize(
    ("name", "kind", "apex"),
    [
        ("example.test", "AAAA", "example.test"),
        ("example.test", "HTTPS", "example.test"),
        ("example.test", "TYPE65280", "example.test"),
        ("cdn.example.test", "SOA", "example.test"),
        ("b.c.example.test", "A", "example.test"),  # empty non-terminals exist
        ("c.example.test", "TXT", "example.test"),
        ("w.example.test", "A", "example.test"),
        ("any.w.example.test", "TXT", "example.test"),
        ("only.w.example.test", "A", "example.test"),  # the wildcard does not cover names that exist
        ("alias.example.test", "MX", "example.test"),
        ("alias-out.example.test", "A", "example.test"),
        ("alias-loop.example.test", "A", "example.test"),
        ("other.test", "AAAA", "other.test"),
    ],
)
async def test_a_name_without_that_type_is_nodata_with_the_soa(ask: Ask, name: str, kind: str, apex: str) -> None:
    answer = await ask(name, kind)
    assert not answer.answer
    assert_negative(answer, dns.rcode.NOERROR, apex)


@pytest.mark.parametrize(
    ("name", "apex"),
    [
        ("nothing.example.test", "example.test"),
        ("x.cdn.example.test", "example.test"),
        ("x.only.w.example.test", "example.test"),  # RFC 4592: an existing name in between stops the wildcard
        ("xa.b.c.example.test", "example.test"),
        ("example-test.test", "test"),
        ("x.child.example.test", "child.example.test"),
    ],
)
async def test_a_name_that_is_not_there_is_nxdomain_with_the_soa(ask: Ask, name: str, apex: str) -> None:
    answer = await ask(name, "A")
    assert not answer.answer
    assert_negative(answer, dns.rcode.NXDOMAIN, apex)


async def test_a_cname_to_nothing_is_nxdomain_for_the_last_name(ask: Ask) -> None:
    answer = await ask("gone.example.test", "A")
    assert lines(list(answer.answer)) == {"gone.example.test. 300 IN CNAME nothing.example.test."}
    assert_negative(answer, dns.rcode.NXDOMAIN, "example.test")


@pytest.mark.parametrize("name", ["example.com", "com", ".", "est", "exampletest", "litemail.invalid"])
async def test_foreign_names_are_refused(ask: Ask, name: str) -> None:
    answer = await ask(name, "A")
    assert answer.rcode() == dns.rcode.REFUSED
    assert not aa(answer)
    assert not answer.answer + answer.authority + answer.additional


@pytest.mark.parametrize("name", ["sub.example.test", "deep.sub.example.test", "ns1.sub.example.test"])
async def test_below_a_delegation_is_a_referral_with_glue(ask: Ask, name: str) -> None:
    answer = await ask(name, "A")
    assert answer.rcode() == dns.rcode.NOERROR
    assert not aa(answer)
    assert not answer.answer
    assert lines(list(answer.authority)) == {
        "sub.example.test. 300 IN NS ns.elsewhere.net.",
        "sub.example.test. 300 IN NS ns1.sub.example.test.",
    }
    assert lines(list(answer.additional)) == {
        "ns1.sub.example.test. 300 IN A 192.0.2.6",
        "ns1.sub.example.test. 300 IN AAAA 2001:db8::6",
    }


async def test_a_registry_refers_to_the_name_servers_of_its_names(ask: Ask) -> None:
    answer = await ask("www.pending.test", "A")
    assert not aa(answer)
    assert lines(list(answer.authority)) == {
        "pending.test. 3600 IN NS ns1.elsewhere.net.",
        "pending.test. 3600 IN NS ns1.pending.test.",
    }


async def test_ds_is_answered_by_the_parent_side(ask: Ask) -> None:
    signed = await ask("signed.test", "DS")
    assert aa(signed)
    assert "13 2 1f1f" in str(signed.answer[0])
    assert_negative(await ask("example.test", "DS"), dns.rcode.NOERROR, "test")
    assert_negative(await ask("sub.example.test", "DS"), dns.rcode.NOERROR, "example.test")
    assert_negative(await ask("test", "DS"), dns.rcode.NOERROR, "test")


async def test_any_gets_one_set(ask: Ask) -> None:
    answer = await ask("example.test", "ANY")
    assert len(answer.answer) == 1
    assert str(await ask("www.example.test", "ANY")).count("CNAME") == 1
    assert_negative(await ask("alias.example.test", "ANY"), dns.rcode.NOERROR, "example.test")


async def test_the_letters_of_the_name_come_back_as_they_were_sent(ask: Ask) -> None:
    for name in ("ExAmPlE.tEsT", "eXaMpLe.TeSt"):
        answer = await ask(name, "A")
        assert answer.question[0].name.to_text() == name + "."
        assert answer.answer[0].name.to_text() == name + "."


async def test_an_answer_that_is_too_long_is_truncated_and_whole_over_tcp(server: DnsServer, ask: Ask) -> None:
    for options in ({}, {"use_edns": 0, "payload": 4096}):
        short = await ask("big.example.test", "TXT", **options)
        assert short.flags & dns.flags.TC
        assert not short.answer
        assert len(short.to_wire()) <= 512
    query = dns.message.make_query("big.example.test", "TXT")
    whole, fell_back = await dns.asyncquery.udp_with_fallback(query, "127.0.0.1", 2, server.port)
    assert fell_back
    assert {b"".join(rdata.strings).decode() for rdata in whole.answer[0]} == {"x" * 600, "y" * 600, "z" * 600}


async def test_edns_is_answered_with_edns_and_only_then(ask: Ask) -> None:
    assert (await ask("example.test", "A", use_edns=-1)).edns == -1
    answer = await ask("example.test", "A", use_edns=0, payload=4096)
    assert answer.edns == 0
    assert answer.payload == 1232
    assert not answer.ednsflags
    assert (await ask("example.test", "A", want_dnssec=True)).ednsflags == dns.flags.DO
    cookie = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, bytes(8))
    with_option = await ask("example.test", "A", options=[cookie])
    assert with_option.edns == 0
    assert with_option.answer == answer.answer
