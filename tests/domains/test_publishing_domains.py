"""Domains whose DNS stays at their owner's PowerDNS, which holds records of his already."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from litemail import zones
from litemail.domains import DnsDoors, DomainNotFound, previewing, publishing_jobs
from litemail.kit.db import Database
from litemail.kit.errors import Error
from litemail.kit.secrets import Secrets
from litemail.protocols.record_types import Record, RecordType
from tests.conftest import Databases
from tests.domains.conftest import Somebody, Verify
from tests.pdns import API_KEY, Pdns, customers_pdns, needs_pdns, twenty_records

pytestmark = needs_pdns


@pytest.fixture(scope="module")
async def pdns(
    databases: Databases, dns_doors: DnsDoors, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pdns]:
    async with customers_pdns(databases, tmp_path_factory.mktemp("pdns")) as running:
        allowed, endpoint = dns_doors.private, ("127.0.0.1", running.api_port)
        assert isinstance(allowed, dict)
        allowed[endpoint] = endpoint
        yield running


@dataclass(frozen=True)
class World:
    """Somebody, his PowerDNS, and the jobs of a worker that the tests run themselves."""

    somebody: Somebody
    pdns: Pdns
    database: Database
    secrets: Secrets
    doors: DnsDoors
    verify: Verify

    async def connect(
        self, *names: str, query: str = "", api_key: str = API_KEY, replace: bool = False
    ) -> httpx.Response:
        credentials = {"api_url": self.pdns.api_url, "api_key": api_key}
        dns = {"provider": "powerdns", "credentials": credentials, "replace": replace}
        body = {"domains": list(names), "dns": dns}
        return await self.somebody.call("POST", f"/v1/domains/connect{query}", json=body)

    async def connected(self, name: str, *, replace: bool = False) -> str:
        answer = await self.connect(name, replace=replace)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["results"][0]["id"])

    async def publish(self, domain_id: str) -> None:
        """The job that a call enqueued."""
        async with self.database.begin_system("test") as tx:
            await tx.execute("DELETE FROM procrastinate_jobs WHERE task_name = 'domains.publish' AND status = 'todo'")
        await publishing_jobs.publish(
            database=self.database, secrets=self.secrets, dns_doors=self.doors, domain_id=domain_id
        )

    async def publish_due(self) -> list[str]:
        """What the schedule starts, done."""
        await publishing_jobs.publish_due(database=self.database)
        async with self.database.begin_system("test") as tx:
            due = await tx.values(
                str,
                """DELETE FROM procrastinate_jobs WHERE task_name = 'domains.publish' AND status = 'todo'
                   RETURNING args->>'domain_id'""",
            )
        for domain_id in due:
            await self.publish(domain_id)
        return due

    async def activate(self, name: str) -> None:
        """What its owner's name servers would show, the sandbox's registry shows."""
        wanted = (await self.somebody.call("GET", f"/v1/domains/name-servers?domain={name}")).json()
        challenge = wanted["challenge"]["value"]
        await self.somebody.delegate(name, "ns1.his-dns.example", "ns2.his-dns.example", challenge=challenge)
        await self.verify(str((await self.somebody.domain(name))["id"]))

    def api(self) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        return self.pdns.api()


@pytest.fixture
def world(
    somebody: Somebody, pdns: Pdns, database: Database, secrets: Secrets, dns_doors: DnsDoors, verify: Verify
) -> World:
    return World(somebody, pdns, database, secrets, dns_doors, verify)


def without_ours(sets: dict[tuple[str, str], Any], before: dict[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """The sets as if our values were not there."""
    return {
        place: {**one, "records": [raw for raw in one["records"] if raw in before[place]["records"]]}
        for place, one in sets.items()
        if place in before
    }


async def test_twenty_records_of_the_owner_are_the_same_after_everything(world: World) -> None:
    name = "holds-twenty.test"
    await world.pdns.create(name, twenty_records(name))
    before = await world.pdns.sets(name)
    assert sum(len(one["records"]) for one in before.values()) >= 20

    domain_id = await world.connected(name)
    shown = await world.somebody.domain(name)
    assert (shown["status"], shown["dns"], shown["name_servers"]) == ("pending", "powerdns", [])
    await world.publish(domain_id)
    published = await world.pdns.sets(name)
    assert without_ours(published, before) == before
    assert {place for place in published if place not in before} == {
        (f"{name}.", "MX"),
        (f"_dmarc.{name}.", "TXT"),
        (f"_litemail-challenge.{name}.", "TXT"),
        *((f"{selector}._domainkey.{name}.", "TXT") for selector in ("lm1", "lm2", "lm1e")),
    }
    assert len(published[f"{name}.", "TXT"]["records"]) == len(before[f"{name}.", "TXT"]["records"]) + 1

    await world.activate(name)
    shown = await world.somebody.domain(name)
    assert (shown["status"], shown["failure"]) == ("active", None)

    assert domain_id not in await world.publish_due()  # nothing changed
    async with world.database.begin_system("test") as tx:  # as a rotation does
        await zones.add_managed(tx, domain_id, [Record(RecordType.TXT, "lm3._domainkey", "v=DKIM1; k=rsa; p=AAAA")])
    assert domain_id in await world.publish_due()
    again = await world.pdns.sets(name)
    assert again[f"lm3._domainkey.{name}.", "TXT"]["records"][0]["content"] == '"v=DKIM1; k=rsa; p=AAAA"'
    assert without_ours(again, before) == before

    assert (await world.somebody.call("DELETE", f"/v1/domains/{name}")).status_code in {200, 204}
    assert domain_id in await world.publish_due()
    assert await world.pdns.sets(name) == before
    assert domain_id not in await world.publish_due()


async def test_a_conflict_is_shown_and_resolved_by_leave_to_replace(world: World) -> None:
    name = "provider-conflict.test"
    apex = f"{name}."
    mx = {"content": "1 aspmx.l.google.com.", "disabled": False}
    spf = {"content": '"v=spf1 include:_spf.google.com ~all"', "disabled": False}
    other = {"content": '"keep me"', "disabled": False}
    await world.pdns.create(
        name,
        [
            {"name": apex, "type": "MX", "ttl": 300, "records": [mx]},
            {"name": apex, "type": "TXT", "ttl": 300, "records": [spf, other]},
        ],
    )
    answer = await world.connect(name, query="?dry_run=true")
    assert answer.status_code == 200, answer.text
    (plan,) = answer.json()["plans"]
    assert (plan["domain"], plan["error"], plan["replace"]) == (name, None, [])
    assert [(one["reason"], one["held"][0]["content"]) for one in plan["conflicts"]] == [
        ("mx", "aspmx.l.google.com"),
        ("spf", "v=spf1 include:_spf.google.com ~all"),
    ]
    assert {"type": "MX", "name": "@", "content": "mail.litemail.test", "priority": 10} in plan["create"]
    assert (await world.somebody.call("GET", f"/v1/domains/{name}")).status_code == 404  # nothing was done

    domain_id = await world.connected(name)
    before = await world.pdns.sets(name)
    await world.publish(domain_id)
    shown = await world.somebody.domain(name)
    assert isinstance(shown["failure"], dict)
    assert (shown["status"], shown["failure"]["code"]) == ("pending", "dns_provider.conflict")
    assert "aspmx.l.google.com" in shown["failure"]["message"]
    assert await world.pdns.sets(name) == before
    assert domain_id not in await world.publish_due()  # it is the customer's turn

    (plan,) = (await world.connect(name, query="?dry_run=true", replace=True)).json()["plans"]
    assert (plan["conflicts"], len(plan["replace"])) == ([], 2)
    assert await world.connected(name, replace=True) == domain_id
    await world.publish(domain_id)
    shown = await world.somebody.domain(name)
    assert shown["failure"] is None
    after = await world.pdns.sets(name)
    assert [raw["content"] for raw in after[apex, "MX"]["records"]] == ["10 mail.litemail.test."]
    assert [raw["content"] for raw in after[apex, "TXT"]["records"]] == ['"keep me"', '"v=spf1 mx -all"']


async def test_wrong_credentials_are_refused_and_nothing_is_kept(world: World) -> None:
    answer = await world.connect("provider-refused.test", api_key="not-the-key")
    assert (answer.status_code, answer.json()["code"]) == (422, "dns_provider.bad_credentials")
    assert answer.json()["details"][0]["field"] == "dns.credentials"
    assert "not-the-key" not in answer.text
    assert (await world.somebody.call("GET", "/v1/domains/provider-refused.test")).status_code == 404


@pytest.mark.parametrize(
    ("dns", "code", "field"),
    [
        ({"provider": "godaddy", "credentials": {}}, "dns_provider.unknown", "dns.provider"),
        ({"provider": "powerdns", "credentials": {"api_key": "x"}}, "dns_provider.credentials_incomplete", None),
        (
            {"provider": "cloudflare", "credentials": {"api_token": "x", "zone": "y"}},
            "dns_provider.credentials_incomplete",
            "dns.credentials",
        ),
        ({"provider": "cloudflare", "credentials": {"api_token": "x"}}, "sandbox.outside_host", None),
        (
            {"provider": "powerdns", "credentials": {"api_url": "http://10.0.0.1:8081", "api_key": "x"}},
            "sandbox.outside_host",
            None,
        ),
        (
            {"provider": "powerdns", "credentials": {"api_url": "ftp://dns.example", "api_key": "x"}},
            "outbound.url_invalid",
            None,
        ),
        (
            {"provider": "powerdns", "credentials": {"api_url": "http://127.0.0.1/a/path", "api_key": "x"}},
            "outbound.url_invalid",
            None,
        ),
    ],
)
async def test_what_cannot_be_reached_is_refused_at_once(
    world: World, dns: dict[str, object], code: str, field: str | None
) -> None:
    answer = await world.somebody.call("POST", "/v1/domains/connect", json={"domains": ["at-once.test"], "dns": dns})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    if field is not None:
        assert answer.json()["details"][0]["field"] == field


async def test_a_zone_that_is_missing_is_said_and_found_later(world: World) -> None:
    name = "zone-comes-later.test"
    domain_id = await world.connected(name)
    await world.publish(domain_id)
    shown = await world.somebody.domain(name)
    assert isinstance(shown["failure"], dict)
    assert shown["failure"]["code"] == "dns_provider.zone_missing"
    await world.pdns.create(name)
    again = await world.connect(name, name.upper())
    assert [one["id"] for one in again.json()["results"]] == [domain_id, domain_id]
    await world.publish(domain_id)
    assert (await world.somebody.domain(name))["failure"] is None


async def test_a_provider_that_is_away_is_tried_again(world: World) -> None:
    name = "provider-away.test"
    await world.pdns.create(name)
    domain_id = await world.connected(name)
    allowed, endpoint = world.doors.private, ("127.0.0.1", world.pdns.api_port)
    assert isinstance(allowed, dict)
    allowed[endpoint] = ("127.0.0.1", 1)
    await world.publish(domain_id)
    allowed[endpoint] = endpoint
    shown = await world.somebody.domain(name)
    assert isinstance(shown["failure"], dict)
    assert (shown["failure"]["code"], shown["failure"]["retryable"]) == ("outbound.connect_failed", True)
    async with world.database.begin_system("test") as tx:
        await tx.execute(
            "UPDATE dns_publishings SET next_try_at = now() - interval '1 s', tries = 1000 WHERE domain_id = %(id)s",
            id=domain_id,
        )
    allowed[endpoint] = ("127.0.0.1", 1)
    assert domain_id in await world.publish_due()
    allowed[endpoint] = endpoint
    async with world.database.begin_system("test") as tx:
        wait = await tx.value(
            int,
            "SELECT extract(epoch FROM next_try_at - now())::int FROM dns_publishings WHERE domain_id = %(id)s",
            id=domain_id,
        )
        assert wait == pytest.approx(3600, abs=60)
        await tx.execute(
            "UPDATE dns_publishings SET next_try_at = now() - interval '1 s' WHERE domain_id = %(id)s", id=domain_id
        )
    assert domain_id in await world.publish_due()
    assert (await world.somebody.domain(name))["failure"] is None


async def test_a_plan_names_what_is_wrong_with_each_domain(world: World) -> None:
    await world.pdns.create("planned.test")
    answer = await world.connect("planned.test", "no-zone.test", "co.uk", query="?dry_run=true")
    plans = {plan["domain"]: plan for plan in answer.json()["plans"]}
    assert len(plans["planned.test"]["create"]) == 7
    assert plans["no-zone.test"]["error"]["code"] == "dns_provider.zone_missing"
    assert plans["co.uk"]["error"]["code"] == "domain.public_suffix"
    hosted = await world.somebody.call("POST", "/v1/domains/connect?dry_run=true", json={"domains": ["a.test"]})
    assert (hosted.status_code, hosted.json()["code"]) == (422, "domain.nothing_to_plan")


async def test_credentials_are_sealed_and_forgotten_with_the_last_domain(world: World) -> None:
    name = "sealed-provider.test"
    await world.pdns.create(name)
    domain_id = await world.connected(name)
    async with world.database.begin_system("test") as tx:
        sealed = await tx.value(
            bytes,
            """SELECT a.credentials_sealed FROM dns_accounts a JOIN dns_publishings p ON p.account_id = a.id
               WHERE p.domain_id = %(id)s""",
            id=domain_id,
        )
        assert sealed is not None
        assert API_KEY.encode() not in sealed
        await tx.execute("DELETE FROM dns_publishings WHERE domain_id = %(id)s", id=domain_id)
    await world.publish_due()
    async with world.database.begin_system("test") as tx:
        left = await tx.value(
            int,
            "SELECT count(*) FROM dns_accounts WHERE workspace_id = %(id)s",
            id=world.somebody.person.workspace_id,
        )
    assert left == 0


async def test_a_repeat_under_one_key_is_one_connection(world: World) -> None:
    await world.pdns.create("published-once.test")
    credentials = {"api_url": world.pdns.api_url, "api_key": API_KEY}
    body = {"domains": ["published-once.test"], "dns": {"provider": "powerdns", "credentials": credentials}}
    headers = {**world.somebody.person.headers, "idempotency-key": "publishing-once"}
    first = await world.somebody.client.post("/v1/domains/connect", json=body, headers=headers)
    second = await world.somebody.client.post("/v1/domains/connect", json=body, headers=headers)
    assert first.status_code == second.status_code == 202
    assert second.json() == first.json()
    assert second.headers["idempotency-replayed"] == "true"


async def test_plans_that_there_is_no_time_for_say_so(world: World) -> None:
    credentials = {"api_url": world.pdns.api_url, "api_key": API_KEY}
    access = world.doors.read("powerdns", credentials, mode="sandbox", field="dns")
    drafts: dict[str, previewing.Draft | Error] = {
        "slow.test": previewing.Draft("slow.test", ()),
        "co.uk": DomainNotFound(domain="co.uk"),
    }
    found = await previewing.preview(drafts, access, world.doors, mode="sandbox", replace=False, deadline=0)
    codes = {name: one.code for name, one in found.items() if isinstance(one, Error)}
    assert codes == {"slow.test": "dns_provider.no_answer", "co.uk": "domain.not_found"}


async def test_a_hosted_domain_changes_over_by_being_removed_and_connected_again(world: World) -> None:
    name = "changes-over.test"
    await world.somebody.connected(name)
    answer = await world.connect(name)
    assert answer.json()["results"][0]["error"]["code"] == "domain.already_connected"
    assert (await world.somebody.call("DELETE", f"/v1/domains/{name}")).status_code in {200, 204}
    await world.pdns.create(name)
    await world.publish(await world.connected(name))
    assert (f"{name}.", "MX") in await world.pdns.sets(name)


async def test_records_of_the_owner_are_refused_where_they_would_not_be_published(world: World) -> None:
    name = "refused-there.test"
    await world.pdns.create(name)
    await world.connected(name)
    call = world.somebody.call
    records = (await call("GET", f"/v1/dns?domain={name}")).json()["data"]
    mx = next(record for record in records if record["type"] == "MX")
    one = {"type": "A", "name": "www", "content": "192.0.2.10"}
    for method, path, body in (
        ("POST", "/v1/dns", {"domain": name, **one}),
        ("POST", "/v1/dns", {"domain": name, "records": [one]}),
        ("PUT", f"/v1/dns/{mx['id']}?force=true", {"ttl": 300}),
        ("PUT", f"/v1/dns/{mx['id']}", {"ttl": 300}),
    ):
        answer = await call(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "dns.not_hosted"), path
    headers = {**world.somebody.person.headers, "content-type": "text/dns"}
    for query in ("", "&dry_run=true"):
        answer = await world.somebody.client.post(
            f"/v1/dns/zone-file?domain={name}{query}", headers=headers, content="www 3600 IN A 192.0.2.10\n"
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "dns.not_hosted")
    assert (await call("GET", f"/v1/dns?domain={name}")).json()["data"] == records


async def test_one_of_our_records_is_taken_away_at_the_provider(world: World) -> None:
    name = "not-that-one.test"
    await world.pdns.create(name)
    domain_id = await world.connected(name)
    await world.publish(domain_id)
    assert (f"{name}.", "MX") in await world.pdns.sets(name)
    listed = await world.somebody.call("GET", f"/v1/dns?domain={name}&type=MX")
    (mx,) = listed.json()["data"]
    answer = await world.somebody.call("DELETE", f"/v1/dns/{mx['id']}?force=true")
    assert answer.status_code == 204
    assert domain_id in await world.publish_due()
    assert (f"{name}.", "MX") not in await world.pdns.sets(name)
