"""Jobs on Procrastinate: enqueued by name in the caller's transaction, run by any number of workers.

A job is a plain function `async def run(*, database, connection_id)`. Its keyword parameters are filled from the
worker's resources by name (`database`, `secrets`, ...); the rest are the job's arguments.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

import procrastinate
import procrastinate.exceptions
import procrastinate.tasks
import structlog
from procrastinate.jobs import Job as StoredJob
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

Job = Callable[..., Awaitable[None]]

HEARTBEAT = 2.0
"""Seconds between a worker's signs of life."""
STALLED_AFTER = 8.0
"""Seconds of silence after which a worker counts as dead and its jobs go to another."""
RESCUE_EVERY = 3.0
RESTART_AFTER = 1.0

log = structlog.get_logger("jobs")

# Only builds statements; it is never opened, each call brings its own connection.
_enqueuer = procrastinate.App(connector=procrastinate.PsycopgConnector())


async def enqueue(
    connection: AsyncConnection,
    job: str,
    *,
    lock: str | None,
    once: str | None,
    at: datetime | None,
    arguments: Mapping[str, Any],
) -> None:
    deferrer = procrastinate.tasks.configure_task(
        name=job,
        job_manager=_enqueuer.job_manager,
        connection=connection,
        lock=lock,
        queueing_lock=once,
        schedule_at=at,
    )
    if once is None:
        await deferrer.defer_async(**arguments)
        return
    # A second job with the same queueing lock violates a unique index, which would abort the whole transaction.
    with suppress(procrastinate.exceptions.AlreadyEnqueued):
        async with connection.transaction():
            await deferrer.defer_async(**arguments)


async def count_under_way(connection: AsyncConnection, *, workspace_id: str, besides: str) -> int:
    """How many jobs of a workspace are due or running, those named `besides` not counted."""
    cursor = await connection.execute(
        """SELECT count(*) FROM procrastinate_jobs
           WHERE status IN ('todo', 'doing') AND task_name <> %(besides)s
             AND coalesce(scheduled_at, now()) <= now() AND args ->> 'workspace_id' = %(workspace_id)s""",
        {"workspace_id": workspace_id, "besides": besides},
    )
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


class WorkerPool:
    """The worker of one process: runs the registered jobs and takes over those of workers that died."""

    def __init__(
        self,
        *,
        jobs: Mapping[str, Job],
        schedules: Mapping[str, str],
        resources: Mapping[str, object],
        concurrency: int,
    ) -> None:
        self._app = procrastinate.App(connector=procrastinate.PsycopgConnector())
        self._concurrency = concurrency
        for name, job in jobs.items():
            task = self._app.task(name=name, retry=_retry)(_bind(name, job, resources))
            if name in schedules:
                self._app.periodic(cron=schedules[name])(task)

    @asynccontextmanager
    async def running(self, pool: AsyncConnectionPool) -> AsyncIterator[None]:
        """Works until the block ends; then jobs under way get 10 s to finish and the rest wait for another worker."""
        async with self._app.open_async(pool):
            worker = asyncio.create_task(self._work(), name="worker")
            rescue = asyncio.create_task(self._rescue(), name="rescue")
            try:
                yield
            finally:
                rescue.cancel()
                worker.cancel()
                await asyncio.gather(rescue, worker, return_exceptions=True)

    async def _work(self) -> None:
        """Procrastinate's worker ends when the database goes away for a moment; then it is started again."""
        while True:
            try:
                await self._app.run_worker_async(
                    concurrency=self._concurrency,
                    install_signal_handlers=False,
                    fetch_job_polling_interval=2.0,
                    shutdown_graceful_timeout=10.0,
                    update_heartbeat_interval=HEARTBEAT,
                    stalled_worker_timeout=STALLED_AFTER,
                    delete_jobs="successful",
                )
            except Exception:
                log.exception("the worker stopped and is started again")
            await asyncio.sleep(RESTART_AFTER)

    async def drain(self, pool: AsyncConnectionPool) -> None:
        """Runs what is due and returns when nothing is left; for tests."""
        async with self._app.open_async(pool):
            await self._app.run_worker_async(
                wait=False, concurrency=self._concurrency, install_signal_handlers=False, delete_jobs="successful"
            )

    async def _rescue(self) -> None:
        """Procrastinate lists the jobs of dead workers but retries none by itself."""
        while True:
            try:
                for job in await self._app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER):
                    log.warning("job of a dead worker taken over", job=job.task_name, job_id=job.id)
                    await self._app.job_manager.retry_job(job)
            except procrastinate.exceptions.ConnectorException as error:
                log.warning("no look for stalled jobs this time", reason=str(error))
            await asyncio.sleep(RESCUE_EVERY)


class _Backoff(procrastinate.BaseRetryStrategy):
    """2, 4, 8 ... seconds, at most 5 minutes apart, 12 times: about 40 minutes in all."""

    def get_retry_decision(self, *, exception: BaseException, job: StoredJob) -> procrastinate.RetryDecision | None:
        if job.attempts >= 12:  # noqa: PLR2004 - see above
            return None
        log.warning("job failed, will be tried again", job=job.task_name, error=repr(exception), attempt=job.attempts)
        return procrastinate.RetryDecision(retry_in={"seconds": min(2 ** (job.attempts + 1), 300)})


_retry = _Backoff()


def _bind(job_name: str, job: Job, resources: Mapping[str, object]) -> Callable[..., Awaitable[None]]:
    wanted = {name: resources[name] for name in inspect.signature(job).parameters if name in resources}

    async def run(*_timestamp: int, **arguments: object) -> None:
        arguments.pop("timestamp", None)
        with structlog.contextvars.bound_contextvars(job=job_name):
            await job(**wanted, **arguments)

    return run
