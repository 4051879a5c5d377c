"""The worker: registers the slices' jobs, hands events to the jobs that want them, keeps the schedules."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import ModuleType

import structlog

from litemail import users
from litemail.connections import jobs as connections_jobs
from litemail.domains import jobs as domains_jobs
from litemail.exports import jobs as exports_jobs
from litemail.kit import idempotency, outbox
from litemail.kit.db import Database, DatabaseUnavailable
from litemail.kit.jobs import Job, WorkerPool
from litemail.kit.notify import Listener
from litemail.mailboxes import jobs as mailboxes_jobs
from litemail.platforms import jobs as platforms_jobs
from litemail.wallet import jobs as wallet_jobs
from litemail.workflows import jobs as workflows_jobs
from litemail.zones import jobs as zones_jobs

CONSUMER = "jobs"
"""The name of our place in the stream of events."""
LOOK_ANYWAY = 5.0
"""Seconds after which events are looked for without a notification."""
LOOK_SOON = 0.05
"""The same, where events wait for the end of an older transaction, which notifies nobody."""

_SLICES: Iterable[ModuleType] = (
    connections_jobs,
    exports_jobs,
    platforms_jobs,
    mailboxes_jobs,
    domains_jobs,
    wallet_jobs,
    workflows_jobs,
    zones_jobs,
)

log = structlog.get_logger("worker")


async def tidy(*, database: Database) -> None:
    """Forgets what has served its time: idempotent answers after a day, sign-ins that are over."""
    async with database.begin_system("tidy") as tx:
        await idempotency.delete_old_answers(tx)
        await users.forget_what_ended(tx)


JOBS: Mapping[str, Job] = {"worker.tidy": tidy} | {name: job for module in _SLICES for name, job in module.JOBS.items()}
SCHEDULES: Mapping[str, str] = {"worker.tidy": "17 * * * *"} | {
    name: cron for module in _SLICES for name, cron in module.SCHEDULES.items()
}
HANDLERS: Mapping[str, list[str]] = {
    event_type: [module.HANDLERS[event_type] for module in _SLICES if event_type in module.HANDLERS]
    for event_type in {event_type for module in _SLICES for event_type in module.HANDLERS}
}
FOLLOWERS: Mapping[str, Sequence[str]] = exports_jobs.FOLLOWERS
"""Jobs that read the stream of events with a place of their own, by the types that they wait for."""


@asynccontextmanager
async def running(
    *,
    database: Database,
    listener: Listener,
    resources: Mapping[str, object],
    concurrency: int,
    more_jobs: Mapping[str, Job] | None = None,
    more_schedules: Mapping[str, str] | None = None,
) -> AsyncIterator[None]:
    """Works on jobs and events while the block lasts. `resources` are what jobs ask for by parameter name.

    `more_jobs` and `more_schedules` are those of parts that the worker may not import.
    """
    pool = WorkerPool(
        jobs={**JOBS, **(more_jobs or {})},
        schedules={**SCHEDULES, **(more_schedules or {})},
        resources={"database": database, "listener": listener, **resources},
        concurrency=concurrency,
    )
    async with pool.running(database.system_pool):
        dispatcher = asyncio.create_task(_dispatch(database, listener), name="dispatcher")
        try:
            yield
        finally:
            dispatcher.cancel()
            await asyncio.gather(dispatcher, return_exceptions=True)


async def _dispatch(database: Database, listener: Listener) -> None:
    async with listener.subscribe(outbox.CHANNEL) as news:
        while True:
            pause = LOOK_ANYWAY
            try:
                while await dispatch_events(database):
                    pass
                async with database.begin_system("look for events") as tx:
                    if await outbox.is_waiting(tx.connection, CONSUMER):
                        pause = LOOK_SOON
            except DatabaseUnavailable as error:
                log.warning("no look at events this time", reason=error.data.get("reason"))
            except Exception:
                log.exception("no look at events this time")
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await news.get()


async def dispatch_events(database: Database) -> int:
    """Enqueues the jobs that the next events ask for, once each; how many events there were.

    Jobs that read the stream themselves are told once that there is something for them.
    """
    async with database.begin_system("dispatch events") as tx:
        told: set[str] = set()

        async def handle(event: outbox.Event) -> None:
            for job in HANDLERS.get(event.type, ()):
                await tx.enqueue(job, workspace_id=event.workspace_id, subject=event.subject)
            told.update(FOLLOWERS.get(event.type, ()))

        count = await outbox.consume(tx.connection, CONSUMER, handle)
        for job in sorted(told):
            await tx.enqueue(job, once=job)
        return count
