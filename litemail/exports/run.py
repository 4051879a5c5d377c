"""A run of an export: takes it under a lease, hands its mailboxes over or makes the passwords of its file, and ends it.

Any run may be killed at any line; the next one goes on from what is written.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from litemail import mailboxes
from litemail import platforms as platform_accounts
from litemail.exports import run_queries
from litemail.exports.intake import NotActive
from litemail.exports.run_queries import Claim, OpenItem
from litemail.exports.servers import own_servers
from litemail.kit.db import Tx
from litemail.mailboxes import MailAccess
from litemail.platforms import (
    Batch,
    Change,
    HandOver,
    Lease,
    LeaseLost,
    Means,
    Recorder,
    Work,
    hand_over,
    leased,
)
from litemail.providers.mailhost import Server, Servers
from litemail.providers.platform import ActionNeeded, Capability, Concerns, InboxToAdd, MailServer

_LOOK_AGAIN = 0.5
_TOGETHER = 1000
_IN_FILE = 1000


class PasswordNotTaken(ActionNeeded):
    """An inbox that does not work at the platform, whatever it shows."""

    concerns = Concerns.INBOX
    code = "platform.password_not_taken"
    message = "{name} has {email} with an app password that was revoked, and takes no new one."
    action = "Remove the inbox at {name}, then retry the export."


async def run(means: Means, export_id: str, *, mail_access: MailAccess) -> None:
    """Works until every mailbox is decided or the export is cancelled. Safe to call at any time, any number of times.

    Raises LeaseLost when it had to stop because it may be taken for dead.
    """
    claim = await _claim(means, export_id)
    if claim is None:
        return
    ledger, cancelled = _Ledger(claim), claim.status == "cancelled"
    async with leased(means.database, ledger, pace=means.pace, cancelled=cancelled) as (lease, recorder):
        if claim.platform_account_id is None:
            await _make_passwords(means, claim, ledger, lease)
        else:
            await _hand_over(means, claim, claim.platform_account_id, lease, recorder, mail_access=mail_access)
        await _finish(means, claim)


async def _claim(means: Means, export_id: str) -> Claim | None:
    """The export; None when nothing is left to do. Waits until a run that died is given up."""
    while True:
        async with means.database.begin_system("claim an export") as tx:
            claim = await run_queries.claim(tx, export_id, lease=means.pace.lease)
            if claim is not None or await run_queries.is_done(tx, export_id):
                return claim
        await asyncio.sleep(min(_LOOK_AGAIN, means.pace.lease / 4))


async def _make_passwords(means: Means, claim: Claim, ledger: "_Ledger", lease: Lease) -> None:
    """The file itself is written when it is asked for; what takes time is a password for each mailbox in it."""
    after: str | None = ""
    with suppress(_Cancelled):
        while after is not None and not lease.cancelled.is_set():
            lease.check()
            async with means.database.begin_system("make passwords for a file") as tx:
                after = await _make_some(tx, means, claim, ledger, after=after)


class _Cancelled(Exception):
    """What the transaction did is to be undone: the passwords of the export were revoked meanwhile."""


async def _make_some(tx: Tx, means: Means, claim: Claim, ledger: "_Ledger", *, after: str) -> str | None:
    """The last mailbox that has its password now; None when there was none left. Raises LeaseLost, _Cancelled."""
    waiting = await run_queries.list_for_file(tx, claim.id, after=after, limit=_IN_FILE)
    if not waiting:
        return None
    unusable = await run_queries.skip_unusable(tx, claim.id, waiting, not_active=NotActive().problem())
    usable = [mailbox_id for mailbox_id in waiting if mailbox_id not in unusable]
    await mailboxes.hand_to_export(
        tx, usable, export_id=claim.id, label="File export", by=claim.requested_by, secrets=means.secrets
    )
    # Only now, since the lease is renewed in the row that is locked here.
    status = await ledger.lock(tx)
    if status is None:
        raise LeaseLost
    if status == "cancelled":
        raise _Cancelled
    succeeded = await run_queries.succeed(tx, claim.id, usable)
    await run_queries.count(tx, claim.id, succeeded=succeeded, skipped=len(unusable))
    return waiting[-1]


async def _hand_over(
    means: Means, claim: Claim, account_id: str, lease: Lease, recorder: Recorder, *, mail_access: MailAccess
) -> None:
    batch = Batch(
        id=claim.id,
        workspace_id=claim.workspace_id,
        mode=claim.mode,
        platform_account_id=account_id,
        platform_type=claim.destination,
        cancelled=claim.status == "cancelled",
        warmup=claim.options.warmup,
        tags=claim.options.tags,
    )
    servers = own_servers(claim.mode, guard=means.doors.guards[claim.mode], mail_access=mail_access)
    while works := await _next(means, claim, account_id, servers):
        usable = []
        for work in works:
            if work.row.usable or work.attempted:
                usable.append(work)
            else:
                work.status, work.error = "skipped", NotActive().problem()
                recorder.note(work)
        await hand_over(means, batch, usable, lease=lease, recorder=recorder, way=_go)


@dataclass(eq=False, kw_only=True)
class _MailboxWork(Work):
    row: OpenItem
    inbox: InboxToAdd
    outdated: bool
    """The platform was handed another password, which was revoked since."""


async def _go(run: HandOver, work: _MailboxWork) -> None:
    """The way of one mailbox. One that is at the platform already is updated there."""
    await run.add(work, lambda: work.inbox, refresh=True)
    if work.already and work.outdated and Capability.CREDENTIALS not in run.declaration.capabilities:
        raise PasswordNotTaken(name=run.declaration.name, email=work.email)
    await run.finishing.finish(work.email)
    work.status, work.error = "connected", None


async def _next(means: Means, claim: Claim, account_id: str, servers: Servers) -> list[_MailboxWork]:
    """The next mailboxes that are not decided, each with the password made for that account."""
    async with means.database.begin_system("read an export") as tx:
        rows = await run_queries.list_open(tx, claim.id, limit=_TOGETHER)
        # An account that was deleted gets nothing more; that it is gone shows when it is reached.
        there = await platform_accounts.hold(tx, account_id, workspace_id=claim.workspace_id)
        passwords = await mailboxes.hand_to_platform_account(
            tx,
            [row.mailbox_id for row in rows] if there else [],
            platform_account_id=account_id,
            label=means.registry.get(claim.destination).declaration.name,
            by=claim.requested_by,
            secrets=means.secrets,
        )
        outdated = await run_queries.list_outdated(
            tx, list(passwords), platform_account_id=account_id, workspace_id=claim.workspace_id
        )
    return [
        _MailboxWork(
            id=row.mailbox_id,
            email=row.email,
            status=row.status,
            already=row.already,
            attempted=row.attempted,
            ticket=row.ticket,
            row=row,
            inbox=_inbox(row, claim, servers, passwords.get(row.mailbox_id, "")),
            outdated=row.mailbox_id in outdated,
        )
        for row in rows
    ]


def _inbox(row: OpenItem, claim: Claim, servers: Servers, password: str) -> InboxToAdd:
    def at(server: Server) -> MailServer:
        return MailServer(server.host, server.port, server.security.value, row.email, password)

    return InboxToAdd(
        email=row.email,
        first_name=row.first_name,
        last_name=row.last_name,
        inbox_type="litemail",
        imap=at(servers.imap),
        smtp=at(servers.smtp),
        daily_limit=claim.options.daily_limit,
        warmup=claim.options.warmup,
    )


@dataclass(frozen=True)
class _Ledger:
    """The export, as the run that has claimed it writes it down."""

    claim: Claim

    async def renew(self, tx: Tx, *, lease: float) -> str | None:
        return await run_queries.renew(tx, self.claim.id, fence=self.claim.fence, lease=lease)

    async def release(self, tx: Tx) -> None:
        await run_queries.release(tx, self.claim.id, fence=self.claim.fence)

    async def lock(self, tx: Tx) -> str | None:
        return await run_queries.lock(tx, self.claim.id, fence=self.claim.fence)

    async def write(self, tx: Tx, changes: Sequence[Change]) -> None:
        await run_queries.write(tx, self.claim.id, changes)


async def _finish(means: Means, claim: Claim) -> None:
    async with means.database.begin_system("finish an export") as tx:
        done = await run_queries.finish(tx, claim.id, fence=claim.fence)
        if done is not None:
            await tx.emit(
                "export.completed",
                workspace_id=done.workspace_id,
                subject=done.id,
                data={
                    "status": done.status,
                    "total": done.total,
                    "succeeded": done.succeeded,
                    "failed": done.failed,
                    "skipped": done.skipped,
                },
            )
