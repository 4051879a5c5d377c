"""Wire shapes of orders."""

import msgspec

from litemail.kit.clock import rfc3339
from litemail.kit.errors import Problem
from litemail.kit.money import Money
from litemail.kit.wire import Timestamp
from litemail.orders.queries import Item as ItemRow
from litemail.orders.queries import ItemStatus, OrderStatus
from litemail.orders.queries import Order as OrderRow
from litemail.orders.quoting import QuotedLine, show_line

QUOTE_EXAMPLE = {
    "lines": [
        {
            "description": "Growth plan, month",
            "quantity": 1,
            "unit_price": {"amount": 9900, "currency": "USD"},
            "amount": {"amount": 9900, "currency": "USD"},
        }
    ],
    "total": {"amount": 9900, "currency": "USD"},
    "wallet_balance": {"amount": 100000, "currency": "USD"},
    "covered": True,
}
ORDER_EXAMPLE = {
    "id": "ord_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "kind": "subscription",
    "status": "fulfilled",
    "lines": QUOTE_EXAMPLE["lines"],
    "total": {"amount": 9900, "currency": "USD"},
    "captured": {"amount": 9900, "currency": "USD"},
    "released": {"amount": 0, "currency": "USD"},
    "refunded": {"amount": 0, "currency": "USD"},
    "items": [{"ref": "sub_01k5m3v8w0e3t9f7a2b4c6d8ee", "status": "delivered"}],
    "payment_link": None,
    "created_at": "2026-01-29T18:41:56.867Z",
}


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """`ref` names what was ordered; `error` says why it could not be delivered, in which case it costs nothing."""

    ref: str
    status: ItemStatus
    error: Problem | None = None


class Order(msgspec.Struct, frozen=True):
    """`total` is what was agreed, `captured` what was taken, `released` what was not delivered, so not taken."""

    id: str
    kind: str
    status: OrderStatus
    lines: list[QuotedLine]
    total: Money
    captured: Money
    released: Money
    refunded: Money
    items: list[Item]
    payment_link: str | None
    created_at: Timestamp


def show(row: OrderRow) -> Order:
    return Order(
        id=row.id,
        kind=row.kind,
        status=row.status,
        lines=[show_line(line) for line in row.lines],
        total=Money(row.total),
        captured=Money(row.captured),
        released=Money(row.released),
        refunded=Money(row.refunded),
        items=[_show_item(item) for item in row.items],
        payment_link=row.payment_link,
        created_at=rfc3339(row.created_at),
    )


def _show_item(item: ItemRow) -> Item:
    return Item(item.ref, item.status, item.error)
