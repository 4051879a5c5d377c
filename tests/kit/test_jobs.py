import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict

from litemail.kit import jobs
from litemail.kit.actor import Actor
from litemail.kit.db import Database, DatabaseUnavailable
from litemail.kit.ids import new_id
from litemail.kit.jobs import Job, WorkerPool
from tests.conftest import Databases, eventually
from tests.kit import job_process

LIMIT = 20.0
"""Seconds within which the jobs of a dead worker are taken over."""


@pytest.fixture
async def queue(databases: Databases) -> AsyncIterator[Database]:
    async with with_runs(databases) as database:
        yield database


@asynccontextmanager
async def with_runs(databases: Databases) -> AsyncIterator[Database]:
    """A database of its own, with a table where jobs leave their traces."""
    async with databases.fresh(size=6) as database:
        name = str(conninfo_to_dict(database.app_url)["dbname"])
        async with await AsyncConnection.connect(databases.cluster.url(database=name), autocommit=True) as connection:
            await connection.execute("CREATE TABLE runs (id bigserial, name text, state text)")
            await connection.execute("GRANT ALL ON runs TO litemail_system")
            await connection.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO litemail_system")
        yield database


NOBODY = Actor(
    user_id=new_id("user"),
    workspace_id=(_HOME := new_id("ws")),
    paying_workspace_id=_HOME,
    mode="sandbox",
    role="owner",
    scopes=frozenset(),
)


def pool(work: Job, **resources: object) -> WorkerPool:
    return WorkerPool(jobs={"test.work": work}, schedules={}, resources=resources, concurrency=4)


async def enqueue(database: Database, *names: str, lock: str | None = None, once: str | None = None) -> None:
    async with database.begin_system("enqueue") as tx:
        for name in names:
            await tx.enqueue("test.work", lock=lock, once=once, name=name)


async def states(database: Database) -> list[str]:
    async with database.begin_system("look") as tx:
        return await tx.values(str, "SELECT status || ' ' || (args->>'name') FROM procrastinate_jobs ORDER BY id")


async def runs(database: Database, state: str) -> list[str]:
    async with database.begin_system("look") as tx:
        return await tx.values(str, "SELECT name FROM runs WHERE state = %(state)s ORDER BY name", state=state)


def became(look: Callable[[], Awaitable[list[str]]], wanted: list[str]) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        with suppress(DatabaseUnavailable):  # some tests kick out everybody, whoever looks included
            return await look() == wanted
        return False

    return check


async def test_a_job_runs_with_its_arguments_and_the_resources_that_it_names(queue: Database):
    heard: list[tuple[str, str]] = []

    async def work(*, greeting: str, name: str) -> None:
        heard.append((greeting, name))

    await enqueue(queue, "Ada", "Grace")
    await pool(work, greeting="hello", database=queue).drain(queue.system_pool)
    assert sorted(heard) == [("hello", "Ada"), ("hello", "Grace")]
    assert await states(queue) == []


async def test_a_job_of_a_rolled_back_transaction_is_none(queue: Database):
    with suppress(ZeroDivisionError):
        async with queue.begin_system("doomed") as tx:
            await tx.enqueue("test.work", name="never")
            raise ZeroDivisionError
    assert await states(queue) == []


async def test_an_actors_transaction_enqueues_without_reading_the_queue(queue: Database):
    async with queue.begin(NOBODY) as tx:
        await tx.enqueue("test.work", name="hers")
    assert await states(queue) == ["todo hers"]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with queue.begin(NOBODY) as tx:
            await tx.execute("SELECT FROM procrastinate_jobs")


async def test_one_with_the_same_once_is_dropped_and_the_transaction_goes_on(queue: Database):
    async with queue.begin(NOBODY) as tx:
        await tx.enqueue("test.work", once="only", name="first")
        await tx.enqueue("test.work", once="only", name="second")
        await tx.enqueue("test.work", name="third")
        await tx.emit("test.happened", workspace_id=NOBODY.workspace_id, subject="x")
    assert await states(queue) == ["todo first", "todo third"]


async def test_a_job_for_later_waits(queue: Database):
    async with queue.begin_system("enqueue") as tx:
        await tx.enqueue("test.work", at=tx.now + timedelta(hours=1), name="later")
        await tx.enqueue("test.work", at=tx.now, name="now")
    heard: list[str] = []

    async def work(*, name: str) -> None:
        heard.append(name)

    await pool(work).drain(queue.system_pool)
    assert heard == ["now"]


async def test_jobs_with_one_lock_run_one_after_the_other(queue: Database):
    at_work: list[str] = []
    heard: list[str] = []

    async def work(*, name: str) -> None:
        at_work.append(name)
        assert at_work == [name]
        await asyncio.sleep(0.02)
        at_work.remove(name)
        heard.append(name)

    await enqueue(queue, "a", "b", "c", lock="one")
    async with pool(work).running(queue.system_pool):
        await eventually(became(lambda: states(queue), []))
    assert heard == ["a", "b", "c"]


async def test_a_failed_job_is_tried_again_later_and_later(queue: Database):
    tries: list[int] = []

    async def work(*, name: str) -> None:
        tries.append(len(name))
        raise ZeroDivisionError

    await enqueue(queue, "x")
    waits = []
    for _ in range(jobs._ATTEMPTS):
        await pool(work).drain(queue.system_pool)
        async with queue.begin_system("look, and let time pass") as tx:
            query = "SELECT extract(epoch FROM scheduled_at - now())::float8 FROM procrastinate_jobs"
            waits.append(await tx.value(float, query))
            await tx.execute("UPDATE procrastinate_jobs SET scheduled_at = now()")
    assert [round(wait) for wait in waits if wait] == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]
    await pool(work).drain(queue.system_pool)
    assert len(tries) == jobs._ATTEMPTS + 1
    assert await states(queue) == ["failed x"]


async def test_a_job_that_nobody_knows_stays_to_be_seen(queue: Database, caplog: pytest.LogCaptureFixture):
    async with queue.begin_system("enqueue") as tx:
        await tx.enqueue("test.unknown", name="x")
    await pool(lambda **_: asyncio.sleep(0)).drain(queue.system_pool)
    assert await states(queue) == ["failed x"]
    assert "TaskNotFound" in caplog.text


async def test_a_retry_makes_way_for_an_equal_job_that_waits(queue: Database):
    """Else it would count as running for as long as its worker lives, and block its lock."""

    async def work(*, name: str) -> None:
        async with queue.begin_system("enqueue") as tx:
            await tx.enqueue("test.work", once="only", at=tx.now + timedelta(hours=1), name=f"after the {name}")
        raise ZeroDivisionError

    await enqueue(queue, "first", once="only")
    await pool(work).drain(queue.system_pool)
    assert await states(queue) == ["todo after the first"]


async def test_stopping_lets_jobs_finish(queue: Database):
    begun = asyncio.Event()

    async def work(*, name: str) -> None:
        begun.set()
        await asyncio.sleep(0.2)
        async with queue.begin_system("end") as tx:
            await tx.execute("INSERT INTO runs (name, state) VALUES (%(name)s, 'done')", name=name)

    await enqueue(queue, "x")
    async with pool(work).running(queue.system_pool):
        await begun.wait()
    assert await runs(queue, "done") == ["x"]
    assert await states(queue) == []


async def test_a_job_that_takes_too_long_to_stop_goes_to_the_next_worker_at_once(
    queue: Database, monkeypatch: pytest.MonkeyPatch
):
    """Only the patience is shortened. However often that happens, the job is not given up."""
    monkeypatch.setattr(jobs, "DRAIN_LIMIT", 0.05)
    begun = asyncio.Event()

    async def work(*, name: str) -> None:
        begun.set()
        await asyncio.sleep(60)

    await enqueue(queue, "x")
    async with queue.begin_system("make it old") as tx:
        await tx.execute("UPDATE procrastinate_jobs SET attempts = 100")
    async with pool(work).running(queue.system_pool):
        await begun.wait()
    assert await states(queue) == ["todo x"]
    heard: list[str] = []

    async def quick(*, name: str) -> None:
        heard.append(name)

    await pool(quick).drain(queue.system_pool)
    assert heard == ["x"]


async def test_a_worker_goes_on_after_the_database_was_away(databases: Databases, queue: Database):
    done: list[str] = []

    async def work(*, name: str) -> None:
        done.append(name)

    async with pool(work).running(queue.system_pool):
        await enqueue(queue, "before")
        await eventually(became(lambda: states(queue), []))
        await kick_everybody_out(databases, queue)
        await enqueue(queue, "after")
        await eventually(became(lambda: states(queue), []), seconds=15)
    assert done == ["before", "after"]


async def test_the_end_of_a_job_is_written_down_once_the_database_is_back(databases: Databases, queue: Database):
    async def work(*, name: str) -> None:
        assert name
        await kick_everybody_out(databases, queue)

    await enqueue(queue, "x")
    async with pool(work).running(queue.system_pool):
        await eventually(became(lambda: states(queue), []), seconds=15)


async def kick_everybody_out(databases: Databases, database: Database) -> None:
    name = str(conninfo_to_dict(database.app_url)["dbname"])
    async with await AsyncConnection.connect(databases.cluster.url(), autocommit=True) as connection:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        await connection.execute(query, (name,))


@asynccontextmanager
async def other_process(database: Database, *, patience: float) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(job_process.__file__)), database.system_url, str(patience)
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_the_jobs_of_a_killed_worker_are_taken_over_by_another_or_by_its_own_restart(databases: Databases):
    async with with_runs(databases) as one, with_runs(databases) as two:
        took = await asyncio.gather(taken_over_by_another(one), taken_over_after_restart(two))
        for queue in (one, two):
            assert await runs(queue, "done") == ["a", "b", "c", "locked 1", "locked 2"]
    assert max(took) < LIMIT


async def taken_over_by_another(queue: Database) -> float:
    async with busy_process(queue) as victim, job_process.pool(queue, patience=0).running(queue.system_pool):
        victim.kill()
        return await until_done(queue)


async def taken_over_after_restart(queue: Database) -> float:
    async with busy_process(queue) as victim:
        victim.kill()
        await victim.wait()
        async with other_process(queue, patience=0):
            return await until_done(queue)


@asynccontextmanager
async def busy_process(queue: Database) -> AsyncIterator[asyncio.subprocess.Process]:
    await enqueue(queue, "a", "b", "c")
    await enqueue(queue, "locked 1", "locked 2", lock="one")
    async with other_process(queue, patience=600) as process:
        await eventually(became(lambda: runs(queue, "begun"), ["a", "b", "c", "locked 1"]), seconds=20)
        yield process


async def until_done(queue: Database) -> float:
    """Seconds until no job is left."""
    began = time.monotonic()
    await eventually(became(lambda: states(queue), []), seconds=LIMIT)
    return time.monotonic() - began


async def test_a_living_workers_jobs_are_left_alone(queue: Database):
    async with other_process(queue, patience=600):
        await enqueue(queue, "x")
        await eventually(became(lambda: runs(queue, "begun"), ["x"]), seconds=20)
        assert not await jobs._take_over_one(queue.system_pool)
        async with queue.begin_system("stop the clock") as tx:
            await tx.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
        took = await asyncio.gather(*(jobs._take_over_one(queue.system_pool) for _ in range(4)))
        assert sorted(took) == [False, False, False, True]  # of several rescuers one


async def test_a_stalled_job_makes_way_for_an_equal_one_that_waits(queue: Database):
    await enqueue(queue, "stalled", once="only")
    async with queue.begin_system("its worker is gone") as tx:
        await tx.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = NULL")
    await enqueue(queue, "fresh", once="only")
    await enqueue(queue, "another")
    async with queue.begin_system("its worker is gone") as tx:
        await tx.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE args->>'name' = 'another'")
    while await jobs._take_over_one(queue.system_pool):
        pass
    assert await states(queue) == ["todo fresh", "todo another"]


async def test_scheduled_jobs_run_by_the_clock(queue: Database):
    ticks: list[str] = []

    async def tick(*, database: Database) -> None:
        ticks.append(type(database).__name__)

    scheduled = WorkerPool(
        jobs={"test.tick": tick}, schedules={"test.tick": "* * * * * *"}, resources={"database": queue}, concurrency=2
    )

    async def ticked() -> bool:
        return len(ticks) > 1

    async with scheduled.running(queue.system_pool):
        await eventually(ticked)
    assert set(ticks) == {"Database"}
