"""A cancellation is never lost on the way to a connection, whatever happens in the same moment."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from litemail.kit.db import Database
from tests.conftest import Databases


async def until_free(database: Database) -> None:
    while True:
        async with database.system_statement() as tx:
            await tx.value(int, "SELECT 1")


@pytest.mark.parametrize("turns", range(10))
async def test_a_task_that_waits_for_a_connection_can_be_cancelled_when_one_comes_free(
    databases: Databases, turns: int
):
    async with databases.fresh(size=1) as database, AsyncExitStack() as held:
        await held.enter_async_context(database.system_statement())
        waiting = asyncio.create_task(until_free(database))
        await asyncio.sleep(0.02)
        await held.aclose()
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        done, _ = await asyncio.wait([waiting], timeout=2)
        if not done:
            waiting.cancel()
        assert done
        assert waiting.cancelled()


async def test_no_connection_goes_back_in_a_transaction(databases: Databases, caplog: pytest.LogCaptureFixture):
    """The pool would roll it back, and complain."""

    async def work(database: Database) -> None:
        async with database.begin_system("test") as tx:
            await tx.value(int, "SELECT 1")

    async with databases.fresh(size=2) as database:
        for turn in range(200):
            working = asyncio.create_task(work(database))
            await asyncio.sleep(turn * 0.00002)
            working.cancel()
            await asyncio.wait([working])
        await work(database)
    assert [record.getMessage() for record in caplog.records if record.name == "psycopg.pool"] == []
