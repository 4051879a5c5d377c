"""ALIAS records whose targets are not ours: looked up, served, looked up again."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import dns.asyncquery
import dns.message
import dns.rcode
import pytest

from litemail.kit import clock
from litemail.kit.db import Database
from litemail.protocols.record_types import Record, RecordType
from litemail.providers.dns import Resolvers, Server, parse_resolvers
from litemail.servers.dns import ZoneData, Zones, serve
from litemail.zones import jobs
from tests.conftest import Dns, eventually
from tests.zones.conftest import NewOwner, Owner


def world(*records: Record) -> ZoneData:
    """What the rest of the DNS says."""
    return ZoneData(
        name="net",
        serial=1,
        primary_ns="ns.net",
        contact="hostmaster@example.net",
        name_servers=("ns.net",),
        records=records,
    )


class Outside:
    """A resolver that knows the names of one zone."""

    def __init__(self) -> None:
        self.zones = Zones()
        self.resolvers = Resolvers()

    def says(self, *records: Record) -> None:
        self.zones.put(world(*records))


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    made = Outside()
    server = await serve("127.0.0.1", 0, made.zones)
    made.resolvers = Resolvers((Server("resolver", server.host, server.port),))
    yield made
    await server.close()


async def addresses(server: Dns, name: str, kind: str = "A") -> set[str]:
    query = dns.message.make_query(name, kind)
    answer = (await dns.asyncquery.udp_with_fallback(query, server.host, port=server.port, timeout=2))[0]
    assert answer.rcode() == dns.rcode.NOERROR
    return {rdata.address for rrset in answer.answer for rdata in rrset}


async def serve_as_live(database: Database, owner: Owner, name: str) -> None:
    """Zones of sandboxes are never looked up for; this one gets a name that is."""
    async with database.begin_system("test") as tx:
        await tx.execute(
            "UPDATE zones SET name = %(name)s, served = true WHERE name = %(old)s", name=name, old=owner.domain
        )


async def test_a_foreign_target_is_looked_up_and_followed(
    database: Database, dns_server: Dns, new_owner: NewOwner, outside: Outside
) -> None:
    owner = await new_owner("aliased.test")
    await owner.created(type="ALIAS", name="@", content="shops.example.net", ttl=300)
    await serve_as_live(database, owner, "aliased.org")
    host = Record(RecordType.A, "host.example", "192.0.2.1", ttl=120)
    outside.says(Record(RecordType.CNAME, "shops.example", "host.example.net"), host)

    async def shows(expected: set[str], kind: str = "A") -> None:
        async def seen() -> bool:
            return await addresses(dns_server, "aliased.org", kind) == expected

        await eventually(seen)

    await jobs.look_up_aliases(database=database, resolvers=outside.resolvers)
    await shows({"192.0.2.1"})
    await shows(set(), "AAAA")
    assert await due_in(database, "shops.example.net") <= timedelta(seconds=120)

    outside.says(Record(RecordType.A, "shops.example", "192.0.2.2"),
                 Record(RecordType.AAAA, "shops.example", "2001:db8::1"))  # fmt: skip
    await jobs.look_up_aliases(database=database, resolvers=outside.resolvers)  # not due: nobody is asked
    assert await addresses(dns_server, "aliased.org") == {"192.0.2.1"}
    await make_due(database)
    await jobs.look_up_aliases(database=database, resolvers=outside.resolvers)
    await shows({"192.0.2.2"})
    await shows({"2001:db8::1"}, "AAAA")

    outside.zones.remove("net")  # nobody can tell: what was known goes on being served
    await make_due(database)
    await jobs.look_up_aliases(database=database, resolvers=outside.resolvers)
    assert await addresses(dns_server, "aliased.org") == {"192.0.2.2"}
    outside.says()  # the host is gone
    await make_due(database)
    await jobs.look_up_aliases(database=database, resolvers=outside.resolvers)
    await shows(set())

    async with database.begin_system("test") as tx:
        await tx.execute("DELETE FROM records WHERE type = 'ALIAS'")
    await jobs.look_up_aliases(database=database, resolvers=outside.resolvers)
    async with database.begin_system("test") as tx:
        assert await tx.values(str, "SELECT name FROM alias_targets") == []


async def test_a_change_bumps_the_serial_and_the_same_answer_does_not(
    database: Database, new_owner: NewOwner, outside: Outside
) -> None:
    owner = await new_owner("alias-serial.test")
    await owner.created(type="ALIAS", name="shop", content="serial.example.net")
    await serve_as_live(database, owner, "alias-serial.org")
    outside.says(Record(RecordType.A, "serial.example", "192.0.2.1"))

    async def serial() -> int:
        async with database.begin_system("test") as tx:
            return await tx.value(int, "SELECT serial FROM zones WHERE name = 'alias-serial.org'") or 0

    before = await serial()
    await jobs.look_up_aliases(database=database, resolvers=outside.resolvers)
    after = await serial()
    assert after > before
    await make_due(database)
    await jobs.look_up_aliases(database=database, resolvers=outside.resolvers)
    assert await serial() == after


async def test_nothing_of_a_sandbox_is_looked_up(database: Database, new_owner: NewOwner, outside: Outside) -> None:
    owner = await new_owner("alias-sandbox.test")
    await owner.created(type="ALIAS", name="@", content="leak.example.net")
    async with database.begin_system("test") as tx:
        await tx.execute("UPDATE zones SET served = true WHERE name = 'alias-sandbox.test'")
    await jobs.look_up_aliases(database=database, resolvers=outside.resolvers)
    async with database.begin_system("test") as tx:
        assert "leak.example.net" not in await tx.values(str, "SELECT name FROM alias_targets")


async def test_looks_at_the_same_time_disturb_nobody(database: Database, new_owner: NewOwner, outside: Outside) -> None:
    owner = await new_owner("alias-twice.test")
    await owner.created(type="ALIAS", name="@", content="twice.example.net")
    await serve_as_live(database, owner, "alias-twice.org")
    outside.says(Record(RecordType.A, "twice.example", "192.0.2.1"))
    look = jobs.look_up_aliases
    await asyncio.gather(*(look(database=database, resolvers=outside.resolvers) for _ in range(4)))
    async with database.begin_system("test") as tx:
        found = await tx.value(list, "SELECT addresses FROM alias_targets WHERE name = 'twice.example.net'")
    assert found == ["192.0.2.1"]


async def test_without_resolvers_nobody_is_asked(database: Database) -> None:
    await jobs.look_up_aliases(database=database, resolvers=Resolvers())


def test_resolvers_are_addresses_with_or_without_a_port() -> None:
    found = parse_resolvers(" 192.0.2.1, 192.0.2.2:5353,2001:db8::1, [2001:db8::2]:54 ,")
    assert [(server.address, server.port) for server in found.servers] == [
        ("192.0.2.1", 53), ("192.0.2.2", 5353), ("2001:db8::1", 53), ("2001:db8::2", 54)
    ]  # fmt: skip
    for wrong in ("dns.example", "192.0.2.1:x", "192.0.2.300"):
        with pytest.raises(ValueError, match=r".+"):
            parse_resolvers(wrong)


async def due_in(database: Database, target: str) -> timedelta:
    async with database.begin_system("test") as tx:
        left = await tx.value(
            float,
            "SELECT extract(epoch FROM next_look_at - %(now)s::timestamptz)::float FROM alias_targets "
            "WHERE name = %(name)s",
            name=target,
            now=clock.now(),
        )
    assert left is not None
    return timedelta(seconds=left)


async def make_due(database: Database) -> None:
    async with database.begin_system("test") as tx:
        await tx.execute("UPDATE alias_targets SET next_look_at = %(now)s", now=clock.now())
