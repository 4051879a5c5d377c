import asyncio
import json
from typing import Any

import httpx
import pytest

from litemail.kit import ids
from tests.conftest import NewPerson, Person
from tests.connections.world import World, body


async def faults(world: World, given: dict[str, Any]) -> tuple[httpx.Response, dict[str, str]]:
    answer = await world.call("POST", "/v1/connect-inbox", json=given)
    assert answer.status_code == 422, answer.text
    return answer, {detail["field"]: detail["message"] for detail in answer.json()["details"]}


async def nothing_was_made(world: World) -> bool:
    listed = await world.call("GET", "/v1/connect-inbox", params={"count": "true"})
    return bool(listed.json()["total"] == 0)


async def test_all_faults_are_told_at_once_and_nothing_is_made(world: World):
    server = {"host": "127.0.0.1", "port": "993", "security": "ssl"}
    answer, told = await faults(
        world,
        {
            "platform_type": "nowhere",
            "platform_email": "not an address",
            "platform_api_key": "k",
            "inbox_type": "custom",
            "imap": server,
            "surprise": 1,
            "options": {"verify": "yes", "daily_limit": 5.0, "warmup": 1, "colour": "red"},
            "inboxes": [
                {"email": "A@example.com", "pass": "x"},
                {"email": "nobody", "pass": ""},
                {"email": "a@Example.COM", "pass": 5, "daily_limit": True},
                {"email": "b@example.com"},
                "c@example.com",
            ],
        },
    )
    assert answer.json()["code"] == "request.invalid"
    assert told.keys() == {
        "platform_type",
        "platform_email",
        "platform_api_key",
        "imap.port",
        "imap.security",
        "smtp",
        "surprise",
        "options.verify",
        "options.daily_limit",
        "options.warmup",
        "options.colour",
        "inboxes[0].email",
        "inboxes[1].email",
        "inboxes[1].pass",
        "inboxes[2].email",
        "inboxes[2].pass",
        "inboxes[2].daily_limit",
        "inboxes[3].pass",
        "inboxes[4]",
    }
    assert "inboxes[2].email" in told["inboxes[0].email"]
    assert "inboxes[0].email" in told["inboxes[2].email"]
    assert "instantly" in told["platform_type"]
    assert await nothing_was_made(world)


async def test_an_unknown_platform_is_answered_with_the_known_ones(world: World):
    answer, told = await faults(world, body(1, platform_type="nowhere"))
    assert answer.json()["code"] == "platform.unknown"
    assert told.keys() == {"platform_type"}
    assert "instantly" in told["platform_type"]
    assert "reply_io" in told["platform_type"]


@pytest.mark.parametrize(
    ("platform_type", "code"),
    [("reply_io", "platform.file_only"), ("generic", "platform.file_only")],
)
async def test_a_platform_without_a_way_says_so(world: World, platform_type: str, code: str):
    answer, _ = await faults(world, body(1, platform_type=platform_type))
    assert answer.json()["code"] == code


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"platform_pass": None}, {"platform_pass"}),
        ({"platform_email": None}, {"platform_email"}),
        ({"platform_email": None, "platform_pass": None}, {"platform_email"}),
        ({"platform_api_key": "k"}, {"platform_email", "platform_pass", "platform_api_key"}),
        ({"platform_account_id": "pfa_1"}, {"platform_account_id"}),
        ({"inbox_type": "imap"}, {"inbox_type"}),
        ({"inbox_type": None}, {"inbox_type"}),
        ({"inbox_type": "custom", "imap": {"host": "localhost", "port": 8993, "security": "tls"}}, {"smtp"}),
        (
            {
                "inbox_type": "custom",
                "inboxes": [
                    {
                        "email": "a@example.com",
                        "pass": "x",
                        "smtp": {"host": "localhost", "port": 8587, "security": "starttls"},
                    },
                    {"email": "b@example.com", "pass": "x"},
                ],
            },
            {"inboxes[0].imap"},
        ),
        ({"imap": {"host": "a.example", "port": 993, "security": "tls"}}, {"imap"}),
        ({"inboxes": []}, {"inboxes"}),
        ({"inboxes": None}, {"inboxes"}),
        ({"inboxes": [{"email": "a@example.com"}]}, {"inboxes[0].pass"}),
        ({"inboxes": [{"pass": "x"}]}, {"inboxes[0].email"}),
        ({"inbox_type": "litemail"}, {"inboxes[0].pass"}),
        ({"platform_url": "http://10.0.0.1/"}, {"platform_url"}),
        ({"options": {"tags": ["x"] * 21}}, {"options.tags"}),
    ],
)
async def test_each_fault_is_named_by_its_field(world: World, change: dict[str, Any], fields: set[str]):
    given = {name: value for name, value in {**body(1), **change}.items() if value is not None}
    _, told = await faults(world, given)
    assert fields <= told.keys()
    assert await nothing_was_made(world)


async def test_a_thousand_and_one_inboxes_are_too_many(world: World):
    _, told = await faults(world, body(1001))
    assert told.keys() == {"inboxes"}


async def test_platform_accounts_of_others_are_unknown(world: World, client: httpx.AsyncClient, new_person: NewPerson):
    other = await new_person()
    theirs = await client.post("/v1/connect-inbox", json=body(1), headers=other.headers)
    for account_id in (theirs.json()["platform_account_id"], ids.new_id("pfa")):
        given = body(1, platform_email=None, platform_pass=None, platform_account_id=account_id)
        _, told = await faults(world, given)
        assert told.keys() == {"platform_account_id"}


async def test_an_account_that_never_signed_in_cannot_be_named(world: World):
    begun = await world.begin(1)
    given = body(1, platform_email=None, platform_pass=None, platform_account_id=begun["platform_account_id"])
    _, told = await faults(world, given)
    assert "no API key" in told["platform_account_id"]


async def test_hosts_outside_the_sandbox_are_refused_each_by_its_path(world: World):
    inside = {"host": "127.0.0.1", "port": 8993, "security": "tls"}
    outside = {"host": "mail.example.com", "port": 993, "security": "tls"}
    answer, told = await faults(
        world,
        body(
            [{"email": "a@example.com", "pass": "x"}, {"email": "b@example.com", "pass": "x", "imap": outside}],
            inbox_type="custom",
            imap=inside,
            smtp={"host": "127.0.0.1", "port": 25, "security": "none"},
        ),
    )
    assert answer.json()["code"] == "sandbox.outside_host"
    assert told.keys() == {"smtp.host", "inboxes[1].imap.host"}


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]"])
async def test_a_live_workspace_reaches_no_private_addresses(
    world: World, person: Person, client: httpx.AsyncClient, host: str
):
    async with world.database.begin_system("test") as tx:
        await tx.execute("UPDATE workspaces SET mode = 'live' WHERE id = %(id)s", id=person.workspace_id)
    servers = {side: {"host": host, "port": 993, "security": "tls"} for side in ("imap", "smtp")}
    answer, told = await faults(world, body(1, inbox_type="custom", **servers))
    assert answer.json()["code"] == "outbound.address_not_allowed"
    assert told.keys() == {"imap.host", "smtp.host"}
    own, _ = await faults(world, body(1, platform_url="https://elsewhere.example.com"))
    assert own.json()["details"][0]["field"] == "platform_url"
    ours = await world.call(
        "POST", "/v1/connect-inbox", json=body([{"email": "a@example.test"}], inbox_type="litemail")
    )
    assert (ours.status_code, ours.json()["code"]) == (409, "mailhost.not_public")


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b'"x"', b"{", b'{"a": }', b"\xff\xfe", b"1e999"])
async def test_what_is_no_object_is_refused(world: World, raw: bytes):
    answer = await world.call("POST", "/v1/connect-inbox", content=raw, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["code"] in ("request.malformed_json", "request.invalid")


@pytest.mark.parametrize("inboxes", [{}, "a@example.com", [None], [[]], [{"email": ["a@example.com"]}], 5])
async def test_wrong_shapes_are_refused(world: World, inboxes: object):
    answer = await world.call("POST", "/v1/connect-inbox", json={**body(1), "inboxes": inboxes})
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("path", ["", "/inboxes", "/events", "/retry"])
async def test_connections_of_others_and_malformed_ids_are_not_found(
    world: World, client: httpx.AsyncClient, new_person: NewPerson, path: str
):
    begun = await world.begin(1)
    other = await new_person()
    method = "POST" if path == "/retry" else "GET"
    for connection_id in (begun["id"], ids.new_id("con"), "con_1", begun["inboxes"][0]["id"], "x" * 300, "%20"):
        answer = await client.request(method, f"/v1/connect-inbox/{connection_id}{path}", headers=other.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "connection.not_found"), answer.text
    gone = await client.delete(f"/v1/connect-inbox/{begun['id']}", headers=other.headers)
    assert gone.status_code == 404


async def test_two_equal_requests_at_once_make_one_connection(world: World):
    async def send() -> httpx.Response:
        return await world.call("POST", "/v1/connect-inbox", json=body(3), headers={"idempotency-key": "one"})

    answers = await asyncio.gather(*(send() for _ in range(4)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 200}) == 1
    again = await send()
    assert again.headers["idempotency-replayed"] == "true"
    listed = await world.call("GET", "/v1/connect-inbox", params={"count": "true"})
    assert (listed.json()["total"], listed.json()["data"][0]["id"]) == (1, again.json()["id"])


async def test_the_same_login_at_once_makes_one_account(world: World):
    begun = await asyncio.gather(*(world.begin(1) for _ in range(4)))
    assert len({one["platform_account_id"] for one in begun}) == 1
    assert len({one["id"] for one in begun}) == 4


async def test_lists_are_paged_and_filtered(world: World):
    first, second = await world.connect(3), await world.begin(1)
    listed = (await world.call("GET", "/v1/connect-inbox", params={"limit": "1"})).json()
    assert [row["id"] for row in listed["data"]] == [second["id"]]
    rest = (await world.call("GET", "/v1/connect-inbox", params={"cursor": listed["next_cursor"]})).json()
    assert [row["id"] for row in rest["data"]] == [first["id"]]
    queued = (await world.call("GET", "/v1/connect-inbox", params={"status": "queued"})).json()
    assert [row["id"] for row in queued["data"]] == [second["id"]]
    page = await world.call("GET", f"/v1/connect-inbox/{first['id']}/inboxes", params={"limit": "2", "count": "true"})
    assert ([row["email"] for row in page.json()["data"]], page.json()["total"]) == (
        ["box0000@example.com", "box0001@example.com"],
        3,
    )
    wrong = await world.call("GET", f"/v1/connect-inbox/{first['id']}/inboxes", params={"status": "lost"})
    assert wrong.status_code == 422


async def test_scopes_are_needed(world: World, client: httpx.AsyncClient, person: Person):
    async def key(*scopes: str) -> dict[str, str]:
        made = await client.post("/v1/api-keys", json={"name": "k", "scopes": list(scopes)}, headers=person.headers)
        return {"x-api-key": made.json()["key"]}

    reader, writer = await key("connections:read"), await key("connections:write")
    assert (await client.post("/v1/connect-inbox", json=body(1), headers=reader)).status_code == 403
    assert (await client.post("/v1/connect-inbox", json=body(1), headers=writer)).status_code == 200
    assert (await client.get("/v1/connect-inbox", headers=reader)).status_code == 200
    ours = body([{"email": "a@example.test"}], inbox_type="litemail")
    refused = await client.post("/v1/connect-inbox", json=ours, headers=writer)
    assert (refused.status_code, refused.json()["code"]) == (403, "auth.scope_missing")
    assert "mailboxes:credentials" in refused.json()["message"]


async def test_no_password_ever_shows(
    world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    secret, platform_secret = "Inb0x$ecret-zq", "Pl4tform$ecret-zq"
    inboxes = [{"email": "a@example.com", "pass": secret}, {"email": "b@example.com", "pass": "wrong-password"}]
    shown = await world.connect(inboxes, platform_pass=platform_secret)
    bad = await world.call(
        "POST",
        "/v1/connect-inbox",
        json={**body([{"email": "nobody", "pass": secret}, {"pass": [secret]}]), "platform_pass": [platform_secret]},
    )
    assert bad.status_code == 422
    stream = await world.call("GET", f"/v1/connect-inbox/{shown['id']}/events")
    async with world.database.begin_system("test") as tx:
        events = await tx.values(str, "SELECT data::text FROM events WHERE data IS NOT NULL")
        jobs = await tx.values(str, "SELECT args::text FROM procrastinate_jobs")
    captured = capfd.readouterr()
    everywhere = [json.dumps(shown), bad.text, stream.text, caplog.text, captured.out, captured.err, *events, *jobs]
    everywhere.append(json.dumps(await world.inboxes(shown["id"])))
    for text in everywhere:
        assert secret not in text
        assert platform_secret not in text


async def test_events_tell_what_happened(world: World, person: Person):
    shown = await world.connect(
        [{"email": "a@example.com", "pass": "x"}, {"email": "b@example.com", "pass": "wrong-password"}]
    )
    async with world.database.begin_system("test") as tx:
        types = await tx.values(
            str, "SELECT type FROM events WHERE workspace_id = %(id)s ORDER BY number", id=person.workspace_id
        )
    told = [each for each in types if each.startswith(("connection.", "inbox.", "platform_account."))]
    assert told[:2] == ["platform_account.created", "connection.created"]
    assert told[-1] == "connection.completed"
    assert sorted(told[2:-1]) == [
        "inbox.connected",
        "inbox.failed",
        "platform_account.key_stored",
        "platform_account.verified",
    ]
    assert shown["status"] == "completed_with_errors"
