"""A run of a connection: takes it under a lease, works on all inboxes, and ends it.

Any run may be killed at any line; the next one goes on from what is written.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from litemail.connections import run_queries
from litemail.connections.run_queries import Claim, Decided
from litemail.connections.servers import Discovery, FindServers
from litemail.connections.steps import SignIn, Way
from litemail.connections.work import begin
from litemail.kit.db import Tx
from litemail.mailboxes import MailAccess
from litemail.platforms import Batch, Change, HostDoors, Means, hand_over, leased
from litemail.providers.mailhost import Found

_LOOK_AGAIN = 0.5


async def run(
    means: Means, connection_id: str, *, mail_access: MailAccess, inbox_sign_in: SignIn, find_servers: FindServers
) -> None:
    """Works until every inbox is decided or the connection is cancelled. Safe to call at any time, any number of times.

    Raises LeaseLost when it had to stop because it may be taken for dead.
    """
    claim = await _claim(means, connection_id)
    if claim is None:
        return
    sealed = claim.platform_password
    batch = Batch(
        id=claim.id,
        workspace_id=claim.workspace_id,
        mode=claim.mode,
        platform_account_id=claim.platform_account_id,
        platform_type=claim.platform_type,
        cancelled=claim.status == "cancelled",
        warmup=claim.options.warmup,
        tags=claim.options.tags,
        password=None if sealed is None else means.secrets.open(sealed, row=claim.id),
        signed_in=None if sealed is None else lambda: _erase_password(means, claim.id),
    )
    guard = means.doors.guards[claim.mode]
    async with leased(means.database, _Ledger(claim), pace=means.pace, cancelled=batch.cancelled) as (lease, recorder):
        way = Way(
            claim=claim,
            guard=guard,
            mail_access=mail_access,
            secrets=means.secrets,
            pace=means.pace,
            hosts=HostDoors(means.pace, claim.mode),
            discovery=Discovery(
                find=partial(find_servers, mode=claim.mode, guard=guard, mail_access=mail_access),
                keep=partial(_keep_servers, means, claim),
                note=recorder.note,
                pace=means.pace,
            ),
            sign_in=inbox_sign_in,
        )
        async with means.database.begin_system("read a connection") as tx:
            works = [begin(row) for row in await run_queries.list_open(tx, claim.id)]
        await hand_over(means, batch, works, lease=lease, recorder=recorder, way=way.go)
        await _finish(means, claim)


async def _claim(means: Means, connection_id: str) -> Claim | None:
    """The connection; None when nothing is left to do, or when its workspace has enough under way. Waits until a run
    that died is given up.
    """
    while True:
        async with means.database.begin_system("claim a connection") as tx:
            claim = await run_queries.claim(tx, connection_id, lease=means.pace.lease)
            if claim is not None or await run_queries.availability(tx, connection_id) in ("done", "crowded"):
                return claim
        await asyncio.sleep(min(_LOOK_AGAIN, means.pace.lease / 4))


async def _keep_servers(means: Means, claim: Claim, domain: str, found: Found) -> None:
    async with means.database.begin_system("keep the servers of a domain") as tx:
        await run_queries.keep_servers(
            tx,
            claim.id,
            fence=claim.fence,
            domain=domain,
            servers=found.servers,
            by_local_part=found.by_local_part,
        )


async def _erase_password(means: Means, connection_id: str) -> None:
    async with means.database.begin_system("erase a platform password") as tx:
        await run_queries.erase_platform_password(tx, connection_id)


@dataclass(frozen=True)
class _Ledger:
    """The connection, as the run that has claimed it writes it down."""

    claim: Claim

    async def renew(self, tx: Tx, *, lease: float) -> str | None:
        return await run_queries.renew(tx, self.claim.id, fence=self.claim.fence, lease=lease)

    async def release(self, tx: Tx) -> None:
        await run_queries.release(tx, self.claim.id, fence=self.claim.fence)

    async def lock(self, tx: Tx) -> str | None:
        return await run_queries.lock(tx, self.claim.id, fence=self.claim.fence)

    async def write(self, tx: Tx, changes: Sequence[Change]) -> None:
        decided = await run_queries.write(tx, self.claim.id, changes)
        await self._tell(tx, "inbox.connected", [row for row in decided if row.status == "connected"])
        await self._tell(tx, "inbox.failed", [row for row in decided if row.status == "failed"])

    async def _tell(self, tx: Tx, event_type: str, rows: Sequence[Decided]) -> None:
        if rows:
            await tx.emit_many(
                event_type,
                workspace_id=self.claim.workspace_id,
                data_by_subject={
                    row.id: {
                        "connection_id": self.claim.id,
                        "email": row.email,
                        **({"already": row.already} if row.status == "connected" else {"error": row.error}),
                    }
                    for row in rows
                },
            )


async def _finish(means: Means, claim: Claim) -> None:
    async with means.database.begin_system("finish a connection") as tx:
        done = await run_queries.finish(tx, claim.id, fence=claim.fence)
        if done is not None:
            await tx.emit(
                "connection.completed",
                workspace_id=done.workspace_id,
                subject=done.id,
                data={
                    "status": done.status,
                    "total": done.total,
                    "connected": done.connected,
                    "failed": done.failed,
                    "action_required": done.action_required,
                },
            )
