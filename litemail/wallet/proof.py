"""The ledger proved: everything that the database keeps, computed again from the entries."""

from typing import LiteralString

import msgspec

from litemail.kit.db import Tx


class Difference(msgspec.Struct, frozen=True):
    """Something that is not what the entries make it. `where` names the row."""

    what: str
    where: str
    kept: str
    computed: str


_CHECKS: tuple[tuple[str, LiteralString], ...] = (
    (
        "a transaction that does not sum to zero",
        """SELECT t.id AS where, '2 or more entries of 0' AS kept,
                  count(e.*) || ' entries of ' || coalesce(sum(e.amount), 0) AS computed
           FROM ledger_transactions t LEFT JOIN ledger_entries e USING (number)
           GROUP BY t.number, t.id HAVING count(e.*) < 2 OR sum(e.amount) <> 0 ORDER BY t.number LIMIT 1""",
    ),
    (
        "a balance after an entry that is not the sum of the entries up to it",
        """SELECT workspace_id || ' ' || account || ' ' || number AS where, balance_after::text AS kept,
                  running::text AS computed
           FROM (SELECT *, sum(amount) OVER (PARTITION BY workspace_id, account ORDER BY number) AS running
                 FROM ledger_entries) e
           WHERE balance_after <> running ORDER BY number LIMIT 1""",
    ),
    (
        "an account whose balance is not the sum of its entries",
        """SELECT a.workspace_id || ' ' || a.account AS where, a.balance::text AS kept,
                  coalesce(e.total, 0)::text AS computed
           FROM ledger_accounts a
           FULL JOIN (SELECT workspace_id, account, sum(amount) AS total FROM ledger_entries GROUP BY 1, 2) e
             ON e.workspace_id = a.workspace_id AND e.account = a.account
           WHERE a.balance IS DISTINCT FROM coalesce(e.total, 0) ORDER BY 1 LIMIT 1""",
    ),
    (
        "a wallet or hold below zero",
        """SELECT workspace_id || ' ' || account AS where, balance::text AS kept, '0 or more' AS computed
           FROM ledger_accounts WHERE account IN ('wallet', 'hold') AND balance < 0 ORDER BY 1 LIMIT 1""",
    ),
    (
        "an order whose sums are not those of its entries",
        """SELECT coalesce(o.order_id, e.order_id) AS where,
                  concat_ws('/', o.held, o.captured, o.refunded) AS kept,
                  concat_ws('/', e.held, e.captured, e.refunded) AS computed
           FROM ledger_orders o
           FULL JOIN (SELECT t.order_id,
                             coalesce(sum(e.amount) FILTER (WHERE e.account = 'hold'), 0) AS held,
                             coalesce(sum(e.amount) FILTER (WHERE e.account = 'revenue' AND e.amount > 0), 0)
                                 AS captured,
                             coalesce(-sum(e.amount) FILTER (WHERE e.account = 'revenue' AND e.amount < 0), 0)
                                 AS refunded
                      FROM ledger_transactions t JOIN ledger_entries e USING (number)
                      WHERE t.order_id IS NOT NULL AND e.account IN ('hold', 'revenue') GROUP BY 1) e
             ON e.order_id = o.order_id
           WHERE (o.held, o.captured, o.refunded) IS DISTINCT FROM (e.held, e.captured, e.refunded)
           ORDER BY 1 LIMIT 1""",
    ),
    (
        "a wallet whose hold is not the sum of what its orders hold",
        """SELECT a.workspace_id AS where, a.balance::text AS kept, coalesce(sum(o.held), 0)::text AS computed
           FROM ledger_accounts a LEFT JOIN ledger_orders o ON o.workspace_id = a.workspace_id AND o.held > 0
           WHERE a.account = 'hold' GROUP BY a.workspace_id, a.balance
           HAVING a.balance <> coalesce(sum(o.held), 0) ORDER BY 1 LIMIT 1""",
    ),
    (
        "a payment that was not credited once with its amount",
        """SELECT coalesce(p.id, t.payment_id) AS where, coalesce(p.amount::text, 'no payment') AS kept,
                  coalesce(t.amount::text, 'no top-up') AS computed
           FROM (SELECT id, amount FROM payments WHERE status = 'succeeded' AND amount > 0) p
           FULL JOIN (SELECT t.payment_id, sum(e.amount) AS amount
                      FROM ledger_transactions t JOIN ledger_entries e USING (number)
                      WHERE t.kind = 'top_up' AND e.account = 'wallet' GROUP BY 1) t ON t.payment_id = p.id
           WHERE p.amount IS DISTINCT FROM t.amount ORDER BY 1 LIMIT 1""",
    ),
)


class _Row(msgspec.Struct, frozen=True):
    where: str
    kept: str
    computed: str


async def first_difference(tx: Tx) -> Difference | None:
    """Recomputes the whole ledger; the first thing that differs, or None. For transactions that see all of it.

    Each check is one statement, so what is posted meanwhile is either in it as a whole or not at all.
    """
    for what, query in _CHECKS:
        found = await tx.find(_Row, query)
        if found is not None:
            return Difference(what, found.where, found.kept, found.computed)
    return None
