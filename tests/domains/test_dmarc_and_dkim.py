"""DMARC policies, and DKIM keys that take turns."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import dns.asyncquery
import dns.message
import httpx
import pytest

from litemail import domains
from litemail.domains import keys, policy_queries, rotating, rotation_jobs
from litemail.kit import clock
from litemail.kit.db import Database
from litemail.kit.secrets import Secrets
from litemail.protocols.dkim_keys import Algorithm, parse_record
from tests.conftest import Dns, eventually
from tests.domains.conftest import Somebody, Verify


@dataclass(frozen=True)
class World:
    """Somebody's domains, and the worker that turns their keys."""

    owner: Somebody
    verify: Verify
    database: Database
    secrets: Secrets
    dns_server: Dns

    async def active(self, name: str) -> str:
        domain_id, name_servers = await self.owner.connected(name)
        await self.owner.delegate(name, *name_servers)
        await self.verify(domain_id)
        assert (await self.owner.domain(name))["status"] == "active"
        return domain_id

    async def texts(self, name: str) -> list[str]:
        query = dns.message.make_query(name, "TXT")
        server = self.dns_server
        answer = (await dns.asyncquery.udp_with_fallback(query, server.host, port=server.port, timeout=2))[0]
        return [b"".join(rdata.strings).decode() for rrset in answer.answer for rdata in rrset]

    async def set_dmarc(self, *given: str, **body: object) -> httpx.Response:
        return await self.owner.call("POST", "/v1/domains/dmarc", json={"domains": list(given), **body})

    async def rotate(self, domain: str) -> httpx.Response:
        return await self.owner.call("POST", f"/v1/domains/{domain}/dkim/rotate")

    async def work(self, domain_id: str, *, served_within: float = 3.0, port: int | None = None) -> None:
        """What a worker does with the rotation."""
        await rotation_jobs.rotate(
            database=self.database,
            secrets=self.secrets,
            parents=self.dns_server.parents,
            dns_servers=[(self.dns_server.host, port or self.dns_server.port)],
            domain_id=domain_id,
            served_within=served_within,
        )

    async def signing(self, domain: str) -> list[str]:
        async with self.database.begin_system("test") as tx:
            return [key.selector for key in await domains.signing_keys(tx, domain, secrets=self.secrets)]

    async def held(self, domain_id: str) -> dict[str, str]:
        async with self.database.begin_system("test") as tx:
            return {key.selector: key.state for key in await keys.published(tx, domain_id)}

    async def told(self, domain_id: str) -> list[str]:
        async with self.database.begin_system("test") as tx:
            return await tx.values(
                str,
                "SELECT type FROM events WHERE subject = %(id)s AND type LIKE 'domain.d%%' ORDER BY number",
                id=domain_id,
            )


@pytest.fixture
def world(somebody: Somebody, verify: Verify, database: Database, secrets: Secrets, dns_server: Dns) -> World:
    return World(somebody, verify, database, secrets, dns_server)


# DMARC


async def test_a_policy_is_set_for_many_domains_and_served(world: World) -> None:
    await world.active("dmarc-1.test")
    second, _ = await world.owner.connected("dmarc-2.test")
    answer = await world.set_dmarc(
        "dmarc-1.test", second, "dmarc-none-such.test", "dmarc-1.test", policy="quarantine",
        rua=["Reports@example.com"], pct=25, subdomain_policy="reject",
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert [each["status"] for each in answer.json()["results"]] == ["accepted", "accepted", "rejected", "rejected"]
    assert [each["error"]["code"] for each in answer.json()["results"][2:]] == [
        "domain.not_found", "domain.named_twice"
    ]  # fmt: skip
    expected = "v=DMARC1; p=quarantine; sp=reject; pct=25; rua=mailto:reports@example.com"

    async def is_served() -> bool:
        return await world.texts("_dmarc.dmarc-1.test") == [expected]

    await eventually(is_served)
    assert (await world.owner.domain("dmarc-1.test"))["dmarc"] == "quarantine"
    (record,) = (await world.owner.call("GET", "/v1/dns?domain=dmarc-2.test&name=_dmarc")).json()["data"]
    assert (record["content"], record["managed"]) == (expected, True)

    await world.set_dmarc("dmarc-2.test", policy="none")  # without addresses we get the reports again
    (record,) = (await world.owner.call("GET", "/v1/dns?domain=dmarc-2.test&name=_dmarc")).json()["data"]
    assert record["content"] == "v=DMARC1; p=none; rua=mailto:dmarc-reports@mail.litemail.test"


async def test_the_same_policy_again_changes_nothing(world: World) -> None:
    domain_id, _ = await world.owner.connected("dmarc-same.test")

    async def serial() -> int:
        async with world.database.begin_system("test") as tx:
            return await tx.value(int, "SELECT serial FROM zones WHERE domain_id = %(id)s", id=domain_id) or 0

    await world.set_dmarc("dmarc-same.test", policy="reject")
    before = await serial()
    assert (await world.set_dmarc("dmarc-same.test", policy="reject")).status_code == 200
    assert await serial() == before


async def test_a_policy_of_ones_own_is_replaced_and_other_records_stay(world: World) -> None:
    await world.owner.connected("dmarc-own.test")
    (record,) = (await world.owner.call("GET", "/v1/dns?domain=dmarc-own.test&name=_dmarc")).json()["data"]
    own = {"content": "v=DMARC1; p=reject; rua=mailto:me@example.com"}
    await world.owner.call("PUT", f"/v1/dns/{record['id']}?force=true", json=own)
    for name, content in (("_dmarc", "a note"), ("_dmarc.sub", "v=DMARC1; p=none")):
        body = {"domain": "dmarc-own.test", "type": "TXT", "name": name, "content": content}
        assert (await world.owner.call("POST", "/v1/dns", json=body)).status_code == 201
    assert (await world.set_dmarc("dmarc-own.test", policy="quarantine")).status_code == 200
    rows = (await world.owner.call("GET", "/v1/dns?domain=dmarc-own.test&type=TXT")).json()["data"]
    found = {(row["name"], row["content"].partition(";")[0], row["managed"]) for row in rows if "dmarc" in row["name"]}
    assert found == {
        ("_dmarc", "v=DMARC1", True), ("_dmarc", "a note", False), ("_dmarc.sub", "v=DMARC1", False)
    }  # fmt: skip


async def test_a_cname_in_its_place_is_told(world: World) -> None:
    await world.owner.connected("dmarc-cname.test")
    (record,) = (await world.owner.call("GET", "/v1/dns?domain=dmarc-cname.test&name=_dmarc")).json()["data"]
    body = {"type": "CNAME", "content": "dmarc.example.net"}
    assert (await world.owner.call("PUT", f"/v1/dns/{record['id']}?force=true", json=body)).status_code == 200
    answer = await world.set_dmarc("dmarc-cname.test", policy="reject")
    assert (answer.status_code, answer.json()["results"][0]["error"]["code"]) == (422, "dns.cname_conflict")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"policy": "maybe"}, "policy"),
        ({}, "policy"),
        ({"policy": "none", "pct": 101}, "pct"),
        ({"policy": "none", "pct": "5"}, "pct"),
        ({"policy": "none", "rua": []}, "rua"),
        ({"policy": "none", "rua": ["not an address"]}, "rua[0]"),
        ({"policy": "none", "rua": ["mailto:a@example.com"]}, "rua[0]"),
        ({"policy": "none", "rua": ["a@example.com"] * 6}, "rua"),
        ({"policy": "none", "subdomain_policy": "p"}, "subdomain_policy"),
        ({"policy": "none", "ruf": ["a@example.com"]}, "ruf"),
        ({"policy": "none", "domains": []}, "domains"),
        ({"policy": "none", "domains": ["a.test"] * 201}, "domains"),
    ],
)
async def test_wrong_policies_are_refused_with_the_field(
    somebody: Somebody, body: dict[str, object], field: str
) -> None:
    answer = await somebody.call("POST", "/v1/domains/dmarc", json={"domains": ["x.test"], **body})
    assert (answer.status_code, [each["field"] for each in answer.json()["details"]]) == (422, [field])


async def test_nobody_elses_policy_is_set(world: World, another: Somebody) -> None:
    domain_id, _ = await world.owner.connected("dmarc-not-yours.test")
    body = {"domains": [domain_id, "dmarc-not-yours.test"], "policy": "reject"}
    answer = await another.call("POST", "/v1/domains/dmarc", json=body)
    assert answer.status_code == 422
    assert {each["error"]["code"] for each in answer.json()["results"]} == {"domain.not_found"}
    assert (await world.owner.domain(domain_id))["dmarc"] == "none"


# DKIM


async def test_keys_are_published_waited_for_and_switched(world: World) -> None:
    domain_id = await world.active("rotating.test")
    assert await world.signing("rotating.test") == ["lm1", "lm1e"]
    answer = await world.rotate("rotating.test")
    assert (answer.status_code, answer.json()) == (
        202,
        {"domain": "rotating.test", "status": "publishing", "signing": ["lm1", "lm1e"], "next": ["lm2", "lm2e"]},
    )
    again = await world.rotate(domain_id)
    assert (again.status_code, again.json()["code"]) == (409, "domain.rotation_running")
    assert await world.signing("rotating.test") == ["lm1", "lm1e"]

    await world.work(domain_id)
    assert await world.signing("rotating.test") == ["lm2", "lm2e"]
    assert await world.held(domain_id) == {
        "lm1": "retiring", "lm1e": "retiring", "lm2": "signing", "lm2e": "signing", "lm3": "standby", "lm3e": "standby"
    }  # fmt: skip
    for selector in ("lm1", "lm1e", "lm2", "lm2e"):  # mail under way is still believed
        (published,) = await world.texts(f"{selector}._domainkey.rotating.test")
        parse_record(published)
    assert await world.told(domain_id) == ["domain.dkim_rotation_started", "domain.dkim_rotated"]

    async def is_ready_for_the_next() -> bool:
        return len(await world.texts("lm3._domainkey.rotating.test")) == 1

    await eventually(is_ready_for_the_next)
    await world.work(domain_id)  # nothing is left to do
    assert await world.signing("rotating.test") == ["lm2", "lm2e"]


async def test_nothing_is_switched_before_the_next_keys_are_served(world: World) -> None:
    domain_id = await world.active("waiting.test")
    await world.rotate("waiting.test")
    await world.work(domain_id, served_within=0, port=1)  # a server that does not answer
    assert await world.signing("waiting.test") == ["lm1", "lm1e"]
    async with world.database.begin_system("test", now=clock.now() + timedelta(minutes=1)) as tx:
        assert domain_id in await policy_queries.take_due_rotations(
            tx, limit=100, again_at=clock.now() + timedelta(minutes=10)
        )
    await world.work(domain_id)
    assert await world.signing("waiting.test") == ["lm2", "lm2e"]


async def test_a_rotation_goes_on_wherever_it_stopped(world: World) -> None:
    domain_id = await world.active("crashing.test")
    await world.rotate("crashing.test")
    new = await keys.generate([("lm2e", Algorithm.ED25519, "standby")])
    async with world.database.begin_system("test") as tx:  # stopped after the keys were published
        rotation = await policy_queries.find_rotation(tx, domain_id)
        assert rotation is not None
        await rotating.publish(tx, rotation, new, secrets=world.secrets)
    published = await world.held(domain_id)
    await asyncio.gather(*(world.work(domain_id) for _ in range(3)))  # and more than one went on
    assert set(published) <= set(await world.held(domain_id))
    assert await world.signing("crashing.test") == ["lm2", "lm2e"]
    assert (await world.told(domain_id)).count("domain.dkim_rotated") == 1

    async with world.database.begin_system("test") as tx:  # stopped before the keys after the next were made
        await tx.execute("DELETE FROM dkim_keys WHERE domain_id = %(id)s AND state = 'standby'", id=domain_id)
    assert (await world.rotate("crashing.test")).json()["next"] == ["lm3", "lm3e"]
    await world.work(domain_id)
    assert await world.signing("crashing.test") == ["lm3", "lm3e"]


async def test_old_keys_leave_the_dns_when_their_time_is_over(world: World) -> None:
    domain_id = await world.active("retiring.test")
    await world.rotate("retiring.test")
    await world.work(domain_id)

    async def retire_at(now_in: timedelta) -> None:
        async with world.database.begin_system("test", now=clock.now() + now_in) as tx:
            await rotating.retire(tx, limit=100)

    await retire_at(timedelta(days=6, hours=23))
    assert "lm1" in await world.held(domain_id)
    await retire_at(timedelta(days=7, hours=1))
    assert set(await world.held(domain_id)) == {"lm2", "lm2e", "lm3", "lm3e"}

    async def is_gone() -> bool:
        return await world.texts("lm1._domainkey.retiring.test") == []

    await eventually(is_gone)
    assert len(await world.texts("lm2._domainkey.retiring.test")) == 1
    assert (await world.told(domain_id)).count("domain.dkim_retired") == 2
    assert (await world.rotate("retiring.test")).json()["next"] == ["lm3", "lm3e"]


async def test_at_a_provider_the_servers_that_the_domain_is_delegated_to_must_show_the_keys(world: World) -> None:
    domain_id = await world.active("elsewhere.test")
    async with world.database.begin_system("test") as tx:
        await tx.execute("UPDATE domains SET dns = 'powerdns' WHERE id = %(id)s", id=domain_id)
    await world.rotate("elsewhere.test")
    await world.work(domain_id, port=1)  # our own servers do not matter then
    assert await world.signing("elsewhere.test") == ["lm2", "lm2e"]


async def test_a_rotation_of_a_domain_that_is_no_longer_used_does_nothing(world: World) -> None:
    domain_id = await world.active("left.test")
    await world.rotate("left.test")
    async with world.database.begin_system("test") as tx:
        await tx.execute("UPDATE domains SET status = 'suspended' WHERE id = %(id)s", id=domain_id)
    await world.work(domain_id)
    assert set(await world.held(domain_id)) == {"lm1", "lm2", "lm1e"}


async def test_only_active_domains_of_ones_own_are_rotated(world: World, another: Somebody) -> None:
    domain_id, _ = await world.owner.connected("not-active.test")
    answer = await world.rotate("not-active.test")
    assert (answer.status_code, answer.json()["code"]) == (409, "domain.not_active")
    for domain in (domain_id, "not-active.test", "nonsense"):
        answer = await another.call("POST", f"/v1/domains/{domain}/dkim/rotate")
        assert (answer.status_code, answer.json()["code"]) == (404, "domain.not_found")
