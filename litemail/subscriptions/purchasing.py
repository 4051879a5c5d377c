"""Buying a subscription."""

from litemail import orders, workspaces
from litemail.billing import Line
from litemail.kit import ids
from litemail.kit.clock import rfc3339
from litemail.kit.db import Tx
from litemail.kit.stops import stop_here
from litemail.orders import NewItem, Quote
from litemail.subscriptions import queries
from litemail.subscriptions.plans import get_plan
from litemail.subscriptions.queries import Subscription
from litemail.subscriptions.reading import the_workspace
from litemail.subscriptions.terms import Interval, Terms, period_end, period_lines


async def purchase(
    tx: Tx, *, plan: str, interval: Interval, addon_mailboxes: int = 0, max_charge: int | None = None
) -> Subscription:
    """A subscription of the actor's workspace, its first period paid. Raises UnknownPlan and as `orders.place`."""
    workspace_id = the_workspace(tx)
    terms = Terms(await get_plan(tx, plan), interval, addon_mailboxes)
    subscription_id = ids.new_id("sub")
    now = await workspaces.time_of(tx, workspace_id)
    end = period_end(now, interval, anchor_day=now.day)
    lines = period_lines(terms, start=now, end=end)
    await pay(tx, kind="subscription", lines=lines, ref=subscription_id, max_charge=max_charge)
    bought = await queries.insert_subscription(
        tx, subscription_id=subscription_id, workspace_id=workspace_id, terms=terms, start=now, end=end
    )
    await tell(tx, "subscription.created", bought)
    await stop_here("subscription.delivered")
    return bought


async def quote_purchase(tx: Tx, *, plan: str, interval: Interval, addon_mailboxes: int = 0) -> Quote:
    """Raises UnknownPlan."""
    terms = Terms(await get_plan(tx, plan), interval, addon_mailboxes)
    now = await workspaces.time_of(tx, the_workspace(tx))
    end = period_end(now, interval, anchor_day=now.day)
    return await orders.quote(tx, period_lines(terms, start=now, end=end))


async def grant(tx: Tx, workspace_id: str, *, plan: str, interval: Interval = "month") -> Subscription:
    """A subscription whose first period is a gift; it renews for money. Raises UnknownPlan."""
    now = await workspaces.time_of(tx, workspace_id)
    granted = await queries.insert_subscription(
        tx,
        subscription_id=ids.new_id("sub"),
        workspace_id=workspace_id,
        terms=Terms(await get_plan(tx, plan), interval, 0),
        start=now,
        end=period_end(now, interval, anchor_day=now.day),
    )
    await tell(tx, "subscription.created", granted)
    return granted


async def pay(
    tx: Tx,
    *,
    kind: str,
    lines: list[Line],
    ref: str,
    max_charge: int | None = None,
    key: str | None = None,
    ordered_by: str | None = None,
) -> None:
    """An order that this transaction fulfils: it is held and captured at once, or not at all. Nothing costs nothing.

    Raises as `orders.place`.
    """
    total = sum(line.amount for line in lines)
    if total == 0:
        return
    order = await orders.place(
        tx,
        kind=kind,
        lines=lines,
        items=[NewItem(ref, total)],
        max_charge=max_charge,
        key=key,
        ordered_by=ordered_by,
    )
    await stop_here(f"{kind}.held")
    await orders.settle_items(tx, order.id, delivered=[ref])
    await orders.complete(tx, order.id)
    await stop_here(f"{kind}.captured")


async def tell(tx: Tx, event_type: str, subscription: Subscription, **more: str) -> None:
    """What happened to a subscription, with what it is now."""
    await tx.emit(
        event_type,
        workspace_id=subscription.workspace_id,
        subject=subscription.id,
        data={
            "plan": subscription.plan.id,
            "interval": subscription.interval,
            "addon_mailboxes": subscription.addon_mailboxes,
            "quantity": subscription.quantity,
            "status": subscription.status,
            "current_period_end": rfc3339(subscription.current_period_end),
            "cancel_at_period_end": subscription.cancel_at_period_end,
            **more,
        },
    )
