"""A run is killed at each named point and the next one goes on: the end is the same, and each inbox is added once."""

import asyncio
from dataclasses import replace

import pytest

from litemail.connections import run_queries
from litemail.platforms import LeaseLost
from tests.connections.world import World

POINTS = ["before exchange", "after exchange", "before check", "before add", "after add", "before confirm"]
POINTS += ["after confirm", "before warmup", "after tag"]


class Reached:
    """Stops at one point of the fake platform until it is told to go on, which never happens to a killed run."""

    def __init__(self, world: World, point: str, *, email: str | None = None, skip: int = 0) -> None:
        when, self._name = point.split()
        self._email = email
        self._skip = skip
        self.event = asyncio.Event()
        self._used = False
        setattr(world.platform, when, self._hook)

    async def _hook(self, name: str, about: str) -> None:
        if name != self._name or self._used or (self._email and about != self._email):
            return
        if self._skip:
            self._skip -= 1
            return
        self._used = True
        self.event.set()
        await asyncio.Event().wait()


@pytest.mark.parametrize("duplicates_refused", [True, False])
@pytest.mark.parametrize("point", POINTS)
async def test_a_run_killed_at_any_point_is_finished_by_the_next(world: World, point: str, duplicates_refused: bool):
    world.platform.duplicates_refused = duplicates_refused
    begun = await world.begin(12, options={"verify": False, "warmup": True, "tags": ["New"]})
    skip = 0 if point.split()[1] in ("exchange", "check", "warmup", "tag") else 4
    reached = Reached(world, point, skip=skip)
    async with world.running(begun["id"]):
        await asyncio.wait_for(reached.event.wait(), 5)
    await world.run(begun["id"])
    shown = await world.show(begun["id"])
    assert (shown["status"], shown["connected"]) == ("completed", 12)
    assert set(world.platform.adds.values()) == {1}
    assert len(world.platform.adds) == 12
    assert len(set(world.platform.keys)) == 1
    assert not any(row["already"] for row in await world.inboxes(begun["id"]))
    assert len(world.platform.warm) == len(world.platform.tagged) == 12


async def test_a_run_killed_while_it_writes_is_finished_by_the_next(world: World, monkeypatch: pytest.MonkeyPatch):
    """Patches the statement itself: no fake stands between a run and the database."""
    begun = await world.begin(12, options={"verify": False})
    reached = asyncio.Event()

    async def write(*_: object, **__: object) -> list[run_queries.Decided]:
        reached.set()
        await asyncio.Event().wait()
        return []

    with monkeypatch.context() as patched:
        patched.setattr(run_queries, "write", write)
        async with world.running(begun["id"]):
            await asyncio.wait_for(reached.wait(), 5)
    await world.run(begun["id"])
    assert (await world.show(begun["id"]))["connected"] == 12
    assert set(world.platform.adds.values()) == {1}


async def test_many_kills_in_a_row_add_nothing_twice(world: World):
    world.platform.latency = 0.003
    begun = await world.begin(40, options={"verify": False})
    for _ in range(12):
        async with world.running(begun["id"]) as task:
            await asyncio.wait({task}, timeout=0.03)
    await world.run(begun["id"])
    shown = await world.show(begun["id"])
    assert (shown["status"], shown["connected"]) == ("completed", 40)
    assert sorted(world.platform.adds.values()) == [1] * 40
    assert not any(row["already"] for row in await world.inboxes(begun["id"]))


async def test_a_run_that_was_taken_over_writes_nothing_more(world: World):
    """Its process stood still for longer than the lease, and another run took the connection."""
    begun = await world.begin(3, options={"verify": False})
    reached = Reached(world, "before add", email="box0001@example.com")
    async with world.running(begun["id"]) as stale:
        await asyncio.wait_for(reached.event.wait(), 5)
        async with world.database.begin_system("pass a lease on") as tx:
            await tx.execute(
                "UPDATE connections SET fence = fence + 1, lease_until = NULL WHERE id = %(id)s", id=begun["id"]
            )
        with pytest.raises(LeaseLost):
            await asyncio.wait_for(asyncio.shield(stale), 5)
        await world.run(begun["id"])
    shown = await world.show(begun["id"])
    assert (shown["status"], shown["connected"]) == ("completed", 3)
    assert set(world.platform.adds.values()) == {1}


async def test_a_second_run_waits_for_the_lease_of_the_first(world: World):
    world.pace = replace(world.pace, lease=0.4, renew=0.05)
    begun = await world.begin(2, options={"verify": False})
    reached = Reached(world, "before add")
    async with world.running(begun["id"]):
        await asyncio.wait_for(reached.event.wait(), 5)
        second = asyncio.create_task(world.run(begun["id"]))
        done, _ = await asyncio.wait({second}, timeout=0.8)
        assert not done
    await asyncio.wait_for(second, 5)
    assert (await world.show(begun["id"]))["status"] == "completed"


async def test_running_again_after_the_end_does_nothing(world: World):
    shown = await world.connect(2)
    calls = world.platform.calls.total()
    await asyncio.gather(*(world.run(shown["id"]) for _ in range(3)))
    assert world.platform.calls.total() == calls
    assert await world.show(shown["id"]) == shown


async def test_several_runs_at_once_work_one_after_the_other(world: World):
    world.platform.latency = 0.002
    begun = await world.begin(30, options={"verify": False})
    await asyncio.gather(*(world.run(begun["id"]) for _ in range(3)))
    assert (await world.show(begun["id"]))["connected"] == 30
    assert sorted(world.platform.adds.values()) == [1] * 30
