"""Jobs on Procrastinate: enqueued by name in the caller's transaction, run by any number of workers.

A job is a plain function `async def run(*, database, connection_id)`. Its keyword parameters are filled from the
worker's resources by name (`database`, `secrets`, ...); the rest are the job's arguments.
"""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

import procrastinate
import procrastinate.exceptions
import procrastinate.tasks
import structlog
from procrastinate.jobs import Job as StoredJob
from procrastinate.jobs import Status
from procrastinate.manager import JobManager
from psycopg import AsyncConnection, OperationalError, errors
from psycopg.rows import tuple_row
from psycopg_pool import AsyncConnectionPool

Job = Callable[..., Awaitable[None]]

HEARTBEAT = 2.0
"""Seconds between a worker's signs of life."""
STALLED_AFTER = 8.0
"""Seconds of silence after which a worker counts as dead and its jobs go to another."""
RESCUE_EVERY = 3.0
DRAIN_LIMIT = 10.0
"""Seconds that jobs under way get when the worker stops."""
_ATTEMPTS = 12
_BEGIN_AGAIN_AFTER = 1.0
_RECORD_FOR = 10.0
_RECORD_EVERY = 0.2

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
    try:
        if once is None:
            await deferrer.defer_async(**arguments)
            return
        # A second job with the same queueing lock violates a unique index, which would abort the whole transaction.
        with suppress(procrastinate.exceptions.AlreadyEnqueued):
            async with connection.transaction():
                await deferrer.defer_async(**arguments)
    except procrastinate.exceptions.ConnectorException as error:
        raise error.__cause__ or error from None  # the driver's own error, which callers know


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
        self._app.job_manager = _Manager(self._app.connector)
        self._concurrency = concurrency
        for name, job in jobs.items():
            task = self._app.task(name=name, retry=_retry)(_bind(name, job, resources))
            if name in schedules:
                self._app.periodic(cron=schedules[name])(task)

    @asynccontextmanager
    async def running(self, pool: AsyncConnectionPool) -> AsyncIterator[None]:
        """Works until the block ends; then jobs under way get 10 s to finish and the rest wait for another worker."""
        async with self._app.open_async(pool):
            tasks = [
                asyncio.create_task(self._work(), name="worker"),
                asyncio.create_task(_rescue(pool), name="rescue"),
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def drain(self, pool: AsyncConnectionPool) -> None:
        """Runs what is due and returns when nothing is left; for tests."""
        async with self._app.open_async(pool):
            await self._app.run_worker_async(
                wait=False, concurrency=self._concurrency, install_signal_handlers=False, delete_jobs="successful"
            )

    async def _work(self) -> None:
        """Procrastinate's worker ends when the database is away for a moment; a new one takes its place."""
        while True:
            try:
                await self._app.run_worker_async(
                    concurrency=self._concurrency,
                    install_signal_handlers=False,
                    fetch_job_polling_interval=2.0,
                    shutdown_graceful_timeout=DRAIN_LIMIT,
                    update_heartbeat_interval=HEARTBEAT,
                    stalled_worker_timeout=STALLED_AFTER,
                    delete_jobs="successful",
                )
                log.warning("the worker ended, another one begins")
            except Exception as error:  # noqa: BLE001 - whatever it was, jobs must go on
                log.warning("the worker failed, another one begins", reason=repr(error), cause=repr(error.__cause__))
            await asyncio.sleep(_BEGIN_AGAIN_AFTER)


_WAKE = """SELECT pg_notify('procrastinate_any_queue_v1', '{"type": "job_inserted"}')"""


class _Manager(JobManager):
    """Writes down how jobs ended, also past a short absence of the database: one that it could not write down would
    count as running for as long as its worker lives.
    """

    async def finish_job(self, job: StoredJob, status: Status, delete_job: bool) -> None:
        await _persistently(lambda: super(_Manager, self).finish_job(job, status, delete_job))
        if job.lock is not None:  # whoever waits for the lock would be found by polling only
            await _persistently(lambda: self.connector.execute_query_async(_WAKE))

    async def retry_job(
        self,
        job: StoredJob,
        retry_at: datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        try:
            await _persistently(lambda: super(_Manager, self).retry_job(job, retry_at, priority, queue, lock))
        except procrastinate.exceptions.UniqueViolation:  # one with the same `once` waits: that one will do it
            await self.finish_job(job, Status.ABORTED, delete_job=True)


async def _persistently(write: Callable[[], Awaitable[None]]) -> None:
    deadline = time.monotonic() + _RECORD_FOR
    while True:
        try:
            await write()
        except procrastinate.exceptions.UniqueViolation:
            raise
        except procrastinate.exceptions.ConnectorException as error:
            # An error of the statement itself (the job is gone, say) will not go away.
            if not isinstance(error.__cause__, OperationalError) or time.monotonic() > deadline:
                raise
            await asyncio.sleep(_RECORD_EVERY)
        else:
            return


_STALLED = """
SELECT job.id, job.task_name FROM procrastinate_jobs job LEFT JOIN procrastinate_workers w ON w.id = job.worker_id
WHERE job.status = 'doing' AND (w.id IS NULL OR w.last_heartbeat < now() - make_interval(secs => %(silence)s))
LIMIT 1 FOR UPDATE OF job SKIP LOCKED
"""


async def _rescue(pool: AsyncConnectionPool) -> None:
    """Gives the jobs of dead workers to living ones, which Procrastinate does not do by itself."""
    looked_at = time.monotonic()
    while True:
        # A process that was stopped for a while (a laptop closed) would take its own jobs for those of a dead worker.
        awake = time.monotonic() - looked_at < STALLED_AFTER
        looked_at = time.monotonic()
        try:
            while awake and await _take_over_one(pool):
                pass
        except OperationalError as error:
            log.warning("no look for stalled jobs this time", reason=str(error).strip())
        except Exception:
            log.exception("no look for stalled jobs this time")
        await asyncio.sleep(RESCUE_EVERY)


async def _take_over_one(pool: AsyncConnectionPool) -> bool:
    """Locks the job, so that of two rescuers one takes it over and the other finds it taken."""
    async with pool.connection() as connection, connection.transaction(), connection.cursor(row_factory=tuple_row) as c:
        row = await (await c.execute(_STALLED, {"silence": STALLED_AFTER})).fetchone()
        if row is None:
            return False
        job_id, name = row
        try:
            async with connection.transaction():
                await c.execute("SELECT procrastinate_retry_job_v2(%s, now(), NULL, NULL, NULL)", (job_id,))
        except errors.UniqueViolation:  # one with the same `once` waits: that one will do it
            await c.execute("SELECT procrastinate_finish_job_v1(%s, 'aborted', true)", (job_id,))
        log.warning("job of a dead worker taken over", job=name, job_id=job_id)
        return True


class _Backoff(procrastinate.BaseRetryStrategy):
    """2, 4, 8 ... seconds, at most 5 minutes apart, 12 times: about 40 minutes in all.

    A job that only had to make way for a stopping worker goes to the next one at once, however often.
    """

    def get_retry_decision(self, *, exception: BaseException, job: StoredJob) -> procrastinate.RetryDecision | None:
        if isinstance(exception, asyncio.CancelledError):
            return procrastinate.RetryDecision()
        if job.attempts >= _ATTEMPTS:
            log.error("job given up", job=job.task_name, job_id=job.id, error=repr(exception))
            return None
        log.warning("job failed, will be tried again", job=job.task_name, error=repr(exception), attempt=job.attempts)
        return procrastinate.RetryDecision(retry_in={"seconds": min(2 ** (job.attempts + 1), 300)})


_retry = _Backoff()


def _bind(job_name: str, job: Job, resources: Mapping[str, object]) -> Callable[..., Awaitable[None]]:
    parameters = inspect.signature(job).parameters
    wanted = {name: resources[name] for name in parameters if name in resources}

    async def run(**arguments: object) -> None:
        if "timestamp" not in parameters:
            arguments.pop("timestamp", None)  # when it was due, which Procrastinate tells scheduled jobs
        with structlog.contextvars.bound_contextvars(job=job_name):
            await job(**wanted, **arguments)

    return run


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
