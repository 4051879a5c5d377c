"""Publishing at Cloudflare, as far as its documentation tells what it answers."""

import copy
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from litemail.kit.outbound import Guard, ListedOnly, OutsideHost, read_url
from litemail.kit.outbound.policy import HTTP_OR_HTTPS
from litemail.protocols.record_types import Record, RecordType
from litemail.providers.dns.publishing import Credentials, Plan, Publisher, make_plan, value_of
from litemail.providers.dns.publishing import cloudflare as provider
from litemail.providers.dns.publishing.errors import BadCredentials, NotPermitted, Rejected, Unavailable, ZoneMissing
from tests.cloudflare import READ_ONLY, TOKEN, Cloudflare, cloudflare

ZONE = "example.com"
KEY = "v=DKIM1; k=rsa; p=" + "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A" * 12
OURS = (
    Record(RecordType.MX, "@", "mail.litemail.test", priority=10),
    Record(RecordType.TXT, "@", "v=spf1 mx -all"),
    Record(RecordType.TXT, "_dmarc", "v=DMARC1; p=none; rua=mailto:reports@litemail.test"),
    Record(RecordType.TXT, "lm1._domainkey", KEY),
)


@pytest.fixture
async def api() -> AsyncIterator[Cloudflare]:
    async with cloudflare() as running:
        for number in range(60):  # more than a page
            running.add_zone(f"other-{number}.example")
        running.add_zone(ZONE)
        yield running


def door(api: Cloudflare, *, token: str = TOKEN) -> AbstractAsyncContextManager[Publisher]:
    target = read_url(api.url, schemes=HTTP_OR_HTTPS)
    guard = Guard(policy=ListedOnly({(target.host, target.port): (target.host, target.port)}))
    return provider.open_publisher(Credentials({"api_token": token}), guard, api_url=api.url)


def filled(api: Cloudflare) -> dict[str, dict[str, Any]]:
    api.add(ZONE, "A", ZONE, "192.0.2.1", proxied=True, proxiable=True)
    api.add(ZONE, "CNAME", f"www.{ZONE}", ZONE, proxied=True, proxiable=True)
    api.add(ZONE, "TXT", ZONE, '"google-site-verification=abc; def"', comment="first", tags=["a:b"], ttl=300)
    api.add(ZONE, "TXT", ZONE, '"with \\"quotes\\"" " in two strings"', comment="second")
    api.add(ZONE, "TXT", ZONE, "not quoted; as of old", ttl=3600)
    api.add(ZONE, "MX", f"mailer.{ZONE}", "relay.example", priority=5)
    data = {"flags": 0, "tag": "issue", "value": "letsencrypt.org"}
    api.add(ZONE, "CAA", ZONE, '0 issue "letsencrypt.org"', data=data)
    return copy.deepcopy(api.of(ZONE))


async def test_others_records_are_never_written_not_even_with_what_they_are(api: Cloudflare):
    before = filled(api)
    async with door(api) as publisher:
        await publisher.apply(ZONE, make_plan(await publisher.read(ZONE), written=(), wanted=OURS))
        assert {record_id: api.of(ZONE)[record_id] for record_id in before} == before
        made = [one for record_id, one in api.of(ZONE).items() if record_id not in before]
        assert {(one["type"], one["name"], one["content"], one["ttl"]) for one in made} == {
            ("MX", ZONE, "mail.litemail.test", 3600),
            ("TXT", ZONE, '"v=spf1 mx -all"', 3600),
            ("TXT", f"_dmarc.{ZONE}", '"v=DMARC1; p=none; rua=mailto:reports@litemail.test"', 3600),
            ("TXT", f"lm1._domainkey.{ZONE}", f'"{KEY[:255]}" "{KEY[255:]}"', 3600),
        }
        held = await publisher.read(ZONE)
        assert {value_of(record) for record in OURS} <= held
        written = [value_of(record) for record in OURS]
        assert make_plan(held, written=written, wanted=OURS).is_empty
        api.calls.clear()
        await publisher.apply(ZONE, make_plan(held, written=written, wanted=()))
    assert api.of(ZONE) == before
    assert [call.split()[0] for call in api.calls] == ["DELETE"] * 4


async def test_what_is_in_the_way_goes_before_ours_comes(api: Cloudflare):
    api.add(ZONE, "CNAME", f"_dmarc.{ZONE}", "dmarc.elsewhere.example")
    api.add(ZONE, "MX", ZONE, "aspmx.l.google.com", priority=1)
    api.add(ZONE, "TXT", ZONE, '"v=spf1 include:_spf.google.com ~all"')
    api.add(ZONE, "TXT", ZONE, '"keep me"')
    async with door(api) as publisher:
        there = await publisher.read(ZONE)
        plan = make_plan(there, written=(), wanted=OURS)
        assert sorted(conflict.reason for conflict in plan.conflicts) == ["cname", "mx", "spf"]
        await publisher.apply(ZONE, make_plan(there, written=(), wanted=OURS, replace=True))
    left = {(one["type"], one["content"]) for one in api.of(ZONE).values() if one["name"] == ZONE}
    assert left == {("MX", "mail.litemail.test"), ("TXT", '"v=spf1 mx -all"'), ("TXT", '"keep me"')}


async def test_tokens_are_verified(api: Cloudflare):
    async with door(api) as publisher:
        await publisher.verify()
    for wrong in ("not a token", "x" * 40):
        async with door(api, token=wrong) as publisher:
            with pytest.raises(BadCredentials):
                await publisher.verify()
    async with door(api, token=READ_ONLY) as publisher:
        await publisher.verify()
        with pytest.raises(NotPermitted):
            await publisher.apply(ZONE, Plan(create=OURS))


async def test_an_empty_zone_is_a_zone_and_one_that_is_not_there_is_never_made(api: Cloudflare):
    async with door(api) as publisher:
        assert await publisher.read(ZONE) == frozenset()
        with pytest.raises(ZoneMissing):
            await publisher.apply("not-there.example", Plan(create=OURS))
    assert "not-there.example" not in api.zones
    assert api.calls == []


async def test_refusals_and_outages_are_told_apart(api: Cloudflare):
    api.add(ZONE, "CNAME", f"_dmarc.{ZONE}", "x.example")
    async with door(api) as publisher:
        with pytest.raises(Rejected, match="record with that host already exists"):
            await publisher.apply(ZONE, Plan(create=OURS[2:3]))
        api.down = True
        with pytest.raises(Unavailable):
            await publisher.read(ZONE)


async def test_a_sandbox_does_not_reach_it(api: Cloudflare):
    guard = Guard(policy=ListedOnly({}))
    async with provider.open_publisher(Credentials({"api_token": TOKEN}), guard, api_url=provider.API_URL) as publisher:
        with pytest.raises(OutsideHost):
            await publisher.verify()
