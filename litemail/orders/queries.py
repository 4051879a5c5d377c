"""SQL of orders. `workspace_id` is the one that pays, `ordered_by` the one that ordered."""

from datetime import datetime
from typing import Literal

import msgspec

from litemail.billing import Line
from litemail.kit.db import nested
from litemail.kit.errors import Problem

OrderStatus = Literal[
    "awaiting_payment", "confirmed", "fulfilling", "fulfilled", "partially_fulfilled", "failed", "cancelled"
]
ItemStatus = Literal["pending", "delivered", "failed"]


class Item(msgspec.Struct, frozen=True):
    """One thing that was ordered. `ref` names it (a domain, a subscription), `amount` is its part of the total."""

    ref: str
    amount: int
    status: ItemStatus
    error: Problem | None


class Order(msgspec.Struct, frozen=True):
    """`captured`, `released` and `refunded` are minor units; `captured + released` is the total once it is decided."""

    id: str
    workspace_id: str
    ordered_by: str
    key: str
    kind: str
    status: OrderStatus
    lines: list[Line]
    items: list[Item]
    total: int
    captured: int
    released: int
    refunded: int
    payment_id: str | None
    created_at: datetime


nested(Order)
