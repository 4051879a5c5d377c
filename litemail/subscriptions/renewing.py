"""Renewals, one step at a time: charged, or failed once more, up to the end of a contract that nobody pays.

A renewal that is not paid is tried again on days 1, 3, 5 and 7 after its period ended; then the subscription is
suspended, and 30 days later it ends. Paying at any time before restores it. Each period is paid once, whatever is
repeated: its order has the period in its key.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from litemail import workspaces
from litemail.kit.clock import rfc3339
from litemail.kit.db import Tx
from litemail.kit.stops import stop_here
from litemail.subscriptions import queries
from litemail.subscriptions.purchasing import pay, tell
from litemail.subscriptions.queries import Subscription
from litemail.subscriptions.reading import get, lock
from litemail.subscriptions.terms import Terms, period_end, period_lines

RETRY_DAYS = (1, 3, 5, 7)
SUSPENDED_FOR = timedelta(days=30)


class Outcome(StrEnum):
    """What a step came to."""

    NOTHING = "nothing"
    RENEWED = "renewed"
    CANCELLED = "cancelled"


async def renew(tx: Tx, subscription_id: str, *, owed: bool = False) -> Outcome:
    """Does what is due: charges the next period and begins it, or ends what was to end.

    `owed`: a renewal that failed before is tried although its next attempt is not due, because there is money.
    Raises SubscriptionNotFound, wallet.InsufficientFunds.
    """
    subscription = await lock(tx, subscription_id)
    now = await workspaces.time_of(tx, subscription.workspace_id)
    if not _is_due(subscription, now, owed=owed):
        return Outcome.NOTHING
    if _is_to_end(subscription, owed=owed):
        await queries.end(tx, subscription_id)
        await tell(tx, "subscription.cancelled", await get(tx, subscription_id))
        return Outcome.CANCELLED
    terms = subscription.renewed_terms
    start, end, anchor_day = _next_period(subscription, terms, now)
    unpaid = subscription.current_period_end
    await pay(
        tx,
        kind="renewal",
        lines=period_lines(terms, start=start, end=end),
        ref=subscription_id,
        key=f"renewal {subscription_id} {rfc3339(unpaid)}",
        ordered_by=subscription.workspace_id,
    )
    await queries.renew(tx, subscription_id, terms, anchor_day=anchor_day, start=start, end=end)
    renewed = await get(tx, subscription_id)
    await tell(tx, "subscription.renewed", renewed, removals_until=rfc3339(unpaid))
    if subscription.status == "suspended":
        await tell(tx, "subscription.restored", renewed)
    await stop_here("renewal.moved")
    return Outcome.RENEWED


async def note_failure(tx: Tx, subscription_id: str) -> Subscription:
    """A renewal that is due could not be paid: the next attempt is planned, or the subscription is suspended.

    Raises SubscriptionNotFound.
    """
    subscription = await lock(tx, subscription_id)
    now = await workspaces.time_of(tx, subscription.workspace_id)
    if not _is_due(subscription, now, owed=False) or _is_to_end(subscription, owed=False):
        return subscription
    attempts = subscription.failed_attempts + 1
    if attempts <= len(RETRY_DAYS):
        retry_at = subscription.current_period_end + timedelta(days=RETRY_DAYS[attempts - 1])
        await queries.set_status(tx, subscription_id, "past_due", failed_attempts=attempts, due_at=retry_at)
    else:
        await queries.set_status(tx, subscription_id, "suspended", failed_attempts=attempts, due_at=now + SUSPENDED_FOR)
    failed = await get(tx, subscription_id)
    assert failed.due_at is not None
    suspended = failed.status == "suspended"
    await tell(
        tx,
        "subscription.suspended" if suspended else "subscription.past_due",
        failed,
        next_step_at=rfc3339(failed.due_at),
    )
    return failed


def _is_due(subscription: Subscription, now: datetime, *, owed: bool) -> bool:
    if subscription.due_at is None:
        return False
    return subscription.due_at <= now or (owed and subscription.status in ("past_due", "suspended"))


def _is_to_end(subscription: Subscription, *, owed: bool) -> bool:
    return subscription.cancel_at_period_end or (subscription.status == "suspended" and not owed)


def _next_period(subscription: Subscription, terms: Terms, now: datetime) -> tuple[datetime, datetime, int]:
    """Start, end, anchor day. After a suspension a new period starts now: nobody pays for days without service."""
    if subscription.status == "suspended":
        return now, period_end(now, terms.interval, anchor_day=now.day), now.day
    start = subscription.current_period_end
    return start, period_end(start, terms.interval, anchor_day=subscription.anchor_day), subscription.anchor_day
