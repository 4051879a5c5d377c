"""Slots: the right to one mailbox each. Mailboxes take and release them in the transaction of their own change."""

from collections.abc import Sequence
from datetime import datetime

from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.orders import Quote
from litemail.subscriptions.queries import Subscription


class SlotsExhausted(Error):
    kind = Kind.PAYMENT_REQUIRED
    code = "subscription.slots_exhausted"
    message = "{wanted} more mailboxes need {missing} more slots than the workspace has."
    action = "Send buy_slots and max_charge to buy them with this call, or raise addon_mailboxes or the plan first."


async def take_slots(tx: Tx, count: int, *, buy: bool = False, max_charge: int | None = None) -> list[str]:
    """Takes `count` slots of the actor's workspace; the subscription of each, oldest with one free first.

    With `buy`, what is missing is bought as add-ons of the oldest active subscription, for `max_charge` at the most.
    Locks the subscriptions until the transaction ends: call it as late as possible.

    Raises SlotsExhausted (with the quote of what is missing), NoSubscription, and with `buy` what `orders.place` raises.
    """
    raise NotImplementedError


async def free_slots(tx: Tx) -> int:
    """How many slots the actor's workspace could take now. A look, not a promise."""
    raise NotImplementedError


async def quote_slots(tx: Tx, count: int) -> Quote:
    """What `take_slots(count, buy=True)` would cost: nothing where there are free ones. For `?dry_run=true`."""
    raise NotImplementedError


async def buy_slots(tx: Tx, count: int, *, max_charge: int | None = None) -> Subscription:
    """Adds that many add-ons to the oldest active subscription, prorated. Raises NoSubscription, as `orders.place`."""
    raise NotImplementedError


async def release_slots(tx: Tx, subscription_ids: Sequence[str], *, scheduled: int = 0) -> None:
    """Gives slots back: one for each id given, an id may come many times.

    `scheduled`: how many of them had been asked to go at renewal (all of one subscription then).
    """
    raise NotImplementedError


async def release_slot_at_renewal(tx: Tx, subscription_id: str, *, count: int = 1) -> datetime:
    """Plans to give slots back at the next renewal, which lowers the add-ons there; when that will be."""
    raise NotImplementedError


async def cancel_release(tx: Tx, subscription_id: str, *, count: int = 1) -> None:
    """Takes such a plan back. Raises RenewalPassed, DowngradeNeedsRemoval."""
    raise NotImplementedError
