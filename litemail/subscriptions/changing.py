"""Changing a subscription: upgrades now, downgrades at renewal, cancelling and taking that back."""

from datetime import datetime

import msgspec

from litemail import orders, workspaces
from litemail.billing import Line
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.stops import stop_here
from litemail.orders import Quote
from litemail.subscriptions import queries
from litemail.subscriptions.plans import get_plan
from litemail.subscriptions.purchasing import pay, tell
from litemail.subscriptions.queries import Subscription
from litemail.subscriptions.reading import get, lock
from litemail.subscriptions.terms import MONTHS, NO_PRORATION, Interval, Proration, Terms, period_end, prorate


class SubscriptionCancelled(Error):
    kind = Kind.CONFLICT
    code = "subscription.cancelled"
    message = "Subscription {subscription_id} is cancelled and cannot be changed."
    action = "Buy a new one with POST /v1/subscriptions."


class PaymentDue(Error):
    kind = Kind.CONFLICT
    code = "subscription.payment_due"
    message = "Subscription {subscription_id} is {status}: its renewal is not paid yet."
    action = "Top up the wallet; the renewal is charged at once, and then the subscription can be changed."


class NothingToChange(Error):
    kind = Kind.CONFLICT
    code = "subscription.nothing_to_change"
    message = "Subscription {subscription_id} is like that already."
    action = "Ask for another plan, interval or number of add-on mailboxes."


class ChangeMissing(Error):
    kind = Kind.INVALID
    code = "subscription.change_missing"
    message = "The request names nothing to change."
    action = "Send plan, interval, addon_mailboxes, or cancel_at_period_end: false."


class SlotsInUse(Error):
    kind = Kind.CONFLICT
    code = "subscription.slots_in_use"
    message = "That would be {quantity} slots, but {used} mailboxes stay in use."
    action = "Remove {excess} mailboxes first (at renewal is enough), or choose a larger plan or more add-ons."


class Change(msgspec.Struct, frozen=True):
    """What a change comes to. With `at_renewal` it waits; else the period it leads to, and what it costs."""

    terms: Terms
    at_renewal: bool
    anchor_day: int
    start: datetime
    end: datetime
    proration: Proration
    lines: list[Line]


async def change(
    tx: Tx,
    subscription_id: str,
    *,
    plan: str | None = None,
    interval: Interval | None = None,
    addon_mailboxes: int | None = None,
    take_back: bool = False,
    max_charge: int | None = None,
) -> tuple[Subscription, Proration]:
    """Changes what is given; None stays as it is. `take_back` undoes a cancellation at the period's end.

    More slots, a higher price or a longer interval is an upgrade: charged now, for the rest of the period (a longer
    interval starts a new one). Fewer slots, a lower price or a shorter interval waits for the renewal. What the
    subscription has already takes back a change that waits.

    Raises SubscriptionNotFound, SubscriptionCancelled, PaymentDue, NothingToChange, ChangeMissing, SlotsInUse,
    UnknownPlan, and as `orders.place`.
    """
    subscription = await lock(tx, subscription_id)
    _check_open(subscription)
    taken_back = take_back and subscription.cancel_at_period_end
    if taken_back:
        await queries.set_cancel_at_period_end(tx, subscription_id, cancel=False)
        await tell(tx, "subscription.cancellation_taken_back", await get(tx, subscription_id))
    if plan is None and interval is None and addon_mailboxes is None:
        if not take_back:
            raise ChangeMissing
        return await get(tx, subscription_id), NO_PRORATION
    _check_paid(subscription)
    wanted = await _wanted(tx, subscription, plan=plan, interval=interval, addon_mailboxes=addon_mailboxes)
    if wanted == subscription.terms and (subscription.pending or taken_back):
        await queries.drop_pending(tx, subscription_id)
        return await _tell(tx, "subscription.change_taken_back", subscription_id), NO_PRORATION
    planned = await _plan(tx, subscription, wanted)
    if planned.at_renewal:
        await queries.set_pending(tx, subscription_id, wanted)
        return await _tell(tx, "subscription.change_scheduled", subscription_id), NO_PRORATION
    await apply(tx, subscription, planned, kind="upgrade", max_charge=max_charge)
    return await _tell(tx, "subscription.upgraded", subscription_id), planned.proration


async def quote_change(
    tx: Tx,
    subscription_id: str,
    *,
    plan: str | None = None,
    interval: Interval | None = None,
    addon_mailboxes: int | None = None,
    take_back: bool = False,
) -> Quote:
    """What `change` would cost now; a change that waits for the renewal costs nothing now. Raises as `change`."""
    subscription = await get(tx, subscription_id)
    _check_open(subscription)
    if plan is None and interval is None and addon_mailboxes is None:
        if not take_back:
            raise ChangeMissing
        return await orders.quote(tx, [])
    _check_paid(subscription)
    wanted = await _wanted(tx, subscription, plan=plan, interval=interval, addon_mailboxes=addon_mailboxes)
    if wanted == subscription.terms and (subscription.pending or (take_back and subscription.cancel_at_period_end)):
        return await orders.quote(tx, [])
    return await orders.quote(tx, (await _plan(tx, subscription, wanted)).lines)


async def apply(
    tx: Tx, subscription: Subscription, planned: Change, *, kind: str, max_charge: int | None = None
) -> None:
    """Charges an upgrade and makes it true. Raises as `orders.place`."""
    await pay(tx, kind=kind, lines=planned.lines, ref=subscription.id, max_charge=max_charge)
    await queries.set_terms(
        tx,
        subscription.id,
        planned.terms,
        anchor_day=planned.anchor_day,
        start=planned.start,
        end=planned.end,
    )
    if planned.end != subscription.current_period_end:
        await _tell(tx, "subscription.period_moved", subscription.id)
    await stop_here(f"{kind}.delivered")


async def upgrade_now(tx: Tx, subscription: Subscription, wanted: Terms) -> Change:
    """What it costs to have other terms for the rest of the period; a longer interval begins a new period."""
    now = await workspaces.time_of(tx, subscription.workspace_id)
    start, end = subscription.current_period_start, subscription.current_period_end
    longer = wanted.interval != subscription.interval
    until = period_end(now, wanted.interval, anchor_day=now.day) if longer else end
    proration, lines = prorate(subscription.terms, wanted, now=now, start=start, end=end, until=until)
    return Change(
        terms=wanted,
        at_renewal=False,
        anchor_day=now.day if longer else subscription.anchor_day,
        start=now if longer else start,
        end=until,
        proration=proration,
        lines=lines,
    )


async def cancel(tx: Tx, subscription_id: str, *, at_once: bool) -> Subscription:
    """At the period's end, or at once; without refund. One whose period has ended unpaid ends at once.

    Raises SubscriptionNotFound, SubscriptionCancelled.
    """
    subscription = await lock(tx, subscription_id)
    _check_open(subscription)
    if at_once or subscription.status != "active":
        await queries.end(tx, subscription_id)
        return await _tell(tx, "subscription.cancelled", subscription_id)
    if subscription.cancel_at_period_end:
        return subscription
    await queries.set_cancel_at_period_end(tx, subscription_id, cancel=True)
    return await _tell(tx, "subscription.cancellation_scheduled", subscription_id)


async def _plan(tx: Tx, subscription: Subscription, wanted: Terms) -> Change:
    """Raises NothingToChange, SlotsInUse."""
    if wanted == (subscription.pending or subscription.terms):
        raise NothingToChange(subscription_id=subscription.id)
    if not _is_downgrade(subscription.terms, wanted):
        return await upgrade_now(tx, subscription, wanted)
    staying = subscription.used - subscription.removals
    if wanted.quantity < staying:
        raise SlotsInUse(quantity=wanted.quantity, used=staying, excess=staying - wanted.quantity)
    end = subscription.current_period_end
    return Change(
        terms=wanted,
        at_renewal=True,
        anchor_day=subscription.anchor_day,
        start=subscription.current_period_start,
        end=end,
        proration=NO_PRORATION,
        lines=[Line(f"{wanted.name}, from {end:%Y-%m-%d} on", 1, 0, 0)],
    )


def _is_downgrade(old: Terms, new: Terms) -> bool:
    if new.quantity != old.quantity:
        return new.quantity < old.quantity or MONTHS[new.interval] < MONTHS[old.interval]
    if new.interval != old.interval:
        return MONTHS[new.interval] < MONTHS[old.interval]
    return new.price < old.price


async def _wanted(
    tx: Tx,
    subscription: Subscription,
    *,
    plan: str | None,
    interval: Interval | None,
    addon_mailboxes: int | None,
) -> Terms:
    """Another plan comes at today's price; the same one keeps the price that it was bought for."""
    chosen = subscription.plan if plan in (None, subscription.plan.id) else await get_plan(tx, str(plan))
    return Terms(
        chosen,
        interval or subscription.interval,
        subscription.addon_mailboxes if addon_mailboxes is None else addon_mailboxes,
    )


def _check_open(subscription: Subscription) -> None:
    if subscription.status == "cancelled":
        raise SubscriptionCancelled(subscription_id=subscription.id)


def _check_paid(subscription: Subscription) -> None:
    if subscription.status != "active":
        raise PaymentDue(subscription_id=subscription.id, status=subscription.status.replace("_", " "))


async def _tell(tx: Tx, event_type: str, subscription_id: str) -> Subscription:
    subscription = await get(tx, subscription_id)
    await tell(tx, event_type, subscription)
    return subscription
