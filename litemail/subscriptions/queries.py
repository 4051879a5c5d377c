"""SQL of plans and subscriptions."""

from datetime import datetime
from typing import Literal

import msgspec

Interval = Literal["month", "quarter", "year"]
SubscriptionStatus = Literal["active", "past_due", "suspended", "cancelled"]


class Plan(msgspec.Struct, frozen=True):
    """One version of an entry of the price list. Prices are minor units for a whole interval."""

    id: str
    version: int
    name: str
    included_mailboxes: int
    month: int
    quarter: int
    year: int
    addon_month: int
    addon_quarter: int
    addon_year: int


class Subscription(msgspec.Struct, frozen=True):
    """A running contract. Times are those of its workspace; `plan` is the version that was bought.

    `next_*` is a change that waits for the renewal.
    """

    id: str
    workspace_id: str
    plan: Plan
    interval: Interval
    addon_mailboxes: int
    used: int
    removals: int
    status: SubscriptionStatus
    anchor_day: int
    current_period_start: datetime
    current_period_end: datetime
    cancel_at_period_end: bool
    next_plan: Plan | None
    next_interval: Interval | None
    next_addon_mailboxes: int | None
    next_removals_counted: int
    failed_attempts: int
    due_at: datetime | None
    created_at: datetime

    @property
    def quantity(self) -> int:
        return self.plan.included_mailboxes + self.addon_mailboxes
