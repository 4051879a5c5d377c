"""Changing a subscription: upgrades now, downgrades at renewal, cancelling and taking that back."""

import msgspec

from litemail.kit.db import Tx
from litemail.orders import Quote
from litemail.subscriptions.queries import Interval, Subscription


class Proration(msgspec.Struct, frozen=True):
    """Minor units: what is given back for the rest of the period, what the rest costs now, what was charged."""

    credit: int
    charge: int
    amount: int


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
    raise NotImplementedError


async def quote_change(
    tx: Tx,
    subscription_id: str,
    *,
    plan: str | None = None,
    interval: Interval | None = None,
    addon_mailboxes: int | None = None,
) -> Quote:
    raise NotImplementedError


async def cancel(tx: Tx, subscription_id: str, *, at_once: bool) -> Subscription:
    """At the period's end, or at once; without refund. Raises SubscriptionNotFound, AlreadyCancelled."""
    raise NotImplementedError
