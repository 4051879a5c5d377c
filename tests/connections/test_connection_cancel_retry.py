import asyncio
from datetime import timedelta

from litemail.connections import jobs
from litemail.kit import clock
from tests.conftest import eventually
from tests.connections.test_connection_crashes import Reached
from tests.connections.world import World, body, down, refusal


async def secrets_left(world: World, connection_id: str) -> tuple[int, int]:
    """How many passwords are kept: of inboxes, and of the platform."""
    async with world.database.begin_system("test") as tx:
        inboxes = await tx.value(
            int,
            "SELECT count(*) FROM connection_inboxes WHERE connection_id = %(id)s AND password IS NOT NULL",
            id=connection_id,
        )
        platform = await tx.value(
            int,
            "SELECT count(*) FROM connections WHERE id = %(id)s AND platform_password IS NOT NULL",
            id=connection_id,
        )
    return inboxes or 0, platform or 0


async def age(world: World, connection_id: str, *, days: int) -> None:
    async with world.database.begin_system("test") as tx:
        await tx.execute(
            "UPDATE connections SET finished_at = %(then)s WHERE id = %(id)s",
            then=clock.now() - timedelta(days=days),
            id=connection_id,
        )


async def test_what_has_not_begun_is_cancelled_at_once(world: World):
    begun = await world.begin(5)
    answer = await world.call("DELETE", f"/v1/connect-inbox/{begun['id']}")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["cancelled"]) == ("cancelled", 5)
    assert await secrets_left(world, begun["id"]) == (0, 0)
    await world.run(begun["id"])
    assert not world.platform.calls
    again = await world.call("DELETE", f"/v1/connect-inbox/{begun['id']}")
    assert (again.status_code, again.json()) == (200, answer.json())


async def test_a_run_stops_within_two_seconds_and_says_what_is_connected(world: World):
    world.platform.latency = 0.02
    begun = await world.begin(1000, options={"verify": False})
    async with world.running(begun["id"]) as task:

        async def some_are_there() -> bool:
            return bool((await world.show(begun["id"]))["connected"] > 20)

        await eventually(some_are_there)
        answer = await world.call("DELETE", f"/v1/connect-inbox/{begun['id']}")
        assert answer.status_code == 200
        await asyncio.wait_for(asyncio.shield(task), 2)
    calls = world.platform.calls.total()
    shown = await world.show(begun["id"])
    rows = await world.inboxes(begun["id"])
    connected = {row["email"] for row in rows if row["status"] == "connected"}
    assert shown["status"] == "cancelled"
    assert shown["connected"] == len(connected)
    assert shown["connected"] + shown["cancelled"] == 1000
    assert connected == set(world.platform.inboxes)
    assert await secrets_left(world, begun["id"]) == (0, 0)
    await asyncio.sleep(0.05)
    assert world.platform.calls.total() == calls


async def test_an_inbox_that_the_platform_does_not_answer_for_says_that_it_may_be_there(world: World):
    begun = await world.begin(2, options={"verify": False})
    reached = Reached(world, "after add", email="box0000@example.com")
    async with world.running(begun["id"]) as task:
        await asyncio.wait_for(reached.event.wait(), 5)
        await world.call("DELETE", f"/v1/connect-inbox/{begun['id']}")
        await asyncio.wait_for(asyncio.shield(task), 2)
    first = (await world.inboxes(begun["id"]))[0]
    assert (first["status"], first["error"]["code"]) == ("cancelled", "connection.cancelled_midway")


async def test_after_a_crash_a_cancelled_connection_finds_out_what_is_there(world: World):
    begun = await world.begin(3, options={"verify": False})
    reached = Reached(world, "after add", email="box0001@example.com")
    async with world.running(begun["id"]):
        await asyncio.wait_for(reached.event.wait(), 5)
    answer = await world.call("DELETE", f"/v1/connect-inbox/{begun['id']}")
    undecided = 3 - answer.json()["connected"] - answer.json()["cancelled"]
    assert undecided >= 1
    await world.run(begun["id"])
    shown = await world.show(begun["id"])
    rows = await world.inboxes(begun["id"])
    assert shown["connected"] + shown["cancelled"] == 3
    assert {row["email"] for row in rows if row["status"] == "connected"} == set(world.platform.inboxes)
    assert rows[1]["already"] is False


async def test_a_finished_connection_cannot_be_cancelled(world: World):
    shown = await world.connect(1)
    answer = await world.call("DELETE", f"/v1/connect-inbox/{shown['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "connection.already_finished")


async def test_retry_takes_the_failed_ones_and_only_these(world: World):
    world.platform.refused["box0001@example.com"] = refusal("box0001@example.com")
    shown = await world.connect(3)
    assert shown["status"] == "completed_with_errors"
    assert await secrets_left(world, shown["id"]) == (1, 0)
    world.platform.refused.clear()
    answer = await world.call("POST", f"/v1/connect-inbox/{shown['id']}/retry")
    assert answer.status_code == 202, answer.text
    assert (answer.json()["status"], answer.json()["connected"], answer.json()["failed"]) == ("queued", 2, 0)
    again = await world.call("POST", f"/v1/connect-inbox/{shown['id']}/retry")
    assert (again.status_code, again.json()["code"]) == (409, "connection.not_finished")
    await world.run(shown["id"])
    shown = await world.show(shown["id"])
    assert (shown["status"], shown["connected"]) == ("completed", 3)
    assert world.hosts.asked["box0000@example.com"] == 1
    assert len(world.platform.keys) == 1
    nothing = await world.call("POST", f"/v1/connect-inbox/{shown['id']}/retry")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "connection.nothing_to_retry")


async def test_what_may_have_been_added_is_looked_for_by_a_retry(world: World):
    world.platform.failing["confirm"] = down(100)
    shown = await world.connect(1, options={"verify": False})
    assert shown["status"] == "failed"
    world.platform.failing.clear()
    await world.call("POST", f"/v1/connect-inbox/{shown['id']}/retry")
    await world.run(shown["id"])
    (inbox,) = await world.inboxes(shown["id"])
    assert (inbox["status"], inbox["already"]) == ("connected", False)
    assert set(world.platform.adds.values()) == {1}


async def test_secrets_are_erased_a_week_after_the_end(world: World):
    shown = await world.connect([{"email": "a@example.com", "pass": "wrong-password"}])
    await age(world, shown["id"], days=6)
    await jobs.erase_secrets(database=world.database)
    assert await secrets_left(world, shown["id"]) == (1, 0)
    await age(world, shown["id"], days=8)
    await jobs.erase_secrets(database=world.database)
    assert await secrets_left(world, shown["id"]) == (0, 0)
    answer = await world.call("POST", f"/v1/connect-inbox/{shown['id']}/retry")
    assert (answer.status_code, answer.json()["code"]) == (410, "connection.secrets_expired")


async def test_a_platform_password_is_erased_after_an_hour_even_when_it_was_never_used(world: World):
    begun = await world.begin(2)
    assert await secrets_left(world, begun["id"]) == (2, 1)
    async with world.database.begin_system("test") as tx:
        await tx.execute(
            "UPDATE connections SET created_at = %(then)s WHERE id = %(id)s",
            then=clock.now() - timedelta(minutes=61),
            id=begun["id"],
        )
    await jobs.erase_secrets(database=world.database)
    assert await secrets_left(world, begun["id"]) == (2, 0)
    await world.run(begun["id"])
    problems = {row["error"]["code"] for row in await world.inboxes(begun["id"])}
    assert problems == {"connection.secrets_expired"}


async def test_a_retry_without_any_way_to_sign_in_says_so(world: World):
    shown = await world.connect(1, platform_pass="wrong-password")
    answer = await world.call("POST", f"/v1/connect-inbox/{shown['id']}/retry")
    assert (answer.status_code, answer.json()["code"]) == (410, "connection.secrets_expired")


async def test_a_connection_whose_job_was_lost_is_found(world: World):
    begun = await world.begin(1)
    async with world.database.begin_system("test") as tx:
        await tx.execute("DELETE FROM procrastinate_jobs WHERE task_name = 'connections.run'")
        await tx.execute(
            "UPDATE connections SET created_at = created_at - interval '1 hour' WHERE id = %(id)s", id=begun["id"]
        )
    for _ in range(2):
        await jobs.resume(database=world.database)
    async with world.database.begin_system("test") as tx:
        waiting = await tx.value(
            int,
            "SELECT count(*) FROM procrastinate_jobs WHERE args ->> 'connection_id' = %(id)s AND status = 'todo'",
            id=begun["id"],
        )
    assert waiting == 1


async def test_a_stored_account_is_used_again_and_mints_no_second_key(world: World):
    first = await world.connect(1)
    second = await world.connect([{"email": "b@example.com", "pass": "x"}], platform_email="SUPPORT@litemail.ai")
    by_id = body([{"email": "c@example.com", "pass": "x"}], platform_email=None, platform_pass=None)
    third = await world.call(
        "POST", "/v1/connect-inbox", json={**by_id, "platform_account_id": first["platform_account_id"]}
    )
    assert third.status_code == 200, third.text
    await world.run(third.json()["id"])
    assert first["platform_account_id"] == second["platform_account_id"] == third.json()["platform_account_id"]
    assert (await world.show(third.json()["id"]))["status"] == "completed"
    assert len(world.platform.keys) == 1
    assert world.platform.calls["sign_in"] == 1


async def test_a_wrong_password_for_a_stored_account_fails_that_call_alone(world: World):
    first = await world.connect(1)
    wrong = await world.connect([{"email": "b@example.com", "pass": "x"}], platform_pass="wrong-password")
    assert wrong["status"] == "failed"
    right = await world.connect([{"email": "b@example.com", "pass": "x"}])
    assert (right["status"], right["platform_account_id"]) == ("completed", first["platform_account_id"])
    assert len(world.platform.keys) == 1


async def test_a_key_that_was_revoked_is_made_anew_out_of_the_password(world: World):
    await world.connect(1)
    world.platform.passwords_wrong.add("key-1")
    shown = await world.connect([{"email": "b@example.com", "pass": "x"}])
    assert shown["status"] == "completed"
    assert len(world.platform.keys) == 2
    assert len(set(world.platform.keys)) == 1


async def test_accounts_are_told_apart_by_key_and_by_workspace(world: World):
    by_key = {"platform_email": None, "platform_pass": None}
    a = await world.begin(1, **by_key, platform_api_key="key-a")
    again = await world.begin(1, **by_key, platform_api_key="key-a")
    b = await world.begin(1, **by_key, platform_api_key="key-b")
    assert a["platform_account_id"] == again["platform_account_id"] != b["platform_account_id"]
    sales = await world.connect(1, platform_workspace="Sales")
    other = await world.begin(1, platform_workspace="Other")
    assert sales["platform_account_id"] != other["platform_account_id"]
    assert world.platform.workspaces_asked == ["Sales"]
    # The platform has told the name of the workspace that Sales was exchanged for.
    same = await world.begin(1, platform_workspace="work")
    assert same["platform_account_id"] == sales["platform_account_id"]


async def test_a_run_that_is_signing_in_to_inboxes_stops_within_two_seconds(world: World):
    """Mail hosts that never answer, and a thousand inboxes in line for them."""
    world.hosts.latency = 60
    begun = await world.begin(1000)
    async with world.running(begun["id"]) as task:

        async def signing_in() -> bool:
            return world.hosts.together == world.pace.sign_ins_per_host

        await eventually(signing_in)
        assert (await world.call("DELETE", f"/v1/connect-inbox/{begun['id']}")).is_success
        await asyncio.wait_for(task, 2)
    shown = await world.show(begun["id"])
    assert (shown["status"], shown["cancelled"]) == ("cancelled", 1000)
    assert await secrets_left(world, begun["id"]) == (0, 0)
    assert not world.platform.adds
