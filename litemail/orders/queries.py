"""SQL of orders. `workspace_id` is the one that pays, `ordered_by` the one that it was ordered in."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
from psycopg.types.json import Jsonb

from litemail.billing import Line
from litemail.kit.db import Tx
from litemail.kit.errors import Problem

OrderStatus = Literal[
    "awaiting_payment", "confirmed", "fulfilling", "fulfilled", "partially_fulfilled", "failed", "cancelled"
]
ItemStatus = Literal["pending", "delivered", "failed"]


class Item(msgspec.Struct, frozen=True):
    """One thing that was ordered. `ref` names it (a domain, a subscription), `amount` is its part of the total."""

    ref: str
    amount: int
    status: ItemStatus = "pending"
    error: Problem | None = None


class Order(msgspec.Struct, frozen=True):
    """Amounts are minor units; `captured + released` is the total once it is decided. Only an order that awaits its
    payment has a `payment_link`.
    """

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
    payment_link: str | None
    created_at: datetime


class Scope(msgspec.Struct, frozen=True):
    """Whose orders: those that a workspace pays for, or only those that were ordered in it. None is anybody's."""

    payer: str | None = None
    ordered_by: str | None = None


_ORDER = """id, workspace_id, ordered_by, key, kind, status, lines, items, total, captured, released, refunded,
    payment_id, (SELECT p.payment_link FROM payments p
                 WHERE p.id = orders.payment_id AND orders.status = 'awaiting_payment') AS payment_link, created_at"""
_SCOPED = """(%(payer)s::text IS NULL OR workspace_id = %(payer)s)
    AND (%(ordered_by)s::text IS NULL OR ordered_by = %(ordered_by)s)"""
_CHOSEN = f"""{_SCOPED} AND (%(of_kind)s::text IS NULL OR kind = %(of_kind)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)"""


async def insert_order(
    tx: Tx,
    *,
    order_id: str,
    payer: str,
    ordered_by: str,
    key: str,
    kind: str,
    status: OrderStatus,
    lines: Sequence[Line],
    items: Sequence[Item],
    total: int,
    payment_id: str | None,
    created_at: datetime,
) -> Order | None:
    """None when there is an order of that key, or for that payment."""
    return await tx.find(
        Order,
        f"""INSERT INTO orders (id, workspace_id, ordered_by, key, kind, status, lines, items, total, payment_id,
                                user_id, key_id, created_at)
            VALUES (%(id)s, %(payer)s, %(ordered_by)s, %(key)s, %(kind)s, %(status)s, %(lines)s, %(items)s, %(total)s,
                    %(payment_id)s, %(user_id)s, %(key_id)s, %(created_at)s)
            ON CONFLICT DO NOTHING RETURNING {_ORDER}""",
        id=order_id,
        payer=payer,
        ordered_by=ordered_by,
        key=key,
        kind=kind,
        status=status,
        lines=Jsonb(msgspec.to_builtins(lines)),
        items=Jsonb(msgspec.to_builtins(items)),
        total=total,
        payment_id=payment_id,
        user_id=tx.actor.user_id if tx.actor else None,
        key_id=tx.actor.key_id if tx.actor else None,
        created_at=created_at,
    )


async def find_order(tx: Tx, order_id: str, scope: Scope, *, lock: bool = False) -> Order | None:
    return await tx.find(
        Order,
        f"SELECT {_ORDER} FROM orders WHERE id = %(id)s AND {_SCOPED}" + (" FOR UPDATE" if lock else ""),
        id=order_id,
        payer=scope.payer,
        ordered_by=scope.ordered_by,
    )


async def find_by_key(tx: Tx, key: str) -> Order | None:
    return await tx.find(Order, f"SELECT {_ORDER} FROM orders WHERE key = %(key)s", key=key)


async def find_by_payment(tx: Tx, payment_id: str) -> Order | None:
    return await tx.find(Order, f"SELECT {_ORDER} FROM orders WHERE payment_id = %(payment_id)s", payment_id=payment_id)


async def lock_by_payment(tx: Tx, payment_id: str) -> Order | None:
    return await tx.find(
        Order, f"SELECT {_ORDER} FROM orders WHERE payment_id = %(payment_id)s FOR UPDATE", payment_id=payment_id
    )


async def list_orders(
    tx: Tx, scope: Scope, *, kind: str | None, status: str | None, limit: int, after: str | None
) -> list[Order]:
    return await tx.all(
        Order,
        f"""SELECT {_ORDER} FROM orders WHERE {_CHOSEN} AND (%(after)s::text IS NULL OR id < %(after)s)
            ORDER BY id DESC LIMIT %(limit)s""",
        payer=scope.payer,
        ordered_by=scope.ordered_by,
        of_kind=kind,
        status=status,
        limit=limit,
        after=after,
    )


async def count_orders(tx: Tx, scope: Scope, *, kind: str | None, status: str | None) -> int:
    return (
        await tx.value(
            int,
            f"SELECT count(*) FROM orders WHERE {_CHOSEN}",
            payer=scope.payer,
            ordered_by=scope.ordered_by,
            of_kind=kind,
            status=status,
        )
        or 0
    )


async def list_open(tx: Tx, *, limit: int) -> list[Order]:
    """Orders that are to be fulfilled, oldest first."""
    return await tx.all(
        Order,
        f"SELECT {_ORDER} FROM orders WHERE status IN ('confirmed', 'fulfilling') ORDER BY id LIMIT %(limit)s",
        limit=limit,
    )


async def update_order(
    tx: Tx, order_id: str, *, status: OrderStatus, items: Sequence[Item], captured: int = 0, released: int = 0
) -> Order:
    return await tx.one(
        Order,
        f"""UPDATE orders SET status = %(status)s, items = %(items)s, captured = %(captured)s, released = %(released)s
            WHERE id = %(id)s RETURNING {_ORDER}""",
        id=order_id,
        status=status,
        items=Jsonb(msgspec.to_builtins(items)),
        captured=captured,
        released=released,
    )


async def insert_refund(tx: Tx, order: Order, *, key: str, amount: int, reason: str) -> bool:
    """False when there is one with that key."""
    return bool(
        await tx.execute(
            """INSERT INTO order_refunds (order_id, key, workspace_id, amount, reason, created_at)
               VALUES (%(order_id)s, %(key)s, %(workspace_id)s, %(amount)s, %(reason)s, %(now)s)
               ON CONFLICT DO NOTHING""",
            order_id=order.id,
            key=key,
            workspace_id=order.workspace_id,
            amount=amount,
            reason=reason,
            now=tx.now,
        )
    )


async def add_refunded(tx: Tx, order_id: str, amount: int) -> Order:
    return await tx.one(
        Order,
        f"UPDATE orders SET refunded = refunded + %(amount)s WHERE id = %(id)s RETURNING {_ORDER}",
        id=order_id,
        amount=amount,
    )


async def spend_limit_of(tx: Tx, key_id: str) -> int | None:
    """The limit of an API key, if it has one; two orders of such a key cannot both be the last within it."""
    limit = await tx.value(int, "SELECT spend_limit FROM api_keys WHERE id = %(id)s", id=key_id)
    if limit is not None:  # the application may not lock the row, since it may not change it
        await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('spend ' || %(id)s, 0))", id=key_id)
    return limit


async def spent_by_key(tx: Tx, key_id: str) -> int:
    """What a key's orders cost or hold, what was given back taken off."""
    return (
        await tx.value(
            int,
            """SELECT coalesce(sum(total - released - refunded), 0)::bigint FROM orders
               WHERE key_id = %(key_id)s AND status <> 'awaiting_payment'""",
            key_id=key_id,
        )
        or 0
    )
