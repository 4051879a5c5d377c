"""`Database` and `Tx`: all of a transaction or nothing, and what happens when PostgreSQL goes away."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from litemail.kit.db import Database, DatabaseBusy, DatabaseUnavailable, NotCommitted, Tx
from litemail.kit.errors import Problem
from tests import doomed
from tests.conftest import Databases, Person, eventually


class Pair(msgspec.Struct, frozen=True):
    number: int
    word: str | None


async def happened(database: Database, subject: str) -> int:
    async with database.begin_system("look") as tx:
        return await tx.value(int, "SELECT count(*) FROM events WHERE subject = %(s)s", s=subject) or 0


async def emit(tx: Tx, person: Person, subject: str) -> None:
    await tx.emit("test.happened", workspace_id=person.workspace_id, subject=subject)


async def test_rows_become_structs(database: Database):
    async with database.begin_system("test") as tx:
        assert await tx.find(Pair, "SELECT 1 AS number, 'a' AS word") == Pair(1, "a")
        assert await tx.find(Pair, "SELECT 'a' AS word, 1 AS number") == Pair(1, "a")
        assert await tx.find(Pair, "SELECT 1 AS number, 'a' AS word WHERE false") is None
        assert await tx.all(Pair, "SELECT n AS number, NULL AS word FROM generate_series(1, 2) n") == [
            Pair(1, None),
            Pair(2, None),
        ]
        assert await tx.value(int, "SELECT NULL::int") is None
        assert await tx.values(str, "SELECT unnest(%(words)s::text[])", words=["b", "a"]) == ["b", "a"]
        with pytest.raises(AssertionError):
            await tx.one(Pair, "SELECT 1 AS number, 'a' AS word WHERE false")


class Holder(msgspec.Struct, frozen=True):
    problem: Problem


async def test_jsonb_becomes_a_struct_where_it_is_asked_for(database: Database):
    async with database.begin_system("test") as tx:
        row = await tx.one(Holder, """SELECT '{"code": "a.b", "message": "c", "retryable": true}'::jsonb AS problem""")
    assert row.problem == Problem(code="a.b", message="c", retryable=True)


async def test_times_come_back_in_utc(database: Database):
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    async with database.begin_system("test", now=moment) as tx:
        assert tx.now == moment
        back = await tx.value(datetime, "SELECT %(now)s::timestamptz", now=moment)
        assert back == moment
        assert back.utcoffset() == moment.utcoffset()


async def test_an_error_undoes_everything_and_the_connection_is_whole(database: Database, person: Person):
    with pytest.raises(psycopg.errors.DivisionByZero):
        async with database.begin(person.actor()) as tx:
            await emit(tx, person, f"undone {person.user_id}")
            await tx.execute("SELECT 1 / 0")
    assert await happened(database, f"undone {person.user_id}") == 0
    for _ in range(database._app.max_size + 1):
        async with database.begin(person.actor()) as tx:
            assert await tx.value(int, "SELECT 1") == 1


async def test_a_cancelled_use_case_undoes_everything(database: Database, person: Person):
    inside = asyncio.Event()

    async def work() -> None:
        async with database.begin(person.actor()) as tx:
            await emit(tx, person, f"cancelled {person.user_id}")
            inside.set()
            await tx.execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert await happened(database, f"cancelled {person.user_id}") == 0


async def test_a_swallowed_error_does_not_pass_for_success(database: Database, person: Person):
    with pytest.raises(NotCommitted):
        async with database.begin(person.actor()) as tx:
            await emit(tx, person, f"swallowed {person.user_id}")
            with suppress(psycopg.errors.DivisionByZero):
                await tx.execute("SELECT 1 / 0")
    assert await happened(database, f"swallowed {person.user_id}") == 0


async def test_a_failing_commit_is_an_error(databases: Databases):
    async with databases.fresh(size=2) as database:
        await doomed.add_table(databases, database)
        with pytest.raises(psycopg.errors.IntegrityError):
            async with database.begin_system("test") as tx:
                await tx.execute("INSERT INTO doomed VALUES (1)")
        async with database.begin_system("test") as tx:
            assert await tx.value(int, "SELECT count(*) FROM doomed") == 0


async def test_connections_that_postgresql_closed_are_replaced_unnoticed(databases: Databases):
    async with databases.fresh(size=4) as database:
        for _ in range(2):
            async with database.begin_system("a") as _one, database.begin_system("b") as _two:
                pass
            await kick_everybody_out(databases, database)
            async with database.begin_system("after the restart") as tx:
                assert await tx.value(int, "SELECT 1") == 1


async def test_a_connection_lost_in_the_middle_is_unavailability(databases: Databases):
    async with databases.fresh(size=2) as database:
        with pytest.raises(DatabaseUnavailable) as caught:
            async with database.begin_system("doomed") as tx:
                await kick_everybody_out(databases, database)
                await tx.value(int, "SELECT 1")
        assert caught.value.problem().retryable
        assert "database" in str(caught.value)
        assert "litemail_system" not in str(caught.value.problem())
        assert caught.value.data["reason"]
        with pytest.raises(DatabaseUnavailable):
            async with database.system_statement() as tx:
                await kick_everybody_out(databases, database)
                await tx.value(int, "SELECT 1")
        async with database.system_statement() as tx:
            assert await tx.value(int, "SELECT 1") == 1


async def kick_everybody_out(databases: Databases, database: Database) -> None:
    name = str(psycopg.conninfo.conninfo_to_dict(database.app_url)["dbname"])
    async with await AsyncConnection.connect(databases.cluster.url(), autocommit=True) as connection:
        query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s"
        await connection.execute(query, (name,))

        async def gone() -> bool:
            row = await (
                await connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", (name,))
            ).fetchone()
            return row == (0,)

        await eventually(gone)


async def test_who_waits_too_long_for_a_lock_hears_that_it_is_busy(database: Database):
    async with database.begin_system("first") as first:
        await first.execute("SELECT pg_advisory_xact_lock(77)")
        with pytest.raises(DatabaseBusy):
            async with database.begin_system("second") as second:
                await second.execute("SET LOCAL lock_timeout = '10ms'")
                await second.execute("SELECT pg_advisory_xact_lock(77)")


async def test_a_database_that_cannot_be_reached_is_told_at_opening(database: Database):
    nowhere = make_conninfo(database.app_url, host="127.0.0.1", port="1", hostaddr="127.0.0.1")
    unreachable = Database(app_url=nowhere, system_url=nowhere)
    unreachable._app.timeout = 0.1
    with pytest.raises(DatabaseUnavailable):
        await asyncio.wait_for(open_quickly(unreachable), 10)


async def open_quickly(database: Database) -> None:
    try:
        async with asyncio.timeout(1.0):
            await database.open()
    except TimeoutError:
        raise DatabaseUnavailable(reason="still trying") from None
    finally:
        await database.close()


async def test_entering_another_workspace_lasts_until_the_end_of_the_transaction(database: Database, person: Person):
    elsewhere = "ws_01k5m3v8w0e3t9f7a2b4c6d8ee"
    async with database.begin(person.actor()) as tx:
        await tx.enter(elsewhere)
        await tx.emit("test.happened", workspace_id=elsewhere, subject="x")
        assert await tx.values(str, "SELECT DISTINCT workspace_id FROM events") == [elsewhere]
    async with database.begin(person.actor()) as tx:
        assert elsewhere not in await tx.values(str, "SELECT DISTINCT workspace_id FROM events")
