"""A run of a connection: takes it under a lease, signs in to the platform, works on all inboxes, and ends it.

Any run may be killed at any line; the next one goes on from what is written.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from litemail import platforms as platform_accounts
from litemail.connections import run_queries
from litemail.connections.finishing import Finishing
from litemail.connections.pace import Gate, Pace
from litemail.connections.recorder import Lease, LeaseLost, Recorder
from litemail.connections.run_queries import Claim
from litemail.connections.steps import Run, SignIn, connect, given_up, problem_of
from litemail.connections.work import MayBeThere, Work, begin
from litemail.kit.db import Database, DatabaseUnavailable
from litemail.kit.errors import Error
from litemail.kit.secrets import Secrets
from litemail.mailboxes import MailAccess
from litemail.platforms import Doors
from litemail.providers.platform import Adapter, RateLimited, Reach, Registry, Session, Standing, TryAgain

Result = TypeVar("Result")

_LOOK_AGAIN = 0.5
_SIGNING_IN = "signing_in"


@dataclass(frozen=True)
class Means:
    """What the program gives to every run."""

    database: Database
    secrets: Secrets
    registry: Registry
    doors: Doors
    mail_access: MailAccess
    sign_in: SignIn
    pace: Pace


async def run(means: Means, connection_id: str) -> None:
    """Works until every inbox is decided or the connection is cancelled. Safe to call at any time, any number of times.

    Raises LeaseLost when it had to stop because it may be taken for dead.
    """
    claim = await _claim(means, connection_id)
    if claim is None:
        return
    lease = Lease(means.database, claim, pace=means.pace)
    try:
        await _under_lease(means, claim, lease)
    except BaseExceptionGroup as group:
        if group.subgroup(LeaseLost) is None:
            raise
        raise LeaseLost(connection_id) from None
    finally:
        with suppress(DatabaseUnavailable):
            await lease.release()


async def _claim(means: Means, connection_id: str) -> Claim | None:
    """The connection; None when nothing is left to do. Waits until a run that died is given up."""
    while True:
        async with means.database.begin_system("claim a connection") as tx:
            claim = await run_queries.claim(tx, connection_id, lease=means.pace.lease)
            if claim is not None or await run_queries.availability(tx, connection_id) == "done":
                return claim
        await asyncio.sleep(min(_LOOK_AGAIN, means.pace.lease / 4))


async def _under_lease(means: Means, claim: Claim, lease: Lease) -> None:
    async with means.database.begin_system("read a connection") as tx:
        works = [begin(row) for row in await run_queries.list_open(tx, claim.id)]
    recorder = Recorder(means.database, claim, lease)
    async with asyncio.TaskGroup() as group:
        helpers = [group.create_task(lease.keep()), group.create_task(recorder.run())]
        try:
            if works:  # else a run was killed just before the end
                await _at_platform(means, claim, lease, recorder, works)
        except Error as error:
            problem = given_up(error, stage=_SIGNING_IN)
            for work in () if lease.cancelled.is_set() else works:
                work.fail(problem)
        if lease.cancelled.is_set():
            _stop(works)
        for work in works:
            recorder.note(work)
        await recorder.flush()
        await _finish(means, claim)
        for helper in helpers:
            helper.cancel()


async def _at_platform(means: Means, claim: Claim, lease: Lease, recorder: Recorder, works: Sequence[Work]) -> None:
    """Decides every inbox, unless the connection is cancelled. Raises what concerns all of them."""
    adapter = means.registry.get(claim.platform_type)
    async with means.doors.open(adapter, mode=claim.mode, workspace_id=claim.workspace_id) as (reach, limits):
        if claim.status == "cancelled":
            await _find_out(await _sign_in(means, claim, adapter, reach, lease), works)
            return
        session = await _unless_cancelled(lease, _sign_in(means, claim, adapter, reach, lease))
        if session is None:
            return
        shared = Run(
            claim=claim,
            declaration=adapter.declaration,
            session=session,
            limits=limits,
            guard=means.doors.guards[claim.mode],
            mail_access=means.mail_access,
            secrets=means.secrets,
            pace=means.pace,
            lease=lease,
            recorder=recorder,
            # A quarter more than calls may run at once, so that none waits for our own notes.
            gate=Gate(limits.concurrency + limits.concurrency // 4 + 1),
            finishing=Finishing(session, claim.options, pace=means.pace, lease=lease),
            sign_in=means.sign_in,
        )
        async with asyncio.TaskGroup() as group:
            finishing = group.create_task(shared.finishing.run())
            await _all(shared, {work: group.create_task(connect(shared, work)) for work in works})
            finishing.cancel()


async def _all(shared: Run, tasks: Mapping[Work, asyncio.Task[None]]) -> None:
    """Until all are done. When the connection is cancelled, what is at the platform just now gets a moment more."""
    if await _unless_cancelled(shared.lease, asyncio.wait(tasks.values())) is not None:
        return
    for work, task in tasks.items():
        if not work.attempted:
            task.cancel()
    await asyncio.wait(tasks.values(), timeout=shared.pace.wind_down)
    for task in tasks.values():
        task.cancel()
    await asyncio.wait(tasks.values())


async def _sign_in(means: Means, claim: Claim, adapter: Adapter, reach: Reach, lease: Lease) -> Session:
    """Tries as often as one inbox would. The password is erased as soon as it has served."""
    sealed = claim.platform_password
    password = None if sealed is None else means.secrets.open(sealed, row=claim.id)
    tries = 0
    while True:
        lease.check()
        try:
            session = await platform_accounts.sign_in(
                means.database,
                claim.platform_account_id,
                workspace_id=claim.workspace_id,
                password=password,
                adapter=adapter,
                reach=reach,
                secrets=means.secrets,
            )
            break
        except TryAgain as error:
            tries += not isinstance(error, RateLimited)
            if tries >= means.pace.platform_tries:
                raise
            await asyncio.sleep(max(means.pace.wait(max(tries, 1)), error.retry_after or 0))
    if password is not None:
        async with means.database.begin_system("erase a platform password") as tx:
            await run_queries.erase_platform_password(tx, claim.id)
    return session


async def _find_out(session: Session, works: Sequence[Work]) -> None:
    """After a crash of a run that was cancelled: which of the inboxes that were being added are there."""

    async def look(work: Work) -> None:
        with suppress(Error):  # then nobody knows, and `_stop` says so
            found = (await session.find([work.row.email])).get(work.row.email)
            if found is None:
                work.status = "cancelled"
            elif found.standing is Standing.CONNECTED:
                work.status = "connected"

    await asyncio.gather(*map(look, works))


def _stop(works: Sequence[Work]) -> None:
    for work in works:
        if not work.decided:
            work.error = problem_of(MayBeThere(), stage=work.status) if work.attempted else None
            work.status = "cancelled"


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


async def _unless_cancelled(lease: Lease, work: Coroutine[Any, Any, Result]) -> Result | None:
    """The result; None as soon as the connection is cancelled, which cancels the work."""
    task, stop = asyncio.ensure_future(work), asyncio.ensure_future(lease.cancelled.wait())
    try:
        await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in (task, stop):
            if not one.done():
                one.cancel()
        await asyncio.gather(task, stop, return_exceptions=True)
    return None if task.cancelled() else task.result()
