"""The right to work on a batch of inboxes, and writing down how they stand: many in one statement, only under it.

A batch is a connection or an export. Its slice keeps it, with a lease counted by the database's clock and a fencing
token that grows with every run: each write names the token that its run was given, so that one that was taken for dead
writes nothing more.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import structlog

from litemail.kit.db import Database, DatabaseUnavailable, Tx
from litemail.platforms.pace import Pace
from litemail.platforms.work import OPEN, Change, Work

_BATCH = 500
_AGAIN = 0.5

log = structlog.get_logger("platforms")


class Ledger(Protocol):
    """Where one run of one batch writes down what it does. Each call is a statement or two of the batch's slice.

    A status of None means that another run has taken the batch.
    """

    async def renew(self, tx: Tx, *, lease: float) -> str | None:
        """Keeps the batch for so many seconds more; its status."""
        ...

    async def release(self, tx: Tx) -> None:
        """Lets another run go on at once, where something is left to do."""
        ...

    async def lock(self, tx: Tx) -> str | None:
        """Holds the batch until the transaction ends; its status."""
        ...

    async def write(self, tx: Tx, changes: Sequence[Change]) -> None:
        """Writes the changes, and tells of inboxes that are decided by them. The batch is locked."""
        ...


class LeaseLost(Exception):
    """The batch was not renewed in time, or another run has it: this one must not go on."""


@asynccontextmanager
async def leased(
    database: Database, ledger: Ledger, *, pace: Pace, cancelled: bool
) -> AsyncIterator[tuple["Lease", "Recorder"]]:
    """Holds the lease of a batch that was just claimed, and records its changes, while the block lasts.

    Raises LeaseLost in the block when it has to stop because it may be taken for dead.
    """
    lease = Lease(database, ledger, pace=pace, cancelled=cancelled)
    recorder = Recorder(database, ledger, lease)
    try:
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(lease.keep()), group.create_task(recorder.run())]
            yield lease, recorder
            await recorder.flush()
            for helper in helpers:
                helper.cancel()
    except BaseExceptionGroup as failures:
        if failures.subgroup(LeaseLost) is None:
            raise
        raise LeaseLost from None
    finally:
        with suppress(DatabaseUnavailable):
            await lease.release()


class Lease:
    """The right to work on a batch, renewed while `keep` runs."""

    def __init__(self, database: Database, ledger: Ledger, *, pace: Pace, cancelled: bool) -> None:
        self._database = database
        self._ledger = ledger
        self._pace = pace
        self._until = asyncio.get_running_loop().time() + pace.lease
        self.cancelled = asyncio.Event()
        if cancelled:
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
                    status = await self._ledger.renew(tx, lease=self._pace.lease)
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
            await self._ledger.release(tx)


class Recorder:
    """Collects changes while some are being written; the next statement has everything that came meanwhile."""

    def __init__(self, database: Database, ledger: Ledger, lease: Lease) -> None:
        self._database = database
        self._ledger = ledger
        self._lease = lease
        self._dirty: dict[str, Work] = {}
        self._waiting: list[asyncio.Future[bool]] = []
        self._wake = asyncio.Event()

    def note(self, work: Work) -> None:
        """The work's state will be written soon, as it is then."""
        self._dirty[work.id] = work
        self._wake.set()

    async def save(self, work: Work) -> bool:
        """Returns once it is written; False when it is not, because the batch was cancelled."""
        return await self._written(work)

    async def flush(self) -> None:
        """Returns once everything noted is written."""
        await self._written(None)

    async def _written(self, work: Work | None) -> bool:
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        if work is not None:
            self._dirty[work.id] = work
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
        """False when the batch was cancelled; then only what is decided was written."""
        while True:
            try:
                async with self._database.begin_system("write down inboxes") as tx:
                    return await self._write_once(tx, changes)
            except DatabaseUnavailable as error:
                log.warning("outcomes wait for the database", reason=str(error))
                await asyncio.sleep(_AGAIN)
                self._lease.check()

    async def _write_once(self, tx: Tx, changes: Sequence[Change]) -> bool:
        status = await self._ledger.lock(tx)
        if status is None:
            raise LeaseLost
        cancelled = status == "cancelled"
        if cancelled:
            self._lease.cancelled.set()
            changes = [change for change in changes if change.status not in OPEN]
        if changes:
            await self._ledger.write(tx, changes)
        return not cancelled
