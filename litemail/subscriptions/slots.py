"""Slots: the right to one mailbox each. Mailboxes take and release them in the transaction of their own change."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import msgspec

from litemail import orders, wallet
from litemail.billing import Line
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.money import Money
from litemail.orders import Quote
from litemail.subscriptions import queries
from litemail.subscriptions.changing import Change, apply, upgrade_now
from litemail.subscriptions.purchasing import tell
from litemail.subscriptions.queries import Subscription
from litemail.subscriptions.reading import lock, the_workspace
from litemail.subscriptions.terms import Terms


class SlotsExhausted(wallet.PaymentRequired):
    code = "subscription.slots_exhausted"
    message = "Mailboxes wanted: {wanted}; slots missing: {missing}. Buying them would cost {total} now."
    action = "Send buy_slots and max_charge to buy them with this call, or raise addon_mailboxes or the plan first."


class NoSubscription(wallet.PaymentRequired):
    code = "subscription.none_active"
    message = "No active subscription of this workspace has enough slots (wanted: {wanted}), or can be given more."
    action = (
        "Buy a plan with POST /v1/subscriptions, for instance the one in the quote. Where a subscription is past due "
        "or suspended, top up the wallet instead: that renews it."
    )


class RenewalPassed(Error):
    kind = Kind.CONFLICT
    code = "subscription.renewal_passed"
    message = "Its renewal has passed: the slot is given back already."
    action = "Restore the mailbox instead."


class DowngradeNeedsRemoval(Error):
    kind = Kind.CONFLICT
    code = "subscription.downgrade_needs_removal"
    message = "Subscription {subscription_id} becomes smaller at its renewal and has no slot for this mailbox then."
    action = "Take the downgrade back with PUT /v1/subscriptions/{subscription_id} first."


async def take_slots(tx: Tx, count: int, *, buy: bool = False, max_charge: int | None = None) -> list[str]:
    """Takes `count` slots of the actor's workspace; the subscription of each, oldest with one free first.

    With `buy`, what is missing is bought as add-ons of the oldest active subscription, for `max_charge` at the most.
    Locks the subscriptions until the transaction ends: call it as late as possible.

    Raises SlotsExhausted (with the quote of what is missing), NoSubscription, and with `buy` as `orders.place`.
    """
    usable = await queries.list_usable(tx, workspace_id=the_workspace(tx), lock=True)
    free = sum(subscription.free for subscription in usable)
    if free < count:
        if not buy:
            raise await _exhausted(tx, usable, count=count, missing=count - free)
        await buy_slots(tx, count - free, max_charge=max_charge)
        usable = await queries.list_usable(tx, workspace_id=the_workspace(tx), lock=True)
    taken: list[str] = []
    for subscription in usable:
        here = min(subscription.free, count - len(taken))
        if here:
            await queries.add_use(tx, subscription.id, used=here)
            taken += [subscription.id] * here
    return taken


async def free_slots(tx: Tx) -> int:
    """How many slots the actor's workspace could take now. A look, not a promise."""
    usable = await queries.list_usable(tx, workspace_id=the_workspace(tx), lock=False)
    return sum(subscription.free for subscription in usable)


async def quote_slots(tx: Tx, count: int) -> Quote:
    """What `take_slots(count, buy=True)` would cost: nothing where there are free ones. For `?dry_run=true`.

    Raises NoSubscription.
    """
    usable = await queries.list_usable(tx, workspace_id=the_workspace(tx), lock=False)
    missing = count - sum(subscription.free for subscription in usable)
    if missing <= 0:
        return await orders.quote(tx, [])
    return await orders.quote(tx, (await _more(tx, await _extensible(tx, usable, count=count), missing)).lines)


async def buy_slots(tx: Tx, count: int, *, max_charge: int | None = None) -> Subscription:
    """Adds that many add-ons to the oldest active subscription, prorated. Raises NoSubscription, as `orders.place`."""
    usable = await queries.list_usable(tx, workspace_id=the_workspace(tx), lock=True)
    subscription = await _extensible(tx, usable, count=count)
    waiting = subscription.renewed_terms if subscription.pending else None
    await apply(tx, subscription, await _more(tx, subscription, count), kind="addon", max_charge=max_charge)
    if waiting is not None:
        await queries.set_pending(tx, subscription.id, _with_more(waiting, count))
    extended = await lock(tx, subscription.id)
    await tell(tx, "subscription.upgraded", extended)
    return extended


async def release_slots(tx: Tx, subscription_ids: Sequence[str], *, scheduled: int = 0) -> None:
    """Gives slots back: one for each id given, an id may come many times.

    `scheduled`: how many of them had been asked to go at renewal (all of one subscription then).
    """
    for subscription_id, count in sorted(Counter(subscription_ids).items()):
        if (await lock(tx, subscription_id)).status != "cancelled":
            await queries.add_use(tx, subscription_id, used=-count, removals=-scheduled)


async def release_slot_at_renewal(tx: Tx, subscription_id: str, *, count: int = 1) -> datetime:
    """Plans to give slots back at the next renewal, which lowers the add-ons there; when that will be.

    A subscription that is cancelled has no renewal: its mailboxes went with it.
    """
    subscription = await lock(tx, subscription_id)
    await queries.add_use(tx, subscription_id, removals=count)
    return subscription.current_period_end


async def cancel_release(tx: Tx, subscription_id: str, *, count: int = 1) -> None:
    """Takes such a plan back. Call it only for mailboxes whose removal lies ahead in the workspace's time.

    Raises RenewalPassed, DowngradeNeedsRemoval.
    """
    subscription = await lock(tx, subscription_id)
    if subscription.removals < count:
        raise RenewalPassed
    after = msgspec.structs.replace(subscription, removals=subscription.removals - count)
    if subscription.pending and after.renewed_terms.quantity < after.used - after.removals:
        raise DowngradeNeedsRemoval(subscription_id=subscription_id)
    await queries.add_use(tx, subscription_id, removals=-count)


async def _more(tx: Tx, subscription: Subscription, count: int) -> Change:
    return await upgrade_now(tx, subscription, _with_more(subscription.terms, count))


def _with_more(terms: Terms, count: int) -> Terms:
    return msgspec.structs.replace(terms, addon_mailboxes=terms.addon_mailboxes + count)


async def _extensible(tx: Tx, usable: Sequence[Subscription], *, count: int) -> Subscription:
    """The one that add-ons are bought for. Raises NoSubscription."""
    for subscription in usable:
        if subscription.status == "active":
            return subscription
    raise await _no_subscription(tx, count)


async def _exhausted(tx: Tx, usable: Sequence[Subscription], *, count: int, missing: int) -> Error:
    if not any(subscription.status == "active" for subscription in usable):
        return await _no_subscription(tx, count)
    offer = await orders.quote(tx, (await _more(tx, await _extensible(tx, usable, count=count), missing)).lines)
    return _lacking(SlotsExhausted(wanted=count, missing=missing, total=Money(offer.total)), offer)


async def _no_subscription(tx: Tx, count: int) -> Error:
    """With the quote of the cheapest plan that has enough slots for a month."""
    offers = [Terms(plan, "month", max(count - plan.included_mailboxes, 0)) for plan in await queries.list_plans(tx)]
    if not offers:
        return NoSubscription(wanted=count).lacking(0)
    best = min(offers, key=lambda terms: terms.price)
    offer = await orders.quote(tx, [Line(best.name, 1, best.price, best.price)])
    return _lacking(NoSubscription(wanted=count), offer)


def _lacking(error: wallet.PaymentRequired, offer: Quote) -> Error:
    return error.lacking(max(offer.total - offer.wallet_balance, 0), quote=orders.show_quote(offer))
