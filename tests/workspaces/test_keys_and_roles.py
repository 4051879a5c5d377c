"""API keys, members and their roles: what each may do where, as of now."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from litemail import workspaces
from litemail.app.uses import KeyUses
from litemail.kit import clock
from litemail.kit.actor import Role
from litemail.kit.db import Database
from litemail.workspaces import roles
from tests.conftest import NewPerson, Person, eventually


async def make_key(client: httpx.AsyncClient, person: Person, **wanted: object) -> dict[str, str]:
    answer = await client.post("/v1/api-keys", json={"name": "x", **wanted}, headers=person.headers)
    assert answer.status_code == 201, answer.text
    key: dict[str, str] = answer.json()
    return key


async def make_workspace(client: httpx.AsyncClient, person: Person, name: str) -> str:
    answer = await client.post("/v1/workspaces", json={"name": name}, headers=person.headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def status(client: httpx.AsyncClient, path: str, **headers: str) -> int:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return (await client.get(path, headers=given)).status_code


async def set_role(database: Database, workspace_id: str, user_id: str, role: Role | None) -> None:
    """As invitations will do it."""
    async with database.begin_system("membership") as tx:
        query = "DELETE FROM members WHERE workspace_id = %(w)s AND user_id = %(u)s"
        await tx.execute(query, w=workspace_id, u=user_id)
        if role is not None:
            await tx.execute(
                "INSERT INTO members VALUES (%(w)s, %(u)s, %(role)s, now())", w=workspace_id, u=user_id, role=role
            )


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2999-01-29T18:41:56Z", "2999-01-29T18:41:56.000Z"),
        ("2999-01-29t18:41:56.8679+02:00", "2999-01-29T16:41:56.867Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999Z"),
    ],
)
async def test_an_expiry_is_shown_in_utc(client: httpx.AsyncClient, person: Person, given: str, shown: str):
    assert (await make_key(client, person, expires_at=given))["expires_at"] == shown


async def test_a_key_expires(client: httpx.AsyncClient, person: Person, database: Database):
    soon = datetime.now(UTC) + timedelta(hours=1)
    key = await make_key(client, person, expires_at=soon.isoformat())
    assert key["expires_at"] == clock.rfc3339(soon)
    assert await status(client, "/v1/users", x_api_key=key["key"]) == 200
    async with database.begin_system("an hour passes") as tx:
        await tx.execute("UPDATE api_keys SET expires_at = now() WHERE id = %(id)s", id=key["id"])
    assert await status(client, "/v1/users", x_api_key=key["key"]) == 401


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2999-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2999-02-30T00:00:00Z"}, "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-23:59"}, "expires_at"),
        ({"expires_at": 4102444800}, "expires_at"),
        ({"expires_at": True}, "expires_at"),
        ({"scopes": ["domains:read", "domains:fly"]}, "scopes[1]"),
        ({"scopes": []}, "scopes"),
        ({"scopes": "*"}, "scopes"),
        ({"workspace_ids": ["ws_01k5m3v8w0e3t9f7a2b4c6d8ee"]}, "workspace_ids[0]"),
        ({"workspace_ids": ["nonsense"]}, "workspace_ids[0]"),
        ({"workspace_ids": []}, "workspace_ids"),
        ({"spend_limit": -1}, "spend_limit"),
        ({"spend_limit": 10**30}, "spend_limit"),
        ({"spend_limit": 5.0}, "spend_limit"),
        ({"name": ""}, "name"),
        ({"key": "lm_live_mine"}, "key"),
    ],
)
async def test_a_key_with_a_bad_field_is_refused(
    client: httpx.AsyncClient, person: Person, wanted: dict[str, object], field: str
):
    answer = await client.post("/v1/api-keys", json={"name": "x", **wanted}, headers=person.headers)
    assert answer.status_code == 422, answer.text
    assert [detail["field"] for detail in answer.json()["details"]] == [field]


async def test_a_keys_prefix_tells_its_mode(client: httpx.AsyncClient, person: Person, database: Database):
    key = await make_key(client, person)
    assert key["key"].startswith("lm_test_")
    assert key["key"].startswith(key["prefix"])
    async with database.begin_system("the operator allows it") as tx:
        await tx.execute("UPDATE users SET live_allowed = true WHERE id = %(id)s", id=person.user_id)
    live = await client.post("/v1/workspaces", json={"name": "Live", "mode": "live"}, headers=person.headers)
    assert live.status_code == 201
    assert (await make_key(client, person, workspace_ids=[live.json()["id"]]))["key"].startswith("lm_live_")
    both = {"name": "x", "workspace_ids": [live.json()["id"], person.workspace_id]}
    mixed = await client.post("/v1/api-keys", json=both, headers=person.headers)
    assert (mixed.status_code, mixed.json()["code"]) == (422, "api_key.mixed_modes")


async def test_live_workspaces_need_the_operator(client: httpx.AsyncClient, person: Person):
    answer = await client.post("/v1/workspaces", json={"name": "Live", "mode": "live"}, headers=person.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "workspace.live_not_allowed")
    assert person.email in answer.json()["action"]


async def test_the_secret_of_a_key_is_nowhere_but_in_its_first_answer(
    client: httpx.AsyncClient, person: Person, database: Database
):
    secret = (await make_key(client, person))["key"]
    listed = await client.get("/v1/api-keys", headers=person.headers)
    assert secret[12:] not in listed.text
    async with database.begin_system("look") as tx:
        rows = await tx.values(str, "SELECT k::text FROM api_keys k UNION ALL SELECT e::text FROM events e")
    assert secret[12:] not in str(rows)


async def test_what_a_key_gets_without_asking(client: httpx.AsyncClient, person: Person):
    scopes = set((await make_key(client, person))["scopes"])
    assert scopes == set(roles.SCOPES) - {"billing:spend", "mailboxes:credentials"}


async def test_a_star_means_what_the_role_allows(client: httpx.AsyncClient, person: Person, database: Database):
    key = (await make_key(client, person, scopes=["*"]))["key"]
    assert await status(client, "/v1/users", x_api_key=key) == 200
    await set_role(database, person.workspace_id, person.user_id, "viewer")
    body = {"domains": ["a.test"]}
    answer = await client.post("/v1/domains/connect", json=body, headers={"x-api-key": key})
    assert (answer.status_code, answer.json()["code"]) == (403, "auth.scope_missing")
    assert "domains:write" in answer.json()["message"]


async def test_a_lower_role_acts_at_once_and_so_does_a_lost_membership(
    client: httpx.AsyncClient, person: Person, database: Database
):
    key = (await make_key(client, person))["key"]
    rename = {"name": "Renamed"}
    path = f"/v1/workspaces/{person.workspace_id}"
    for headers in ({"x-api-key": key}, person.headers):
        await set_role(database, person.workspace_id, person.user_id, "admin")
        assert (await client.put(path, json=rename, headers=headers)).status_code == 200
        await set_role(database, person.workspace_id, person.user_id, "viewer")
        assert (await client.put(path, json=rename, headers=headers)).status_code == 403
        assert (await client.get(path, headers=headers)).status_code == 200
        await set_role(database, person.workspace_id, person.user_id, None)
        assert (await client.get(path, headers=headers)).status_code == 404


async def test_a_key_reaches_its_workspaces_only(client: httpx.AsyncClient, person: Person):
    second, third = [await make_workspace(client, person, name) for name in ("Second", "Third")]
    key = (await make_key(client, person, workspace_ids=[second, third]))["key"]
    assert await status(client, "/v1/users", x_api_key=key, x_workspace_id=third) == 200
    assert await status(client, "/v1/users", x_api_key=key, x_workspace_id=person.workspace_id) == 404
    assert await status(client, f"/v1/workspaces/{third}", x_api_key=key) == 200  # from its default, the second
    assert await status(client, f"/v1/workspaces/{person.workspace_id}", x_api_key=key) == 404
    listed = await client.get("/v1/workspaces?count=true", headers={"x-api-key": key})
    assert {row["id"] for row in listed.json()["data"]} == {second, third}
    assert listed.json()["total"] == 2


async def test_a_key_sees_and_revokes_no_key_that_reaches_further(client: httpx.AsyncClient, person: Person):
    second = await make_workspace(client, person, "Second")
    narrow = await make_key(client, person, workspace_ids=[second])
    wide = await make_key(client, person, workspace_ids=[second, person.workspace_id])
    headers = {"x-api-key": narrow["key"]}
    listed = await client.get("/v1/api-keys?count=true", headers=headers)
    assert [row["id"] for row in listed.json()["data"]] == [narrow["id"]]
    assert listed.json()["total"] == 1
    assert (await client.delete(f"/v1/api-keys/{wide['id']}", headers=headers)).status_code == 404
    assert (await client.delete(f"/v1/api-keys/{narrow['id']}", headers={"x-api-key": wide["key"]})).status_code == 204


async def test_keys_of_others_are_not_found(client: httpx.AsyncClient, person: Person, new_person: NewPerson):
    other = await new_person()
    key = await make_key(client, other)
    for key_id in (key["id"], "key_01k5m3v8w0e3t9f7a2b4c6d8ee", "nonsense"):
        answer = await client.delete(f"/v1/api-keys/{key_id}", headers=person.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "api_key.not_found")
    assert await status(client, "/v1/users", x_api_key=key["key"]) == 200


@pytest.fixture
def uses(database: Database) -> KeyUses:
    return KeyUses(database)


async def test_the_last_use_of_a_key_is_written_down(
    client: httpx.AsyncClient, person: Person, uses: KeyUses, database: Database
):
    key = await make_key(client, person)
    before = clock.now()
    async with uses.written_down():
        uses.used(key["id"])
    listed = (await client.get("/v1/api-keys", headers=person.headers)).json()["data"]
    first = datetime.fromisoformat(listed[0]["last_used_at"])
    assert before <= first <= clock.now()
    async with database.begin_system("an older use is written later") as tx:
        await workspaces.touch_keys(tx, [(key["id"], first - timedelta(hours=1))])
    again = (await client.get("/v1/api-keys", headers=person.headers)).json()["data"]
    assert again[0]["last_used_at"] == listed[0]["last_used_at"]


async def test_lists_page_without_gaps_while_rows_come(client: httpx.AsyncClient, person: Person):
    made = [await make_workspace(client, person, f"W{number}") for number in range(5)]
    everything = [*reversed(made), person.workspace_id]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await client.get(f"/v1/workspaces?limit=2{cursor}", headers=person.headers)).json()
        seen += [row["id"] for row in page["data"]]
        if len(seen) == 2:
            await make_workspace(client, person, "Newcomer")  # sorts before what was seen: shifts nothing
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == everything


async def test_two_workspaces_of_one_name_at_once_make_one(client: httpx.AsyncClient, person: Person):
    async def make(name: str) -> int:
        return (await client.post("/v1/workspaces", json={"name": name}, headers=person.headers)).status_code

    assert sorted(await asyncio.gather(*(make(name) for name in ("Acme", "acme", "ACME")))) == [201, 409, 409]


async def test_a_workspace_is_renamed_and_paid_for_by_another(client: httpx.AsyncClient, person: Person):
    second = await make_workspace(client, person, "Second")
    path = f"/v1/workspaces/{second}"
    payer = {"name": "Second", "billing_workspace_id": person.workspace_id}
    assert (await client.put(path, json=payer, headers=person.headers)).json()["billing_workspace_id"] == (
        person.workspace_id
    )
    itself = {"name": "Renamed", "billing_workspace_id": second}
    answer = await client.put(path, json=itself, headers=person.headers)
    assert (answer.json()["name"], answer.json()["billing_workspace_id"]) == ("Renamed", None)
    taken = await client.put(path, json={"name": "ada's SANDBOX"}, headers=person.headers)
    assert (taken.status_code, taken.json()["code"]) == (409, "workspace.name_taken")


@pytest.mark.parametrize("payer", ["ws_01k5m3v8w0e3t9f7a2b4c6d8ee", "nonsense", "", "foreign"])
async def test_only_an_own_workspace_can_pay(
    client: httpx.AsyncClient, person: Person, new_person: NewPerson, payer: str
):
    payer = (await new_person()).workspace_id if payer == "foreign" else payer
    body = {"name": "Paid", "billing_workspace_id": payer}
    made = await client.post("/v1/workspaces", json=body, headers=person.headers)
    changed = await client.put(f"/v1/workspaces/{person.workspace_id}", json=body, headers=person.headers)
    for answer in (made, changed):
        assert (answer.status_code, answer.json()["code"]) == (422, "workspace.bad_billing_workspace")
        assert answer.json()["details"][0]["field"] == "billing_workspace_id"


async def test_a_role_in_one_workspace_says_nothing_of_another(
    client: httpx.AsyncClient, person: Person, new_person: NewPerson, database: Database
):
    other = await new_person()
    await set_role(database, other.workspace_id, person.user_id, "viewer")
    path = f"/v1/workspaces/{other.workspace_id}"
    assert (await client.get(path, headers=person.headers)).json()["role"] == "viewer"
    answer = await client.put(path, json={"name": "Mine now"}, headers=person.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "workspace.role_missing")
    key = await client.post(
        "/v1/api-keys",
        json={"name": "x", "workspace_ids": [other.workspace_id], "scopes": ["workspaces:write"]},
        headers=person.headers,
    )
    answer = await client.put(path, json={"name": "Mine now"}, headers={"x-api-key": key.json()["key"]})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("owner", {"workspaces:write", "billing:spend", "audit:read", "mailboxes:credentials"}, set()),
        ("admin", {"workspaces:write", "billing:spend", "audit:read", "mailboxes:credentials"}, set()),
        ("editor", {"domains:write", "mailboxes:credentials", "billing:read"}, {"workspaces:write", "audit:read"}),
        ("billing", {"billing:spend", "billing:write", "domains:read"}, {"domains:write", "mailboxes:credentials"}),
        ("viewer", {"domains:read", "billing:read"}, {"mailboxes:credentials", "audit:read", "billing:spend"}),
    ],
)
def test_roles_are_the_contracts(role: Role, may: set[str], may_not: set[str]):
    scopes = roles.ROLE_SCOPES[role]
    assert may <= scopes <= set(roles.SCOPES)
    assert not may_not & scopes
    assert roles.effective(role, None) == roles.effective(role, frozenset({"*"})) == scopes
    assert roles.effective(role, frozenset({"domains:write", "unheard:of"})) == scopes & {"domains:write"}


async def test_a_user_sees_what_the_workspace_at_hand_holds(client: httpx.AsyncClient, person: Person):
    answer = (await client.get("/v1/users", headers=person.headers)).json()
    assert answer == {
        "id": person.user_id,
        "email": person.email,
        "first_name": "Ada",
        "last_name": "Lovelace",
        "default_workspace_id": person.workspace_id,
        "plan": "pro",
        "purchased_mailboxes": 100,
        "assigned_mailboxes": 0,
        "domains": 0,
        "wallet_balance": {"amount": 100_000, "currency": "USD"},
        "created_at": answer["created_at"],
    }


async def test_key_uses_of_a_running_api_reach_the_database(
    client: httpx.AsyncClient, person: Person, uses: KeyUses, database: Database, monkeypatch: pytest.MonkeyPatch
):
    """Only the pause between writes is shortened."""
    monkeypatch.setattr("litemail.app.uses._EVERY", 0.01)
    key = await make_key(client, person)

    async def written() -> bool:
        async with database.begin_system("look") as tx:
            query = "SELECT last_used_at IS NOT NULL FROM api_keys WHERE id = %(id)s"
            return await tx.value(bool, query, id=key["id"]) or False

    async with uses.written_down():
        uses.used(key["id"])
        await eventually(written)
