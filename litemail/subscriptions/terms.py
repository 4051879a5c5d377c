"""What subscriptions cost and when their periods end: pure functions over plans, intervals and times."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from litemail.billing import Line
from litemail.kit.calendar import add_months

Interval = Literal["month", "quarter", "year"]

MONTHS: Mapping[Interval, int] = {"month": 1, "quarter": 3, "year": 12}
_SECOND = timedelta(seconds=1)


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

    def price(self, interval: Interval) -> int:
        return {"month": self.month, "quarter": self.quarter, "year": self.year}[interval]

    def addon_price(self, interval: Interval) -> int:
        return {"month": self.addon_month, "quarter": self.addon_quarter, "year": self.addon_year}[interval]


class Terms(msgspec.Struct, frozen=True):
    """What somebody subscribes to."""

    plan: Plan
    interval: Interval
    addon_mailboxes: int

    @property
    def quantity(self) -> int:
        """Slots."""
        return self.plan.included_mailboxes + self.addon_mailboxes

    @property
    def price(self) -> int:
        """Minor units for a whole period."""
        return self.plan.price(self.interval) + self.addon_mailboxes * self.plan.addon_price(self.interval)

    @property
    def name(self) -> str:
        addons = self.addon_mailboxes
        return f"{self.plan.name} plan, {self.interval}" + (
            f", {addons} add-on mailbox{'es' if addons > 1 else ''}" if addons else ""
        )


def period_lines(terms: Terms, *, start: datetime, end: datetime) -> list[Line]:
    """A whole period as lines: the plan, and the add-ons if any."""
    span = f"{start:%Y-%m-%d} to {end:%Y-%m-%d}"
    price = terms.plan.price(terms.interval)
    lines = [Line(f"{terms.plan.name} plan, {terms.interval}, {span}", 1, price, price)]
    if terms.addon_mailboxes:
        each = terms.plan.addon_price(terms.interval)
        count = terms.addon_mailboxes
        lines.append(Line(f"Add-on mailboxes, {terms.interval}, {span}", count, each, count * each))
    return lines


def period_end(start: datetime, interval: Interval, *, anchor_day: int) -> datetime:
    """Where a period ends that starts there: January 31, February 28, March 31, with anchor day 31."""
    return add_months(start, MONTHS[interval], anchor_day=anchor_day)


class Proration(msgspec.Struct, frozen=True):
    """Minor units: what the rest of the period was worth, what it costs now, and what was charged, never below 0."""

    credit: int
    charge: int
    amount: int


NO_PRORATION = Proration(0, 0, 0)


def share(price: int, *, now: datetime, start: datetime, end: datetime) -> int:
    """The part of a price that falls on what is left of its period, rounded half up. Only whole seconds have passed."""
    whole = (end - start) // _SECOND
    left = whole - min(max((now - start) // _SECOND, 0), whole)
    return (2 * price * left + whole) // (2 * whole)


def prorate(
    old: Terms, new: Terms, *, now: datetime, start: datetime, end: datetime, until: datetime
) -> tuple[Proration, list[Line]]:
    """What a change costs at `now`, with its lines.

    The old terms run from `start` to `end`; the new ones until `until`: the same end, or that of a whole new period.
    What the old terms are still worth is given as credit, at most as much as the new ones cost: nothing is paid out.
    """
    credit = share(old.price, now=now, start=start, end=end)
    charge = new.price if until != end else share(new.price, now=now, start=start, end=end)
    amount = max(charge - credit, 0)
    given = charge - amount
    lines = [
        Line(f"{new.name}, {now:%Y-%m-%d} to {until:%Y-%m-%d}", 1, charge, charge),
        Line(f"Unused time of {old.name}, until {end:%Y-%m-%d}", 1, -given, -given),
    ]
    return Proration(credit, charge, amount), lines
