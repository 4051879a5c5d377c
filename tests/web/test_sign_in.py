import httpx
import pytest

from tests.conftest import NewPerson, Person

THE_401 = "Authentication required. Provide x-api-key header or valid JWT token."


async def test_the_401_body_is_exactly_the_contracts(client: httpx.AsyncClient):
    answer = await client.get("/v1/users")
    body = answer.json()
    assert answer.status_code == 401
    assert body["error"] == "Unauthorized"
    assert body["message"] == THE_401
    assert body["path"] == "/v1/users"
    assert body["code"] == "auth.required"
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["timestamp"].endswith("Z")
    assert len(body["timestamp"]) == len("2026-01-29T18:41:56.867Z")


async def test_register_log_in_refresh_log_out(client: httpx.AsyncClient):
    made = await client.post(
        "/v1/auth/register",
        json={
            "email": "Grace@Example.com",
            "password": "correct horse battery",
            "first_name": "Grace",
            "last_name": "Hopper",
        },
    )
    assert made.status_code == 201, made.text
    assert made.json()["user"]["email"] == "grace@example.com"
    assert made.json()["workspace"]["mode"] == "sandbox"
    again = await client.post(
        "/v1/auth/register",
        json={
            "email": "grace@example.com",
            "password": "correct horse battery",
            "first_name": "G",
            "last_name": "H",
        },
    )
    assert (again.status_code, again.json()["code"]) == (409, "user.email_taken")
    tokens = await client.post(
        "/v1/auth/login", json={"email": "grace@example.com", "password": "correct horse battery"}
    )
    assert tokens.status_code == 200
    refreshed = await client.post("/v1/auth/refresh", json={"refresh_token": tokens.json()["refresh_token"]})
    assert refreshed.status_code == 200
    headers = {"authorization": f"Bearer {refreshed.json()['access_token']}"}
    assert (await client.get("/v1/workspaces", headers=headers)).status_code == 200
    out = await client.post("/v1/auth/logout", json={"refresh_token": refreshed.json()["refresh_token"]})
    assert out.status_code == 204
    assert (await client.get("/v1/workspaces", headers=headers)).status_code == 401


async def test_a_refresh_token_that_comes_twice_ends_its_session(client: httpx.AsyncClient, person: Person):
    first = await client.post("/v1/auth/refresh", json={"refresh_token": person.refresh_token})
    assert first.status_code == 200
    second = await client.post("/v1/auth/refresh", json={"refresh_token": person.refresh_token})
    assert (second.status_code, second.json()["code"]) == (401, "auth.refresh_token_refused")
    third = await client.post("/v1/auth/refresh", json={"refresh_token": first.json()["refresh_token"]})
    assert third.status_code == 401


async def test_guessing_is_throttled_per_account(client: httpx.AsyncClient, person: Person):
    for _ in range(10):
        wrong = await client.post("/v1/auth/login", json={"email": person.email, "password": "wrong"})
        assert (wrong.status_code, wrong.json()["code"]) == (401, "auth.bad_credentials")
    blocked = await client.post("/v1/auth/login", json={"email": person.email, "password": "correct horse battery"})
    assert (blocked.status_code, blocked.json()["code"]) == (429, "auth.too_many_attempts")
    assert int(blocked.headers["retry-after"]) > 0


@pytest.mark.parametrize("token", ["", "x", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."])
async def test_bad_tokens_are_401(client: httpx.AsyncClient, token: str):
    answer = await client.get("/v1/users", headers={"authorization": f"Bearer {token}"})
    assert answer.json()["message"] == THE_401


async def test_a_key_acts_until_it_is_revoked(client: httpx.AsyncClient, person: Person):
    made = await client.post("/v1/api-keys", json={"name": "Back office"}, headers=person.headers)
    assert made.status_code == 201, made.text
    key = made.json()
    assert key["key"].startswith("lm_test_")
    assert "mailboxes:credentials" not in key["scopes"]
    with_key = {"x-api-key": key["key"]}
    assert (await client.get("/v1/workspaces", headers=with_key)).status_code == 200
    listed = (await client.get("/v1/api-keys", headers=with_key)).json()
    assert [row["id"] for row in listed["data"]] == [key["id"]]
    assert "key" not in listed["data"][0]
    refused = await client.post("/v1/api-keys", json={"name": "Another"}, headers=with_key)
    assert (refused.status_code, refused.json()["code"]) == (403, "auth.user_only")
    gone = await client.delete(f"/v1/api-keys/{key['id']}", headers=person.headers)
    assert gone.status_code == 204
    assert (await client.get("/v1/workspaces", headers=with_key)).status_code == 401


async def test_a_scope_that_is_missing_is_named(client: httpx.AsyncClient, person: Person):
    made = await client.post("/v1/api-keys", json={"name": "Reads", "scopes": ["domains:read"]}, headers=person.headers)
    answer = await client.get("/v1/workspaces", headers={"x-api-key": made.json()["key"]})
    assert answer.status_code == 403
    assert "workspaces:read" in answer.json()["message"]


async def test_another_persons_workspace_is_not_found(client: httpx.AsyncClient, person: Person, new_person: NewPerson):
    other = await new_person()
    answer = await client.get("/v1/workspaces", headers={**person.headers, "x-workspace-id": other.workspace_id})
    assert (answer.status_code, answer.json()["code"]) == (404, "workspace.not_found")
    answer = await client.get(f"/v1/workspaces/{other.workspace_id}", headers=person.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "workspace.not_found")
