"""What has to be true of two workspaces' money at any moment, asked of the database."""

from collections.abc import Mapping, Sequence
from typing import LiteralString

from litemail import wallet
from litemail.kit.db import Database

_FAULTS: LiteralString = """
SELECT 'transaction ' || number || ' sums to ' || sum(amount) AS fault FROM ledger_entries
WHERE workspace_id = ANY (%(ids)s) GROUP BY number HAVING sum(amount) <> 0
UNION ALL
SELECT 'account ' || a.account || ' has ' || a.balance || ', its entries ' || coalesce(sum(e.amount), 0)
FROM ledger_accounts a LEFT JOIN ledger_entries e USING (workspace_id, account)
WHERE a.workspace_id = ANY (%(ids)s) GROUP BY a.workspace_id, a.account, a.balance
HAVING a.balance <> coalesce(sum(e.amount), 0)
UNION ALL
SELECT 'held ' || a.balance || ', open orders of ' || coalesce(sum(o.total), 0)
FROM ledger_accounts a LEFT JOIN orders o ON o.workspace_id = a.workspace_id AND o.status IN ('confirmed', 'fulfilling')
WHERE a.workspace_id = ANY (%(ids)s) AND a.account = 'hold' GROUP BY a.workspace_id, a.balance
HAVING a.balance <> coalesce(sum(o.total), 0)
UNION ALL
SELECT 'order ' || o.id || ' says ' || o.captured || ' less ' || o.refunded || ', the ledger '
       || coalesce(l.captured, 0) || ' less ' || coalesce(l.refunded, 0)
FROM orders o LEFT JOIN ledger_orders l ON l.order_id = o.id
WHERE o.workspace_id = ANY (%(ids)s)
  AND (o.captured, o.refunded) IS DISTINCT FROM (coalesce(l.captured, 0), coalesce(l.refunded, 0))
UNION ALL
SELECT 'order ' || o.id || ' took ' || (o.captured - o.refunded) || ', was invoiced ' || coalesce(sum(i.total), 0)
FROM orders o LEFT JOIN invoices i ON i.order_id = o.id
WHERE o.workspace_id = ANY (%(ids)s) GROUP BY o.id HAVING o.captured - o.refunded <> coalesce(sum(i.total), 0)
UNION ALL
SELECT 'subscription ' || s.id || ' was renewed ' || s.renewals || ' times and paid ' || count(o.id) || ' times'
FROM (SELECT s.id, count(e.id) AS renewals FROM subscriptions s
      LEFT JOIN events e ON e.workspace_id = s.workspace_id AND e.subject = s.id AND e.type = 'subscription.renewed'
      WHERE s.workspace_id = ANY (%(ids)s) GROUP BY s.id) s
LEFT JOIN orders o ON o.kind = 'renewal' AND o.items -> 0 ->> 'ref' = s.id AND o.workspace_id = ANY (%(ids)s)
GROUP BY s.id, s.renewals HAVING s.renewals <> count(o.id)
UNION ALL
SELECT 'the card paid ' || %(charged)s || ', the wallet got ' || coalesce(sum(amount), 0) FROM payments
WHERE workspace_id = ANY (%(ids)s) AND purpose = 'recharge' AND status IN ('succeeded', 'pending')
  AND id = ANY (%(payments)s)
HAVING coalesce(sum(amount), 0) <> %(charged)s
"""


async def faults_of(database: Database, workspace_ids: Sequence[str], charged: Mapping[str, int]) -> list[str]:
    """What is not as it has to be. `charged` is what a gateway took for each payment."""
    async with database.begin_system("test") as tx:
        return await tx.values(
            str,
            _FAULTS,
            ids=list(workspace_ids),
            charged=sum(charged.values()),
            payments=list(charged),
        )


async def available_in(database: Database, workspace_id: str) -> int:
    async with database.begin_system("test") as tx:
        return (await wallet.balance(tx, workspace_id)).available
