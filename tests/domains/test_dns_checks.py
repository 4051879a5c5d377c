"""What is served for a domain, checked against what its mail needs."""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from litemail.domains import Parents, check_jobs, checking
from litemail.kit import clock
from litemail.kit.clock import rfc3339
from litemail.kit.db import Database
from litemail.protocols.record_types import Record, RecordType
from litemail.providers.dns import Resolvers, Server
from litemail.servers.dns import ZoneData, Zones, serve
from tests.conftest import MAIL_HOSTNAME, Dns, eventually
from tests.domains.conftest import Somebody, Verify

KINDS = ("mx", "spf", "dkim", "dmarc", "ns")
ALL_OK = dict.fromkeys(KINDS, "ok")


def states(found: dict[str, Any]) -> dict[str, str]:
    return {kind: check["state"] for kind, check in found["checks"].items()}


@dataclass(frozen=True)
class World:
    """Somebody's domains, and a worker that checks them."""

    owner: Somebody
    verify: Verify
    database: Database
    dns_server: Dns

    async def active(self, name: str) -> str:
        domain_id, name_servers = await self.owner.connected(name)
        await self.owner.delegate(name, *name_servers)
        await self.verify(domain_id)
        assert (await self.owner.domain(name))["status"] == "active"
        return domain_id

    async def checked(self, domain: str, *, refresh: bool = False) -> dict[str, Any]:
        query = f"{domain}&refresh=true" if refresh else domain
        answer = await self.owner.call("GET", f"/v1/domains/dns-check?domain={query}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def refreshed(self, domain: str) -> dict[str, Any]:
        """A refresh that counts, however short after another."""
        async with self.database.begin_system("test") as tx:
            await tx.execute("UPDATE dns_checks SET refreshed_at = NULL")
        return await self.checked(domain, refresh=True)

    async def check(self, *domain_ids: str, resolvers: Resolvers = Resolvers()) -> None:  # noqa: B008 - frozen
        """What a worker does when their time has come."""
        await check_jobs.check(
            database=self.database,
            parents=self.dns_server.parents,
            resolvers=resolvers,
            mail_hostname=MAIL_HOSTNAME,
            domain_ids=list(domain_ids),
        )

    async def change(self, domain: str, name: str, kind: str, content: dict[str, object] | None) -> None:
        """Replaces the first record there, or deletes it."""
        rows = (await self.owner.call("GET", f"/v1/dns?domain={domain}&name={name}&type={kind}")).json()["data"]
        path = f"/v1/dns/{rows[0]['id']}?force=true"
        method = "DELETE" if content is None else "PUT"
        answer = await self.owner.call(method, path, json=content)
        assert answer.status_code in {200, 204}, answer.text

    async def told(self, domain_id: str) -> list[str]:
        async with self.database.begin_system("test") as tx:
            return await tx.values(
                str,
                "SELECT type FROM events WHERE subject = %(id)s AND type LIKE 'domain.dns%%' ORDER BY number",
                id=domain_id,
            )

    async def due_in(self, domain_id: str) -> timedelta:
        async with self.database.begin_system("test") as tx:
            left = await tx.value(
                float,
                "SELECT extract(epoch FROM next_dns_check_at - %(now)s::timestamptz)::float FROM domains "
                "WHERE id = %(id)s",
                id=domain_id,
                now=clock.now(),
            )
        assert left is not None
        return timedelta(seconds=left)


@pytest.fixture
def world(somebody: Somebody, verify: Verify, database: Database, dns_server: Dns) -> World:
    return World(somebody, verify, database, dns_server)


async def test_an_active_domain_is_right_in_every_way(world: World) -> None:
    domain_id = await world.active("healthy.test")
    before = await world.checked("healthy.test")
    assert (before["checked_at"], before["refreshing"]) == (None, False)
    assert set(states(before).values()) == {"unknown"}
    assert set(dict((await world.owner.domain(domain_id))["health"]).values()) == {"unknown"}  # type: ignore[call-overload]

    found = await world.checked(domain_id, refresh=True)
    assert states(found) == ALL_OK, found
    checks = found["checks"]
    assert (checks["mx"]["expected"], checks["mx"]["found"]) == (["10 mail.litemail.test"],) * 2
    assert (checks["spf"]["found"], checks["spf"]["lookups"]) == (["v=spf1 mx -all"], 1)
    assert len(checks["dkim"]["expected"]) == 3
    assert checks["dmarc"]["found"][0].startswith("v=DMARC1; p=none")
    assert checks["ns"]["found"] == checks["ns"]["expected"]
    assert all(check["message"] is None for check in checks.values())
    assert {answer["authoritative"] for check in checks.values() for answer in check["resolver_answers"]} == {True}

    assert await world.checked("healthy.test") == found
    assert await world.checked("healthy.test", refresh=True) == found  # sooner than 10 s: the last result
    health = dict.fromkeys(("mx", "spf", "dkim", "dmarc"), "ok")
    assert (await world.owner.domain("healthy.test"))["health"] == health
    (listed,) = (await world.owner.call("GET", "/v1/domains?search=healthy")).json()["data"]
    assert listed["health"] == health


async def test_a_domain_that_is_not_delegated_is_told_so(world: World) -> None:
    await world.owner.connected("nowhere-yet.test")
    found = await world.checked("nowhere-yet.test", refresh=True)
    assert (states(found)["ns"], states(found)["mx"]) == ("missing", "unknown")
    assert "at your registrar" in found["checks"]["ns"]["message"]


WRONG: list[tuple[str, str, dict[str, object] | None, str, str, str]] = [
    ("@", "MX", None, "mx", "missing", "has no MX record"),
    ("@", "MX", {"content": "mx.example.net", "priority": 10}, "mx", "wrong", "name other hosts"),
    ("@", "TXT", None, "spf", "missing", "v=spf1 mx -all"),
    ("@", "TXT", {"content": "v=spf1 -all"}, "spf", "wrong", "does not allow our mail host"),
    ("@", "TXT", {"content": "v=spf1 mx include:gone.healthy.test -all"}, "spf", "wrong", "no SPF record"),
    ("_dmarc", "TXT", None, "dmarc", "missing", "v=DMARC1; p=none"),
    ("lm2._domainkey", "TXT", None, "dkim", "missing", "lm2._domainkey"),
    ("lm1._domainkey", "TXT", {"content": "v=DKIM1; k=rsa; p="}, "dkim", "wrong", "revoked"),
    ("lm1e._domainkey", "TXT", {"content": f"v=DKIM1; k=ed25519; p={'A' * 43}="}, "dkim", "wrong", "another key"),
]


@pytest.mark.parametrize("case", range(len(WRONG)))
async def test_what_is_wrong_is_named_with_the_remedy(world: World, case: int) -> None:
    name, kind, content, check, state, words = WRONG[case]
    domain = f"at-fault-{case}.test"
    await world.active(domain)
    await world.change(domain, name, kind, content)

    async def is_seen() -> bool:
        one = (await world.refreshed(domain))["checks"][check]
        return bool(one["state"] == state and words in one["message"])

    await eventually(is_seen)
    others = {kind: value for kind, value in states(await world.checked(domain)).items() if kind != check}
    assert set(others.values()) <= ({"ok"} if check != "mx" else {"ok", "wrong", "unknown"})  # SPF allows whom MX names


async def test_a_record_of_ones_own_that_works_is_right(world: World) -> None:
    await world.active("own-records.test")
    await world.change("own-records.test", "@", "TXT", {"content": "v=spf1 a mx ~all"})
    await world.change("own-records.test", "_dmarc", "TXT", {"content": "v=DMARC1; p=reject"})

    async def is_right() -> bool:
        found = await world.refreshed("own-records.test")
        return states(found) == ALL_OK and found["checks"]["spf"]["lookups"] == 2

    await eventually(is_right)


async def test_only_the_second_failure_in_a_row_is_told_and_then_that_it_is_mended(world: World) -> None:
    domain_id = await world.active("alarming.test")
    await world.check(domain_id)
    assert timedelta(hours=21) < await world.due_in(domain_id) < timedelta(hours=27)
    await world.change("alarming.test", "_dmarc", "TXT", None)

    async def is_gone() -> bool:
        return states(await world.refreshed("alarming.test"))["dmarc"] == "missing"

    await eventually(is_gone)
    assert await world.told(domain_id) == []  # however often somebody looks
    await world.check(domain_id)
    assert await world.told(domain_id) == []
    assert timedelta(minutes=10) < await world.due_in(domain_id) <= timedelta(minutes=15)
    await world.check(domain_id)
    assert await world.told(domain_id) == ["domain.dns_broken"]
    await world.check(domain_id)
    assert await world.told(domain_id) == ["domain.dns_broken"]
    assert await world.due_in(domain_id) > timedelta(hours=21)

    await world.owner.call("POST", "/v1/domains/dmarc", json={"domains": ["alarming.test"], "policy": "reject"})

    async def is_back() -> bool:
        return states(await world.refreshed("alarming.test"))["dmarc"] == "ok"

    await eventually(is_back)
    await world.check(domain_id)
    assert await world.told(domain_id) == ["domain.dns_broken", "domain.dns_mended"]


async def test_checks_come_due_once_for_each_active_domain(world: World) -> None:
    first, second = await world.active("due-1.test"), await world.active("due-2.test")
    idle, _ = await world.owner.connected("due-never.test")
    await asyncio.gather(*(check_jobs.check_due(database=world.database) for _ in range(3)))
    async with world.database.begin_system("test") as tx:
        asked = await tx.values(
            str,
            "SELECT jsonb_array_elements_text(args->'domain_ids') FROM procrastinate_jobs "
            "WHERE task_name = 'domains.check_dns'",
        )
    assert asked.count(first) == asked.count(second) == 1
    assert idle not in asked
    assert await world.due_in(first) > timedelta(minutes=20)  # in case that the job is lost


class Outside:
    """A resolver, and the world as it sees it."""

    def __init__(self) -> None:
        self.zones = Zones()
        self.server = Server("resolver", "127.0.0.1", 0)


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    made = Outside()
    server = await serve("127.0.0.1", 0, made.zones)
    made.server = Server("resolver", server.host, server.port)
    yield made
    await server.close()


async def test_what_resolvers_say_is_shown_and_the_domains_own_servers_decide(
    world: World, outside: Outside, database: Database
) -> None:
    """A live domain: the same zone under a name that is not of the sandbox."""
    domain_id = await world.active("cached.test")
    async with database.begin_system("test") as tx:
        await tx.execute("UPDATE domains SET name = 'cached.org' WHERE id = %(id)s", id=domain_id)
        await tx.execute("UPDATE zones SET name = 'cached.org' WHERE domain_id = %(id)s", id=domain_id)
    outside.zones.put(
        ZoneData("cached.org", 1, "ns.x.org", "h@x.org", ("ns.x.org",), (Record(RecordType.MX, "@", "old.x.org",
                                                                                 priority=1),))
    )  # fmt: skip
    silent = Server("silent", "127.0.0.1", 1)
    await world.check(domain_id, resolvers=Resolvers((outside.server, silent)))
    checks = (await world.checked("cached.org"))["checks"]
    assert checks["ns"]["state"] == "unknown"  # nobody asks the public parent here
    answers = {answer["resolver"]: answer for answer in checks["mx"]["resolver_answers"]}
    assert answers["resolver"]["found"] == ["1 old.x.org"]
    assert answers["silent"]["error"] is not None
    assert (checks["mx"]["state"], checks["mx"]["found"]) == ("wrong", ["1 old.x.org"])


class Slow:
    """Servers that answer after a minute."""

    parent_side = False

    async def of(self, name: str, *, seconds: float) -> tuple[Server, ...]:  # noqa: ARG002 - nobody is asked
        await asyncio.sleep(60)
        return ()

    async def named(self, hosts: Collection[str], *, seconds: float) -> tuple[Server, ...]:  # noqa: ARG002
        await asyncio.sleep(60)
        return ()


async def test_a_refresh_that_takes_too_long_answers_with_what_there_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain_id = await world.active("slow-servers.test")
    await world.check(domain_id)
    before = await world.checked(domain_id)
    monkeypatch.setattr(checking, "_AT_MOST", 0.05)  # else the test would wait for eight seconds
    found = await checking.refresh(
        world.database,
        world.owner.person.actor(),
        domain_id,
        parents=Parents(live=Slow(), sandbox=Slow()),
        resolvers=Resolvers(),
        mail_hostname=MAIL_HOSTNAME,
    )
    assert found.refreshing
    assert found.checked_at is not None
    assert rfc3339(found.checked_at) == before["checked_at"]
    async with world.database.begin_system("test") as tx:
        asked = await tx.values(
            str,
            "SELECT jsonb_array_elements_text(args->'domain_ids') FROM procrastinate_jobs "
            "WHERE task_name = 'domains.check_dns'",
        )
    assert domain_id in asked


@pytest.mark.parametrize("refresh", ["", "&refresh=true"])
async def test_nobody_elses_domain_is_checked(world: World, another: Somebody, refresh: str) -> None:
    domain_id, _ = await world.owner.connected(f"not-yours{len(refresh)}.test")
    for domain in (domain_id, f"not-yours{len(refresh)}.test", "nonsense", ""):
        answer = await another.call("GET", f"/v1/domains/dns-check?domain={domain}{refresh}")
        assert (answer.status_code, answer.json()["code"]) == (404, "domain.not_found")
