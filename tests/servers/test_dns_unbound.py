"""A resolver finds hosted zones as it finds everything: from the registry, along its delegation, to our servers."""

import errno
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest

from litemail import domains
from litemail.kit.db import Database
from litemail.kit.notify import Listener
from litemail.protocols.record_types import Record, RecordType
from litemail.servers.dns import Zones, serve
from litemail.servers.dns.backend import REGISTRY, ZONES, DatabaseBackend
from litemail.servers.dns.data import ZoneData
from litemail.servers.sandbox import registry
from litemail.zones import editing
from tests.conftest import MAIL_HOSTNAME, NAME_SERVER_POOL, NewPerson
from tests.servers.test_dns_backend import connect, publish
from tests.unbound import needs_unbound, unbound

pytestmark = needs_unbound

# Addresses of their own, so that tests at the same time have port 53 too.
REGISTRY_SERVER, OUR_SERVER = (f"127.{os.getpid() >> 8 & 0xFF}.{os.getpid() & 0xFF}.{last}" for last in (77, 78))
ZONE = "resolved.test"
RECORDS = [
    ("A", "www", "192.0.2.1", None),
    ("CNAME", "chained", "www.resolved.test", None),
    ("CNAME", "*.w", "chained.resolved.test", None),
    ("ALIAS", "shop", "www.resolved.test", None),
    ("TXT", "long", "x" * 2_000, None),
    ("SRV", "_imaps._tcp", "1 993 mail.resolved.test", 5),
    ("CAA", "@", '0 issue "ca.example.net"', None),
    ("TLSA", "_25._tcp.mail", "3 1 1 " + "ab" * 32, None),
    ("AAAA", "mail", "2001:db8::1", None),
]


@dataclass(frozen=True)
class Resolver:
    port: int

    async def ask(self, name: str, kind: str) -> dns.message.Message:
        query = dns.message.make_query(name, kind)
        return (await dns.asyncquery.udp_with_fallback(query, "127.0.0.1", port=self.port, timeout=5))[0]


@pytest.fixture(scope="module")
async def resolver(
    database: Database, new_person: NewPerson, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Resolver]:
    """Port 53, because that is where a delegation leads; the registry and our servers at two addresses."""
    actor = (await new_person()).actor()
    (domain_id,) = await connect(database, actor, ZONE)
    async with database.begin(actor) as tx:
        domain = await domains.get(tx, ZONE)
        await registry.delegate(tx, ZONE, registry.Wanted(name_servers=domain.name_servers), ours=())
        wanted = [editing.Wanted(kind, name, content, priority=rank) for kind, name, content, rank in RECORDS]
        await editing.create_many(tx, ZONE, wanted)
    await publish(database, domain_id)
    hosts = tuple(
        Record(RecordType.A, host.partition(".")[0], OUR_SERVER) for host in (*NAME_SERVER_POOL, MAIL_HOSTNAME)
    )
    own = ZoneData("litemail.test", 1, NAME_SERVER_POOL[0], "h@litemail.test", NAME_SERVER_POOL[:2], hosts)
    backend = DatabaseBackend(
        database, Listener(database.system_url, channels=(ZONES, REGISTRY)), contact="h@litemail.test", own=[own]
    )
    everything = await backend.load()
    registrys, ours = Zones(), Zones()
    registrys.replace_all([zone for zone in everything if zone.name in {"test", "litemail.test"}])
    ours.replace_all([zone for zone in everything if zone.name == ZONE])
    try:
        servers = [await serve(REGISTRY_SERVER, 53, registrys), await serve(OUR_SERVER, 53, ours)]
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EADDRINUSE, errno.EADDRNOTAVAIL}:
            pytest.skip("port 53 of other loopback addresses cannot be had here")
        raise
    async with unbound(tmp_path_factory.mktemp("unbound"), {"test": (REGISTRY_SERVER, 53)}) as found:
        yield Resolver(found.port)
    for server in servers:
        await server.close()


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("", "NS", None),
        ("", "MX", ["10 mail.litemail.test."]),
        ("", "TXT", ['"v=spf1 mx -all"']),
        ("www", "A", ["192.0.2.1"]),
        ("chained", "A", ["www.resolved.test.", "192.0.2.1"]),
        ("any.thing.w", "A", ["chained.resolved.test.", "www.resolved.test.", "192.0.2.1"]),
        ("shop", "A", ["192.0.2.1"]),
        ("shop", "AAAA", []),
        ("_imaps._tcp", "SRV", ["5 1 993 mail.resolved.test."]),
        ("mail", "AAAA", ["2001:db8::1"]),
        ("", "CAA", ['0 issue "ca.example.net"']),
        ("_25._tcp.mail", "TLSA", ["3 1 1 " + "ab" * 32]),
    ],
)
async def test_a_hosted_zone_is_resolved(resolver: Resolver, name: str, kind: str, expected: list[str] | None) -> None:
    answer = await resolver.ask(f"{name}.{ZONE}".removeprefix("."), kind)
    assert answer.rcode() == dns.rcode.NOERROR
    assert not answer.flags & dns.flags.AA  # from the resolver
    found = [str(rdata) for rrset in answer.answer for rdata in rrset]
    if expected is None:
        assert len(found) == 2
    else:
        assert found == expected


async def test_long_texts_come_whole(resolver: Resolver) -> None:
    answer = await resolver.ask(f"long.{ZONE}", "TXT")
    assert b"".join(answer.answer[0][0].strings) == b"x" * 2_000


async def test_names_that_are_not_there_are_known_not_to_be(resolver: Resolver) -> None:
    for name in (f"missing.{ZONE}", "nobody-registered-this.test"):
        answer = await resolver.ask(name, "A")
        assert answer.rcode() == dns.rcode.NXDOMAIN
        assert answer.authority
