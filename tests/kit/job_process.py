"""A worker in a process of its own, to be killed. Arguments: the system role's URL, how long a job takes."""

import asyncio
import sys

from litemail.kit.db import Database
from litemail.kit.jobs import WorkerPool


async def work(*, database: Database, name: str, patience: float) -> None:
    async with database.begin_system("job begins") as tx:
        await tx.execute("INSERT INTO runs (name, state) VALUES (%(name)s, 'begun')", name=name)
    await asyncio.sleep(patience)
    async with database.begin_system("job ends") as tx:
        await tx.execute("INSERT INTO runs (name, state) VALUES (%(name)s, 'done')", name=name)


def pool(database: Database, *, patience: float) -> WorkerPool:
    return WorkerPool(
        jobs={"test.work": work}, schedules={}, resources={"database": database, "patience": patience}, concurrency=4
    )


async def main(url: str, patience: float) -> None:
    database = Database(app_url=url, system_url=url, size=4)
    await database.open()
    async with pool(database, patience=patience).running(database.system_pool):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
