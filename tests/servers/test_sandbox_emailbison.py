"""The twin of EmailBison on a real socket, driven by plain HTTP."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from litemail.servers.sandbox.store import Settings
from tests.contracts.contract import answers_checked, load
from tests.contracts.test_emailbison_contract import GOOD
from tests.contracts.twins import RunningTwins, running_twins

KEY = {"authorization": "Bearer any-key"}
ADD = "api/sender-emails/imap-smtp"


@pytest.fixture
async def twins() -> AsyncIterator[RunningTwins]:
    contract = load("emailbison")
    async with running_twins(lambda app: answers_checked(contract, app)) as running:
        yield running
    assert contract.violations == []


@pytest.fixture
async def http(twins: RunningTwins) -> AsyncIterator[httpx.AsyncClient]:
    root = twins.root(platform_type="emailbison")
    async with httpx.AsyncClient(base_url=f"{root}/", headers=KEY, timeout=10) as client:
        yield client


async def misbehave(twins: RunningTwins, **how: Any) -> None:
    await twins.store.put_settings("ws_test", "emailbison", Settings(**how))


async def add(http: httpx.AsyncClient, email: str = "caroline@getbrandmerge.test", **more: Any) -> httpx.Response:
    return await http.post(ADD, json={**GOOD, "email": email, **more})


async def test_an_added_sender_can_be_read_changed_listed_and_removed(http: httpx.AsyncClient) -> None:
    added = await add(http, "Caroline+one@GetBrandMerge.test")
    assert added.status_code == 201
    sender = added.json()["data"]
    assert (sender["status"], sender["type"]) == ("Connected", "Inbox")
    path = f"api/sender-emails/{sender['id']}"
    assert (await http.get(path)).json()["data"] == sender
    changed = (await http.patch(path, json={"daily_limit": 40, "name": "C"})).json()["data"]
    assert (changed["daily_limit"], changed["name"], changed["email"]) == (40, "C", sender["email"])
    assert (await http.get("api/sender-emails")).json()["data"] == [changed]
    assert (await http.delete(path)).json()["data"]["success"]
    for gone in (await http.get(path), await http.delete(path), await http.patch(path, json={"daily_limit": 1})):
        assert gone.status_code == 404
        assert gone.json()["data"]["record_not_found"] == {"sender_email": str(sender["id"])}


async def test_a_sender_is_added_once_however_often_it_is_asked_for(
    twins: RunningTwins, http: httpx.AsyncClient
) -> None:
    twins.mail.seconds = 0.05
    answers = await asyncio.gather(*(add(http) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201, *[422] * 7]
    again = (await add(http, "CAROLINE@getbrandmerge.test")).json()["data"]
    assert again["errors"] == {"email": ["The email has already been taken."]}
    assert len(await twins.store.held("ws_test", "emailbison")) == 1


async def test_it_signs_in_to_the_inbox_before_it_takes_it(twins: RunningTwins, http: httpx.AsyncClient) -> None:
    refused = await add(http, password="wrong-password")
    assert refused.status_code == 422
    assert refused.json()["data"]["message"].startswith("Could not connect")
    assert not await twins.store.held("ws_test", "emailbison")


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({"authorization": ""}, (401, "Unauthenticated.")),
        ({"authorization": "Basic eDp5"}, (401, "Unauthenticated.")),
        ({"authorization": "Bearer wrong-password"}, (401, "Unauthenticated.")),
        ({"authorization": "Bearer needs-totp"}, (401, "Two-factor authentication required.")),
        ({"authorization": "Bearer no-paid-plan"}, (402, "This instance has no active subscription.")),
    ],
)
async def test_bad_keys_are_refused(http: httpx.AsyncClient, headers: dict[str, str], answer: tuple[int, str]) -> None:
    refused = await http.get("api/workspaces/v1.1", headers=headers)
    body = refused.json()
    assert (refused.status_code, body.get("data", body)["message"]) == answer


async def test_each_key_is_of_one_workspace_of_its_own(http: httpx.AsyncClient) -> None:
    async def workspace(key: str) -> Any:
        answer = await http.get("api/workspaces/v1.1", headers={"authorization": f"Bearer {key}"})
        [found] = answer.json()["data"]
        return found["id"]

    assert await workspace("one") == await workspace("one")
    assert await workspace("one") != await workspace("two")


async def test_a_list_has_pages_and_is_searched(http: httpx.AsyncClient) -> None:
    for number in range(3):
        await add(http, f"inbox{number}@getbrandmerge.test")
    seen: list[str] = []
    for number in (1, 2):
        page = (await http.get("api/sender-emails", params={"page": str(number), "per_page": "2"})).json()
        assert page["meta"] == {"current_page": number, "last_page": 2, "per_page": 2, "total": 3}
        seen += [one["email"] for one in page["data"]]
    assert sorted(seen) == [f"inbox{number}@getbrandmerge.test" for number in range(3)]
    found = (await http.get("api/sender-emails", params={"search": "BOX1@"})).json()["data"]
    assert [one["email"] for one in found] == ["inbox1@getbrandmerge.test"]
    for wrong in ({"page": "0"}, {"page": "x"}, {"per_page": "101"}):
        assert (await http.get("api/sender-emails", params=wrong)).status_code == 422


@pytest.mark.parametrize(("content", "kind"), [(b"{", "application/json"), (b"\xff", "application/json"), (b"", "")])
async def test_a_body_that_is_no_json_is_refused(http: httpx.AsyncClient, content: bytes, kind: str) -> None:
    assert (await http.post(ADD, content=content, headers={"content-type": kind})).status_code == 422


async def test_a_nul_is_refused_where_it_could_reach_the_database(http: httpx.AsyncClient) -> None:
    assert (await http.get("api/sender-emails?search=%00")).status_code == 422
    assert (await http.get("api/sender-emails/a%00b")).status_code == 422
    assert (await add(http, name="a\0")).status_code == 422


async def test_unknown_paths_are_not_found_in_the_vendors_words(http: httpx.AsyncClient) -> None:
    answer = await http.get("api/webhooks")
    assert answer.status_code == 404
    assert answer.json()["data"] == {
        "success": False,
        "message": "The route api/webhooks could not be found.",
        "record_not_found": None,
    }


async def test_warm_up_and_tags_are_set_for_many(http: httpx.AsyncClient) -> None:
    ids = [(await add(http, f"inbox{number}@getbrandmerge.test")).json()["data"]["id"] for number in range(2)]
    for on in ("enable", "disable", "enable"):
        done = await http.patch(f"api/warmup/sender-emails/{on}", json={"sender_email_ids": ids})
        assert done.json()["data"]["success"]
    tag = (await http.post("api/tags", json={"name": "Agency"})).json()["data"]
    assert (await http.post("api/tags", json={"name": "agency"})).status_code == 422
    body = {"tag_ids": [tag["id"]], "sender_email_ids": ids}
    for _ in range(2):
        assert (await http.post("api/tags/attach-to-sender-emails", json=body)).json()["data"]["success"]
    for one in (await http.get("api/sender-emails")).json()["data"]:
        assert (one["warmup_enabled"], [each["name"] for each in one["tags"]]) == (True, ["Agency"])
    assert (await http.patch("api/warmup/sender-emails/enable", json={"sender_email_ids": [1]})).status_code == 404
    missing = {"tag_ids": [1], "sender_email_ids": ids}
    assert (await http.post("api/tags/attach-to-sender-emails", json=missing)).status_code == 404


async def test_settings_make_it_misbehave_from_the_next_request_on(
    twins: RunningTwins, http: httpx.AsyncClient
) -> None:
    await misbehave(twins, down=True)
    assert (await add(http)).status_code == 503
    await misbehave(twins, account_limit=1)
    assert (await add(http)).status_code == 201
    assert (await add(http, "second@getbrandmerge.test")).status_code == 422
    await misbehave(twins, error_rate=1.0)
    assert (await http.get("api/sender-emails")).status_code == 500
    await misbehave(twins, rate_limit=0)
    too_fast = await http.get("api/sender-emails")
    assert (too_fast.status_code, too_fast.headers["retry-after"]) == (429, "1")


async def test_what_is_never_answered_ends_with_its_client(http: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await http.get("api/sender-emails", headers={"authorization": "Bearer timeout"}, timeout=0.2)
