"""Buying a subscription."""

from litemail.kit.db import Tx
from litemail.orders import Quote
from litemail.subscriptions.queries import Interval, Subscription


async def purchase(
    tx: Tx, *, plan: str, interval: Interval, addon_mailboxes: int = 0, max_charge: int | None = None
) -> Subscription:
    """A subscription of the actor's workspace, paid for its first period. Raises UnknownPlan, as `orders.place`."""
    raise NotImplementedError


async def quote_purchase(tx: Tx, *, plan: str, interval: Interval, addon_mailboxes: int = 0) -> Quote:
    """Raises UnknownPlan."""
    raise NotImplementedError


async def grant(tx: Tx, workspace_id: str, *, plan: str, interval: Interval = "month") -> Subscription:
    """A subscription whose first period is a gift; it renews for money."""
    raise NotImplementedError
