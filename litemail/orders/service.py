"""Use cases of orders. The wallet is held when an order is confirmed, and captured for what was delivered."""

from collections.abc import Mapping, Sequence

import msgspec

from litemail import billing, wallet, workspaces
from litemail.billing import Line
from litemail.kit import ids
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind, Problem
from litemail.kit.money import Money
from litemail.kit.pagination import Page, PageRequest, page
from litemail.orders import queries
from litemail.orders.queries import Item, Order, OrderStatus, Scope
from litemail.orders.quoting import MaxChargeExceeded, Quote, payer_of, quote, show_quote

_DECIDED = ("fulfilled", "partially_fulfilled", "failed", "cancelled")


class OrderNotFound(Error):
    kind = Kind.NOT_FOUND
    code = "order.not_found"
    message = "There is no order {order_id} in this workspace."
    action = "List the orders with GET /v1/orders and use one of their ids."


class NotCancellable(Error):
    kind = Kind.CONFLICT
    code = "order.not_cancellable"
    message = "Order {order_id} is {status}: it cannot be cancelled any more."
    action = "Only orders whose fulfilment has not begun can be cancelled."


class RefundTooLarge(Error):
    kind = Kind.CONFLICT
    code = "order.refund_too_large"
    message = "Only {left} of order {order_id} is left to be refunded."
    action = "Refund that much or less."


class SpendLimitReached(Error):
    kind = Kind.FORBIDDEN
    code = "api_key.spend_limit_reached"
    message = "This costs {total}, and of its spend limit this API key has {left} left."
    action = "Use a key with a higher spend limit, or sign in as a person who may spend."


class NewItem(msgspec.Struct, frozen=True):
    """One thing to be delivered, and what it costs. The amounts of an order's items add up to its total."""

    ref: str
    amount: int


async def place(
    tx: Tx,
    *,
    kind: str,
    lines: Sequence[Line],
    items: Sequence[NewItem],
    max_charge: int | None = None,
    key: str | None = None,
    ordered_by: str | None = None,
) -> Order:
    """A confirmed order: its total is held on the wallet of who pays for `ordered_by` (the actor's workspace).

    The same order when placed again with the same `key`. Only actors need billing details: what the program orders by
    itself, a renewal say, was agreed before.

    Raises billing.DetailsRequired, MaxChargeExceeded, SpendLimitReached, wallet.InsufficientFunds (with the quote).
    """
    if key is not None and (known := await queries.find_by_key(tx, key)) is not None:
        return known
    if tx.actor is not None:
        await billing.require_details(tx)
    ordered_by = ordered_by or _workspace(tx)
    payer = await payer_of(tx, ordered_by)
    offer = await quote(tx, lines, payer=payer)
    if max_charge is not None and offer.total > max_charge:
        raise MaxChargeExceeded(
            total=Money(offer.total), max_charge=Money(max_charge), extra={"quote": show_quote(offer)}
        )
    await _check_spend_limit(tx, offer.total)
    order = await _insert(
        tx, kind=kind, status="confirmed", payer=payer, ordered_by=ordered_by, key=key, lines=lines, items=items
    )
    if order is None:  # placed by somebody else while we looked
        assert key is not None
        placed = await queries.find_by_key(tx, key)
        assert placed is not None
        return placed
    await _hold(tx, order, offer)
    await _tell(tx, "order.confirmed", order)
    return order


async def await_payment(
    tx: Tx, *, kind: str, lines: Sequence[Line], items: Sequence[NewItem], payment_id: str, ordered_by: str
) -> Order:
    """An order whose payment is under way; `confirm_paid` goes on once it has come. The same for the same payment."""
    order = await _insert(
        tx,
        kind=kind,
        status="awaiting_payment",
        payer=await payer_of(tx, ordered_by),
        ordered_by=ordered_by,
        key=None,
        lines=lines,
        items=items,
        payment_id=payment_id,
    )
    if order is not None:
        await _tell(tx, "order.awaiting_payment", order)
        return order
    known = await queries.lock_by_payment(tx, payment_id)
    assert known is not None
    return known


async def confirm_paid(tx: Tx, payment_id: str) -> Order | None:
    """The order that waited for this payment, with its hold on the wallet; None where none waits.

    Raises wallet.InsufficientFunds when the money was spent otherwise meanwhile.
    """
    order = await queries.lock_by_payment(tx, payment_id)
    if order is None or order.status != "awaiting_payment":
        return None
    await _hold(tx, order, await quote(tx, order.lines, payer=order.workspace_id))
    confirmed = await queries.update_order(tx, order.id, status="confirmed", items=order.items)
    await _tell(tx, "order.confirmed", confirmed)
    return confirmed


async def start(tx: Tx, order_id: str) -> Order:
    """Fulfilment begins, or goes on after a crash. Locks the order; a decided one stays as it is.

    Raises OrderNotFound.
    """
    order = await _lock(tx, order_id)
    if order.status != "confirmed":
        return order
    return await queries.update_order(tx, order_id, status="fulfilling", items=order.items)


async def settle_items(
    tx: Tx, order_id: str, *, delivered: Sequence[str] = (), failed: Mapping[str, Problem] | None = None
) -> Order:
    """Writes down what became of items, by `ref`; those already decided stay as they are. Raises OrderNotFound."""
    order = await _lock(tx, order_id)
    if order.status in _DECIDED:
        return order
    problems = failed or {}

    def decide(item: Item) -> Item:
        if item.status != "pending":
            return item
        if item.ref in problems:
            return Item(item.ref, item.amount, "failed", problems[item.ref])
        return Item(item.ref, item.amount, "delivered") if item.ref in delivered else item

    return await queries.update_order(tx, order_id, status="fulfilling", items=[decide(item) for item in order.items])


async def complete(tx: Tx, order_id: str) -> Order:
    """Captures what was delivered, releases the rest and issues the invoice. A repetition changes nothing.

    Items still pending were not delivered. Raises OrderNotFound.
    """
    order = await _lock(tx, order_id)
    if order.status in _DECIDED:
        return order
    delivered = [item for item in order.items if item.status == "delivered"]
    captured = sum(item.amount for item in delivered)
    whole = len(delivered) == len(order.items)
    status: OrderStatus = "fulfilled" if whole else "partially_fulfilled" if delivered else "failed"
    if captured:
        await wallet.capture(tx, order_id=order.id, amount=captured, description=order.lines[0].description)
    if captured < order.total:
        await wallet.release(tx, order_id=order.id)
    decided = await queries.update_order(
        tx, order.id, status=status, items=order.items, captured=captured, released=order.total - captured
    )
    await billing.invoice_order(
        tx,
        order.id,
        workspace_id=order.workspace_id,
        lines=order.lines if whole else [Line(item.ref, 1, item.amount, item.amount) for item in delivered],
        issued_at=await workspaces.time_of(tx, order.ordered_by),
    )
    await _tell(tx, f"order.{status}", decided)
    return decided


async def cancel(tx: Tx, order_id: str) -> Order:
    """Gives everything back, before fulfilment has begun. Raises OrderNotFound, NotCancellable."""
    order = await _lock(tx, order_id)
    if order.status not in ("confirmed", "awaiting_payment"):
        raise NotCancellable(order_id=order_id, status=order.status)
    if order.status == "confirmed" and order.total:
        await wallet.release(tx, order_id=order.id)
    cancelled = await queries.update_order(tx, order.id, status="cancelled", items=order.items, released=order.total)
    await _tell(tx, "order.cancelled", cancelled)
    return cancelled


async def cancel_unpaid(tx: Tx, payment_id: str) -> None:
    """Cancels the order that waits for this payment, if one does."""
    order = await queries.lock_by_payment(tx, payment_id)
    if order is not None and order.status == "awaiting_payment":
        await cancel(tx, order.id)


async def refund(tx: Tx, order_id: str, *, amount: int, reason: str, key: str) -> Order:
    """Puts part of what was captured back into the wallet, with an invoice of its own; once for each `key`.

    Raises OrderNotFound, RefundTooLarge.
    """
    order = await _lock(tx, order_id)
    if not await queries.insert_refund(tx, order, key=key, amount=amount, reason=reason):
        return order
    if amount > order.captured - order.refunded:
        raise RefundTooLarge(order_id=order_id, left=Money(order.captured - order.refunded), field="amount")
    await wallet.refund(tx, order_id=order.id, amount=amount, reason=reason, key=key)
    await billing.credit_order(
        tx,
        order.id,
        amount=amount,
        reason=reason,
        key=key,
        issued_at=await workspaces.time_of(tx, order.ordered_by),
    )
    refunded = await queries.add_refunded(tx, order.id, amount)
    await _tell(tx, "order.refunded", refunded)
    return refunded


async def list_open(tx: Tx, *, limit: int = 1_000) -> list[Order]:
    """Orders that are to be fulfilled, oldest first."""
    return await queries.list_open(tx, limit=limit)


async def find_by_payment(tx: Tx, payment_id: str) -> Order | None:
    """The order that waits, or waited, for that payment."""
    return await queries.find_by_payment(tx, payment_id)


async def find_by_key(tx: Tx, key: str) -> Order | None:
    return await queries.find_by_key(tx, key)


async def get(tx: Tx, order_id: str) -> Order:
    """Raises OrderNotFound."""
    order = await queries.find_order(tx, order_id, _scope(tx))
    if order is None:
        raise OrderNotFound(order_id=order_id)
    return order


async def list_(tx: Tx, request: PageRequest, *, kind: str | None = None, status: str | None = None) -> Page[Order]:
    """Newest first: what the workspace pays for, or only what was ordered in it where another one pays."""
    scope = _scope(tx)
    rows = await queries.list_orders(tx, scope, kind=kind, status=status, limit=request.limit + 1, after=request.after)
    total = await queries.count_orders(tx, scope, kind=kind, status=status) if request.count else None
    return page(rows, request, key=lambda row: row.id, total=total)


async def _insert(
    tx: Tx,
    *,
    kind: str,
    status: OrderStatus,
    payer: str,
    ordered_by: str,
    key: str | None,
    lines: Sequence[Line],
    items: Sequence[NewItem],
    payment_id: str | None = None,
) -> Order | None:
    total = sum(line.amount for line in lines)
    assert total == sum(item.amount for item in items), "the items have to add up to the lines"
    order_id = ids.new_id("ord")
    return await queries.insert_order(
        tx,
        order_id=order_id,
        payer=payer,
        ordered_by=ordered_by,
        key=key or order_id,
        kind=kind,
        status=status,
        lines=lines,
        items=[Item(item.ref, item.amount) for item in items],
        total=total,
        payment_id=payment_id,
        created_at=await workspaces.time_of(tx, ordered_by),
    )


async def _hold(tx: Tx, order: Order, offer: Quote) -> None:
    """Raises wallet.InsufficientFunds with the quote."""
    if not order.total:
        return
    try:
        await wallet.hold(
            tx,
            workspace_id=order.workspace_id,
            amount=order.total,
            order_id=order.id,
            description=order.lines[0].description,
        )
    except wallet.InsufficientFunds as error:
        error.extra = {**error.extra, "quote": show_quote(offer)}
        raise


async def _check_spend_limit(tx: Tx, total: int) -> None:
    if tx.actor is None or tx.actor.key_id is None:
        return
    limit = await queries.spend_limit_of(tx, tx.actor.key_id)
    if limit is None:
        return
    left = limit - await queries.spent_by_key(tx, tx.actor.key_id)
    if total > left:
        raise SpendLimitReached(total=Money(total), left=Money(max(left, 0)))


async def _lock(tx: Tx, order_id: str) -> Order:
    order = await queries.find_order(tx, order_id, _scope(tx), lock=True)
    if order is None:
        raise OrderNotFound(order_id=order_id)
    return order


async def _tell(tx: Tx, event_type: str, order: Order) -> None:
    await tx.emit(
        event_type,
        workspace_id=order.ordered_by,
        subject=order.id,
        data={
            "kind": order.kind,
            "status": order.status,
            "total": order.total,
            "captured": order.captured,
            "refunded": order.refunded,
        },
    )


def _scope(tx: Tx) -> Scope:
    if tx.actor is None:
        return Scope()
    payer = tx.actor.paying_workspace_id
    return Scope(payer, None if payer == tx.actor.workspace_id else tx.actor.workspace_id)


def _workspace(tx: Tx) -> str:
    assert tx.actor is not None
    return tx.actor.workspace_id
