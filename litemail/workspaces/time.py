"""The time of a workspace: ours, plus what a sandbox was moved ahead. Tokens and idempotency keep to ours."""

from datetime import datetime, timedelta

from litemail.kit.calendar import Duration
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.workspaces import queries
from litemail.workspaces.queries import Clock

_FURTHEST = timedelta(days=366 * 100)


class ClockTooFar(Error):
    kind = Kind.INVALID
    code = "sandbox.clock_too_far"
    message = "The clock of a sandbox moves ahead by more than nothing, and by 100 years in all."
    action = "Advance by less, or start over in a new sandbox workspace."


async def time_of(tx: Tx, workspace_id: str) -> datetime:
    """What time it is there now. Plans, removals and retries go by this."""
    return tx.now + (await queries.get_clock(tx, workspace_id)).ahead


async def get_clock(tx: Tx, workspace_id: str, *, lock: bool = False) -> Clock:
    return await queries.get_clock(tx, workspace_id, lock=lock)


async def set_clock_goal(tx: Tx, workspace_id: str, advance: Duration) -> datetime:
    """How far a sandbox's clock is to go, counted from where it is to go already; the time it will be then.

    Raises ClockTooFar.
    """
    clock = await queries.get_clock(tx, workspace_id, lock=True)
    before = tx.now + clock.goal
    try:
        after = advance.after(before)
    except OverflowError:
        raise ClockTooFar(field="advance") from None
    if not before < after <= tx.now + _FURTHEST:
        raise ClockTooFar(field="advance")
    await queries.set_clock(tx, workspace_id, Clock(clock.ahead, after - tx.now, moving=True))
    return after


async def move_clock(tx: Tx, workspace_id: str, *, to: datetime) -> None:
    """One step towards the goal: to that time, never back and never past the goal."""
    clock = await queries.get_clock(tx, workspace_id, lock=True)
    ahead = min(max(clock.ahead, to - tx.now), clock.goal)
    await queries.set_clock(tx, workspace_id, Clock(ahead, clock.goal, moving=True))


async def rest_clock(tx: Tx, workspace_id: str) -> None:
    """It is where it was told to go, and nothing is left to do there."""
    clock = await queries.get_clock(tx, workspace_id, lock=True)
    await queries.set_clock(tx, workspace_id, Clock(clock.ahead, clock.goal, moving=False))
