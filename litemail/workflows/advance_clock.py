"""Moving the time of a sandbox workspace ahead, from one thing that falls due to the next, so all happens in order.

The clock stands at each such moment until what fell due is done and whoever follows its events has followed; then it
goes on. It is stored after each step, so an interrupted journey goes on where it was.
"""

import asyncio
from datetime import datetime
from functools import partial

import structlog

from litemail import domains, subscriptions, wallet, workspaces
from litemail.domains import Market
from litemail.kit import jobs, outbox
from litemail.kit.calendar import Duration
from litemail.kit.db import Database, Tx
from litemail.kit.stops import stop_here
from litemail.providers.payments import GatewayError, Gateways
from litemail.workflows import renew_domains, renew_subscriptions

PATIENCE = 3.0
"""Seconds that the clock waits at a moment for jobs of the workspace."""
_LOOK_EVERY = 0.01
_DISPATCHER = "jobs"
"""The worker's place in the stream of events."""

log = structlog.get_logger("sandbox")


async def set_goal(tx: Tx, workspace_id: str, advance: Duration) -> datetime:
    """Has the clock moved once this transaction is committed; the time it will be then. Raises ClockTooFar."""
    goal = await workspaces.set_clock_goal(tx, workspace_id, advance)
    await tx.enqueue(
        "workflows.advance_clock", lock=f"clock {workspace_id}", once=f"clock {workspace_id}", workspace_id=workspace_id
    )
    return goal


async def advance_clock(
    *, database: Database, gateways: Gateways, market: Market, workspace_id: str, patience: float = PATIENCE
) -> None:
    """Goes on to the goal. Safe to repeat."""
    while await _step(database, gateways, market, workspace_id, patience=patience):
        await stop_here("clock.moved")


async def _step(database: Database, gateways: Gateways, market: Market, workspace_id: str, *, patience: float) -> bool:
    """Does what is due, then moves to the next moment; False when the clock is where it was told to go."""
    await _run_due(database, gateways, market, workspace_id)
    await _quiet(database, workspace_id, patience=patience)
    async with database.begin_system("move a sandbox clock") as tx:
        clock = await workspaces.get_clock(tx, workspace_id, lock=True)
        now, goal = tx.now + clock.ahead, tx.now + clock.goal
        due = _earliest(await subscriptions.next_due(tx, workspace_id), await domains.next_due(tx, workspace_id))
        if due is not None and due <= now:
            return True  # it fell due just now, or another worker that was thought dead is at it
        if clock.ahead >= clock.goal:
            await workspaces.rest_clock(tx, workspace_id)
            return False
        retry_at = await wallet.next_recharge_at(tx, workspace_id)
        if retry_at is not None and retry_at <= now:
            retry_at = None
        await workspaces.move_clock(tx, workspace_id, to=_earliest(goal, due, retry_at) or goal)
        return True


async def _run_due(database: Database, gateways: Gateways, market: Market, workspace_id: str) -> None:
    await _retry_card(database, gateways, workspace_id)
    await renew_subscriptions.run_due(database, gateways, workspace_id)
    await renew_domains.run_due(database, gateways, market, workspace_id)


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


async def _retry_card(database: Database, gateways: Gateways, workspace_id: str) -> None:
    async with database.begin_system("look for a declined card") as tx:
        retry_at = await wallet.next_recharge_at(tx, workspace_id)
        if retry_at is None or retry_at > await workspaces.time_of(tx, workspace_id):
            return
    try:
        await wallet.recharge(partial(database.begin_system, "retry a declined card"), workspace_id, gateways=gateways)
    except GatewayError as error:
        log.warning("declined card not tried", workspace=workspace_id, reason=str(error))


async def _quiet(database: Database, workspace_id: str, *, patience: float) -> None:
    """Waits until nothing of this workspace is under way but this, for so many seconds at the most."""
    deadline = asyncio.get_running_loop().time() + patience
    while patience and await _under_way(database, workspace_id):
        if asyncio.get_running_loop().time() > deadline:
            log.info("the clock goes on although jobs are under way", workspace=workspace_id)
            return
        await asyncio.sleep(_LOOK_EVERY)


async def _under_way(database: Database, workspace_id: str) -> int:
    async with database.begin_system("look for jobs") as tx:
        events = await outbox.count_waiting(tx.connection, _DISPATCHER, workspace_id=workspace_id)
        return events + await jobs.count_under_way(
            tx.connection, workspace_id=workspace_id, besides="workflows.advance_clock"
        )
