import time

import dns.asyncquery
import dns.flags
import dns.message
import pytest

from litemail import domains
from litemail.kit.db import Database
from litemail.kit.secrets import Secrets
from litemail.protocols.dkim import Algorithm
from litemail.protocols.dkim_keys import parse_record
from tests.conftest import Dns, eventually
from tests.domains.conftest import Somebody, Verify


async def ask(server: Dns, name: str, kind: str) -> dns.message.Message:
    query = dns.message.make_query(name, kind)
    return (await dns.asyncquery.udp_with_fallback(query, server.host, port=server.port, timeout=2))[0]


async def texts(server: Dns, name: str) -> list[str]:
    answer = await ask(server, name, "TXT")
    return [b"".join(rdata.strings).decode() for rrset in answer.answer for rdata in rrset]


async def test_a_delegated_domain_becomes_active_and_is_served(
    somebody: Somebody, verify: Verify, dns_server: Dns, database: Database, secrets: Secrets
) -> None:
    domain_id, name_servers = await somebody.connected("thread.test")
    shown = await somebody.domain("thread.test")
    assert (shown["status"], shown["failure"], shown["mailbox_count"]) == ("pending", None, 0)
    assert len(set(name_servers)) == 2

    started = time.perf_counter()
    assert (await somebody.delegate("thread.test", *name_servers)).status_code == 200
    await verify(domain_id)
    assert time.perf_counter() - started < 3
    shown = await somebody.domain(domain_id)
    assert (shown["status"], shown["failure"]) == ("active", None)

    answer = await ask(dns_server, "thread.test", "NS")
    assert sorted(str(rdata.target)[:-1] for rdata in answer.answer[0]) == sorted(name_servers)
    mx = await ask(dns_server, "thread.test", "MX")
    assert str(mx.answer[0][0]) == "10 mail.litemail.test."
    assert await texts(dns_server, "thread.test") == ["v=spf1 mx -all"]
    assert (await texts(dns_server, "_dmarc.thread.test"))[0].startswith("v=DMARC1; p=none; rua=mailto:")
    for selector, algorithm in (("lm1", Algorithm.RSA), ("lm2", Algorithm.RSA), ("lm1e", Algorithm.ED25519)):
        (published,) = await texts(dns_server, f"{selector}._domainkey.thread.test")
        assert parse_record(published).algorithm is algorithm

    async with database.begin_system("test") as tx:
        keys = await domains.signing_keys(tx, "thread.test", secrets=secrets)
        ours = await domains.is_ours(tx, "thread.test")
    assert [(key.selector, key.algorithm) for key in keys] == [("lm1", Algorithm.RSA), ("lm1e", Algorithm.ED25519)]
    assert all(key.private_key.startswith(b"-----BEGIN PRIVATE KEY-----") for key in keys)
    assert ours is not None
    assert ours.workspace_id == somebody.person.workspace_id
    await verify(domain_id)  # safe to run twice
    assert (await somebody.domain(domain_id))["status"] == "active"


async def test_a_delegation_asks_for_a_check_at_once(somebody: Somebody, database: Database) -> None:
    domain_id, name_servers = await somebody.connected("at-once.test")
    await somebody.delegate("at-once.test", *name_servers)
    async with database.begin_system("test") as tx:
        jobs = await tx.values(
            str,
            "SELECT args->>'domain_id' FROM procrastinate_jobs WHERE task_name = 'domains.verify' AND status = 'todo'",
        )
    assert domain_id in jobs


@pytest.mark.parametrize("extra", [["ns1.elsewhere.example"], []], ids=["one more", "one missing"])
async def test_anything_but_its_own_pair_proves_nothing(
    somebody: Somebody, verify: Verify, dns_server: Dns, extra: list[str]
) -> None:
    name = f"wrong-{len(extra)}.test"
    domain_id, name_servers = await somebody.connected(name)
    given = name_servers + extra if extra else name_servers[:1]
    await somebody.delegate(name, *given)
    await verify(domain_id)
    shown = await somebody.domain(name)
    assert shown["status"] == "pending"
    assert isinstance(shown["failure"], dict)
    assert shown["failure"]["code"] == "domain.wrong_name_servers"
    assert all(host in shown["failure"]["message"] for host in given)
    checked = (await somebody.call("GET", f"/v1/domains/name-servers/verify?domain={name}")).json()
    assert (checked["status"], checked["found"], checked["expected"]) == ("wrong", sorted(given), name_servers)
    assert checked["checked_at"] < checked["next_check_at"]
    assert not (await ask(dns_server, f"www.{name}", "A")).flags & dns.flags.AA  # a referral, the zone is not served


async def test_a_name_that_is_not_registered_says_so(somebody: Somebody, verify: Verify) -> None:
    domain_id, _ = await somebody.connected("nobody-registered.test")
    await verify(domain_id)
    shown = await somebody.domain(domain_id)
    assert isinstance(shown["failure"], dict)
    assert (shown["status"], shown["failure"]["code"]) == ("pending", "domain.not_registered")
    await somebody.delegate("nobody-registered.test")  # registered, without name servers
    await verify(domain_id)
    shown = await somebody.domain(domain_id)
    assert isinstance(shown["failure"], dict)
    assert (shown["status"], shown["failure"]["code"]) == ("pending", "domain.not_registered")


async def test_the_challenge_proves_ownership_and_the_delegation_activates(
    somebody: Somebody, verify: Verify, dns_server: Dns
) -> None:
    domain_id, name_servers = await somebody.connected("challenged.test")
    wanted = (await somebody.call("GET", "/v1/domains/name-servers?domain=challenged.test")).json()
    assert wanted["name_servers"] == name_servers
    assert wanted["challenge"]["name"] == "_litemail-challenge.challenged.test"
    await somebody.delegate("challenged.test", "ns1.elsewhere.example", challenge="something else")
    await verify(domain_id)
    assert (await somebody.domain(domain_id))["status"] == "pending"
    await somebody.delegate("challenged.test", "ns1.elsewhere.example", challenge=wanted["challenge"]["value"])
    await verify(domain_id)
    shown = await somebody.domain(domain_id)
    assert isinstance(shown["failure"], dict)
    assert (shown["status"], shown["failure"]["code"]) == ("verifying", "domain.wrong_name_servers")

    async def is_served() -> bool:  # before the switch, so that no mail is lost by it
        return bool((await ask(dns_server, "challenged.test", "MX")).answer)

    await eventually(is_served)
    await somebody.delegate("challenged.test", *name_servers)
    await verify(domain_id)
    shown = await somebody.domain(domain_id)
    assert (shown["status"], shown["failure"]) == ("active", None)


async def test_a_refresh_asks_the_registry_now_but_not_too_often(somebody: Somebody, verify: Verify) -> None:
    domain_id, name_servers = await somebody.connected("refreshed.test")
    path = "/v1/domains/name-servers/verify?domain=refreshed.test"
    before = (await somebody.call("GET", path)).json()
    assert (before["status"], before["checked_at"]) == ("pending", None)
    await somebody.delegate("refreshed.test", "ns1.elsewhere.example")
    await verify(domain_id)
    await somebody.delegate("refreshed.test", "ns2.elsewhere.example")
    first = await somebody.call("GET", path + "&refresh=true")
    assert first.status_code == 200, first.text
    assert (first.json()["status"], first.json()["refreshing"]) == ("wrong", False)
    await somebody.delegate("refreshed.test", *name_servers)
    again = (await somebody.call("GET", path + "&refresh=true")).json()
    assert again == first.json()  # sooner than 10 s: the last result
    assert (await somebody.domain(domain_id))["status"] == "pending"


async def test_a_refresh_that_finds_the_proof_has_it_acted_upon(
    somebody: Somebody, database: Database, verify: Verify
) -> None:
    domain_id, name_servers = await somebody.connected("refresh-proves.test")
    await somebody.delegate("refresh-proves.test", *name_servers)
    async with database.begin_system("test") as tx:
        await tx.execute("DELETE FROM procrastinate_jobs WHERE args->>'domain_id' = %(id)s", id=domain_id)
    checked = await somebody.call("GET", f"/v1/domains/name-servers/verify?domain={domain_id}&refresh=true")
    assert checked.json()["status"] in {"verified", "pending"}  # the registry shows a change within 100 ms
    await verify(domain_id)
    checked = await somebody.call("GET", f"/v1/domains/name-servers/verify?domain={domain_id}")
    assert checked.json()["status"] == "verified"


async def test_nobody_elses_domain_is_checked(somebody: Somebody, another: Somebody) -> None:
    domain_id, _ = await somebody.connected("not-yours-to-check.test")
    for domain in (domain_id, "not-yours-to-check.test", "nonsense", "dom_x"):
        for path in ("name-servers?domain=", "name-servers/verify?domain=", "name-servers/verify?refresh=true&domain="):
            answer = await another.call("GET", f"/v1/domains/{path}{domain}")
            assert (answer.status_code, answer.json()["code"]) == (404, "domain.not_found")
