"""Wire shapes of plans and subscriptions."""

from typing import Annotated, Literal

import msgspec
from pydantic import Field

from litemail.kit.clock import rfc3339
from litemail.kit.money import Money
from litemail.kit.wire import RequestModel, Timestamp
from litemail.subscriptions.queries import Subscription as SubscriptionRow
from litemail.subscriptions.queries import SubscriptionStatus
from litemail.subscriptions.terms import Interval
from litemail.subscriptions.terms import Plan as PlanRow
from litemail.subscriptions.terms import Proration as ProrationRow

PlanId = Annotated[str, Field(min_length=1, max_length=40)]
Addons = Annotated[int, Field(ge=0, le=1_000_000)]
MaxCharge = Annotated[int, Field(ge=0, le=1_000_000_000_000)]


class SubscriptionCreate(RequestModel):
    """`max_charge`, in minor units, refuses a larger quote."""

    plan: PlanId
    interval: Interval
    addon_mailboxes: Addons = 0
    max_charge: MaxCharge | None = None


class SubscriptionUpdate(RequestModel):
    """What is left out stays. `cancel_at_period_end: false` takes a cancellation back; DELETE makes one."""

    plan: PlanId | None = None
    interval: Interval | None = None
    addon_mailboxes: Addons | None = None
    cancel_at_period_end: Literal[False] | None = None
    max_charge: MaxCharge | None = None


class Prices(msgspec.Struct, frozen=True):
    month: Money
    quarter: Money
    year: Money


class Plan(msgspec.Struct, frozen=True):
    id: str
    name: str
    prices: Prices
    included_mailboxes: int
    addon_price: Prices


class Plans(msgspec.Struct, frozen=True):
    data: list[Plan]
    next_cursor: None = None


class NextRenewal(msgspec.Struct, frozen=True):
    """What the next period costs as things stand, and when it is tried to be charged."""

    amount: Money
    date: Timestamp


class PendingChange(msgspec.Struct, frozen=True):
    """What the renewal will change the subscription to."""

    plan: str
    interval: Interval
    addon_mailboxes: int
    date: Timestamp


class Subscription(msgspec.Struct, frozen=True):
    """`quantity` mailboxes are paid for, `used` exist, `removals_at_renewal` of these go at the renewal."""

    id: str
    plan: str
    interval: Interval
    included_mailboxes: int
    addon_mailboxes: int
    quantity: int
    used: int
    removals_at_renewal: int
    status: SubscriptionStatus
    current_period_start: Timestamp
    current_period_end: Timestamp
    cancel_at_period_end: bool
    price: Money
    next_renewal: NextRenewal | None
    pending_change: PendingChange | None
    created_at: Timestamp


class Proration(msgspec.Struct, frozen=True):
    """What the rest of the period was worth, what it costs now, and what was charged."""

    credit: Money
    charge: Money
    amount: Money


class ChangedSubscription(Subscription, frozen=True):
    proration: Proration


def show_plan(row: PlanRow) -> Plan:
    return Plan(
        id=row.id,
        name=row.name,
        prices=Prices(Money(row.month), Money(row.quarter), Money(row.year)),
        included_mailboxes=row.included_mailboxes,
        addon_price=Prices(Money(row.addon_month), Money(row.addon_quarter), Money(row.addon_year)),
    )


def show(row: SubscriptionRow) -> Subscription:
    pending = row.pending
    return Subscription(
        id=row.id,
        plan=row.plan.id,
        interval=row.interval,
        included_mailboxes=row.plan.included_mailboxes,
        addon_mailboxes=row.addon_mailboxes,
        quantity=row.quantity,
        used=row.used,
        removals_at_renewal=row.removals,
        status=row.status,
        current_period_start=rfc3339(row.current_period_start),
        current_period_end=rfc3339(row.current_period_end),
        cancel_at_period_end=row.cancel_at_period_end,
        price=Money(row.terms.price),
        next_renewal=_next_renewal(row),
        pending_change=None
        if pending is None
        else PendingChange(
            pending.plan.id,
            pending.interval,
            row.renewed_terms.addon_mailboxes,
            rfc3339(row.current_period_end),
        ),
        created_at=rfc3339(row.created_at),
    )


def show_changed(row: SubscriptionRow, proration: ProrationRow) -> ChangedSubscription:
    return ChangedSubscription(
        **{name: getattr(shown, name) for shown in [show(row)] for name in Subscription.__struct_fields__},
        proration=Proration(Money(proration.credit), Money(proration.charge), Money(proration.amount)),
    )


def _next_renewal(row: SubscriptionRow) -> NextRenewal | None:
    """None where nothing will be renewed. A suspended one is renewed as soon as the wallet covers it."""
    if row.status == "cancelled" or row.cancel_at_period_end or row.due_at is None:
        return None
    date = row.current_period_end if row.status == "suspended" else row.due_at
    return NextRenewal(Money(row.renewed_terms.price), rfc3339(date))
