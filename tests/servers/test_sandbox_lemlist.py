"""The twin of lemlist on a real socket, driven by plain HTTP."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from litemail.servers.sandbox.store import Settings
from tests.contracts.contract import answers_checked, load
from tests.contracts.test_lemlist_contract import GOOD
from tests.contracts.twins import RunningTwins, running_twins

ADD = "api/user/email-accounts"


@pytest.fixture
async def twins() -> AsyncIterator[RunningTwins]:
    contract = load("lemlist")
    async with running_twins(lambda app: answers_checked(contract, app)) as running:
        yield running
    assert contract.violations == []


@pytest.fixture
async def http(twins: RunningTwins) -> AsyncIterator[httpx.AsyncClient]:
    root = twins.root(platform_type="lemlist")
    async with httpx.AsyncClient(base_url=f"{root}/", auth=("", "any-key"), timeout=10) as client:
        yield client


async def misbehave(twins: RunningTwins, **how: Any) -> None:
    await twins.store.put_settings("ws_test", "lemlist", Settings(**how))


async def add(http: httpx.AsyncClient, email: str = "caroline@getbrandmerge.test", **more: Any) -> httpx.Response:
    return await http.post(ADD, json={**GOOD, "sender_email": email, **more})


async def shown(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    [member] = (await http.get("api/team")).json()["userIds"]
    mailboxes: list[dict[str, Any]] = (await http.get(f"api/users/{member}")).json()["mailboxes"]
    return mailboxes


async def test_an_added_account_is_shown_tested_and_removed(http: httpx.AsyncClient) -> None:
    added = await add(http, "Caroline+one@GetBrandMerge.test")
    assert (added.status_code, added.json()["provider"]) == (201, "custom")
    account_id = added.json()["id"]
    [mailbox] = await shown(http)
    assert (mailbox["email"], mailbox["status"]) == ("caroline+one@getbrandmerge.test", "CONNECTED")
    assert account_id.startswith("umx_")
    assert mailbox["_id"] == account_id.replace("umx_", "usm_")
    for one in (account_id, mailbox["_id"]):
        tested = await http.post(f"{ADD}/{one}/test")
        assert tested.json() == {"smtp": {"success": True}, "imap": {"success": True}}
    assert (await http.delete(f"{ADD}/{mailbox['_id']}")).json() == {"ok": True}
    for gone in (await http.delete(f"{ADD}/{account_id}"), await http.post(f"{ADD}/{account_id}/test")):
        assert (gone.status_code, gone.text) == (404, "Email account not found")
    assert await shown(http) == []


async def test_adding_tells_of_no_sign_in_but_the_test_does(twins: RunningTwins, http: httpx.AsyncClient) -> None:
    for side in ("imap", "smtp"):
        added = await add(http, f"{side}@getbrandmerge.test", **{f"{side}_password": "wrong-password"})
        assert added.status_code == 201
    assert {mailbox["status"] for mailbox in await shown(http)} == {"CONNECTED"}
    for mailbox in await shown(http):
        tested = (await http.post(f"{ADD}/{mailbox['_id']}/test")).json()
        failed = mailbox["email"].partition("@")[0]
        assert [side for side, result in tested.items() if not result["success"]] == [failed]
    assert {mailbox["status"] for mailbox in await shown(http)} == {"ERROR"}
    assert [account.signed_in for account in await twins.store.held("ws_test", "lemlist")] == [False, False]


async def test_a_port_that_does_not_exist_is_told_by_the_test(twins: RunningTwins, http: httpx.AsyncClient) -> None:
    added = await add(http, imap_port=70_000)
    tested = (await http.post(f"{ADD}/{added.json()['id']}/test")).json()
    assert tested["imap"] == {"success": False, "error": "port 70000 does not exist"}
    assert not twins.mail.seen


async def test_an_account_is_added_once_however_often_it_is_asked_for(
    twins: RunningTwins, http: httpx.AsyncClient
) -> None:
    twins.mail.seconds = 0.05
    answers = await asyncio.gather(*(add(http) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201, *[400] * 7]
    again = await add(http, "CAROLINE@getbrandmerge.test")
    assert (again.status_code, again.text) == (400, "This SMTP mailbox already exists")


@pytest.mark.parametrize(
    ("more", "answer"),
    [
        ({"sender_name": ""}, (400, "Missing required fields")),
        ({"smtp_host": "smtp.gmail.com"}, (400, "Invalid host")),
        ({"imap_host": "no host"}, (400, "Invalid host")),
        ({"userId": "usr_somebody"}, (403, "User is not a member of this team")),
    ],
)
async def test_what_cannot_be_added_is_refused(
    http: httpx.AsyncClient, more: dict[str, Any], answer: tuple[int, str]
) -> None:
    refused = await add(http, **more)
    assert (refused.status_code, refused.text) == answer
    assert await shown(http) == []


async def test_an_account_may_be_given_to_the_member_there_is(http: httpx.AsyncClient) -> None:
    [member] = (await http.get("api/team")).json()["userIds"]
    assert (await add(http, userId=member)).status_code == 201


WRONG = (401, "The authentication you supplied is incorrect")


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        (None, WRONG),
        ("Bearer any-key", WRONG),
        ("Basic not-base64!", WRONG),
        (f"Basic {base64.b64encode(b'name:any-key').decode()}", WRONG),
        (f"Basic {base64.b64encode(b':').decode()}", WRONG),
        (f"Basic {base64.b64encode(b':wrong-password').decode()}", WRONG),
        (f"Basic {base64.b64encode(b':needs-totp').decode()}", (401, "Two-factor authentication required")),
        (f"Basic {base64.b64encode(b':no-paid-plan').decode()}", (402, "Your plan does not include the API")),
    ],
)
async def test_bad_keys_are_refused(twins: RunningTwins, header: str | None, answer: tuple[int, str]) -> None:
    headers = {} if header is None else {"authorization": header}
    async with httpx.AsyncClient() as client:
        refused = await client.get(f"{twins.root(platform_type='lemlist')}/api/team", headers=headers)
    assert (refused.status_code, refused.text) == answer
    assert refused.headers["content-type"].startswith("text/plain")


async def test_each_key_is_a_team_of_its_own(http: httpx.AsyncClient) -> None:
    await add(http)
    other = await http.get("api/team", auth=("", "another-key"))
    assert other.json()["_id"] != (await http.get("api/team")).json()["_id"]
    [member] = (await http.get("api/team")).json()["userIds"]
    assert (await http.get(f"api/users/{member}", auth=("", "another-key"))).status_code == 404


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [(b"{", "application/json", 400), (b"\xff", "application/json", 400), (b"a=b", "text/plain", 415)],
)
async def test_a_body_that_is_no_json_is_refused(
    http: httpx.AsyncClient, content: bytes, kind: str, status: int
) -> None:
    assert (await http.post(ADD, content=content, headers={"content-type": kind})).status_code == status


async def test_a_nul_is_refused_where_it_could_reach_the_database(http: httpx.AsyncClient) -> None:
    assert (await add(http, "a\0@b.test")).status_code == 400
    assert (await http.delete(f"{ADD}/umx_%00")).status_code == 400


async def test_unknown_paths_are_not_found(http: httpx.AsyncClient) -> None:
    assert (await http.get("api/nothing")).status_code == 404
    assert (await http.put("api/team")).status_code == 405


async def test_warm_up_is_switched_at_once(http: httpx.AsyncClient) -> None:
    await add(http)
    [mailbox] = await shown(http)
    for last, active in (("start", True), ("start", True), ("pause", False)):
        assert (await http.post(f"api/lemwarm/{mailbox['_id']}/{last}")).json() == {"ok": True}
        assert [one["lemwarm"]["active"] for one in await shown(http)] == [active]
    assert (await http.post("api/lemwarm/usm_0/start")).status_code == 404


async def test_settings_make_it_misbehave_from_the_next_request_on(
    twins: RunningTwins, http: httpx.AsyncClient
) -> None:
    await misbehave(twins, down=True)
    assert (await add(http)).status_code == 503
    await misbehave(twins, account_limit=1)
    assert (await add(http)).status_code == 201
    full = await add(http, "second@getbrandmerge.test")
    assert (full.status_code, "limit" in full.text) == (400, True)
    await misbehave(twins, error_rate=1.0)
    assert (await http.get("api/team")).status_code == 500
    await misbehave(twins, rate_limit=0)
    refused = await http.get("api/team")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
