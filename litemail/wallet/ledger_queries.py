"""SQL of the ledger. Balances, sums and bounds are the database's work: see migrations/0010_wallet.sql."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from litemail.kit import ids
from litemail.kit.db import Tx

Kind = Literal["top_up", "charge", "refund", "adjustment", "hold", "capture", "release"]
Account = Literal["wallet", "hold", "revenue", "gateway", "grants"]


class Balance(msgspec.Struct, frozen=True):
    """`balance` is all the money of the wallet; `held` of it is reserved by open orders, `available` is the rest."""

    balance: int
    held: int
    available: int


class OrderSums(msgspec.Struct, frozen=True):
    """What the ledger knows of an order: `held` now, `captured` and `refunded` in all."""

    order_id: str
    workspace_id: str
    held: int
    captured: int
    refunded: int


class Line(msgspec.Struct, frozen=True):
    """A transaction as the wallet's owner sees it.

    `amount` is what it changed in the balance, `held` what it changed in the part that is reserved.
    """

    number: int
    id: str
    kind: Kind
    amount: int
    balance_after: int
    held: int
    held_after: int
    order_id: str | None
    payment_id: str | None
    description: str
    created_at: datetime


class Entry(msgspec.Struct, frozen=True):
    account: Account
    amount: int


class PostedRow(msgspec.Struct, frozen=True):
    id: str | None
    posted: bool
    same: bool | None
    refused: str | None
    available: int | None
    recharge: bool | None


async def open_accounts(tx: Tx, workspace_id: str) -> None:
    await tx.execute(
        """INSERT INTO ledger_accounts (workspace_id, account)
           SELECT %(workspace_id)s, unnest(ARRAY['wallet', 'hold', 'revenue', 'gateway', 'grants'])
           ON CONFLICT DO NOTHING""",
        workspace_id=workspace_id,
    )


async def post(
    tx: Tx,
    entries: Mapping[Account, int],
    *,
    workspace_id: str,
    kind: Kind,
    key: str,
    order_id: str | None,
    payment_id: str | None,
    description: str,
) -> PostedRow:
    tx.release_early()  # it locks the wallet
    return await tx.one(
        PostedRow,
        """SELECT id, posted, same, refused, available, recharge
           FROM ledger_post(%(id)s, %(workspace_id)s, %(kind)s, %(key)s, %(order_id)s, %(payment_id)s,
                            %(description)s, %(accounts)s, %(amounts)s::bigint[], %(now)s)""",
        id=ids.new_id("txn"),
        workspace_id=workspace_id,
        kind=kind,
        key=key,
        order_id=order_id,
        payment_id=payment_id,
        description=description,
        accounts=list(entries),
        amounts=list(entries.values()),
        now=tx.now,
    )


async def lock(tx: Tx, workspace_id: str) -> None:
    await tx.execute("SELECT ledger_lock(%(workspace_id)s)", workspace_id=workspace_id)


async def find_balance(tx: Tx, workspace_id: str) -> Balance | None:
    return await tx.find(
        Balance,
        """SELECT w.balance + h.balance AS balance, h.balance AS held, w.balance AS available
           FROM ledger_accounts w JOIN ledger_accounts h USING (workspace_id)
           WHERE w.workspace_id = %(workspace_id)s AND w.account = 'wallet' AND h.account = 'hold'""",
        workspace_id=workspace_id,
    )


async def find_order(tx: Tx, order_id: str) -> OrderSums | None:
    return await tx.find(
        OrderSums,
        "SELECT order_id, workspace_id, held, captured, refunded FROM ledger_orders WHERE order_id = %(order_id)s",
        order_id=order_id,
    )


async def entries_of(tx: Tx, *, workspace_id: str, key: str) -> list[Entry]:
    """The entries of the transaction posted under a key; none where there is no such."""
    return await tx.all(
        Entry,
        """SELECT e.account, e.amount FROM ledger_transactions t JOIN ledger_entries e USING (number)
           WHERE t.workspace_id = %(workspace_id)s AND t.key = %(key)s""",
        workspace_id=workspace_id,
        key=key,
    )


_OF_WALLET = """
WHERE t.workspace_id = %(workspace_id)s
  AND (%(of_kind)s::text IS NULL OR t.kind = %(of_kind)s)
  AND (%(since)s::timestamptz IS NULL OR t.created_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR t.created_at < %(until)s)
"""


async def list_lines(
    tx: Tx,
    *,
    workspace_id: str,
    kind: Kind | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    before: int | None,
) -> list[Line]:
    """The newest first. What an account had after a transaction that left it alone, its last entry tells."""
    return await tx.all(
        Line,
        f"""SELECT t.number, t.id, t.kind, (w.amount + h.amount)::bigint AS amount,
                   (w.balance_after + h.balance_after)::bigint AS balance_after,
                   h.amount AS held, h.balance_after AS held_after,
                   t.order_id, t.payment_id, t.description, t.created_at
            FROM (SELECT * FROM ledger_transactions t {_OF_WALLET}
                    AND (%(before)s::bigint IS NULL OR t.number < %(before)s)
                  ORDER BY t.number DESC LIMIT %(limit)s) t
            CROSS JOIN LATERAL (
                SELECT coalesce(max(CASE WHEN number = t.number THEN amount END), 0) AS amount,
                       coalesce(max(balance_after), 0) AS balance_after
                FROM (SELECT number, amount, balance_after FROM ledger_entries e
                      WHERE e.workspace_id = t.workspace_id AND e.account = 'wallet' AND e.number <= t.number
                      ORDER BY e.number DESC LIMIT 1) last) w
            CROSS JOIN LATERAL (
                SELECT coalesce(max(CASE WHEN number = t.number THEN amount END), 0) AS amount,
                       coalesce(max(balance_after), 0) AS balance_after
                FROM (SELECT number, amount, balance_after FROM ledger_entries e
                      WHERE e.workspace_id = t.workspace_id AND e.account = 'hold' AND e.number <= t.number
                      ORDER BY e.number DESC LIMIT 1) last) h
            ORDER BY t.number DESC""",
        workspace_id=workspace_id,
        of_kind=kind,
        since=since,
        until=until,
        limit=limit,
        before=before,
    )


async def count_lines(
    tx: Tx, *, workspace_id: str, kind: Kind | None, since: datetime | None, until: datetime | None
) -> int:
    found = await tx.value(
        int,
        f"SELECT count(*) FROM ledger_transactions t {_OF_WALLET}",
        workspace_id=workspace_id,
        of_kind=kind,
        since=since,
        until=until,
    )
    return found or 0
