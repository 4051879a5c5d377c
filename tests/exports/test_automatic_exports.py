"""Exports by themselves: what becomes active goes to the platform account of the rule."""

from typing import Any

import pytest

from litemail import worker
from litemail.exports import jobs
from litemail.kit import ids
from tests.exports.world import World


async def set_rule(world: World, account: str, **more: Any) -> dict[str, Any]:
    body = {"platform_account_id": account, "filter": {"all": True}, **more}
    answer = await world.call("PUT", "/v1/exports/auto", json=body)
    assert answer.status_code == 200, answer.text
    rule: dict[str, Any] = answer.json()
    return rule


async def exports(world: World) -> list[dict[str, Any]]:
    await jobs.follow(database=world.database)
    found: list[dict[str, Any]] = (await world.call("GET", "/v1/exports")).json()["data"]
    return found


async def test_there_is_no_rule_until_one_is_set(world: World):
    assert (await world.call("GET", "/v1/exports/auto")).json() == {
        "platform_account_id": None,
        "filter": None,
        "options": {"daily_limit": None, "warmup": False, "tags": []},
        "enabled": False,
        "since": None,
    }
    account = await world.account()
    rule = await set_rule(world, account, options={"daily_limit": 20})
    assert (await world.call("GET", "/v1/exports/auto")).json() == rule
    assert (rule["platform_account_id"], rule["filter"], rule["enabled"]) == (account, {"all": True}, True)


async def test_mailboxes_that_become_active_are_exported_together_and_once(world: World):
    await world.mailboxes("early")
    account = await world.account()
    await set_rule(world, account, options={"daily_limit": 20})
    assert await exports(world) == []
    ada, bob = await world.mailboxes("ada", "bob")
    (begun,) = await exports(world)
    assert (begun["automatic"], begun["total"], begun["platform_account_id"]) == (True, 2, account)
    await world.run(begun["id"])
    assert set(world.platform.inboxes) == {ada["email"], bob["email"]}
    assert world.platform.inboxes[ada["email"]].daily_limit == 20
    assert [line["user_id"] for line in await world.audited(ada["id"])] == [world.person.user_id]
    assert len(await exports(world)) == 1


async def test_only_what_matches_goes_and_nothing_when_it_is_off(world: World):
    account = await world.account()
    await set_rule(world, account, filter={"tags": ["spring"]})
    await world.mailboxes("ada")
    assert await exports(world) == []
    await world.mailboxes("bob", tags=["spring"])
    assert len(await exports(world)) == 1
    await set_rule(world, account, enabled=False)
    await world.mailboxes("cleo", tags=["spring"])
    assert len(await exports(world)) == 1
    await set_rule(world, account)  # from now on only
    assert len(await exports(world)) == 1


async def test_the_rule_ends_with_its_account(world: World):
    account = await world.account()
    await set_rule(world, account)
    await world.call("DELETE", f"/v1/exports/accounts/{account}")
    assert (await world.call("GET", "/v1/exports/auto")).json()["enabled"] is False
    await world.mailboxes("ada")
    assert await exports(world) == []


@pytest.mark.parametrize(
    "body",
    [
        {"filter": {}},
        {"filter": {"status": "suspended"}},
        {"platform_account_id": ids.new_id("pfa")},
        {"options": {"x": 1}},
    ],
)
async def test_a_wrong_rule_is_refused(world: World, body: dict[str, Any]):
    good = {"platform_account_id": await world.account(), "filter": {"all": True}}
    assert (await world.call("PUT", "/v1/exports/auto", json={**good, **body})).status_code == 422


async def test_the_worker_tells_the_job_once_however_many_became_active(world: World):
    await world.mailboxes("ada", "bob", "cleo")
    while await worker.dispatch_events(world.database):
        pass
    async with world.database.begin_system("test") as tx:
        waiting = await tx.value(
            int, "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'exports.follow' AND status = 'todo'"
        )
    assert waiting == 1
