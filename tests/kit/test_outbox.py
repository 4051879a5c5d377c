import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from litemail import worker
from litemail.kit import outbox
from litemail.kit.db import Database, Tx
from litemail.kit.ids import new_id
from litemail.kit.notify import Listener
from litemail.kit.outbox import Event
from tests.conftest import Databases, eventually

WORKSPACE = new_id("ws")


@pytest.fixture(scope="module")
async def shared(databases: Databases) -> AsyncIterator[Database]:
    """A database of its own: an older transaction anywhere else would hold events back."""
    async with databases.fresh(size=6) as database:
        yield database


async def emit(tx: Tx, subject: str, **more: object) -> None:
    await tx.emit("test.happened", workspace_id=WORKSPACE, subject=subject, data=more or None)


async def consume(database: Database, consumer: str, *, limit: int = 500) -> list[Event]:
    heard: list[Event] = []

    async def hear(event: Event) -> None:
        heard.append(event)

    async with database.begin_system("consume") as tx:
        assert await outbox.consume(tx.connection, consumer, hear, limit=limit) == len(heard)
    return heard


async def consume_all(database: Database, consumer: str) -> list[str]:
    """Waits until nothing older runs in the cluster, other tests' transactions included."""
    heard: list[str] = []

    async def is_over() -> bool:
        heard.extend(event.subject for event in await consume(database, consumer))
        async with database.begin_system("look") as tx:
            return not await outbox.is_waiting(tx.connection, consumer)

    await eventually(is_over)
    return heard


async def test_a_consumer_gets_every_event_once_and_in_order(shared: Database):
    consumer = new_id("con")
    await consume_all(shared, consumer)
    for number in range(5):
        async with shared.begin_system("emit") as tx:
            await emit(tx, f"{consumer} {number}")
            await emit(tx, f"{consumer} {number} again")
    expected = [f"{consumer} {number}{again}" for number in range(5) for again in ("", " again")]
    assert await consume_all(shared, consumer) == expected
    assert await consume(shared, consumer) == []


async def test_a_new_consumer_starts_with_the_oldest_event_and_pages_on(shared: Database):
    async with shared.begin_system("emit") as tx:
        await tx.emit_many("test.many", workspace_id=WORKSPACE, data_by_subject={f"s{n}": {"n": n} for n in range(7)})
    await consume_all(shared, "paging, once")
    seen: list[Event] = []
    while page := await consume(shared, "paging, slowly", limit=3):
        seen += page
    many = [event for event in seen if event.type == "test.many"]
    assert [(event.subject, event.data) for event in many] == [(f"s{n}", {"n": n}) for n in range(7)]
    assert len({event.id for event in seen}) == len(seen)


async def test_an_earlier_number_that_commits_later_is_not_skipped(shared: Database):
    consumer = new_id("con")
    await consume_all(shared, consumer)
    async with shared.begin_system("slow") as slow:
        await emit(slow, "slow")
        async with shared.begin_system("quick") as quick:
            await emit(quick, "quick")
        assert await consume(shared, consumer) == []  # a reader by number alone would take `quick` and pass `slow`
        async with shared.begin_system("look") as tx:
            assert await outbox.is_waiting(tx.connection, consumer)
    assert await consume_all(shared, consumer) == ["slow", "quick"]


async def test_a_late_number_of_an_early_transaction_comes_before_those_of_later_ones(shared: Database):
    consumer = new_id("con")
    await consume_all(shared, consumer)
    async with shared.begin_system("early") as early:
        await emit(early, "early 1")
        async with shared.begin_system("late") as late:
            await emit(late, "late")
        await emit(early, "early 2")
    assert await consume_all(shared, consumer) == ["early 1", "early 2", "late"]


async def test_an_aborted_transaction_leaves_no_event(shared: Database):
    consumer = new_id("con")
    await consume_all(shared, consumer)
    with suppress(ZeroDivisionError):
        async with shared.begin_system("doomed") as tx:
            await emit(tx, "never")
            raise ZeroDivisionError
    async with shared.begin_system("fine") as tx:
        await emit(tx, "after")
    assert await consume_all(shared, consumer) == ["after"]


async def test_two_dispatchers_at_once_deliver_once(shared: Database):
    consumer = new_id("con")
    await consume_all(shared, consumer)
    async with shared.begin_system("emit") as tx:
        await tx.emit_many("test.many", workspace_id=WORKSPACE, data_by_subject={f"{n:03}": None for n in range(100)})
    heard: list[str] = []

    async def hear(event: Event) -> None:
        await asyncio.sleep(0)
        heard.append(event.subject)

    async def dispatch() -> None:
        async with asyncio.timeout(20):
            while len(heard) < 100:
                async with shared.begin_system("consume") as tx:
                    await outbox.consume(tx.connection, consumer, hear, limit=7)

    await asyncio.gather(*(dispatch() for _ in range(3)))
    assert heard == [f"{n:03}" for n in range(100)]


async def test_a_dispatcher_that_fails_delivers_again(shared: Database):
    consumer = new_id("con")
    await consume_all(shared, consumer)
    async with shared.begin_system("emit") as tx:
        await emit(tx, "precious")

    async def drop(_: Event) -> None:
        raise ZeroDivisionError

    async def dropped() -> bool:
        async with shared.begin_system("consume") as tx:
            return await outbox.consume(tx.connection, consumer, drop) > 0

    with pytest.raises(ZeroDivisionError):
        await eventually(dropped)
    assert await consume_all(shared, consumer) == ["precious"]


async def test_an_event_keeps_before_and_after_and_whom_it_is_for(shared: Database):
    async with shared.begin_system("emit") as tx:
        await tx.emit(
            "test.changed",
            workspace_id=WORKSPACE,
            subject="dom_1",
            before={"ttl": 60},
            data={"ttl": 300},
            audience="audit",
        )
        row = await tx.value(
            str,
            """SELECT concat_ws(' ', audience, before->>'ttl', data->>'ttl', user_id, created_at = %(now)s)
               FROM events WHERE type = 'test.changed'""",
            now=tx.now,
        )
    assert row == "audit 60 300 t"


async def test_the_worker_hands_events_to_the_jobs_that_want_them(shared: Database, monkeypatch: pytest.MonkeyPatch):
    """No slice handles events yet, so the table of handlers is the one thing that is made up here."""
    monkeypatch.setattr(worker, "HANDLERS", {"test.wanted": ["test.do", "test.do_too"]})
    listener = Listener(shared.system_url, channels=(outbox.CHANNEL,))
    async with listener.running():
        dispatcher = asyncio.create_task(worker._dispatch(shared, listener))
        async with shared.begin_system("emit") as tx:
            await tx.emit("test.wanted", workspace_id=WORKSPACE, subject="thing")
            await tx.emit("test.unwanted", workspace_id=WORKSPACE, subject="other")

        async def enqueued() -> bool:
            async with shared.begin_system("look") as tx:
                query = "SELECT task_name || ' ' || (args->>'subject') FROM procrastinate_jobs ORDER BY id"
                return await tx.values(str, query) == ["test.do thing", "test.do_too thing"]

        await eventually(enqueued)
        dispatcher.cancel()
        await asyncio.gather(dispatcher, return_exceptions=True)


async def test_the_dispatcher_outlives_a_failure(
    shared: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Only the pause is made shorter, and the failure made up."""
    monkeypatch.setattr(worker, "LOOK_ANYWAY", 0.01)
    tries: list[int] = []

    async def fail(_: Database) -> int:
        tries.append(1)
        raise ZeroDivisionError

    monkeypatch.setattr(worker, "dispatch_events", fail)
    listener = Listener(shared.system_url, channels=(outbox.CHANNEL,))
    async with listener.running():
        dispatcher = asyncio.create_task(worker._dispatch(shared, listener))

        async def tried_again() -> bool:
            return len(tries) > 2

        await eventually(tried_again)
        assert not dispatcher.done()
        dispatcher.cancel()
        await asyncio.gather(dispatcher, return_exceptions=True)
    assert "ZeroDivisionError" in "".join(capsys.readouterr())
