"""The twin of Salesforge on a real socket, driven by plain HTTP."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from litemail.servers.sandbox.store import Settings
from tests.contracts.contract import answers_checked, load
from tests.contracts.test_salesforge_contract import GOOD, LEG
from tests.contracts.twins import RunningTwins, running_twins

WRONG_LEG = {**LEG, "password": "wrong-password"}


@pytest.fixture
async def twins() -> AsyncIterator[RunningTwins]:
    contract = load("salesforge")
    async with running_twins(lambda app: answers_checked(contract, app)) as running:
        yield running
    assert contract.violations == []


@pytest.fixture
async def outside(twins: RunningTwins) -> AsyncIterator[httpx.AsyncClient]:
    root = f"{twins.root(platform_type='salesforge')}/public/v2/"
    async with httpx.AsyncClient(base_url=root, headers={"authorization": "any-key"}, timeout=10) as client:
        yield client


@pytest.fixture
async def http(outside: httpx.AsyncClient) -> httpx.AsyncClient:
    """Inside the key's workspace."""
    [workspace] = (await outside.get("workspaces")).json()["data"]
    outside.base_url = outside.base_url.join(f"workspaces/{workspace['id']}/")
    return outside


async def misbehave(twins: RunningTwins, **how: Any) -> None:
    await twins.store.put_settings("ws_test", "salesforge", Settings(**how))


async def add(http: httpx.AsyncClient, address: str = "caroline@getbrandmerge.test", **more: Any) -> httpx.Response:
    return await http.post("mailboxes", json={**GOOD, "address": address, **more})


def message(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


async def test_a_key_is_of_an_account_with_one_workspace(outside: httpx.AsyncClient) -> None:
    me = (await outside.get("me")).json()
    page = (await outside.get("workspaces")).json()
    assert (page["total"], page["limit"], page["offset"]) == (1, 10, 0)
    assert page["data"][0]["accountId"] == me["accountId"]
    assert (await outside.get("workspaces?offset=1")).json()["data"] == []
    other = (await outside.get("workspaces", headers={"authorization": "another"})).json()["data"][0]
    assert other["id"] != page["data"][0]["id"]
    assert message(await outside.get(f"workspaces/{other['id']}/mailboxes")) == (404, "workspace not found")


async def test_a_connected_mailbox_becomes_active_and_can_be_changed_and_removed(http: httpx.AsyncClient) -> None:
    added = await add(http, "Caroline+one@GetBrandMerge.test")
    assert (added.status_code, added.json()["status"], added.json()["dailyEmailLimit"]) == (201, "pending", 30)
    path = f"mailboxes/{added.json()['id']}"
    async with asyncio.timeout(5):
        while (await http.get(path)).json()["status"] != "active":
            await asyncio.sleep(0.02)
    changed = await http.patch(path, json={"dailyEmailLimit": 40, "lastName": "Lovelace"})
    assert (changed.json()["dailyEmailLimit"], changed.json()["lastName"]) == (40, "Lovelace")
    assert [one["id"] for one in (await http.get("mailboxes")).json()["data"]] == [added.json()["id"]]
    assert (await http.delete(path)).status_code == 204
    for gone in (await http.get(path), await http.delete(path), await http.patch(path, json={})):
        assert message(gone) == (404, "mailbox not found")


async def test_it_signs_in_to_the_inbox_before_it_takes_it(twins: RunningTwins, http: httpx.AsyncClient) -> None:
    for side in ("imap", "smtp"):
        legs: dict[str, Any] = {side: WRONG_LEG}
        status, words = message(await add(http, **legs))
        assert (status, side.upper() in words) == (400, True)
    assert not await twins.store.held("ws_test", "salesforge")


async def test_new_connection_settings_are_tried(http: httpx.AsyncClient) -> None:
    path = f"mailboxes/{(await add(http)).json()['id']}/connection-settings"
    assert (await http.patch(path, json={"imap": LEG, "smtp": LEG})).status_code == 204
    assert (await http.patch(path, json={"imap": LEG})).status_code == 204
    assert (await http.patch(path, json={"imap": WRONG_LEG, "smtp": LEG})).status_code == 400
    assert (await http.patch("mailboxes/mbox_0/connection-settings", json={"imap": LEG})).status_code == 404


async def test_a_mailbox_is_connected_once_however_often_it_is_asked_for(
    twins: RunningTwins, http: httpx.AsyncClient
) -> None:
    twins.mail.seconds = 0.05
    answers = await asyncio.gather(*(add(http) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 7]
    assert (await add(http, "CAROLINE@getbrandmerge.test")).status_code == 409
    assert len(await twins.store.held("ws_test", "salesforge")) == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"lastName": ""}, "lastName is required"),
        ({"imap": {**LEG, "host": ""}}, "imap.host is required"),
        ({"dailyEmailLimit": 101}, "dailyEmailLimit must not be above 100, the limit of the workspace"),
        ({"smtp": None}, "smtp is invalid"),
    ],
)
async def test_what_cannot_be_connected_is_refused(http: httpx.AsyncClient, more: dict[str, Any], words: str) -> None:
    assert message(await add(http, **more)) == (400, words)


async def test_a_list_is_paged_and_filtered(http: httpx.AsyncClient) -> None:
    addresses = [f"inbox{number}@getbrandmerge.test" for number in range(5)]
    for address in addresses:
        await add(http, address)
    page = (await http.get("mailboxes?limit=2&offset=4")).json()
    assert (len(page["data"]), page["total"]) == (1, 5)
    wanted = "addresses[]=INBOX1@getbrandmerge.test&addresses[]=nobody@getbrandmerge.test"
    found = (await http.get(f"mailboxes?{wanted}")).json()
    assert [one["address"] for one in found["data"]] == [addresses[1]]
    assert (await http.get("mailboxes?search=inbox3")).json()["total"] == 1
    assert (await http.get("mailboxes?statuses[]=access_lost")).json()["total"] == 0
    for query in ("limit=x", "offset=-1"):
        assert message(await http.get(f"mailboxes?{query}")) == (400, "limit and offset must be numbers")


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        (None, (401, "invalid API key")),
        ("Bearer any-key", (401, "invalid API key")),
        ("wrong-password", (401, "invalid API key")),
        ("needs-totp", (401, "two-factor authentication required")),
        ("no-paid-plan", (402, "insufficient credits")),
    ],
)
async def test_bad_keys_are_refused(twins: RunningTwins, key: str | None, answer: tuple[int, str]) -> None:
    headers = {} if key is None else {"authorization": key}
    async with httpx.AsyncClient() as client:
        path = f"{twins.root(platform_type='salesforge')}/public/v2/me"
        assert message(await client.get(path, headers=headers)) == answer


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [(b"{", "application/json", 400), (b"\xff", "application/json", 400), (b"a=b", "text/plain", 415)],
)
async def test_a_body_that_is_no_json_is_refused(
    http: httpx.AsyncClient, content: bytes, kind: str, status: int
) -> None:
    assert (await http.post("mailboxes", content=content, headers={"content-type": kind})).status_code == status


async def test_a_nul_is_refused_where_it_could_reach_the_database(http: httpx.AsyncClient) -> None:
    assert (await add(http, "a\0@b.test")).status_code == 400
    assert (await http.get("mailboxes?search=%00")).status_code == 400


async def test_unknown_paths_are_not_found(http: httpx.AsyncClient) -> None:
    assert message(await http.get("nothing"))[0] == 404
    assert message(await http.put("mailboxes"))[0] == 405


async def test_settings_make_it_misbehave_from_the_next_request_on(
    twins: RunningTwins, http: httpx.AsyncClient
) -> None:
    await misbehave(twins, down=True)
    assert (await add(http)).status_code == 503
    await misbehave(twins, account_limit=1)
    assert (await add(http)).status_code == 201
    assert message(await add(http, "second@getbrandmerge.test")) == (400, "mailbox limit of your plan is reached")
    await misbehave(twins, error_rate=1.0)
    assert message(await http.get("mailboxes")) == (500, "internal server error")
    await misbehave(twins, rate_limit=0)
    assert message(await http.get("mailboxes")) == (429, "too many requests")
