import asyncio

import httpx
import pytest

from litemail.kit.db import Database
from litemail.zones.editing import MAX_RECORDS
from tests.conftest import NewPerson
from tests.zones.conftest import NewOwner, Owner


async def test_a_zone_begins_with_the_managed_records(new_owner: NewOwner) -> None:
    owner = await new_owner("begins.test")
    shown = [(row["type"], row["name"], row["content"], row["priority"]) for row in await owner.records()]
    assert shown == [
        ("MX", "@", "mail.litemail.test", 10),
        ("TXT", "@", "v=spf1 mx -all", None),
        ("TXT", "_dmarc", "v=DMARC1; p=none; rua=mailto:dmarc-reports@mail.litemail.test", None),
    ]
    assert all(row["managed"] and row["domain"] == "begins.test" for row in await owner.records())


async def test_create_read_change_delete(new_owner: NewOwner, database: Database) -> None:
    owner = await new_owner("edited.test")
    before = await owner.serial(database)
    answer = await owner.create(type="a", name="WWW.edited.test.", content=" 192.0.2.1 ")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["type"], made["name"], made["content"], made["ttl"], made["managed"]) == (
        ("A", "www", "192.0.2.1", 3600, False)
    )
    after_create = await owner.serial(database)
    assert after_create > before
    changed = await owner.call("PUT", f"/v1/dns/{made['id']}", json={"content": "192.0.2.2", "ttl": 60})
    assert changed.json() == {**made, "content": "192.0.2.2", "ttl": 60}
    assert await owner.serial(database) > after_create
    same = await owner.call("PUT", f"/v1/dns/{made['id']}", json={"ttl": 60})
    assert (same.status_code, same.json()) == (200, changed.json())
    mail = await owner.created(type="MX", name="news", content="mail.example.net", priority=5)
    text = await owner.call("PUT", f"/v1/dns/{mail}", json={"type": "TXT", "content": "x" * 400})
    assert (text.json()["type"], text.json()["priority"], len(text.json()["content"])) == ("TXT", None, 400)
    gone = await owner.call("DELETE", f"/v1/dns/{made['id']}")
    assert gone.status_code == 204
    assert (await owner.call("DELETE", f"/v1/dns/{made['id']}")).json()["code"] == "dns.record_not_found"
    async with database.begin_system("test") as tx:
        told = await tx.values(
            str,
            "SELECT type FROM events WHERE workspace_id = %(id)s AND type LIKE 'dns.%%' ORDER BY number",
            id=owner.person.workspace_id,
        )
    assert told == ["dns.record_created", "dns.record_updated", "dns.record_created", "dns.record_updated",
                    "dns.record_deleted"]  # fmt: skip


async def test_lists_are_filtered_and_paged(new_owner: NewOwner) -> None:
    owner = await new_owner("listed.test")
    body = {
        "domain": owner.domain_id,
        "records": [{"type": "TXT", "name": "many", "content": f"{n}"} for n in range(9)],
    }
    answer = await owner.call("POST", "/v1/dns", json=body)
    assert answer.status_code == 201, answer.text
    assert [row["content"] for row in answer.json()["data"]] == [str(n) for n in range(9)]
    assert len(await owner.records("&type=TXT&name=many")) == 9
    assert len(await owner.records("&name=many.listed.test.")) == 9
    assert len(await owner.records("&name=listed.test&type=TXT")) == 1
    assert await owner.records("&type=CAA") == []
    page = (await owner.call("GET", f"/v1/dns?domain={owner.domain_id}&limit=5&count=true")).json()
    assert (len(page["data"]), page["total"]) == (5, 12)
    rest = await owner.records(f"&limit=200&cursor={page['next_cursor']}")
    assert len(rest) == 7
    assert (await owner.call("GET", "/v1/dns")).status_code == 422
    assert (await owner.call("GET", "/v1/dns?domain=listed.test&type=SPF")).status_code == 422
    assert (await owner.call("GET", "/v1/dns?domain=listed.test&cursor=%21")).json()["code"] == "request.bad_cursor"


@pytest.mark.parametrize(
    ("record", "code", "field"),
    [
        ({"type": "SPF", "name": "@", "content": "x"}, "dns.unknown_type", "type"),
        ({"type": "A", "name": "@", "content": "nowhere"}, "dns.bad_content", "content"),
        ({"type": "A", "name": "a b", "content": "192.0.2.1"}, "dns.bad_name", "name"),
        ({"type": "CNAME", "name": "@", "content": "example.net"}, "dns.cname_at_apex", "name"),
        ({"type": "NS", "name": "@", "content": "ns1.example.net"}, "dns.ns_at_apex", "name"),
        ({"type": "MX", "name": "@", "content": "192.0.2.1", "priority": 5}, "dns.target_is_address", "content"),
        ({"type": "MX", "name": "@", "content": "mail.example.net"}, "dns.priority_missing", "priority"),
        ({"type": "TXT", "name": "@", "content": "x", "priority": 1}, "dns.priority_not_used", "priority"),
        ({"type": "TXT", "name": "@", "content": "x", "ttl": 59}, "dns.bad_ttl", "ttl"),
        ({"type": "TXT", "name": "@", "content": "x", "ttl": 10**30}, "dns.bad_ttl", "ttl"),
        ({"type": "MX", "name": "@", "content": "a.example.net", "priority": 65536}, "dns.bad_priority", "priority"),
        ({"type": "TXT", "name": "@", "content": "v=spf1 a -all"}, "dns.two_spf", "name"),
        ({"type": "TXT", "name": "_dmarc", "content": "v=DMARC1; p=reject"}, "dns.two_dmarc", "name"),
        ({"type": "MX", "name": "@", "content": "mail.litemail.test", "priority": 3}, "dns.duplicate_record", "name"),
        ({"type": "CNAME", "name": "_dmarc", "content": "example.net"}, "dns.cname_conflict", "name"),
        ({"type": "TXT", "name": "@", "content": "x", "ttl": "60"}, "request.invalid", "ttl"),
        ({"type": "TXT", "name": "@", "content": "x", "ttl": 60.0}, "request.invalid", "ttl"),
        ({"type": "MX", "name": "@", "content": "a.example.net", "priority": True}, "request.invalid", "priority"),
        ({"type": "TXT", "name": "@", "content": "x", "proxied": True}, "request.invalid", "proxied"),
        ({"type": "TXT", "name": "@"}, "request.invalid", "content"),
        ({"records": []}, "request.invalid", "records"),
        ({"records": [{"type": "A", "name": "@"}]}, "request.invalid", "records[0].content"),
        ({"records": [{"type": "A", "name": "@", "content": "x"}]}, "dns.bad_content", "records[0].content"),
    ],
)
async def test_wrong_records_are_refused_with_the_field(
    client: httpx.AsyncClient, refused: Owner, record: dict[str, object], code: str, field: str
) -> None:
    answer = await refused.create(**record)
    assert answer.status_code == (409 if code in _CONFLICTS else 422)
    assert (answer.json()["code"], [each["field"] for each in answer.json()["details"]]) == (code, [field])
    assert len(await refused.records()) == 3


_CONFLICTS = {"dns.two_spf", "dns.two_dmarc", "dns.duplicate_record", "dns.cname_conflict"}


@pytest.fixture(scope="session")
async def refused(client: httpx.AsyncClient, new_person: NewPerson) -> Owner:
    person = await new_person()
    answer = await client.post("/v1/domains/connect", json={"domains": ["refused.test"]}, headers=person.headers)
    return Owner(person, client, "refused.test", answer.json()["results"][0]["id"])


async def test_many_records_are_made_or_none_and_every_fault_is_named(new_owner: NewOwner) -> None:
    owner = await new_owner("all-or-none.test")
    records: list[dict[str, object]] = [
        {"type": "A", "name": "ok", "content": "192.0.2.1"},
        {"type": "A", "name": "a b", "content": "nowhere", "ttl": 5},
        {"type": "MX", "name": "@", "content": "mail.example.net"},
    ]
    answer = await owner.create(records=records)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    assert [each["field"] for each in answer.json()["details"]] == [
        "records[1].name", "records[1].content", "records[1].ttl", "records[2].priority"
    ]  # fmt: skip
    conflicting: list[dict[str, object]] = [
        {"type": "CNAME", "name": "www", "content": "example.net"},
        {"type": "A", "name": "www", "content": "192.0.2.1"},
        {"type": "TXT", "name": "@", "content": "v=spf1 -all"},
    ]
    answer = await owner.create(records=conflicting)
    assert (answer.status_code, answer.json()["code"]) == (409, "dns.conflict")
    assert [each["field"] for each in answer.json()["details"]] == ["records[1].name", "records[2].name"]
    assert len(await owner.records()) == 3


async def test_managed_records_are_changed_only_by_force(new_owner: NewOwner) -> None:
    owner = await new_owner("forced.test")
    mx, spf, _ = [row["id"] for row in await owner.records()]
    for method, body in (("PUT", {"ttl": 60}), ("DELETE", None)):
        answer = await owner.call(method, f"/v1/dns/{spf}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "dns.managed_record")
    changed = await owner.call("PUT", f"/v1/dns/{spf}?force=true", json={"content": "v=spf1 mx ip4:192.0.2.1 -all"})
    assert (changed.status_code, changed.json()["managed"]) == (200, False)
    assert (await owner.call("DELETE", f"/v1/dns/{spf}")).status_code == 204
    assert (await owner.call("DELETE", f"/v1/dns/{mx}?force=true")).status_code == 204
    assert [row["name"] for row in await owner.records()] == ["_dmarc"]


async def test_a_zone_holds_a_thousand_records(new_owner: NewOwner) -> None:
    owner = await new_owner("full.test")
    records = [{"type": "A", "name": f"h{n}", "content": "192.0.2.1"} for n in range(MAX_RECORDS)]
    assert (await owner.create(records=records)).json()["code"] == "dns.too_many_records"
    assert (await owner.create(records=records[:-3])).status_code == 201
    assert (await owner.create(type="A", name="more", content="192.0.2.1")).json()["code"] == "dns.too_many_records"
    assert (await owner.create(records=[*records, records[0]])).json()["details"][0]["field"] == "records"


async def test_other_peoples_records_are_not_there(new_owner: NewOwner) -> None:
    owner, other = await new_owner("private.test"), await new_owner("others.test")
    record = (await owner.records())[0]["id"]
    for path in (record, "rec_01k5m3v8w0e3t9f7a2b4c6d8ee", "nonsense"):
        for method in ("PUT", "DELETE"):
            body = {"ttl": 60} if method == "PUT" else None
            answer = await other.call(method, f"/v1/dns/{path}?force=true", json=body)
            assert (answer.status_code, answer.json()["code"]) == (404, "dns.record_not_found")
    for domain in (owner.domain, owner.domain_id, "nonsense", "\N{GRINNING FACE}"):
        answer = await other.call("GET", f"/v1/dns?domain={domain}")
        assert (answer.status_code, answer.json()["code"]) == (404, "dns.zone_not_found")
        wanted = {"domain": domain, "type": "A", "name": "@", "content": "192.0.2.1"}
        answer = await other.call("POST", "/v1/dns", json=wanted)
        assert (answer.status_code, answer.json()["code"]) == (422, "dns.unknown_domain")


async def test_writers_at_the_same_time_leave_a_zone_that_is_right(new_owner: NewOwner) -> None:
    owner = await new_owner("contended.test")
    answers = await asyncio.gather(
        *(owner.create(type="CNAME", name="www", content=f"host{n}.example.net") for n in range(4)),
        *(owner.create(type="A", name="www", content="192.0.2.1") for _ in range(4)),
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    record = (await owner.records("&name=www"))[0]["id"]
    answers = await asyncio.gather(
        *(owner.call("PUT", f"/v1/dns/{record}", json={"ttl": 60 + n}) for n in range(4)),
        *(owner.call("DELETE", f"/v1/dns/{record}") for _ in range(2)),
    )
    assert {answer.status_code for answer in answers} <= {200, 204, 404}
    assert [answer.status_code for answer in answers].count(204) == 1
    assert await owner.records("&name=www") == []
