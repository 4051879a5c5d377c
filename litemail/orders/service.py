"""Use cases of orders. The wallet is held when an order is confirmed, and captured for what was delivered."""

from collections.abc import Mapping, Sequence

import msgspec

from litemail.billing import Line
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind, Problem
from litemail.kit.pagination import Page, PageRequest
from litemail.orders.queries import Order


class OrderNotFound(Error):
    kind = Kind.NOT_FOUND
    code = "order.not_found"
    message = "There is no order {order_id} in this workspace."
    action = "List the orders with GET /v1/orders and use one of their ids."


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
    """A confirmed order: its total is held on the wallet of who pays for `ordered_by` (default: the actor's workspace).

    `key` makes it the same order when placed again. Raises billing.DetailsRequired (actors only), MaxChargeExceeded,
    SpendLimitReached, wallet.InsufficientFunds (with the quote).
    """
    raise NotImplementedError


async def await_payment(
    tx: Tx, *, kind: str, lines: Sequence[Line], items: Sequence[NewItem], payment_id: str, ordered_by: str
) -> Order:
    """An order whose payment is under way; `confirm_paid` goes on once it has come. The same for the same payment."""
    raise NotImplementedError


async def confirm_paid(tx: Tx, payment_id: str) -> Order | None:
    """The order that waited for this payment, confirmed; None where none waits. Raises wallet.InsufficientFunds."""
    raise NotImplementedError


async def start(tx: Tx, order_id: str) -> Order:
    """Fulfilment begins (or goes on). Locks the order. Raises OrderNotFound."""
    raise NotImplementedError


async def settle_items(
    tx: Tx, order_id: str, *, delivered: Sequence[str] = (), failed: Mapping[str, Problem] | None = None
) -> Order:
    """Writes down what became of items, by `ref`; those already decided stay as they are."""
    raise NotImplementedError


async def complete(tx: Tx, order_id: str) -> Order:
    """Captures what was delivered, releases the rest, issues the invoice; the same answer when repeated.

    Items still pending count as failed.
    """
    raise NotImplementedError


async def cancel(tx: Tx, order_id: str) -> Order:
    """Gives everything back, before fulfilment has begun. Raises OrderNotFound, NotCancellable."""
    raise NotImplementedError


async def refund(tx: Tx, order_id: str, *, amount: int, reason: str, key: str) -> Order:
    """Puts part of what was captured back into the wallet, with an invoice of its own; once for each `key`.

    Raises OrderNotFound, RefundTooLarge.
    """
    raise NotImplementedError


async def find_by_key(tx: Tx, key: str) -> Order | None:
    raise NotImplementedError


async def get(tx: Tx, order_id: str) -> Order:
    """Raises OrderNotFound."""
    raise NotImplementedError


async def list_(tx: Tx, request: PageRequest, *, kind: str | None = None, status: str | None = None) -> Page[Order]:
    """Newest first: those of the workspace, and all that it pays for."""
    raise NotImplementedError
