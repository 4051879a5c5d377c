"""Several connections at once: of one platform account, of one workspace, of several."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from litemail.connections import run_queries
from tests.conftest import eventually
from tests.connections.world import World

UNVERIFIED = {"options": {"verify": False}}


async def ended(world: World, begun: Sequence[dict[str, Any]]) -> list[str]:
    return [(await world.show(each["id"]))["status"] for each in begun]


@pytest.mark.parametrize("duplicates_refused", [True, False])
async def test_two_connections_with_the_same_inboxes_add_each_once(world: World, duplicates_refused: bool):
    world.platform.duplicates_refused = duplicates_refused
    world.platform.latency = 0.005
    world.platform.pending_reads = 1
    begun = [await world.begin(30, **UNVERIFIED) for _ in range(2)]
    await asyncio.gather(*(world.run(each["id"]) for each in begun))
    assert await ended(world, begun) == ["completed", "completed"]
    assert sorted(world.platform.adds.values()) == [1] * 30
    already = [row["already"] for each in begun for row in await world.inboxes(each["id"])]
    assert sorted(already) == [False] * 30 + [True] * 30
    assert len(world.platform.keys) == 1


async def test_the_second_adds_what_the_first_could_not(world: World):
    """The first holds the inbox until it knows that it failed."""
    world.platform.duplicates_refused = False
    stuck = asyncio.Event()
    go_on = asyncio.Event()

    async def stop(name: str, _: str) -> None:
        if name == "add" and not stuck.is_set():
            stuck.set()
            await go_on.wait()

    world.platform.before = stop
    first, second = [await world.begin(1, **UNVERIFIED) for _ in range(2)]
    async with world.running(first["id"]) as one:
        await asyncio.wait_for(stuck.wait(), 5)
        async with world.running(second["id"]) as other:
            done, _ = await asyncio.wait({other}, timeout=0.5)
            assert not done
            await world.call("DELETE", f"/v1/connect-inbox/{first['id']}")
            await asyncio.wait_for(one, 5)
            await asyncio.wait_for(other, 5)
    assert await ended(world, [first, second]) == ["cancelled", "completed"]
    assert world.platform.adds["box0000@example.com"] == 1


async def test_an_inbox_that_never_answers_holds_up_no_other_connection(world: World):
    world.pace = replace(world.pace, host_tries=1000, first_wait=0.2, longest_wait=0.2)
    bad = await world.begin([{"email": "dead@example.com", "pass": "timeout"}])
    good = await world.begin(3)
    async with world.running(bad["id"]) as waiting:
        await asyncio.wait_for(world.run(good["id"]), 5)
        assert not waiting.done()
    assert await ended(world, [good]) == ["completed"]


async def test_a_large_connection_leaves_room_at_a_mail_host_for_a_small_one(world: World):
    """Of each connection only so many wait at the door as are let in."""
    world.hosts.latency = 0.02
    large = await world.begin(300)
    small = await world.begin([{"email": "one@example.com", "pass": "x"}])
    async with world.running(large["id"]) as rest:
        await eventually(lambda: _true(world.hosts.asked.total() >= 10))
        await asyncio.wait_for(world.run(small["id"]), 5)
        assert not rest.done()
        assert world.hosts.asked.total() < 150
    assert world.hosts.most_together == 10


async def _true(value: bool) -> bool:
    return value


async def test_a_workspace_has_so_many_connections_under_way_and_the_rest_go_on_after_them(world: World):
    gate = asyncio.Event()

    async def wait(*_: str) -> None:
        await gate.wait()

    world.platform.before = wait
    begun = [await world.begin([{"email": f"b{n}@example.com", "pass": "x"}], **UNVERIFIED) for n in range(5)]
    tasks = [asyncio.create_task(world.run(each["id"])) for each in begun[: run_queries.AT_ONCE]]

    async def all_running() -> bool:
        return await ended(world, begun) == ["running"] * run_queries.AT_ONCE + ["queued"]

    await eventually(all_running)
    await asyncio.wait_for(world.run(begun[-1]["id"]), 5)
    assert await ended(world, begun[-1:]) == ["queued"]
    async with world.database.begin_system("forget the jobs") as tx:
        await tx.execute("DELETE FROM procrastinate_jobs WHERE status = 'todo' AND task_name = 'connections.run'")
    gate.set()
    await asyncio.gather(*tasks)
    async with world.database.begin_system("look for the job") as tx:
        waiting = await tx.values(
            str,
            """SELECT DISTINCT args ->> 'connection_id' FROM procrastinate_jobs
               WHERE task_name = 'connections.run' AND status = 'todo'""",
        )
    assert waiting == [begun[-1]["id"]]


async def test_claims_are_gone_at_the_end(world: World):
    await world.connect(3, **UNVERIFIED)
    begun = await world.begin(3, **UNVERIFIED)
    async with world.database.begin_system("claim as a run that died") as tx:
        await tx.execute(
            """INSERT INTO platform_claims (platform_account_id, email, workspace_id, batch_id, claimed_at)
               SELECT c.platform_account_id, i.email, c.workspace_id, c.id, now()
               FROM connections c JOIN connection_inboxes i ON i.connection_id = c.id WHERE c.id = %(id)s""",
            id=begun["id"],
        )
    await world.call("DELETE", f"/v1/connect-inbox/{begun['id']}")
    async with world.database.begin_system("count claims") as tx:
        left = await tx.value(
            int,
            """SELECT count(*) FROM platform_claims p JOIN connections c USING (platform_account_id)
               WHERE c.id = %(id)s""",
            id=begun["id"],
        )
    assert left == 0
