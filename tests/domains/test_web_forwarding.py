"""Web forwarding from the call to the redirect, with the database and both servers."""

import asyncio
from collections.abc import AsyncIterator

import dns.asyncquery
import dns.message
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.domains.forwarding_queries import WebForwarding
from litemail.domains.web_forwarding import paths_back
from litemail.kit.db import Database
from litemail.kit.notify import Listener
from litemail.servers.feed import follow
from litemail.servers.redirect import Rules, serve
from litemail.servers.redirect.backend import CHANNEL, DatabaseBackend
from tests.conftest import REDIRECT_ADDRESSES, Dns, eventually
from tests.domains.conftest import Somebody, Verify

LANDING = "https://example.com/landing"


@pytest.fixture
async def visit(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Visits a redirect server that is fed by the database; say which host in `host`."""
    listener = Listener(database.system_url, channels=(CHANNEL,))
    rules, loaded = Rules(), asyncio.Event()
    async with listener.running():
        feeding = asyncio.create_task(follow(DatabaseBackend(database, listener), rules, loaded=loaded))
        await loaded.wait()
        server = await serve(rules, host="127.0.0.1", port=0)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
            yield client
        await server.close()
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def active(somebody: Somebody, verify: Verify, name: str) -> str:
    domain_id, name_servers = await somebody.connected(name)
    await somebody.delegate(name, *name_servers)
    await verify(domain_id)
    assert (await somebody.domain(name))["status"] == "active"
    return domain_id


async def forward(somebody: Somebody, url: str, *domains: str, **more: object) -> httpx.Response:
    return await somebody.call("POST", "/v1/domains/forwarding", json={"domains": list(domains), "url": url, **more})


async def addresses(server: Dns, name: str) -> list[str]:
    found = []
    for kind in ("A", "AAAA"):
        answer = await dns.asyncquery.udp(dns.message.make_query(name, kind), server.host, port=server.port, timeout=2)
        found += [rdata.to_text() for rrset in answer.answer for rdata in rrset]
    return found


async def test_a_forwarded_domain_leads_away_within_a_moment(
    somebody: Somebody, verify: Verify, visit: httpx.AsyncClient, dns_server: Dns
) -> None:
    domain_id = await active(somebody, verify, "leads-away.test")
    answer = await forward(somebody, LANDING, "leads-away.test", "not-mine.test", domain_id)
    assert answer.status_code == 200, answer.text
    assert [item["error"] and item["error"]["code"] for item in answer.json()["results"]] == [
        None,
        "domain.not_found",
        "domain.named_twice",
    ]
    assert (await somebody.domain(domain_id))["forwarding_url"] == LANDING

    async def leads(status: int, location: str | None) -> None:
        async def right() -> bool:
            got = await visit.get("/a?b=c", headers={"host": "www.leads-away.test"})
            return (got.status_code, got.headers.get("location")) == (status, location)

        await eventually(right, seconds=2)

    async def resolves(*expected: str) -> None:
        async def right() -> bool:
            return await addresses(dns_server, "www.leads-away.test") == list(expected)

        await eventually(right, seconds=2)
        assert await addresses(dns_server, "leads-away.test") == list(expected)

    await leads(301, LANDING)
    await resolves(*REDIRECT_ADDRESSES)
    await forward(somebody, LANDING, domain_id, permanent=False, keep_path=True)
    await leads(302, LANDING + "/a?b=c")
    records = (await somebody.call("GET", f"/v1/dns?domain={domain_id}&name=www")).json()["data"]
    assert [(record["type"], record["managed"]) for record in records] == [("A", True), ("AAAA", True)]
    for _ in range(2):  # taking away what is not there changes nothing
        stopped = await somebody.call("DELETE", "/v1/domains/forwarding?domains=leads-away.test")
        assert (stopped.status_code, stopped.json()["accepted"]) == (200, 1)
    await leads(404, None)
    await resolves()
    assert (await somebody.domain(domain_id))["forwarding_url"] is None


async def test_only_a_proved_domain_is_obeyed(
    somebody: Somebody, verify: Verify, visit: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    domain_id, name_servers = await somebody.connected("set-early.test")
    assert (await forward(somebody, LANDING, domain_id)).status_code == 200
    assert (await visit.get("/", headers={"host": "set-early.test"})).status_code == 404
    assert (await client.get("/internal/tls-allowed?domain=set-early.test")).status_code == 404
    assert (await client.get("/internal/tls-allowed?domain=%00")).status_code == 422
    await somebody.delegate("set-early.test", *name_servers)
    await verify(domain_id)

    async def leads() -> bool:
        return (await visit.get("/", headers={"host": "set-early.test"})).status_code == 301

    await eventually(leads, seconds=2)
    for host in ("set-early.test", "WWW.set-early.test."):
        assert (await client.get(f"/internal/tls-allowed?domain={host}")).status_code == 200
    for host in ("mail.set-early.test", "other.test", ""):
        assert (await client.get(f"/internal/tls-allowed?domain={host}")).status_code == 404
    through = await client.get(
        "/internal/tls-allowed?domain=set-early.test", headers={"x-forwarded-for": "198.51.100.7"}
    )
    assert (through.status_code, through.json()["code"]) == (404, "request.unknown_path")
    assert (await client.get("/v1/internal/tls-allowed?domain=set-early.test")).status_code == 404


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JAVASCRIPT://example.com/%0aalert(1)",
        "data:text/html,x",
        "ftp://example.com/",
        "//example.com",
        "example.com",
        "http://",
        "https://localhost/",
        "https://intranet/",
        "https://printer.local/",
        "http://127.0.0.1/",
        "http://10.0.0.1:8080/",
        "http://192.168.1.1/",
        "http://[::1]/",
        "http://[fd00::1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/",
        "http://0x7f.1/",
        "https://user:secret@example.com/",
        "https://ns01.litemail.test/",
        "https://mail.litemail.test/",
        "https://example.com/\r\nset-cookie: a=b",
        "https://example.com/a b",
        "https://exa\\mple.com/",
        "https://example.com:99999/",
        "https://" + "a" * 64 + ".com/",
        "https://example.com/" + "a" * 2100,
    ],
)
async def test_a_url_that_no_visitor_should_be_sent_to_is_refused(somebody: Somebody, url: str) -> None:
    await somebody.connect("bad-urls.test")
    answer = await forward(somebody, url, "bad-urls.test")
    assert answer.status_code == 422, answer.text
    assert [detail["field"] for detail in answer.json()["details"]] == ["url"]


async def test_unusual_but_public_urls_are_taken(somebody: Somebody) -> None:
    await somebody.connect("good-urls.test")
    for url, shown in (
        ("https://93.184.216.34/", "https://93.184.216.34/"),
        ("HTTPS://Example.COM", "HTTPS://Example.COM"),
        ("http://[2606:4700::1]:8080/x%20y", "http://[2606:4700::1]:8080/x%20y"),
        (
            "https://m\u00fcnchen.de:8443/stra\u00dfe?q=\u00e4#\u00f6",
            "https://xn--mnchen-3ya.de:8443/stra%C3%9Fe?q=%C3%A4#%C3%B6",
        ),
    ):
        assert (await forward(somebody, url, "good-urls.test")).status_code == 200
        assert (await somebody.domain("good-urls.test"))["forwarding_url"] == shown


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"domains": [], "url": LANDING}, "domains"),
        ({"domains": [f"n{n}.test" for n in range(201)], "url": LANDING}, "domains"),
        ({"domains": ["a.test"]}, "url"),
        ({"domains": ["a.test"], "url": LANDING, "permanent": "yes"}, "permanent"),
        ({"domains": ["a.test"], "url": LANDING, "code": 307}, "code"),
    ],
)
async def test_a_wrong_shape_refuses_the_whole_call(somebody: Somebody, body: dict[str, object], field: str) -> None:
    answer = await somebody.call("POST", "/v1/domains/forwarding", json=body)
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (422, field)


@pytest.mark.parametrize("path", ["forwarding", "email-forwarding", "catch-all"])
async def test_a_delete_names_its_domains_in_body_or_query(somebody: Somebody, path: str) -> None:
    name = f"named-{path}.test"
    await somebody.connect(name)
    by_body = await somebody.call("DELETE", f"/v1/domains/{path}", json={"domains": [name]})
    by_query = await somebody.call("DELETE", f"/v1/domains/{path}?domains={name},%20nobodys.test")
    assert (by_body.status_code, by_query.status_code) == (200, 200)
    assert (by_query.json()["accepted"], by_query.json()["rejected"]) == (1, 1)
    neither = await somebody.call("DELETE", f"/v1/domains/{path}")
    assert (neither.status_code, neither.json()["details"][0]["field"]) == (422, "domains")


async def test_loops_are_refused_also_over_several_domains(somebody: Somebody) -> None:
    await somebody.connect("loop-a.test", "loop-b.test", "loop-c.test")
    for url, domains, codes in (
        ("https://loop-a.test/", ["loop-a.test", "loop-b.test"], ["domain.forwarding_loop", None]),
        ("https://www.loop-b.test/x", ["loop-a.test", "loop-c.test"], ["domain.forwarding_loop", None]),
        ("https://loop-c.test", ["loop-a.test"], ["domain.forwarding_loop"]),
        ("https://app.loop-a.test", ["loop-a.test"], [None]),
    ):
        answer = await forward(somebody, url, *domains)
        found = [item["error"] and item["error"]["code"] for item in answer.json()["results"]]
        assert found == codes, url
    told = await forward(somebody, "https://loop-c.test", "loop-b.test")
    assert told.json()["results"][0]["error"]["message"] == (
        "loop-b.test would be forwarded to itself: loop-b.test to loop-c.test to www.loop-b.test."
    )


async def test_two_who_forward_crosswise_at_once_make_no_loop(somebody: Somebody) -> None:
    await somebody.connect("cross-a.test", "cross-b.test")
    answers = await asyncio.gather(
        forward(somebody, "https://cross-b.test", "cross-a.test"),
        forward(somebody, "https://cross-a.test", "cross-b.test"),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 422]


async def test_records_of_the_customers_own_are_not_pushed_aside(somebody: Somebody) -> None:
    domain_id, _ = await somebody.connected("own-site.test")
    record = {"domain": domain_id, "type": "CNAME", "name": "www", "content": "shop.example.com"}
    made = (await somebody.call("POST", "/v1/dns", json=record)).json()
    answer = await forward(somebody, LANDING, domain_id)
    assert (answer.status_code, answer.json()["results"][0]["error"]["code"]) == (422, "dns.leads_elsewhere")
    await somebody.call("DELETE", f"/v1/dns/{made['id']}")
    assert (await forward(somebody, LANDING, domain_id)).status_code == 200


async def test_a_zone_published_elsewhere_is_left_to_its_owner(somebody: Somebody, database: Database) -> None:
    domain_id, _ = await somebody.connected("elsewhere-zone.test")
    async with database.begin_system("test") as tx:
        await tx.execute("UPDATE domains SET dns = 'cloudflare' WHERE id = %(id)s", id=domain_id)
    assert (await forward(somebody, LANDING, domain_id)).status_code == 200
    assert (await somebody.call("GET", f"/v1/dns?domain={domain_id}&name=www")).json()["data"] == []
    assert (await somebody.call("DELETE", f"/v1/domains/forwarding?domains={domain_id}")).status_code == 200


NAMES = [f"d{number}.test" for number in range(6)]
HOSTS = st.sampled_from([*NAMES, *(f"www.{name}" for name in NAMES), "example.com"])


@given(st.lists(st.tuples(HOSTS, st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)), max_size=12))
def test_whatever_is_set_in_whatever_order_no_visitor_goes_round(calls: list[tuple[str, list[str]]]) -> None:
    to: dict[str, str] = {}
    for host, wanted in calls:
        rows = [
            WebForwarding(name, name, f"https://{target}/", permanent=True, keep_path=False)
            for name, target in to.items()
        ]
        refused = paths_back(host, rows, set(wanted))
        to |= {name: host for name in wanted if name not in refused}
        for name in refused:  # none is refused without a reason
            trial = {**to, **{one: host for one in wanted if one not in refused}, name: host}
            assert goes_round(trial, name)
    assert not any(goes_round(to, name) for name in to)


def goes_round(to: dict[str, str], start: str) -> bool:
    at, steps = start, 0
    while at.removeprefix("www.") in to:
        at = to[at.removeprefix("www.")]
        steps += 1
        if steps > len(to):
            return True
    return False
