"""The twin of Smartlead on a real socket, driven by plain HTTP."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from litemail.servers.sandbox.store import Settings
from tests.contracts.contract import answers_checked, load
from tests.contracts.test_smartlead_contract import GOOD
from tests.contracts.twins import RunningTwins, running_twins

SAVE = "api/v1/email-accounts/save"


@pytest.fixture
async def twins() -> AsyncIterator[RunningTwins]:
    contract = load("smartlead")
    async with running_twins(lambda app: answers_checked(contract, app)) as running:
        yield running
    assert contract.violations == []


@pytest.fixture
async def http(twins: RunningTwins) -> AsyncIterator[httpx.AsyncClient]:
    root = twins.root(platform_type="smartlead")
    async with httpx.AsyncClient(base_url=f"{root}/", params={"api_key": "any-key"}, timeout=10) as client:
        yield client


async def misbehave(twins: RunningTwins, **how: Any) -> None:
    await twins.store.put_settings("ws_test", "smartlead", Settings(**how))


async def add(http: httpx.AsyncClient, email: str = "caroline@getbrandmerge.test", **more: Any) -> httpx.Response:
    return await http.post(SAVE, json={**GOOD, "from_email": email, "user_name": email, **more})


async def test_an_added_account_can_be_read_changed_listed_and_removed(http: httpx.AsyncClient) -> None:
    added = await add(http, "Caroline+one@GetBrandMerge.test", max_email_per_day=30)
    assert added.status_code == 200
    account = added.json()["data"]
    path = f"api/v1/email-accounts/{account['id']}"
    assert (await http.get(path)).json() == account
    by_address = await http.get(
        "api/v1/email-accounts/fetch-email-account-details", params={"email": "caroline+one@getbrandmerge.test"}
    )
    assert by_address.json() == account
    assert (await http.post(path, json={"max_email_per_day": 40, "from_name": "C"})).json() == {"ok": True}
    changed = (await http.get("api/v1/email-accounts/")).json()
    assert [(one["message_per_day"], one["from_name"], one["is_imap_success"]) for one in changed] == [(40, "C", True)]
    assert "password" not in changed[0]
    assert (await http.delete(path)).json()["emailAccountId"] == account["id"]
    for gone in (await http.get(path), await http.delete(path), await http.post(path, json={})):
        assert gone.status_code == 404
        assert gone.json()["errorCode"] == "ACCOUNT_NOT_FOUND"


async def test_an_account_is_added_once_however_often_it_is_asked_for(
    twins: RunningTwins, http: httpx.AsyncClient
) -> None:
    twins.mail.seconds = 0.05
    answers = await asyncio.gather(*(add(http) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200, *[400] * 7]
    again = (await add(http, "CAROLINE@getbrandmerge.test")).json()
    assert (again["ok"], again["errorCode"]) == (False, "ACCOUNT_ALREADY_EXIST")
    [account] = (await http.get("api/v1/email-accounts/")).json()
    assert again["emailAccountId"] == account["id"]


async def test_with_its_number_an_account_is_saved_again(http: httpx.AsyncClient) -> None:
    account = (await add(http, max_email_per_day=30)).json()["data"]
    again = await add(http, id=account["id"], smtp_host="other.getbrandmerge.test", warmup_enabled=True)
    assert again.json() == {
        "ok": True,
        "message": "Email account added/updated successfully!",
        "emailAccountId": account["id"],
    }
    shown = (await http.get(f"api/v1/email-accounts/{account['id']}")).json()
    assert (shown["smtp_host"], shown["message_per_day"]) == ("other.getbrandmerge.test", 30)
    assert shown["warmup_details"]["status"] == "ACTIVE"
    assert (await add(http, id=account["id"], password="wrong-password")).status_code == 400
    assert (await add(http, id=1)).status_code == 404


async def test_it_signs_in_to_the_inbox_before_it_takes_it(twins: RunningTwins, http: httpx.AsyncClient) -> None:
    by_imap = (await add(http, password="wrong-password")).json()
    assert by_imap["errorCode"] == "ACCOUNT_VERIFICATION_FAILED"
    by_smtp = await add(http, password="wrong-password", imap_user_name="c", imap_password="right")
    assert (by_smtp.status_code, by_smtp.json()["message"]) == (400, "SMTP connection failed")
    assert not await twins.store.held("ws_test", "smartlead")


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        ("", (401, "Invalid API Key")),
        ("wrong-password", (401, "Invalid API Key")),
        ("needs-totp", (401, "Two-factor authentication required")),
        ("no-paid-plan", (402, "Your plan has no access to the API")),
    ],
)
async def test_bad_keys_are_refused(http: httpx.AsyncClient, key: str, answer: tuple[int, str]) -> None:
    refused = await http.get("api/v1/email-accounts/", params={"api_key": key})
    assert (refused.status_code, refused.json()["message"]) == answer


@pytest.mark.parametrize(("password", "status"), [("wrong-password", 401), ("needs-totp", 401), ("no-paid-plan", 402)])
async def test_a_login_with_a_magic_password_is_refused(http: httpx.AsyncClient, password: str, status: int) -> None:
    refused = await http.post("api/auth/login", json={"email": "a@b.test", "password": password})
    assert refused.status_code == status
    assert refused.json()["message"]


async def test_a_login_gives_the_same_key_each_time(twins: RunningTwins, http: httpx.AsyncClient) -> None:
    async def key(email: str) -> str:
        answer = await http.post("api/auth/login", json={"email": email, "password": "right"})
        return str(answer.json()["user"]["api_key"])

    mine = await key("A@b.test")
    assert await key("a@b.test") == mine
    assert await key("c@b.test") != mine
    await http.post(SAVE, params={"api_key": mine}, json=GOOD)
    assert len((await http.get("api/v1/email-accounts/", params={"api_key": mine})).json()) == 1
    assert (await http.get("api/v1/email-accounts/")).json() == []


async def test_a_list_is_paged_and_searched(http: httpx.AsyncClient) -> None:
    for number in range(3):
        await add(http, f"inbox{number}@getbrandmerge.test")
    seen: list[str] = []
    for offset in range(4):
        page = (await http.get("api/v1/email-accounts/", params={"offset": str(offset), "limit": "1"})).json()
        seen += [one["from_email"] for one in page]
    assert sorted(seen) == [f"inbox{number}@getbrandmerge.test" for number in range(3)]
    found = (await http.get("api/v1/email-accounts/", params={"username": "BOX1@"})).json()
    assert [one["from_email"] for one in found] == ["inbox1@getbrandmerge.test"]


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"offset": "-1"}])
async def test_a_wrong_query_is_refused(http: httpx.AsyncClient, query: dict[str, str]) -> None:
    refused = await http.get("api/v1/email-accounts/", params=query)
    assert refused.status_code == 422
    assert refused.json()["error"].startswith(next(iter(query)))


async def test_what_is_no_number_or_address_is_refused_as_a_bad_query(http: httpx.AsyncClient) -> None:
    for path in ("api/v1/email-accounts/x", "api/v1/email-accounts/fetch-email-account-details?email=nobody"):
        refused = await http.get(path)
        assert refused.status_code == 400
        assert refused.json()["validation"]["keys"]


@pytest.mark.parametrize(("content", "kind"), [(b"{", "application/json"), (b"\xff", "application/json"), (b"", "")])
async def test_a_body_that_is_no_json_is_refused(http: httpx.AsyncClient, content: bytes, kind: str) -> None:
    assert (await http.post(SAVE, content=content, headers={"content-type": kind})).status_code == 422


async def test_a_nul_is_refused_where_it_could_reach_the_database(http: httpx.AsyncClient) -> None:
    assert (await http.get("api/v1/email-accounts/", params={"username": "\0"})).status_code == 422
    assert (await http.get("api/v1/email-accounts/a%00b")).status_code == 422
    assert (await add(http, from_name="a\0")).status_code == 422


async def test_unknown_paths_are_not_found_as_by_express(http: httpx.AsyncClient) -> None:
    for answer in (await http.get("api/v2/nothing"), await http.put("api/nothing")):
        assert answer.status_code == 404
        assert "Cannot" in answer.text


async def test_warm_up_is_switched_at_once(http: httpx.AsyncClient) -> None:
    account_id = (await add(http)).json()["data"]["id"]
    path = f"api/v1/email-accounts/{account_id}"
    assert (await http.post(f"{path}/warmup", json={"warmup_enabled": True})).json()["ok"]
    assert (await http.get(path)).json()["warmup_details"]["status"] == "ACTIVE"
    wrong = await http.post(f"{path}/warmup", json={"warmup_enabled": True, "daily_rampup": 1})
    assert wrong.status_code == 422


async def test_tags_are_made_again_and_attached_once(http: httpx.AsyncClient) -> None:
    account_id = (await add(http)).json()["data"]["id"]
    tags = [(await http.post("api/v1/tags", json={"name": "Agency"})).json()["data"]["id"] for _ in range(2)]
    assert len(set(tags)) == len((await http.get("api/v1/email-accounts/tags")).json()["data"]) == 2

    async def attach(ids: list[int]) -> Any:
        body = {"email_account_ids": ids, "tag_ids": tags}
        return (await http.post("api/v1/email-accounts/tag-mapping", json=body)).json()["summary"]

    assert await attach([account_id]) == {"added": 2, "skipped": 0, "failed": 0}
    assert await attach([account_id, 1]) == {"added": 0, "skipped": 2, "failed": 2}


async def test_settings_make_it_misbehave_from_the_next_request_on(
    twins: RunningTwins, http: httpx.AsyncClient
) -> None:
    await misbehave(twins, down=True)
    assert (await add(http)).status_code == 503
    await misbehave(twins, account_limit=1)
    assert (await add(http)).status_code == 200
    full = await add(http, "second@getbrandmerge.test")
    assert (full.status_code, full.json()["ok"]) == (400, False)
    await misbehave(twins, error_rate=1.0)
    assert (await http.get("api/v1/email-accounts/")).status_code == 500
    assert (await http.post("api/auth/login", json={"email": "a@b.test", "password": "x"})).status_code == 500
    await misbehave(twins, rate_limit=0)
    too_fast = await http.get("api/v1/email-accounts/")
    assert (too_fast.status_code, too_fast.headers["retry-after"]) == (429, "1")
    assert too_fast.json()["error"]["retry_after"] == 1


@pytest.mark.parametrize("door", ["key", "login"])
async def test_what_is_never_answered_ends_with_its_client(http: httpx.AsyncClient, door: str) -> None:
    with pytest.raises(httpx.ReadTimeout):
        if door == "key":
            await http.get("api/v1/email-accounts/", params={"api_key": "timeout"}, timeout=0.2)
        else:
            login = {"email": "a@b.test", "password": "timeout"}
            await http.post("api/auth/login", json=login, timeout=0.2)
