"""Fulfilling an order whose things are bought elsewhere, one by one: keyed by the order, resumed wherever it stopped.

What this program delivers itself, a subscription say, is captured in the transaction that orders it and never comes
here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from litemail import orders, wallet
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Error, Problem
from litemail.kit.stops import stop_here
from litemail.orders import Item, Order

_AT_ONCE = 8
_OPEN = ("confirmed", "fulfilling")

Deliver = Callable[[Order, Item], Awaitable[Problem | None]]
"""Delivers one item: None when it is delivered, a problem when it never will be. What may go well later is raised.

It runs outside of transactions and is called again after a crash: it has to look whether it has delivered before.
"""
Deliverers = Mapping[str, Deliver]
"""By the kind of order."""

log = structlog.get_logger("orders")


class NoDeliverer(Error):
    code = "order.no_deliverer"
    message = "Nobody here delivers orders of the kind {kind}."


async def begin(tx: Tx, order: Order) -> None:
    """Has a confirmed order fulfilled once this transaction is committed."""
    await tx.enqueue(
        "workflows.fulfil_order",
        lock=order.id,
        once=f"fulfil {order.id}",
        order_id=order.id,
        workspace_id=order.ordered_by,
    )


async def fulfil_order(
    *,
    database: Database,
    deliverers: Deliverers,
    order_id: str,
    workspace_id: str | None = None,  # noqa: ARG001 - a sandbox's clock waits for the jobs of its workspace
) -> None:
    """Delivers what is still pending, writes down each outcome, then captures what was delivered.

    Raises what deliverers raise, after the other items had their turn, so that it is tried again.
    """
    async with database.begin_system("start an order") as tx:
        order = await orders.start(tx, order_id)
    if order.status not in _OPEN:
        return
    await stop_here("fulfilment.started")
    deliver = deliverers.get(order.kind)
    if deliver is None:
        raise NoDeliverer(kind=order.kind)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Item) -> None:
        async with gate:
            problem = await deliver(order, item)
            await stop_here("fulfilment.delivered")
            async with database.begin_system("settle an item") as tx:
                if problem is None:
                    await orders.settle_items(tx, order_id, delivered=[item.ref])
                else:
                    await orders.settle_items(tx, order_id, failed={item.ref: problem})
            await stop_here("fulfilment.settled")

    pending = [item for item in order.items if item.status == "pending"]
    outcomes = await asyncio.gather(*map(one, pending), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    async with database.begin_system("complete an order") as tx:
        await orders.complete(tx, order_id)
        await stop_here("fulfilment.captured")
    await stop_here("fulfilment.completed")


async def start_paid_order(*, database: Database, workspace_id: str, subject: str) -> None:  # noqa: ARG001 - events name it
    """A payment arrived: the order that waited for it, if any, is confirmed and fulfilled. `subject` is the payment.

    Where the wallet was emptied otherwise meanwhile, the order is cancelled; the money is in the wallet's history.
    """
    try:
        async with database.begin_system("confirm a paid order") as tx:
            order = await orders.confirm_paid(tx, subject)
            if order is not None:
                await begin(tx, order)
    except wallet.InsufficientFunds:
        log.warning("the money of a paid order is gone", payment=subject)
        async with database.begin_system("cancel a paid order") as tx:
            await orders.cancel_unpaid(tx, subject)


async def resume_orders(*, database: Database) -> None:
    """Orders whose job gave up are taken up again."""
    async with database.begin_system("open orders") as tx:
        for order in await orders.list_open(tx):
            await begin(tx, order)
