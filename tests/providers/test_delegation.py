"""Delegations and challenges, asked of our own DNS server as the parent, and of servers that misbehave."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import cast

import dns.asyncresolver
import dns.flags
import dns.message
import dns.nameserver
import dns.rcode
import dns.rrset
import pytest

from litemail.protocols.records import Record, RecordType
from litemail.providers.dns import (
    ChallengeStatus,
    DelegationStatus,
    FixedParent,
    Parents,
    PublicParents,
    Server,
    challenge,
    delegation,
)
from litemail.providers.dns.delegation import read_delegation
from litemail.providers.dns.parents import may_speak_to
from litemail.servers.dns import Delegation, DnsServer, ZoneData, Zones, serve

OURS = ("ns3.litemail.test", "ns7.litemail.test")
DS = "2371 13 2 " + "1f" * 32
SOA = "test. 300 IN SOA ns1.litemail.test. h.litemail.test. 1 2 3 4 5"


def zone(
    name: str, *records: Record, name_servers: tuple[str, ...] = OURS, delegations: tuple[Delegation, ...] = ()
) -> ZoneData:
    return ZoneData(
        name=name,
        serial=1,
        primary_ns=name_servers[0],
        contact="hostmaster@litemail.test",
        name_servers=name_servers,
        records=records,
        delegations=delegations,
    )


def txt(name: str, content: str) -> Record:
    return Record(type=RecordType.TXT, name=name, content=content)


def a(name: str, address: str) -> Record:
    return Record(type=RecordType.A, name=name, content=address)


ZONES = [
    zone(
        "test",
        a("@", "192.0.2.1"),
        txt("undelegated", "a name without name servers"),
        delegations=(
            Delegation("ours", OURS),
            Delegation("elsewhere", ("ns1.elsewhere.test", "ns2.elsewhere.test")),
            Delegation("moved", ("ns1.elsewhere.test",)),
            Delegation("signed", OURS, ds=(DS,)),
            Delegation("silent", ("ns.silent.test",)),
        ),
    ),
    # Hosted here, whatever the registry says: their own NS records must not be taken for the delegation.
    zone("ours.test", txt("_litemail-challenge", "token-1"), txt("_litemail-challenge", "token-2")),
    zone("moved.test"),
    zone("unregistered.test"),
    zone("elsewhere.test", txt("_litemail-challenge", "x" * 300), name_servers=("ns1.elsewhere.test",)),
]


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[DnsServer]:
    zones = Zones()
    zones.replace_all(ZONES)
    running = await serve("127.0.0.1", 0, zones)
    yield running
    await running.close()


@pytest.fixture
def sandbox(server: DnsServer) -> FixedParent:
    return FixedParent("127.0.0.1", server.port)


@pytest.mark.parametrize(
    ("name", "status", "name_servers", "ds"),
    [
        ("ours.test", DelegationStatus.DELEGATED, OURS, False),
        ("elsewhere.test", DelegationStatus.DELEGATED, ("ns1.elsewhere.test", "ns2.elsewhere.test"), False),
        ("moved.test", DelegationStatus.DELEGATED, ("ns1.elsewhere.test",), False),
        ("signed.test", DelegationStatus.DELEGATED, OURS, True),
        ("unregistered.test", DelegationStatus.NOT_REGISTERED, (), None),
        ("nothing.test", DelegationStatus.NOT_REGISTERED, (), None),
        ("undelegated.test", DelegationStatus.NOT_DELEGATED, (), None),
        ("example.com", DelegationStatus.UNKNOWN, (), None),
    ],
)
async def test_the_registry_decides_whatever_zones_the_same_server_has(
    sandbox: FixedParent, name: str, status: DelegationStatus, name_servers: tuple[str, ...], ds: bool | None
) -> None:
    found = await delegation(name, parents=sandbox, timeout=2)
    assert found.status == status
    assert found.name_servers == frozenset(name_servers)
    assert found.ds is ds
    assert [one.address for one in found.evidence] == ["127.0.0.1"]
    assert found.evidence[0].said


@pytest.mark.parametrize(
    ("name", "status", "values"),
    [
        ("ours.test", ChallengeStatus.PUBLISHED, {"token-1", "token-2"}),
        ("elsewhere.test", ChallengeStatus.PUBLISHED, {"x" * 300}),
        ("moved.test", ChallengeStatus.ABSENT, set()),
        ("nothing.test", ChallengeStatus.ABSENT, set()),
        ("undelegated.test", ChallengeStatus.ABSENT, set()),
        ("silent.test", ChallengeStatus.UNKNOWN, set()),  # only the registry's referral, without authority
        ("example.com", ChallengeStatus.UNKNOWN, set()),
    ],
)
async def test_the_challenge_is_read_from_the_domains_own_servers(
    sandbox: FixedParent, name: str, status: ChallengeStatus, values: set[str]
) -> None:
    found = await challenge(name, parents=sandbox, timeout=4)
    assert found.name == f"_litemail-challenge.{name}"
    assert found.status == status
    assert found.values == values
    assert found.evidence


# Servers that say what a test wants.

Reply = Callable[[dns.message.Message], dns.message.Message | None]


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        response = self.reply(dns.message.from_wire(data))
        if response is not None and self.transport is not None:
            self.transport.sendto(response.to_wire(), addr)


@asynccontextmanager
async def replying(reply: Reply) -> AsyncIterator[Server]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Udp(reply), local_addr=("127.0.0.1", 0))
    yield Server("ns.parent.test", "127.0.0.1", transport.get_extra_info("sockname")[1])
    transport.close()


@dataclass(frozen=True)
class Several:
    """Several parent servers."""

    servers: tuple[Server, ...]
    parent_side: bool = False

    async def of(self, name: str, *, seconds: float) -> tuple[Server, ...]:  # noqa: ARG002
        return self.servers

    async def named(self, hosts: Collection[str], *, seconds: float) -> tuple[Server, ...]:  # noqa: ARG002
        return self.servers


def response(
    query: dns.message.Message, *, rcode: int = 0, aa: bool = False, answer: str = "", authority: str = ""
) -> dns.message.Message:
    made = dns.message.make_response(query)
    made.set_rcode(dns.rcode.Rcode(rcode))
    if aa:
        made.flags |= dns.flags.AA
    for section, text in ((made.answer, answer), (made.authority, authority)):
        for line in filter(None, text.split("\n")):
            name, ttl, klass, kind, data = line.split(" ", 4)
            section.append(dns.rrset.from_text(name, int(ttl), klass, kind, data))
    return made


def says(**options: object) -> Reply:
    return lambda query: response(query, **options)  # type: ignore[arg-type]  # passed on as given


def silent(query: dns.message.Message) -> None:
    return None


REFERRAL = says(authority="foo.test. 300 IN NS NS1.Example.NET.")


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (REFERRAL, DelegationStatus.DELEGATED),
        (says(answer="foo.test. 300 IN NS ns1.example.net.", aa=True), DelegationStatus.DELEGATED),
        (says(rcode=3, aa=True, authority=SOA), DelegationStatus.NOT_REGISTERED),
        (says(aa=True, authority=SOA), DelegationStatus.NOT_DELEGATED),
        # From here on nothing is certain.
        (says(answer="foo.test. 300 IN NS ns1.example.net."), DelegationStatus.UNKNOWN),
        (says(answer="bar.test. 300 IN NS ns1.example.net.", aa=True), DelegationStatus.UNKNOWN),
        (says(authority="test. 300 IN NS ns1.example.net."), DelegationStatus.UNKNOWN),
        (says(authority=". 300 IN NS a.root-servers.net."), DelegationStatus.UNKNOWN),
        (says(authority="www.foo.test. 300 IN NS ns1.example.net."), DelegationStatus.UNKNOWN),
        (says(rcode=3), DelegationStatus.UNKNOWN),
        (says(rcode=3, aa=True), DelegationStatus.UNKNOWN),
        (says(rcode=3, authority=SOA), DelegationStatus.UNKNOWN),
        (says(rcode=3, aa=True, authority=SOA.replace("test.", "other.", 1)), DelegationStatus.UNKNOWN),
        (says(rcode=3, aa=True, authority="foo." + SOA), DelegationStatus.UNKNOWN),
        (says(rcode=1), DelegationStatus.UNKNOWN),
        (says(rcode=2), DelegationStatus.UNKNOWN),
        (says(rcode=5), DelegationStatus.UNKNOWN),
        (says(), DelegationStatus.UNKNOWN),
        (says(aa=True), DelegationStatus.UNKNOWN),
    ],
)
def test_only_certain_answers_count(reply: Reply, status: DelegationStatus) -> None:
    made = reply(dns.message.make_query("foo.test", "NS", flags=0))
    assert made is not None
    finding = read_delegation(made, "foo.test")
    assert finding.status == status
    assert finding.name_servers == (frozenset({"ns1.example.net"}) if status == DelegationStatus.DELEGATED else set())


async def looked(*replies: Reply, timeout: float = 0.8) -> tuple[DelegationStatus, list[str]]:  # noqa: ASYNC109
    async with AsyncExitStack() as stack:
        servers = tuple([await stack.enter_async_context(replying(reply)) for reply in replies])
        found = await delegation("foo.test", parents=Several(servers), timeout=timeout)
        return found.status, [one.said for one in found.evidence]


async def test_one_dead_or_lame_server_does_not_matter_while_another_answers() -> None:
    status, said = await looked(silent, says(rcode=5), REFERRAL)
    assert status == DelegationStatus.DELEGATED
    assert "answer" in said[0]
    assert said[1] == "answers REFUSED"
    assert said[2] == "refers to ns1.example.net"


@pytest.mark.parametrize(
    "replies",
    [
        (silent,),
        (silent, silent),
        (says(rcode=2), says(rcode=5)),
        (REFERRAL, says(rcode=3, aa=True, authority=SOA)),
        (REFERRAL, says(authority="foo.test. 300 IN NS ns2.example.net.")),
        (),
    ],
)
async def test_silence_failure_and_disagreement_are_unknown(replies: tuple[Reply, ...]) -> None:
    start = time.monotonic()
    status, said = await looked(*replies)
    assert status == DelegationStatus.UNKNOWN
    assert len(said) == len(replies)
    assert time.monotonic() - start < 2


async def test_an_answer_to_another_question_or_id_is_not_taken() -> None:
    def forged(query: dns.message.Message) -> dns.message.Message:
        made = response(query, authority="foo.test. 300 IN NS evil.example.net.")
        made.id = query.id ^ 1
        return made

    assert (await looked(forged))[0] == DelegationStatus.UNKNOWN


async def test_a_truncated_referral_is_fetched_over_tcp() -> None:
    hosts = tuple(f"ns{number}.a-rather-long-name-of-a-company-{number}.test" for number in range(40))
    zones = Zones()
    zones.replace_all([zone("test", delegations=(Delegation("many", hosts),))])
    server = await serve("127.0.0.1", 0, zones)
    found = await delegation("many.test", parents=FixedParent("127.0.0.1", server.port), timeout=2)
    assert found.name_servers == frozenset(hosts)
    await server.close()


async def test_servers_that_disagree_on_the_challenge_prove_nothing() -> None:
    token = '_litemail-challenge.foo.test. 300 IN TXT "token"'

    def second(query: dns.message.Message) -> dns.message.Message:
        if query.question[0].rdtype == dns.rdatatype.TXT:
            return response(query, aa=True, authority=SOA)
        return response(query, authority="foo.test. 300 IN NS ns1.example.net.")

    def first(query: dns.message.Message) -> dns.message.Message:
        if query.question[0].rdtype == dns.rdatatype.TXT:
            return response(query, aa=True, answer=token)
        return second(query)

    async with replying(first) as one, replying(second) as other:
        assert (await challenge("foo.test", parents=Several((one,)), timeout=2)).values == {"token"}
        both = await challenge("foo.test", parents=Several((one, other)), timeout=2)
        assert both.status == ChallengeStatus.UNKNOWN
        assert both.values == set()


async def test_a_challenge_behind_a_cname_or_without_authority_is_not_taken() -> None:
    name = "_litemail-challenge.foo.test."

    def answering(text: str, *, aa: bool) -> Reply:
        def reply(query: dns.message.Message) -> dns.message.Message:
            if query.question[0].rdtype == dns.rdatatype.TXT:
                return response(query, aa=aa, answer=text)
            return response(query, authority="foo.test. 300 IN NS ns1.example.net.")

        return reply

    async def status(reply: Reply) -> ChallengeStatus:
        async with replying(reply) as server:
            return (await challenge("foo.test", parents=Several((server,)), timeout=2)).status

    alias = f'{name} 300 IN CNAME evil.test.\nevil.test. 300 IN TXT "token"'
    assert await status(answering(alias, aa=True)) == ChallengeStatus.ABSENT
    assert await status(answering(f'{name} 300 IN TXT "token"', aa=False)) == ChallengeStatus.UNKNOWN


# The public DNS: our own server plays the resolver and the parent's servers.


def public(server: DnsServer, admit: Callable[[str], bool]) -> PublicParents:
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [dns.nameserver.Do53Nameserver("127.0.0.1", server.port)]
    return PublicParents(resolver=resolver, port=server.port, admit=admit)


@pytest.fixture(scope="module")
async def internet() -> AsyncIterator[DnsServer]:
    zones = Zones()
    zones.replace_all(
        [
            zone(
                "example",
                name_servers=("a.nic.net", "b.nic.net"),
                delegations=(Delegation("foo", ("ns1.host.example", "ns2.host.example")),),
            ),
            zone("nic.net", a("a", "127.0.0.1"), a("b", "127.0.0.1"), a("x", "127.0.0.1"), a("evil", "10.0.0.1")),
            zone("host.example", a("ns1", "127.0.0.1"), a("ns2", "10.0.0.1"), name_servers=("x.nic.net",)),
            zone("co.example", name_servers=("a.nic.net", "gone.nic.net"), delegations=(Delegation("foo", OURS),)),
            zone("private.example", name_servers=("evil.nic.net",)),
        ]
    )
    running = await serve("127.0.0.1", 0, zones)
    yield running
    await running.close()


def loopback_only(address: str) -> bool:
    return address == "127.0.0.1"


async def test_the_parents_servers_are_found_and_asked(internet: DnsServer) -> None:
    parents: Parents = public(internet, loopback_only)
    found = await delegation("foo.example", parents=parents, timeout=3)
    assert found.status == DelegationStatus.DELEGATED
    assert found.name_servers == {"ns1.host.example", "ns2.host.example"}
    assert {one.server for one in found.evidence} == {"a.nic.net", "b.nic.net"}
    second_level = await delegation("foo.co.example", parents=parents, timeout=3)
    assert second_level.name_servers == set(OURS)
    assert {one.server for one in second_level.evidence} == {"a.nic.net"}
    assert (await delegation("nothing.example", parents=parents, timeout=3)).status == DelegationStatus.NOT_REGISTERED


async def test_addresses_that_must_not_be_spoken_to_are_left_out(internet: DnsServer) -> None:
    parents = public(internet, loopback_only)
    servers = await parents.named(["ns1.host.example", "ns2.host.example", "gone.nic.net"], seconds=2)
    assert [server.address for server in servers] == ["127.0.0.1"]
    found = await delegation("foo.private.example", parents=parents, timeout=3)
    assert found.status == DelegationStatus.UNKNOWN
    assert "no address" in found.evidence[0].said
    strict = await delegation("foo.example", parents=public(internet, may_speak_to), timeout=3)
    assert strict.status == DelegationStatus.UNKNOWN


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "::1", "fe80::1", "::ffff:127.0.0.1", "169.254.169.254"])
def test_private_addresses_are_never_spoken_to(address: str) -> None:
    assert not may_speak_to(address)


async def test_a_resolver_that_is_away_is_unknown() -> None:
    async with replying(silent) as dead:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [dns.nameserver.Do53Nameserver(dead.address, dead.port)]
        parents = PublicParents(resolver=resolver)
        found = await asyncio.wait_for(delegation("foo.test", parents=parents, timeout=0.6), 3)
    assert found.status == DelegationStatus.UNKNOWN
    assert "cannot be found" in found.evidence[0].said
