"""Jobs of DNS checks: which are due, and the checks themselves, many domains to a job."""

import asyncio
from datetime import timedelta

from litemail.domains import check_queries, checking
from litemail.domains.check_queries import Subject
from litemail.domains.looking import Parents
from litemail.domains.verdicts import Checks
from litemail.kit.db import Database
from litemail.kit.jobs import Job
from litemail.providers.dns import Resolvers

AT_ONCE = 20
"""Domains that one job asks about at a time; each is some ten questions to some five servers."""
CHUNK = 100
_MOST_A_TIME = 1_000
_LOST_AFTER = timedelta(minutes=30)


async def check_due(*, database: Database) -> None:
    """Starts the checks that are due. What a crash loses is due again later."""
    async with database.begin_system("due DNS checks") as tx:
        due = await check_queries.take_due(tx, limit=_MOST_A_TIME, again_at=tx.now + _LOST_AFTER)
        for start in range(0, len(due), CHUNK):
            await checking.request(tx, due[start : start + CHUNK])


async def check(
    *, database: Database, parents: Parents, resolvers: Resolvers, mail_hostname: str, domain_ids: list[str]
) -> None:
    """Checks these domains; each result is kept by itself, so that a crash loses only those under way."""
    async with database.begin_system("check DNS") as tx:
        subjects = await check_queries.subjects(tx, domain_ids)
    asked = await checking.Round.begun(parents=parents, resolvers=resolvers, mail_hostname=mail_hostname)
    slots = asyncio.Semaphore(AT_ONCE)

    async def work(subject: Subject) -> None:
        async with slots:
            await _keep(database, subject, await checking.look(subject, asked))

    async with asyncio.TaskGroup() as group:
        for subject in subjects:
            group.create_task(work(subject))


async def _keep(database: Database, subject: Subject, checks: Checks) -> None:
    async with database.begin_system("keep a DNS check") as tx:
        await checking.settle(tx, subject, checks)


JOBS: dict[str, Job] = {"domains.check_dns_due": check_due, "domains.check_dns": check}
SCHEDULES = {"domains.check_dns_due": "* * * * * */10"}
