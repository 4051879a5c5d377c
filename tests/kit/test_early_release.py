"""Transactions that let go of their locks early are as safe as others, and do not wait for the disk in turn."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from psycopg import errors

from litemail.kit import embedded_pg
from litemail.kit.db import Database, NotCommitted


@pytest.fixture
async def durable(tmp_path: Path) -> Path:
    """A folder with a cluster that writes to disk, as in production."""
    folder = tmp_path / "postgres"
    await embedded_pg.stop(await embedded_pg.start(folder))
    return folder


def database_of(cluster: embedded_pg.Cluster) -> Database:
    return Database(app_url=cluster.url(), system_url=cluster.url(), size=8)


def kill(postmaster: int) -> None:
    """All of a cluster at one blow: the children, which could still write something, before their parent."""
    parents = {
        int(stat.parent.name): int(stat.read_text().rpartition(")")[2].split()[1])
        for stat in Path("/proc").glob("[0-9]*/stat")
    }
    os.kill(postmaster, signal.SIGSTOP)  # so that it does not answer the end of a child
    for pid in [pid for pid, parent in parents.items() if parent == postmaster] + [postmaster]:
        os.kill(pid, signal.SIGKILL)


async def test_what_was_said_to_be_done_outlives_a_crash_of_the_server(durable: Path) -> None:
    cluster = await embedded_pg.start(durable)
    database = database_of(cluster)
    await database.open()
    async with database.begin_system("test") as tx:
        await tx.execute("CREATE TABLE done (number integer PRIMARY KEY)")
        await tx.execute("CREATE TABLE counter AS SELECT 0 AS value")

    async def act(number: int) -> None:
        async with database.begin_system("test") as tx:
            tx.release_early()
            await tx.execute("UPDATE counter SET value = value + 1")
            await tx.execute("INSERT INTO done VALUES (%(number)s)", number=number)

    await asyncio.gather(*map(act, range(40)))
    kill(cluster.pid)
    await database.close()
    await embedded_pg.stop(cluster)
    again = await embedded_pg.start(durable)
    database = database_of(again)
    await database.open()
    async with database.begin_system("test") as tx:
        assert await tx.value(int, "SELECT count(*) FROM done") == 40
        assert await tx.value(int, "SELECT value FROM counter") == 40
    await database.close()
    await embedded_pg.stop(again)


async def early(database: Database, *statements: str) -> None:
    async with database.begin_system("test") as tx:
        tx.release_early()
        for statement in statements:
            with suppress(errors.DivisionByZero):
                await tx.connection.execute(statement.encode())


async def test_a_transaction_that_fails_is_undone_as_ever(database: Database) -> None:
    with pytest.raises(NotCommitted):
        await early(database, "CREATE TEMPORARY TABLE never (number integer)", "SELECT 1 / 0")
    with pytest.raises(errors.UniqueViolation):
        await early(
            database,
            "CREATE TEMPORARY TABLE pairs (number integer UNIQUE DEFERRABLE INITIALLY DEFERRED)",
            "INSERT INTO pairs VALUES (1), (1)",
        )
    async with database.begin_system("test") as tx:
        assert await tx.value(str, "SELECT to_regclass('never')::text") is None
        usual = await tx.value(str, "SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'")
        assert await tx.value(str, "SELECT current_setting('synchronous_commit')") == usual
