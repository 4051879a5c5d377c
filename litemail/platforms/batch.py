"""All inboxes of a batch at once: signs in to the platform, takes each its way, and stops when it is told to.

Any run may be killed at any line; the next one goes on from what is written.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from litemail.kit.actor import Mode
from litemail.kit.db import Database
from litemail.kit.errors import Error
from litemail.kit.secrets import Secrets
from litemail.platforms.claims import Claims
from litemail.platforms.doors import Doors
from litemail.platforms.finishing import Finishing
from litemail.platforms.handover import HandOver, Thing, settle
from litemail.platforms.lease import Lease, Recorder
from litemail.platforms.pace import Gate, Pace
from litemail.platforms.service import reach_account, sign_in
from litemail.platforms.work import MayBeThere, Work, given_up, problem_of
from litemail.providers.platform import (
    Adapter,
    Limits,
    RateLimited,
    Reach,
    Registry,
    Session,
    Standing,
    TryAgain,
    gathered,
)

Result = TypeVar("Result")

_SIGNING_IN = "signing_in"


@dataclass(frozen=True)
class Means:
    """What the program gives to every run."""

    database: Database
    secrets: Secrets
    registry: Registry
    doors: Doors
    pace: Pace


@dataclass(frozen=True)
class Batch:
    """Which account the inboxes go to, and what is wanted of them there. `password`: of the platform, if one was
    sent; `signed_in` is told when it has served.
    """

    id: str
    workspace_id: str
    mode: Mode
    platform_account_id: str
    platform_type: str
    cancelled: bool
    warmup: bool = False
    tags: Sequence[str] = ()
    password: str | None = None
    signed_in: Callable[[], Awaitable[None]] | None = None


async def hand_over(
    means: Means,
    batch: Batch,
    works: Sequence[Thing],
    *,
    lease: Lease,
    recorder: Recorder,
    way: Callable[[HandOver, Thing], Awaitable[None]],
) -> None:
    """Decides every inbox and writes that down, unless the batch is cancelled. Raises LeaseLost."""
    try:
        if works:  # else a run was killed just before the end
            await _at_platform(means, batch, works, lease=lease, recorder=recorder, way=way)
    except Error as error:
        problem = given_up(error, stage=_SIGNING_IN)
        for work in () if lease.cancelled.is_set() else works:
            work.fail(problem)
    if lease.cancelled.is_set():
        _stop(works)
    for work in works:
        recorder.note(work)
    await recorder.flush()


async def _at_platform(
    means: Means,
    batch: Batch,
    works: Sequence[Thing],
    *,
    lease: Lease,
    recorder: Recorder,
    way: Callable[[HandOver, Thing], Awaitable[None]],
) -> None:
    """Raises what concerns all of the inboxes."""
    adapter = means.registry.get(batch.platform_type)
    async with reach_account(
        means.database,
        means.doors,
        adapter,
        batch.platform_account_id,
        workspace_id=batch.workspace_id,
        mode=batch.mode,
    ) as (reach, limits):
        if batch.cancelled:
            await _find_out(await _sign_in(means, batch, adapter, reach, lease), works)
            return
        session = await _unless_cancelled(lease, _sign_in(means, batch, adapter, reach, lease))
        if session is None:
            return
        session = gathered(session, limits, name=adapter.declaration.name)
        claims = Claims(
            means.database,
            platform_account_id=batch.platform_account_id,
            workspace_id=batch.workspace_id,
            batch_id=batch.id,
            lease=lease,
        )
        run = HandOver(
            batch_id=batch.id,
            declaration=adapter.declaration,
            session=session,
            limits=limits,
            pace=means.pace,
            lease=lease,
            recorder=recorder,
            claims=claims,
            gate=Gate(_places(limits)),
            finishing=Finishing(session, warmup=batch.warmup, tags=batch.tags, pace=means.pace, lease=lease),
        )
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(run.finishing.run()), group.create_task(claims.run())]
            await _all(run, {work: group.create_task(settle(run, work, way)) for work in works})
            for helper in helpers:
                helper.cancel()
        await claims.release_all()


def _places(limits: Limits) -> int:
    """How many inboxes may be with the platform at once: a quarter more than calls may run, so that none waits for our
    own notes, and as many as go in one call.
    """
    return max(limits.concurrency + limits.concurrency // 4 + 1, limits.batch, limits.look_together)


async def _all(run: HandOver, tasks: Mapping[Thing, asyncio.Task[None]]) -> None:
    """Until all are done. When the batch is cancelled, what is at the platform just now gets a moment more."""
    if await _unless_cancelled(run.lease, asyncio.wait(tasks.values())) is not None:
        return
    for work, task in tasks.items():
        if not work.attempted:
            task.cancel()
    await asyncio.wait(tasks.values(), timeout=run.pace.wind_down)
    for task in tasks.values():
        task.cancel()
    await asyncio.wait(tasks.values())


async def _sign_in(means: Means, batch: Batch, adapter: Adapter, reach: Reach, lease: Lease) -> Session:
    """Tries as often as one inbox would."""
    tries = 0
    while True:
        lease.check()
        try:
            session = await sign_in(
                means.database,
                batch.platform_account_id,
                workspace_id=batch.workspace_id,
                password=batch.password,
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
    # A login that is used as it is serves until the end: after a crash the next run signs in with it again.
    if batch.signed_in is not None and adapter.login_session is None:
        await batch.signed_in()
    return session


async def _find_out(session: Session, works: Sequence[Work]) -> None:
    """After a crash of a run that was cancelled: which of the inboxes that were being added are there."""

    async def look(work: Work) -> None:
        with suppress(Error):  # then nobody knows, and `_stop` says so
            found = (await session.find([work.email])).get(work.email)
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


async def _unless_cancelled(lease: Lease, work: Coroutine[Any, Any, Result]) -> Result | None:
    """The result; None as soon as the batch is cancelled, which cancels the work."""
    task, stop = asyncio.ensure_future(work), asyncio.ensure_future(lease.cancelled.wait())
    try:
        await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in (task, stop):
            if not one.done():
                one.cancel()
        await asyncio.gather(task, stop, return_exceptions=True)
    return None if task.cancelled() else task.result()
