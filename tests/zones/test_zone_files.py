"""Zone files through the API: out of a zone, into a zone."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from litemail.kit.db import Database
from tests.zones.conftest import NewOwner, Owner

CHECKZONE = shutil.which("named-checkzone")

FILE = """$TTL 300
@ IN SOA ns1.example.net. admin.example.net. 1 3600 600 1209600 300
@ IN NS ns1.example.net.
@ IN MX 10 mail.litemail.test.
www IN A 192.0.2.1
www IN A 192.0.2.2
long IN TXT ( "one "
  "two" )
shop 60 IN ALIAS shops.example.net.
"""


async def send(
    owner: Owner, text: str | bytes, query: str = "", *, content_type: str = "text/dns", domain: str | None = None
) -> httpx.Response:
    return await owner.client.post(
        f"/v1/dns/zone-file?domain={domain or owner.domain}{query}",
        headers={**owner.person.headers, "content-type": content_type},
        content=text,
    )


async def export(owner: Owner) -> str:
    answer = await owner.call("GET", f"/v1/dns/zone-file?domain={owner.domain}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/dns")
    return answer.text


def key(row: dict[str, object]) -> tuple[object, ...]:
    return row["type"], row["name"], row["content"], row["ttl"], row["priority"]


async def test_a_plan_changes_nothing_and_is_what_is_done(new_owner: NewOwner, database: Database) -> None:
    owner = await new_owner("file-plan.test")
    before, serial = await owner.records(), await owner.serial(database)
    planned = await send(owner, FILE, "&dry_run=true")
    assert planned.status_code == 200, planned.text
    plan = planned.json()
    assert [(each["type"], each["name"], each["content"], each["ttl"]) for each in plan["create"]] == [
        ("A", "www", "192.0.2.1", 300),
        ("A", "www", "192.0.2.2", 300),
        ("TXT", "long", "one two", 300),
        ("ALIAS", "shop", "shops.example.net", 60),
    ]
    assert (plan["change"], plan["delete"], plan["unchanged"]) == ([], [], 1)
    assert [(each["line"], each["type"]) for each in plan["skipped"]] == [(2, "SOA"), (3, "NS")]
    assert (await owner.records(), await owner.serial(database)) == (before, serial)

    done = (await send(owner, FILE)).json()
    assert done == {**plan, "dry_run": False}
    assert len(await owner.records()) == len(before) + 4
    after = await owner.serial(database)
    assert after > serial
    again = (await send(owner, FILE)).json()
    assert (again["create"], again["unchanged"], await owner.serial(database)) == ([], 5, after)


async def test_replacing_deletes_what_the_file_does_not_have_but_nothing_managed(
    new_owner: NewOwner, database: Database
) -> None:
    owner = await new_owner("replaced.test")
    kept = await owner.created(type="A", name="www", content="192.0.2.1")
    gone = await owner.created(type="CNAME", name="shop", content="old.example.net")
    refused = await send(owner, FILE)  # the ALIAS cannot stand beside the CNAME
    assert (refused.status_code, refused.json()["code"]) == (422, "dns.bad_zone_file")
    assert [each["field"] for each in refused.json()["details"]] == ["line 9"]
    done = (await send(owner, FILE, "&replace=true")).json()
    assert [row["id"] for row in done["delete"]] == [gone]
    assert [(each["record"]["id"], each["ttl"]) for each in done["change"]] == [(kept, 300)]
    rows = await owner.records()
    assert {row["id"] for row in rows if row["managed"]} == {row["id"] for row in rows[:3]}
    assert sorted(str(row["name"]) for row in rows if not row["managed"]) == ["long", "shop", "www", "www"]
    async with database.begin_system("test") as tx:
        told = await tx.values(
            str,
            "SELECT type FROM events WHERE workspace_id = %(id)s AND type LIKE 'dns.%%' ORDER BY number",
            id=owner.person.workspace_id,
        )
    assert told[2:] == ["dns.record_deleted", "dns.record_updated", *["dns.record_created"] * 3]


async def test_every_fault_is_named_and_nothing_is_done(new_owner: NewOwner) -> None:
    owner = await new_owner("faulty.test")
    text = "ok A 192.0.2.1\nx A 300.0.0.1\nm MX 10 192.0.2.1.\n@ CNAME www\n@ TXT v=spf1\nttl 5 A 192.0.2.1\n$INCLUDE x"
    answer = await send(owner, text)
    assert (answer.status_code, answer.json()["code"]) == (422, "dns.bad_zone_file")
    assert [each["field"] for each in answer.json()["details"]] == [f"line {n}" for n in (2, 3, 4, 5, 6, 7)]
    assert len(await owner.records()) == 3


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"\xff", "text/dns", 422, "dns.zone_file_not_text"),
        (FILE.encode(), "application/json", 415, "request.unsupported_media_type"),
        (b"x" * 6_000_000, "text/dns", 413, "request.too_large"),
        (b"\n".join(b"h%d A 192.0.2.1" % n for n in range(1000)), "text/dns", 409, "dns.too_many_records"),
    ],
)
async def test_what_is_no_zone_file_is_refused(
    new_owner: NewOwner, body: bytes, content_type: str, status: int, code: str, request: pytest.FixtureRequest
) -> None:
    owner = await new_owner(f"no-file-{status}-{len(body)}.test")
    answer = await send(owner, body, content_type=content_type)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_an_empty_file_changes_nothing(new_owner: NewOwner) -> None:
    owner = await new_owner("empty-file.test")
    assert (await send(owner, "; nothing\n", content_type="text/plain; charset=utf-8")).status_code == 200
    assert (await send(owner, "; nothing\n")).json()["create"] == []
    assert (await send(owner, b"")).status_code == 200


async def test_a_zone_moves_by_its_file(new_owner: NewOwner, tmp_path: Path) -> None:
    owner = await new_owner("zone-moves.test")
    for record in (
        {"type": "TXT", "name": "long", "content": 'é"\\;' * 200},
        {"type": "CNAME", "name": "*.w", "content": "host.example.net"},
        {"type": "SRV", "name": "_a._tcp", "content": "1 2 host.example.net", "priority": 3},
        {"type": "ALIAS", "name": "@", "content": "host.example.net"},
        {"type": "CAA", "name": "@", "content": '0 issue "ca.example.net"'},
        {"type": "NS", "name": "sub", "content": "ns1.example.net"},
    ):
        await owner.created(**record)
    text, rows = await export(owner), await owner.records()
    assert (await send(owner, text)).json()["unchanged"] == len(rows)
    for row in rows:
        if not row["managed"]:
            await owner.call("DELETE", f"/v1/dns/{row['id']}")
    assert len(await owner.records()) == 3
    assert (await send(owner, text)).status_code == 200
    assert sorted(map(key, await owner.records()), key=repr) == sorted(map(key, rows), key=repr)
    if CHECKZONE is not None:
        (tmp_path / "zone").write_text(text)
        command = [CHECKZONE, "-i", "local", owner.domain, str(tmp_path / "zone")]
        checked = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout


async def test_nobody_elses_zone_is_read_or_written(new_owner: NewOwner) -> None:
    owner, other = await new_owner("file-owner.test"), await new_owner("file-other.test")
    for domain in (owner.domain, owner.domain_id, "nonsense"):
        assert (await send(other, FILE, domain=domain)).json()["code"] == "dns.zone_not_found"
        answer = await other.call("GET", f"/v1/dns/zone-file?domain={domain}")
        assert (answer.status_code, answer.json()["code"]) == (404, "dns.zone_not_found")
