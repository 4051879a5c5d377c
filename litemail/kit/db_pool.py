"""Pools of connections to PostgreSQL."""

import asyncio

from psycopg import AsyncConnection
from psycopg.rows import tuple_row
from psycopg_pool import AsyncConnectionPool


class Pool(AsyncConnectionPool):
    async def getconn(self, timeout: float | None = None) -> AsyncConnection:  # noqa: ASYNC109 - its base has it
        """Where a connection comes free in the moment of a cancellation, `asyncio.wait_for` below, until Python 3.12,
        loses the cancellation: a task told to end would go on for ever.
        """
        task = asyncio.current_task()
        told = task.cancelling() if task else 0
        connection = await super().getconn(timeout)
        if task and task.cancelling() > told:
            await self.putconn(connection)
            raise asyncio.CancelledError
        return connection


def make_pool(url: str, size: int) -> Pool:
    return Pool(
        url,
        min_size=1,
        max_size=size,
        open=False,
        timeout=5,
        reconnect_timeout=5,  # then the next who asks tries at once, instead of waiting for ever longer pauses to end
        max_idle=300,
        configure=_set_autocommit,
        kwargs={"row_factory": tuple_row, "options": "-c timezone=UTC -c lock_timeout=15s"},
    )


async def _set_autocommit(connection: AsyncConnection) -> None:
    # Not among the pool's arguments: the job queue copies those for a connection of its own, and adds it itself.
    await connection.set_autocommit(True)
