"""Claims of one live name by several workspaces, and what time does to them. A made-up parent zone answers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from litemail import domains
from litemail.domains import Domain, Parents, jobs
from litemail.kit import clock
from litemail.kit.actor import Actor
from litemail.kit.db import Database
from litemail.kit.secrets import Secrets
from litemail.protocols.record_types import Record, RecordType
from litemail.providers.dns import FixedParent
from litemail.servers.dns import Delegation, DnsServer, ZoneData, Zones, serve
from tests.conftest import MAIL_HOSTNAME, NAME_SERVER_POOL, Dns, NewPerson


@dataclass
class World:
    """The zone `com`, which the tests change, and the job that looks at it."""

    database: Database
    secrets: Secrets
    ours: Dns
    zones: Zones
    server: DnsServer
    delegated: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def delegate(self, name: str, *name_servers: str) -> None:
        self.delegated[name.removesuffix(".com")] = name_servers
        self.zones.put(
            ZoneData(
                name="com",
                serial=1,
                primary_ns="ns.nic.com",
                contact="hostmaster@nic.com",
                name_servers=("ns.nic.com",),
                delegations=tuple(Delegation(label, hosts) for label, hosts in self.delegated.items()),
            )
        )

    def publish_challenge(self, name: str, *values: str) -> None:
        """At the servers of the name's present host, which the made-up parent stands for too."""
        zone = f"_litemail-challenge.{name}"
        records = tuple(Record(RecordType.TXT, "@", value) for value in values)
        self.zones.put(ZoneData(zone, 1, "ns.nic.com", "hostmaster@nic.com", ("ns.nic.com",), records))

    async def claim(self, actor: Actor, name: str) -> Domain:
        async with self.database.begin(actor) as tx:
            result = await domains.connect(
                tx,
                [name],
                domains.Claiming(NAME_SERVER_POOL, MAIL_HOSTNAME, 5),
                all_or_nothing=False,
            )
            assert result.accepted == 1
        return await self.get(actor, name)

    async def get(self, actor: Actor, name: str) -> Domain:
        async with self.database.begin(actor) as tx:
            return await domains.get(tx, name)

    async def check(self, domain: Domain) -> None:
        await jobs.verify(
            database=self.database,
            secrets=self.secrets,
            parents=Parents(live=FixedParent(self.server.host, self.server.port), sandbox=FixedParent("127.0.0.1", 9)),
            dns_servers=[(self.ours.host, self.ours.port)],
            domain_id=domain.id,
        )

    async def age(self, domain: Domain, by: timedelta) -> None:
        async with self.database.begin_system("test") as tx:
            await tx.execute(
                """UPDATE domains
                   SET waiting_since = waiting_since - %(by)s::interval, next_check_at = now() - interval '1 day'
                   WHERE id = %(id)s""",
                id=domain.id,
                by=f"{by.total_seconds()} seconds",
            )


@pytest.fixture
async def world(database: Database, secrets: Secrets, dns_server: Dns) -> AsyncIterator[World]:
    zones = Zones()
    server = await serve("127.0.0.1", 0, zones)
    made = World(database, secrets, dns_server, zones, server)
    made.delegate("nobodys.com", "ns1.nowhere.example")
    yield made
    await server.close()


@pytest.fixture
async def first(new_person: NewPerson) -> Actor:
    return (await new_person()).actor(mode="live")


@pytest.fixture
async def second(new_person: NewPerson) -> Actor:
    return (await new_person()).actor(mode="live")


async def test_the_claim_that_is_delegated_gets_the_name(world: World, first: Actor, second: Actor) -> None:
    squatter, owner = await world.claim(first, "wanted.com"), await world.claim(second, "wanted.com")
    world.delegate("wanted.com", *owner.name_servers)
    await world.check(squatter)
    await world.check(owner)
    squatter, owner = await world.get(first, "wanted.com"), await world.get(second, "wanted.com")
    assert (squatter.status, squatter.failure_code) == ("pending", "domain.wrong_name_servers")
    assert (owner.status, owner.proof) == ("active", "delegation")


async def test_a_name_in_use_is_not_taken_away_without_a_word(world: World, first: Actor, second: Actor) -> None:
    holder, later = await world.claim(first, "sold.com"), await world.claim(second, "sold.com")
    world.delegate("sold.com", *holder.name_servers)
    await world.check(holder)
    world.delegate("sold.com", *later.name_servers)
    await world.check(later)
    assert (await world.get(first, "sold.com")).status == "active"
    after = await world.get(second, "sold.com")
    assert (after.status, after.failure_code) == ("pending", "domain.taken")


async def test_a_delegation_beats_a_challenge(world: World, first: Actor, second: Actor) -> None:
    earlier, owner = await world.claim(first, "moved.com"), await world.claim(second, "moved.com")
    world.delegate("moved.com", "ns1.old-host.example")
    world.publish_challenge("moved.com", "v=other", earlier.challenge)
    await world.check(earlier)
    assert (await world.get(first, "moved.com")).status == "verifying"
    world.delegate("moved.com", *owner.name_servers)
    await world.check(owner)
    earlier, owner = await world.get(first, "moved.com"), await world.get(second, "moved.com")
    assert owner.status == "active"
    assert (earlier.status, earlier.failure_code, earlier.proof) == ("pending", "domain.taken", None)


async def test_a_parent_that_does_not_answer_changes_nothing(world: World, first: Actor) -> None:
    domain = await world.claim(first, "quiet.com")
    world.delegate("quiet.com", "ns1.old-host.example")
    await world.check(domain)
    world.zones.remove("com")
    await world.check(domain)
    after = await world.get(first, "quiet.com")
    assert (after.status, after.failure_code) == ("pending", "domain.wrong_name_servers")
    assert after.found_name_servers == ["ns1.old-host.example"]


async def test_checks_get_rarer_and_end_after_seven_days(world: World, first: Actor) -> None:
    domain = await world.claim(first, "slow.com")
    waits = []
    for age in (timedelta(0), timedelta(hours=2), timedelta(days=3)):
        await world.age(domain, age)
        before = clock.now()
        await world.check(domain)
        after = await world.get(first, "slow.com")
        assert after.next_check_at is not None
        waits.append(round((after.next_check_at - before).total_seconds() / 60))
    assert waits == [1, 30, 6 * 60]
    await world.age(domain, timedelta(days=5))
    await world.check(domain)
    after = await world.get(first, "slow.com")
    assert (after.status, after.failure_code, after.next_check_at) == ("failed", "domain.not_proved_in_time", None)
    assert "refresh=true" in (after.failure_action or "")
    world.delegate("slow.com", *domain.name_servers)  # better late than never
    await world.check(domain)
    assert (await world.get(first, "slow.com")).status == "active"


async def test_due_checks_are_started_once(world: World, first: Actor) -> None:
    domain = await world.claim(first, "due.com")
    await world.age(domain, timedelta(0))
    for _ in range(2):
        await jobs.check_due(database=world.database)
    async with world.database.begin_system("test") as tx:
        waiting = await tx.values(
            int, "SELECT id FROM procrastinate_jobs WHERE args->>'domain_id' = %(id)s", id=domain.id
        )
    assert len(waiting) == 1


async def test_a_domain_is_active_only_when_its_zone_is_served(world: World, first: Actor) -> None:
    domain = await world.claim(first, "unserved.com")
    world.delegate("unserved.com", *domain.name_servers)
    await jobs.verify(
        database=world.database,
        secrets=world.secrets,
        parents=Parents(live=FixedParent(world.server.host, world.server.port), sandbox=FixedParent("127.0.0.1", 9)),
        dns_servers=[(world.server.host, world.server.port)],  # one that serves no such zone
        domain_id=domain.id,
        served_within=0.1,
    )
    after = await world.get(first, "unserved.com")
    assert (after.status, after.proof) == ("verifying", "delegation")
    assert after.next_check_at is not None
    await world.check(domain)
    assert (await world.get(first, "unserved.com")).status == "active"
