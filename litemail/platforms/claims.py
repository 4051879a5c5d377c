"""One batch at a time gives an inbox to a platform account: two that come with the same inbox take turns.

Without that, both would look, find nothing, and add it, and not every platform refuses what it has already. A claim
belongs to the batch, not to its run, so that the run after a crash goes on with it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from litemail.kit.db import Database, DatabaseUnavailable, Tx
from litemail.platforms.lease import Lease

_AGAIN = 0.25
_AFTER_FAILURE = 0.5


class Claims:
    """The claims of one run. Inboxes that ask at the same time are claimed in one statement."""

    def __init__(
        self, database: Database, *, platform_account_id: str, workspace_id: str, batch_id: str, lease: Lease
    ) -> None:
        self._database = database
        self._platform_account_id = platform_account_id
        self._workspace_id = workspace_id
        self._batch_id = batch_id
        self._lease = lease
        self._wanted: dict[str, asyncio.Future[None]] = {}
        self._done: set[str] = set()
        self._wake = asyncio.Event()

    @asynccontextmanager
    async def holding(self, email: str) -> AsyncIterator[None]:
        """Waits until no other batch holds this inbox, and keeps them away while the block lasts."""
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wanted[email] = granted
        self._wake.set()
        try:
            await granted
            yield
        finally:
            self._wanted.pop(email, None)
            self._done.add(email)
            self._wake.set()

    async def run(self) -> None:
        """Works until it is cancelled. Raises LeaseLost."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._lease.check()
            done, self._done = self._done, set()
            try:
                await self._release(done)
                mine = await self._take(email for email in self._wanted if email not in done)
            except DatabaseUnavailable:
                self._done |= done
                await asyncio.sleep(_AFTER_FAILURE)
                self._wake.set()
                continue
            for email in mine:
                granted = self._wanted.pop(email, None)
                if granted is not None and not granted.done():
                    granted.set_result(None)
            if self._wanted:
                await self._moment()

    async def _moment(self) -> None:
        """Until somebody else may have finished, or one of ours asks or is done."""
        try:
            async with asyncio.timeout(_AGAIN):
                await self._wake.wait()
        except TimeoutError:
            self._wake.set()

    async def _take(self, emails: Iterable[str]) -> list[str]:
        """Those that this batch holds now. In one order everywhere, and in a transaction that does nothing else, so
        that two batches never wait for each other.
        """
        wanted = sorted(emails)
        if not wanted:
            return []
        async with self._database.begin_system("claim inboxes") as tx:
            await tx.execute(
                """INSERT INTO platform_claims (platform_account_id, email, workspace_id, batch_id, claimed_at)
                   SELECT %(platform_account_id)s, email, %(workspace_id)s, %(batch_id)s, %(now)s
                   FROM unnest(%(emails)s::text[]) AS email
                   ON CONFLICT DO NOTHING""",
                platform_account_id=self._platform_account_id,
                workspace_id=self._workspace_id,
                batch_id=self._batch_id,
                emails=wanted,
                now=tx.now,
            )
            return await tx.values(
                str,
                "SELECT email FROM platform_claims WHERE batch_id = %(batch_id)s AND email = ANY (%(emails)s)",
                batch_id=self._batch_id,
                emails=wanted,
            )

    async def _release(self, emails: Iterable[str]) -> None:
        done = list(emails)
        if done:
            async with self._database.begin_system("release inboxes") as tx:
                await tx.execute(
                    "DELETE FROM platform_claims WHERE batch_id = %(batch_id)s AND email = ANY (%(emails)s)",
                    batch_id=self._batch_id,
                    emails=done,
                )

    async def release_all(self) -> None:
        """At the end of a run that still has its lease."""
        async with self._database.begin_system("release inboxes") as tx:
            await release_claims(tx, batch_id=self._batch_id)


async def release_claims(tx: Tx, *, batch_id: str) -> None:
    """Every inbox of a batch that nobody works on any more."""
    await tx.execute("DELETE FROM platform_claims WHERE batch_id = %(batch_id)s", batch_id=batch_id)


async def forget_old(tx: Tx, *, seconds: float) -> None:
    """Claims that are nobody's by now, whatever happened to their batches."""
    await tx.execute(
        "DELETE FROM platform_claims WHERE claimed_at < %(now)s - make_interval(secs => %(seconds)s)",
        seconds=seconds,
        now=tx.now,
    )
