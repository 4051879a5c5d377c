"""The twin of Instantly on a real socket, driven by plain HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import msgspec
import pytest

from litemail.servers.sandbox.store import Settings
from tests.contracts.contract import answers_checked, load
from tests.contracts.test_instantly_contract import GOOD
from tests.contracts.twins import RunningTwins, running_twins

KEY = {"authorization": "Bearer any-key"}


@pytest.fixture
async def twins() -> AsyncIterator[RunningTwins]:
    contract = load("instantly")
    async with running_twins(lambda app: answers_checked(contract, app)) as running:
        yield running
    assert contract.violations == []


@pytest.fixture
async def http(twins: RunningTwins) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{twins.root()}/", headers=KEY, timeout=10) as client:
        yield client


async def misbehave(twins: RunningTwins, **how: Any) -> None:
    await twins.store.put_settings("ws_test", "instantly", Settings(**how))


def message(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


async def add(http: httpx.AsyncClient, email: str = "caroline@getbrandmerge.test", **more: Any) -> httpx.Response:
    return await http.post("api/v2/accounts", json={**GOOD, "email": email, **more})


async def test_an_added_account_can_be_read_changed_listed_and_removed(http: httpx.AsyncClient) -> None:
    added = await add(http, "Caroline+one@GetBrandMerge.test")
    assert added.status_code == 200
    assert added.json()["status"] == 1
    path = "api/v2/accounts/caroline%2Bone%40getbrandmerge.test"
    assert (await http.get(path)).json() == added.json()
    changed = await http.patch(path, json={"daily_limit": 40, "signature": None})
    assert changed.json()["daily_limit"] == 40
    assert [one["email"] for one in (await http.get("api/v2/accounts")).json()["items"]] == [added.json()["email"]]
    assert (await http.delete(path)).status_code == 200
    assert message(await http.get(path)) == (404, "Account not found")
    assert message(await http.delete(path)) == (404, "Account not found")
    assert message(await http.patch(path, json={"daily_limit": 40})) == (404, "Account not found")


async def test_an_account_is_added_once_however_often_it_is_asked_for(
    twins: RunningTwins, http: httpx.AsyncClient
) -> None:
    twins.mail.seconds = 0.05
    answers = await asyncio.gather(*(add(http) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200, *[400] * 7]
    assert message(await add(http, "CAROLINE@getbrandmerge.test")) == (400, "Account already exists")
    assert len(await twins.store.held("ws_test", "instantly")) == 1


async def test_it_signs_in_to_the_inbox_before_it_takes_it(twins: RunningTwins, http: httpx.AsyncClient) -> None:
    refused = await add(http, imap_password="wrong-password")
    assert refused.status_code == 400
    assert "IMAP" in refused.json()["message"]
    assert (await add(http, smtp_password="wrong-password")).status_code == 400
    assert (await add(http, imap_port=70000)).status_code == 400
    assert (await add(http, imap_port=99.5)).status_code == 400
    assert len(twins.mail.seen) == 2
    assert not await twins.store.held("ws_test", "instantly")


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({}, (401, "Missing Authorization header")),
        ({"authorization": "Basic eDp5"}, (401, "Unauthorized")),
        ({"authorization": "Bearer"}, (401, "Unauthorized")),
        ({"authorization": "Bearer wrong-password"}, (401, "Unauthorized")),
        ({"authorization": "Bearer needs-totp"}, (401, "Two-factor authentication required")),
        ({"authorization": "Bearer no-paid-plan"}, (402, "Workspace does not have an active paid plan")),
        ({"authorization": "Bearer key", "x-as-workspace": "mine"}, (401, "Unauthorized")),
    ],
)
async def test_bad_keys_are_refused(twins: RunningTwins, headers: dict[str, str], answer: tuple[int, str]) -> None:
    async with httpx.AsyncClient() as client:
        assert message(await client.get(f"{twins.root()}/api/v2/workspaces/current", headers=headers)) == answer


async def test_each_unknown_key_is_an_organisation_of_its_own(http: httpx.AsyncClient) -> None:
    async def organisation(key: str, **more: str) -> str:
        headers = {"authorization": f"Bearer {key}", **more}
        answer = await http.get("api/v2/workspaces/current", headers=headers)
        return str(answer.json()["id"])

    first = await organisation("one")
    assert await organisation("one") == first
    assert await organisation("one", **{"x-as-workspace": first}) == first
    other = await organisation("two")
    assert other != first
    assert await organisation("one", **{"x-as-workspace": other}) not in (first, other)


@pytest.mark.parametrize(
    ("password", "answer"),
    [("wrong-password", "Invalid credentials"), ("needs-totp", "Two-factor authentication code required")],
)
async def test_a_login_with_a_magic_password_is_refused(http: httpx.AsyncClient, password: str, answer: str) -> None:
    refused = await http.post("api/auth/login", json={"email": "a@b.test", "password": password})
    assert (refused.status_code, refused.json()) == (401, {"error": answer})
    assert "set-cookie" not in refused.headers


async def test_a_login_can_make_a_key_with_scopes_and_a_revoked_key_stays_refused(twins: RunningTwins) -> None:
    async with httpx.AsyncClient(base_url=f"{twins.root()}/") as http:
        assert (await http.get("api/organization/user")).status_code == 401
        login = await http.post("api/auth/login", json={"email": "A@b.test", "password": "right"})
        assert login.status_code == 200
        [organisation] = (await http.get("api/organization/user")).json()
        await http.post("api/organization/auth_workspace", json={"orgID": organisation["id"]})
        assert (await http.get("backend/api/v2/api-keys")).status_code == 401
        inside = {"x-workspace-id": organisation["id"]}
        made = await http.post(
            "backend/api/v2/api-keys", headers=inside, json={"name": "Litemail", "scopes": ["accounts:all"]}
        )
        [listed] = (await http.get("backend/api/v2/api-keys", headers=inside)).json()["items"]
        assert listed == {**made.json(), "key": ""}
        key = {"authorization": f"Bearer {made.json()['key']}"}
        assert (await http.post("api/v2/accounts", headers=key, json=GOOD)).status_code == 200
        assert (await http.get("api/v2/workspaces/current", headers=key)).status_code == 401  # not in its scopes
        revoke = f"backend/api/v2/api-keys/{made.json()['id']}"
        assert (await http.delete(revoke, headers=inside)).status_code == 200
        assert (await http.delete(revoke, headers=inside)).status_code == 404
        assert message(await http.get("api/v2/accounts", headers=key)) == (401, "Unauthorized")


async def test_a_list_is_paged_by_a_cursor_that_may_come_with_the_last_page(http: httpx.AsyncClient) -> None:
    for number in range(4):
        await add(http, f"inbox{number}@getbrandmerge.test")
    seen: list[str] = []
    cursor: dict[str, str] = {}
    pages = 0
    while True:
        page = (await http.get("api/v2/accounts", params={"limit": "2", **cursor})).json()
        pages += 1
        seen += [one["email"] for one in page["items"]]
        if "next_starting_after" not in page:
            break
        cursor = {"starting_after": page["next_starting_after"]}
    assert sorted(seen) == [f"inbox{number}@getbrandmerge.test" for number in range(4)]
    assert pages == 3


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=", "starting_after=nothing"])
async def test_a_wrong_query_is_refused(http: httpx.AsyncClient, query: str) -> None:
    assert (await http.get(f"api/v2/accounts?{query}")).status_code == 400


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [(b"{", "application/json", 400), (b"\xff", "application/json", 400), (b"a=b", "text/plain", 415), (b"", "", 415)],
)
async def test_a_body_that_is_no_json_is_refused(
    http: httpx.AsyncClient, content: bytes, kind: str, status: int
) -> None:
    answer = await http.post("api/v2/accounts", content=content, headers={"content-type": kind})
    assert answer.status_code == status


@pytest.mark.parametrize("path", ["api/v2/accounts/a%00b", "api/v2/accounts?search=%00", "api/v2/background-jobs/%00"])
async def test_a_nul_is_refused_where_it_could_reach_the_database(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 400
    assert (await add(http, "a\0@b.test")).status_code == 400
    assert (await http.post("api/v2/custom-tags", json={"label": "a\0"})).status_code == 400


async def test_unknown_paths_and_workspaces_are_not_found(twins: RunningTwins, http: httpx.AsyncClient) -> None:
    assert message(await http.put("api/v2/accounts")) == (404, "Route PUT:/api/v2/accounts not found")
    assert (await http.get("api/v2/nothing")).status_code == 404
    assert (await http.get(f"http://127.0.0.1:{twins.port}/ws_other/smartlead/x")).status_code == 404
    assert (await http.get(f"http://127.0.0.1:{twins.port}/")).status_code == 404


async def test_a_workspace_that_is_no_sandbox_has_no_twin(twins: RunningTwins) -> None:
    async with httpx.AsyncClient(headers=KEY) as client:
        assert (await client.post(f"{twins.root('ws_other')}/api/auth/login", json={})).status_code == 404


async def test_warm_up_is_switched_by_a_job_that_ends(http: httpx.AsyncClient) -> None:
    await add(http)
    job = (await http.post("api/v2/accounts/warmup/enable", json={"emails": [GOOD["email"]]})).json()
    async with asyncio.timeout(5):
        while job["status"] != "success":
            await asyncio.sleep(0.02)
            job = (await http.get(f"api/v2/background-jobs/{job['id']}")).json()
    assert (await http.get(f"api/v2/accounts/{GOOD['email']}")).json()["warmup_status"] == 1
    await http.post("api/v2/accounts/warmup/disable", json={"include_all_emails": True})
    assert (await http.get(f"api/v2/accounts/{GOOD['email']}")).json()["warmup_status"] == 0
    assert (await http.get("api/v2/background-jobs/none")).status_code == 404


async def test_a_tag_label_exists_once(http: httpx.AsyncClient) -> None:
    assert (await http.post("api/v2/custom-tags", json={"label": "Agency"})).status_code == 200
    assert (await http.post("api/v2/custom-tags", json={"label": "agency"})).status_code == 409
    assert (await http.post("api/v2/custom-tags", json={"label": " "})).status_code == 400


async def test_settings_make_it_misbehave_from_the_next_request_on(
    twins: RunningTwins, http: httpx.AsyncClient
) -> None:
    await misbehave(twins, down=True)
    assert (await add(http)).status_code == 503
    await misbehave(twins, account_limit=1)
    assert (await add(http)).status_code == 200
    assert (await add(http, "second@getbrandmerge.test")).status_code == 400
    await misbehave(twins, error_rate=1.0)
    assert (await http.get("api/v2/accounts")).status_code == 500
    await misbehave(twins, latency_ms=100)
    begun = time.perf_counter()
    await http.get("api/v2/accounts")
    assert time.perf_counter() - begun >= 0.1


async def test_more_requests_a_second_than_the_rate_limit_are_refused(
    twins: RunningTwins, http: httpx.AsyncClient
) -> None:
    await misbehave(twins, rate_limit=3)
    answers = await asyncio.gather(*(http.get("api/v2/accounts") for _ in range(12)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 429}
    assert 3 <= statuses.count(200) <= 6  # a second may end in between


async def test_what_fails_has_sometimes_happened(twins: RunningTwins, http: httpx.AsyncClient) -> None:
    await misbehave(twins, error_rate=1.0)
    answers = [await add(http, f"inbox{number}@getbrandmerge.test") for number in range(24)]
    assert {answer.status_code for answer in answers} == {500}
    assert 0 < len(await twins.store.held("ws_test", "instantly")) < 24


@pytest.mark.parametrize("door", ["key", "login"])
async def test_what_is_never_answered_ends_with_its_client(
    twins: RunningTwins, http: httpx.AsyncClient, door: str
) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await _unanswered(http, door, seconds=0.2)
    await _until(lambda: not _waiting())


async def test_what_is_never_answered_does_not_hold_up_the_end() -> None:
    async with httpx.AsyncClient() as client:
        async with running_twins() as twins:
            client.base_url = httpx.URL(f"{twins.root()}/")
            waiting = asyncio.create_task(_unanswered(client, "key", seconds=30))
            await _until(_waiting)
            begun = time.perf_counter()
        assert time.perf_counter() - begun < 2
        assert (await waiting).status_code == 503


async def _unanswered(http: httpx.AsyncClient, door: str, *, seconds: float) -> httpx.Response:
    if door == "key":
        headers = {"authorization": "Bearer timeout"}
        return await http.get("api/v2/workspaces/current", headers=headers, timeout=seconds)
    return await http.post("api/auth/login", json={"email": "a@b.test", "password": "timeout"}, timeout=seconds)


def _waiting() -> bool:
    return any("behaviour.py" in repr(task) for task in asyncio.all_tasks())


async def _until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not check():
            await asyncio.sleep(0.01)


def test_settings_with_an_unknown_field_are_no_settings() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"lag": 1}', type=Settings)
