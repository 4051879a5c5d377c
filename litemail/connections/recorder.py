"""Writes down how the inboxes of a run stand: many in one statement, only while the run holds its lease."""

import asyncio
from collections.abc import Sequence

import structlog

from litemail.connections import run_queries
from litemail.connections.pace import Pace
from litemail.connections.queries import OPEN
from litemail.connections.run_queries import Change, Claim, Decided
from litemail.connections.work import Work
from litemail.kit.db import Database, DatabaseUnavailable, Tx

_BATCH = 500
_AGAIN = 0.5

log = structlog.get_logger("connections")


class LeaseLost(Exception):
    """The connection was not renewed in time, or another run has it: this one must not go on."""


class Lease:
    """The right to work on a connection, renewed while `keep` runs."""

    def __init__(self, database: Database, claim: Claim, *, pace: Pace) -> None:
        self._database = database
        self._claim = claim
        self._pace = pace
        self._until = asyncio.get_running_loop().time() + pace.lease
        self.cancelled = asyncio.Event()
        if claim.status == "cancelled":
            self.cancelled.set()

    def check(self) -> None:
        """Before each call to the outside. Raises LeaseLost: a process that stood still may have been replaced."""
        if asyncio.get_running_loop().time() >= self._until:
            raise LeaseLost

    async def keep(self) -> None:
        """Runs until it is cancelled. Raises LeaseLost."""
        while True:
            await asyncio.sleep(self._pace.renew)
            begun = asyncio.get_running_loop().time()
            try:
                async with self._database.begin_system("renew a lease") as tx:
                    status = await run_queries.renew(
                        tx, self._claim.id, fence=self._claim.fence, lease=self._pace.lease
                    )
            except DatabaseUnavailable:
                self.check()
                continue
            if status is None:
                raise LeaseLost
            self._until = begun + self._pace.lease
            if status == "cancelled":
                self.cancelled.set()

    async def release(self) -> None:
        async with self._database.begin_system("release a lease") as tx:
            await run_queries.release(tx, self._claim.id, fence=self._claim.fence)


class Recorder:
    """Collects changes while one batch is being written; the next batch is everything that came meanwhile."""

    def __init__(self, database: Database, claim: Claim, lease: Lease) -> None:
        self._database = database
        self._claim = claim
        self._lease = lease
        self._dirty: dict[str, Work] = {}
        self._waiting: list[asyncio.Future[bool]] = []
        self._wake = asyncio.Event()

    def note(self, work: Work) -> None:
        """The work's state will be written soon, as it is then."""
        self._dirty[work.row.id] = work
        self._wake.set()

    async def save(self, work: Work) -> bool:
        """Returns once it is written; False when it is not, because the connection was cancelled."""
        return await self._written(work)

    async def flush(self) -> None:
        """Returns once everything noted is written."""
        await self._written(None)

    async def _written(self, work: Work | None) -> bool:
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        if work is not None:
            self._dirty[work.row.id] = work
        self._wake.set()
        return await done

    async def run(self) -> None:
        """Writes until it is cancelled. Raises LeaseLost."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            dirty, self._dirty = self._dirty, {}
            waiting, self._waiting = self._waiting, []
            changes = [work.change() for work in dirty.values()]
            open_ = True
            for start in range(0, len(changes), _BATCH):
                open_ = await self._write(changes[start : start + _BATCH])
            for done in waiting:
                if not done.done():
                    done.set_result(open_)

    async def _write(self, changes: Sequence[Change]) -> bool:
        """False when the connection was cancelled; then only what is decided was written."""
        while True:
            try:
                async with self._database.begin_system("write a connection") as tx:
                    return await self._write_once(tx, changes)
            except DatabaseUnavailable as error:
                log.warning("outcomes wait for the database", connection=self._claim.id, reason=str(error))
                await asyncio.sleep(_AGAIN)
                self._lease.check()

    async def _write_once(self, tx: Tx, changes: Sequence[Change]) -> bool:
        status = await run_queries.lock(tx, self._claim.id, fence=self._claim.fence)
        if status is None:
            raise LeaseLost
        cancelled = status == "cancelled"
        if cancelled:
            self._lease.cancelled.set()
            changes = [change for change in changes if change.status not in OPEN]
        if changes:
            decided = await run_queries.write(tx, self._claim.id, changes)
            await self._tell(tx, "inbox.connected", [row for row in decided if row.status == "connected"])
            await self._tell(tx, "inbox.failed", [row for row in decided if row.status == "failed"])
        return not cancelled

    async def _tell(self, tx: Tx, event_type: str, rows: Sequence[Decided]) -> None:
        if rows:
            await tx.emit_many(
                event_type,
                workspace_id=self._claim.workspace_id,
                data_by_subject={
                    row.id: {
                        "connection_id": self._claim.id,
                        "email": row.email,
                        **({"already": row.already} if row.status == "connected" else {"error": row.error}),
                    }
                    for row in rows
                },
            )
