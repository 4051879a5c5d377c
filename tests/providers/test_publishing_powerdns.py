"""Publishing at a real PowerDNS that already holds records of its owner."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import dns.asyncquery
import dns.message
import httpx
import pytest

from litemail.kit.outbound import AddressNotAllowed, ConnectFailed, Guard, ListedOnly, PublicOnly
from litemail.kit.outbound.policy import HTTP_OR_HTTPS
from litemail.protocols.record_types import Record, RecordType
from litemail.protocols.record_wire import join_txt
from litemail.providers.dns.publishing import Credentials, Plan, Publisher, make_plan, powerdns, value_of
from litemail.providers.dns.publishing.errors import BadAddress, BadCredentials, ChangedMeanwhile, Rejected, ZoneMissing
from litemail.providers.dns.publishing.octo import OctoPublisher
from tests.conftest import Databases
from tests.pdns import API_KEY, Pdns, customers_pdns, free_port, needs_pdns, twenty_records

pytestmark = needs_pdns

KEY = "v=DKIM1; k=rsa; p=" + "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A" * 12
OURS = (
    Record(RecordType.MX, "@", "mail.litemail.test", priority=10),
    Record(RecordType.TXT, "@", "v=spf1 mx -all"),
    Record(RecordType.TXT, "_dmarc", "v=DMARC1; p=none; rua=mailto:reports@litemail.test"),
    Record(RecordType.TXT, "lm1._domainkey", KEY),
    Record(RecordType.TXT, "_litemail-challenge", "litemail-challenge=abc"),
)


@pytest.fixture(scope="module")
async def pdns(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pdns]:
    async with customers_pdns(databases, tmp_path_factory.mktemp("pdns")) as running:
        yield running


def door(
    pdns: Pdns, *, api_key: str = API_KEY, server_id: str = "localhost", port: int | None = None
) -> AbstractAsyncContextManager[Publisher]:
    port = port or pdns.api_port
    credentials = Credentials({"api_url": f"http://127.0.0.1:{port}", "api_key": api_key, "server_id": server_id})
    guard = Guard(policy=ListedOnly({("127.0.0.1", port): ("127.0.0.1", port)}))
    return powerdns.open_publisher(credentials, guard)


async def publish(pdns: Pdns, zone: str, *, wanted: tuple[Record, ...], written: tuple[Record, ...] = ()) -> Plan:
    async with door(pdns) as publisher:
        held = await publisher.read(zone)
        plan = make_plan(held, written=list(map(value_of, written)), wanted=wanted)
        await publisher.apply(zone, plan)
        return plan


async def texts(pdns: Pdns, name: str) -> set[str]:
    query = dns.message.make_query(name, "TXT")
    answer, _ = await dns.asyncquery.udp_with_fallback(query, "127.0.0.1", port=pdns.port, timeout=2)
    return {join_txt(rdata.strings) for rrset in answer.answer for rdata in rrset}


async def test_what_the_owner_has_stays_to_the_byte_through_everything(pdns: Pdns):
    zone = "holds-twenty.example"
    await pdns.create(zone, twenty_records(zone))
    before = await pdns.sets(zone)
    assert sum(len(one["records"]) for one in before.values()) >= 20
    plan = await publish(pdns, zone, wanted=OURS)
    assert set(plan.create) == set(OURS)
    assert "v=spf1 mx -all" in await texts(pdns, zone)
    assert await texts(pdns, f"lm1._domainkey.{zone}") == {KEY}

    rotated = (*OURS[:3], Record(RecordType.TXT, "lm2._domainkey", KEY), OURS[4])
    await publish(pdns, zone, wanted=rotated, written=OURS)
    assert await texts(pdns, f"lm1._domainkey.{zone}") == set()
    others = {place: one for place, one in (await pdns.sets(zone)).items() if place in before}
    shared = (f"{zone}.", "TXT")
    now = others.pop(shared)
    assert others == {place: one for place, one in before.items() if place != shared}
    kept = [raw for raw in now["records"] if "spf1" not in raw["content"]]
    assert kept == before[shared]["records"]
    assert (now["ttl"], now["comments"]) == (before[shared]["ttl"], before[shared]["comments"])

    await publish(pdns, zone, wanted=(), written=rotated)
    assert await pdns.sets(zone) == before


async def test_publishing_again_changes_nothing(pdns: Pdns):
    zone = "again.example"
    await pdns.create(zone)
    await publish(pdns, zone, wanted=OURS)
    once = await pdns.sets(zone)
    assert (await publish(pdns, zone, wanted=OURS, written=OURS)).is_empty
    assert await pdns.sets(zone) == once


async def test_what_is_in_the_way_is_taken_away_only_with_leave(pdns: Pdns):
    zone = "conflicts.example"
    apex = f"{zone}."
    held = [
        {"name": apex, "type": "MX", "records": ["10 aspmx.l.google.com.", "20 alt1.aspmx.l.google.com."]},
        {"name": apex, "type": "TXT", "records": ['"v=spf1 include:_spf.google.com ~all"', '"keep me"']},
        {"name": f"_dmarc.{apex}", "type": "CNAME", "records": ["dmarc.elsewhere.example."]},
    ]
    await pdns.create(zone, [_replaced(one) for one in held])
    async with door(pdns) as publisher:
        there = await publisher.read(zone)
        plan = make_plan(there, written=(), wanted=OURS)
        assert [conflict.reason for conflict in plan.conflicts] == ["mx", "spf", "cname"]
        await publisher.apply(zone, make_plan(there, written=(), wanted=OURS, replace=True))
        after = await publisher.read(zone)
    assert {(value.type, value.content) for value in after if value.name == "@" and value.type != "NS"} == {
        ("MX", "mail.litemail.test"),
        ("TXT", "v=spf1 mx -all"),
        ("TXT", "keep me"),
    }
    assert [value.type for value in after if value.name == "_dmarc"] == ["TXT"]


def _replaced(one: Mapping[str, object]) -> dict[str, object]:
    contents = one["records"]
    assert isinstance(contents, list)
    return {**one, "ttl": 300, "records": [{"content": content, "disabled": False} for content in contents]}


async def test_a_plan_that_was_carried_out_leaves_nothing_to_do(pdns: Pdns):
    zone = "meanwhile.example"
    await pdns.create(zone, [_replaced({"name": f"{zone}.", "type": "TXT", "records": ['"his"', '"old one of ours"']})])
    ours = Record(RecordType.TXT, "@", "old one of ours")
    async with door(pdns) as publisher:
        plan = make_plan(await publisher.read(zone), written=[value_of(ours)], wanted=(OURS[1],))
        await publisher.apply(zone, plan)
        assert await texts(pdns, zone) == {"his", "v=spf1 mx -all"}
        await publisher.apply(zone, plan)  # nothing is left to do
    assert await texts(pdns, zone) == {"his", "v=spf1 mx -all"}


async def test_a_zone_that_is_not_there_is_never_made(pdns: Pdns):
    async with door(pdns) as publisher:
        with pytest.raises(ZoneMissing):
            await publisher.read("nobody-has-it.example")
        with pytest.raises(ZoneMissing):
            await publisher.apply("nobody-has-it.example", Plan(create=OURS))
    async with pdns.api() as api:
        assert (await api.get("/zones/nobody-has-it.example.")).status_code == 404


async def test_credentials_are_verified(pdns: Pdns):
    async with door(pdns) as publisher:
        await publisher.verify()
    async with door(pdns, api_key="wrong") as publisher:
        with pytest.raises(BadCredentials) as refused:
            await publisher.verify()
        assert "wrong" not in str(refused.value)
    async with door(pdns, server_id="another") as publisher:
        with pytest.raises(BadAddress):
            await publisher.verify()
    async with door(pdns, port=free_port()) as publisher:
        with pytest.raises(ConnectFailed):
            await publisher.verify()


async def test_what_powerdns_refuses_is_told_in_its_words(pdns: Pdns):
    zone = "refuses.example"
    await pdns.create(zone)
    async with door(pdns) as publisher:
        with pytest.raises(Rejected, match="PowerDNS refused the change: "):
            await publisher.apply(zone, Plan(create=(Record(RecordType.TXT, "a" * 64, "a label of 64"),)))


async def test_the_guard_has_the_last_word(pdns: Pdns):
    credentials = Credentials({"api_url": pdns.api_url, "api_key": API_KEY, "server_id": "localhost"})
    async with powerdns.open_publisher(credentials, Guard(policy=PublicOnly(schemes=HTTP_OR_HTTPS))) as publisher:
        with pytest.raises(AddressNotAllowed):
            await publisher.verify()


async def test_a_value_that_comes_between_reading_and_writing_is_not_taken_away(pdns: Pdns):
    zone = "between.example"
    await pdns.create(zone, [_replaced({"name": f"{zone}.", "type": "TXT", "records": ['"his"']})])
    credentials = Credentials({"api_url": pdns.api_url, "api_key": API_KEY, "server_id": "localhost"})
    endpoint = ("127.0.0.1", pdns.api_port)
    guard = Guard(policy=ListedOnly({endpoint: endpoint}))
    async with powerdns.open_publisher(credentials, guard) as publisher:
        assert isinstance(publisher, OctoPublisher)
        plan_then = publisher._provider.plan

        def plan_late(*given: Any, **more: Any) -> Any:
            """What somebody else writes at just that moment."""
            late = _replaced({"name": f"{zone}.", "type": "TXT", "records": ['"his"', '"his newest"']})
            url = f"{pdns.api_url}/api/v1/servers/localhost/zones/{zone}."
            body = {"rrsets": [{**late, "changetype": "REPLACE"}]}
            httpx.patch(url, json=body, headers={"x-api-key": API_KEY}, trust_env=False).raise_for_status()
            return plan_then(*given, **more)

        publisher._provider.plan = plan_late  # type: ignore[method-assign]  # the moment is hard to meet otherwise
        with pytest.raises(ChangedMeanwhile):
            await publisher.apply(zone, Plan(create=OURS))
    assert await texts(pdns, zone) == {"his", "his newest"}
