"""Tags, removal and restoring; and two workspaces that want one name, one after the other."""

import asyncio

import dns.asyncquery
import dns.flags
import dns.message
import pytest

from litemail import domains
from litemail.domains import lifecycle
from litemail.kit.db import Database
from tests.conftest import Dns, eventually
from tests.domains.conftest import Somebody, Verify


async def activate(somebody: Somebody, verify: Verify, name: str) -> str:
    domain_id, name_servers = await somebody.connected(name)
    await somebody.delegate(name, *name_servers)
    await verify(domain_id)
    assert (await somebody.domain(name))["status"] == "active"
    return domain_id


async def is_answered(server: Dns, name: str) -> bool:
    query = dns.message.make_query(name, "MX")
    answer = await dns.asyncquery.udp(query, server.host, port=server.port, timeout=2)
    return bool(answer.flags & dns.flags.AA and answer.answer)


async def test_tags_are_set_and_found(somebody: Somebody) -> None:
    domain_id, _ = await somebody.connected("tagged.test")
    await somebody.connected("untagged.test")
    changed = await somebody.call("PATCH", f"/v1/domains/{domain_id}", json={"tags": ["a", "b c", "a"]})
    assert (changed.status_code, changed.json()["tags"]) == (200, ["a", "b c"])
    found = (await somebody.call("GET", "/v1/domains?tag=b%20c")).json()["data"]
    assert [domain["name"] for domain in found] == ["tagged.test"]
    assert (await somebody.call("PATCH", f"/v1/domains/{domain_id}", json={})).json()["tags"] == ["a", "b c"]
    assert (await somebody.call("PATCH", "/v1/domains/tagged.test", json={"tags": []})).json()["tags"] == []


@pytest.mark.parametrize(
    "body", [{"tags": ["a,b"]}, {"tags": [""]}, {"tags": ["x" * 51]}, {"tags": ["t"] * 21}, {"tags": 5}, {"name": "x"}]
)
async def test_bad_tags_are_refused(somebody: Somebody, body: dict[str, object]) -> None:
    await somebody.connect("bad-tags.test")
    assert (await somebody.call("PATCH", "/v1/domains/bad-tags.test", json=body)).status_code == 422


async def test_only_what_was_bought_here_is_renewed_here(somebody: Somebody) -> None:
    domain_id, _ = await somebody.connected("not-bought.test")
    answer = await somebody.call("PATCH", f"/v1/domains/{domain_id}", json={"auto_renew": True, "tags": ["x"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "domain.not_purchased")
    assert (await somebody.domain(domain_id))["tags"] == []


async def test_a_domain_in_use_stays(somebody: Somebody, verify: Verify) -> None:
    domain_id = await activate(somebody, verify, "in-use.test")
    path = f"/v1/domains/{domain_id}"
    wanted = {"domain": "in-use.test", "username": "ada", "first_name": "Ada", "last_name": "Lovelace"}
    ada = (await somebody.call("POST", "/v1/mailboxes", json=wanted)).json()
    refused = await somebody.call("DELETE", path)
    assert (refused.status_code, refused.json()["code"]) == (409, "domain.in_use")
    assert (refused.json()["message"], refused.json()["mailbox_count"]) == ("in-use.test has 1 mailbox.", 1)
    other = await activate(somebody, verify, "alias-of.test")
    body = {"address": "ada@alias-of.test"}
    alias = (await somebody.call("POST", f"/v1/mailboxes/{ada['id']}/aliases", json=body)).json()
    refused = await somebody.call("DELETE", f"/v1/domains/{other}")
    assert (refused.status_code, refused.json()["message"]) == (409, "alias-of.test has 1 alias.")
    await somebody.call("DELETE", f"/v1/mailboxes/{ada['id']}/aliases/{alias['id']}")
    assert (await somebody.call("DELETE", f"/v1/domains/{other}")).status_code == 204
    await somebody.call("DELETE", f"/v1/mailboxes/{ada['id']}?at=now")
    assert (await somebody.call("DELETE", path)).status_code == 204
    assert (await somebody.call("GET", path)).status_code == 404


async def test_a_removed_domain_comes_back_with_all_it_had(
    somebody: Somebody, another: Somebody, verify: Verify, dns_server: Dns
) -> None:
    domain_id = await activate(somebody, verify, "comes-back.test")
    record = {"domain": domain_id, "type": "TXT", "name": "note", "content": "kept"}
    await somebody.call("POST", "/v1/dns", json=record)
    body = {"domains": ["comes-back.test"], "url": "https://example.com/"}
    await somebody.call("POST", "/v1/domains/forwarding", json=body)
    there = await somebody.call("POST", "/v1/domains/comes-back.test/restore")
    assert (there.status_code, there.json()["code"]) == (409, "domain.not_removed")
    assert (await another.call("DELETE", f"/v1/domains/{domain_id}")).status_code == 404
    assert (await somebody.call("DELETE", "/v1/domains/comes-back.test")).status_code == 204
    assert (await somebody.call("DELETE", "/v1/domains/comes-back.test")).status_code == 404
    assert "comes-back.test" not in (await somebody.call("GET", "/v1/domains")).text

    async def is_gone() -> bool:
        return not await is_answered(dns_server, "comes-back.test")

    await eventually(is_gone, seconds=2)
    assert (await another.call("POST", f"/v1/domains/{domain_id}/restore")).status_code == 404
    back = await somebody.call("POST", "/v1/domains/comes-back.test/restore")
    assert (back.status_code, back.json()["id"], back.json()["status"]) == (200, domain_id, "pending")
    await verify(domain_id)
    shown = await somebody.domain("comes-back.test")
    assert (shown["status"], shown["failure"], shown["forwarding_url"]) == ("active", None, "https://example.com/")
    assert await is_answered(dns_server, "comes-back.test")
    records = (await somebody.call("GET", f"/v1/dns?domain={domain_id}")).json()["data"]
    assert len({(record["type"], record["name"], record["content"]) for record in records}) == len(records)
    assert "kept" in {record["content"] for record in records}


async def test_a_claim_made_anew_stands_in_the_way_of_restoring(somebody: Somebody, verify: Verify) -> None:
    domain_id, _ = await somebody.connected("anew.test")
    await somebody.call("DELETE", f"/v1/domains/{domain_id}")
    again, name_servers = await somebody.connected("anew.test")
    assert again != domain_id
    answer = await somebody.call("POST", f"/v1/domains/{domain_id}/restore")
    assert (answer.status_code, answer.json()["code"]) == (409, "domain.already_connected")
    await somebody.delegate("anew.test", *name_servers)
    await verify(again)
    assert (await somebody.domain("anew.test"))["status"] == "active"


async def test_after_thirty_days_it_is_gone_for_good(somebody: Somebody, database: Database, verify: Verify) -> None:
    domain_id = await activate(somebody, verify, "too-late.test")
    await somebody.call("DELETE", f"/v1/domains/{domain_id}")
    async with database.begin_system("test") as tx:
        await tx.execute(
            "UPDATE domains SET removed_at = removed_at - interval '30 days' WHERE id = %(id)s", id=domain_id
        )
    answer = await somebody.call("POST", f"/v1/domains/{domain_id}/restore")
    assert (answer.status_code, answer.json()["code"]) == (410, "domain.removed_too_long_ago")
    await lifecycle.forget_removed(database=database)
    async with database.begin_system("test") as tx:
        for table in ("zones", "dkim_keys"):
            assert not await tx.value(int, f"SELECT count(*) FROM {table} WHERE domain_id = %(id)s", id=domain_id)
    assert (await somebody.call("POST", f"/v1/domains/{domain_id}/restore")).status_code == 410


async def test_assignable_says_how_many_mailboxes_are_free(somebody: Somebody, verify: Verify) -> None:
    await activate(somebody, verify, "roomy.test")
    await somebody.connected("pending.test")
    for local in ("a", "b"):
        wanted = {"domain": "roomy.test", "username": local, "first_name": "A", "last_name": "B"}
        await somebody.call("POST", "/v1/mailboxes", json=wanted)
    found = (await somebody.call("GET", "/v1/domains/assignable")).json()["data"]
    assert [(row["name"], row["free_mailboxes"]) for row in found] == [("roomy.test", 3)]


async def test_a_ds_record_left_behind_keeps_a_domain_from_being_used(somebody: Somebody, verify: Verify) -> None:
    domain_id, name_servers = await somebody.connected("signed-before.test")
    left = {"domain": "signed-before.test", "name_servers": name_servers, "ds": ["2371 13 2 " + "AB" * 32]}
    assert (await somebody.call("POST", "/v1/sandbox/delegations", json=left)).status_code == 200
    await verify(domain_id)
    shown = await somebody.domain(domain_id)
    assert isinstance(shown["failure"], dict)
    assert (shown["status"], shown["failure"]["code"]) == ("verifying", "domain.dnssec_mismatch")
    assert "DS record" in shown["failure"]["action"]
    await somebody.delegate("signed-before.test", *name_servers)
    await verify(domain_id, patience_ms=1000)
    shown = await somebody.domain(domain_id)
    assert (shown["status"], shown["failure"]) == ("active", None)


@pytest.mark.parametrize("ds", ["nonsense", "2371 13 2 XYZ", "99999 13 2 AB"])
async def test_a_malformed_ds_is_refused(somebody: Somebody, ds: str) -> None:
    body = {"domain": "bad-ds.test", "name_servers": ["ns1.example.com"], "ds": [ds]}
    answer = await somebody.call("POST", "/v1/sandbox/delegations", json=body)
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (422, "ds[0]")


async def test_an_expired_registration_is_told(somebody: Somebody, verify: Verify) -> None:
    domain_id, name_servers = await somebody.connected("run-out.test")
    gone = {"domain": "run-out.test", "name_servers": name_servers, "expired": True}
    assert (await somebody.call("POST", "/v1/sandbox/delegations", json=gone)).status_code == 200
    await verify(domain_id)
    shown = await somebody.domain(domain_id)
    assert isinstance(shown["failure"], dict)
    assert (shown["status"], shown["failure"]["code"]) == ("pending", "domain.expired")
    await somebody.delegate("run-out.test", *name_servers)
    await verify(domain_id, patience_ms=1000)
    assert (await somebody.domain(domain_id))["status"] == "active"


async def test_mail_and_web_rules_of_a_removed_domain_are_obeyed_no_longer(
    somebody: Somebody, verify: Verify, database: Database
) -> None:
    domain_id = await activate(somebody, verify, "rules-gone.test")
    body = {"domains": [domain_id], "to": "ada@rules-gone.test"}
    await somebody.call("POST", "/v1/domains/catch-all", json=body)
    async with database.begin_system("test") as tx:
        assert await domains.mail_rules_of_active(tx, "rules-gone.test")
    await somebody.call("DELETE", f"/v1/domains/{domain_id}")
    async with database.begin_system("test") as tx:
        assert not await domains.mail_rules_of_active(tx, "rules-gone.test")


async def test_records_are_those_of_the_domain_that_is_there(somebody: Somebody) -> None:
    """The zone of a removed domain waits to be restored; the name connected anew has another."""
    call, name = somebody.call, "twice-here.test"
    first_id, _ = await somebody.connected(name)
    old = await call("POST", "/v1/dns", json={"domain": name, "type": "A", "name": "old", "content": "192.0.2.1"})
    old_record = f"/v1/dns/{old.json()['id']}"
    await call("DELETE", f"/v1/domains/{name}")
    body = {"domain": name, "type": "A", "name": "new", "content": "192.0.2.2"}
    for place in (name, first_id):
        assert (await call("GET", f"/v1/dns?domain={place}")).json()["code"] == "dns.zone_not_found"
        assert (await call("GET", f"/v1/dns/zone-file?domain={place}")).status_code == 404
        assert (await call("POST", "/v1/dns", json={**body, "domain": place})).json()["code"] == "dns.unknown_domain"
    assert (await call("PUT", old_record, json={"content": "192.0.2.3"})).json()["code"] == "dns.record_not_found"
    assert (await call("DELETE", old_record)).status_code == 404

    second_id, _ = await somebody.connected(name)
    assert (await call("POST", "/v1/dns", json=body)).status_code == 201
    assert await own_records(somebody, name) == await own_records(somebody, second_id) == ["new"]
    await call("DELETE", f"/v1/domains/{name}")
    assert (await call("POST", f"/v1/domains/{first_id}/restore")).status_code == 200
    assert await own_records(somebody, name) == ["old"]


async def own_records(somebody: Somebody, domain: str) -> list[str]:
    listed = (await somebody.call("GET", f"/v1/dns?domain={domain}&limit=200")).json()["data"]
    return [record["name"] for record in listed if not record["managed"]]


async def test_a_name_is_restored_or_connected_anew_never_both(somebody: Somebody) -> None:
    for attempt in range(5):
        name = f"either-{attempt}.test"
        await somebody.connected(name)
        await somebody.call("DELETE", f"/v1/domains/{name}")
        answers = await asyncio.gather(
            somebody.call("POST", f"/v1/domains/{name}/restore"),
            somebody.connect(name),
            somebody.call("POST", f"/v1/domains/{name}/restore"),
        )
        assert sorted(answer.status_code < 300 for answer in answers) == [False, False, True]
        assert {answer.status_code for answer in answers} <= {200, 202, 409, 422}
