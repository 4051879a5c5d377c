"""The recomputation finds whatever somebody with all rights, and the triggers switched off, has done to the ledger."""

from collections.abc import AsyncIterator

import pytest
from psycopg import AsyncConnection

from litemail import wallet
from litemail.kit import clock, embedded_pg
from litemail.kit.db import Tx
from litemail.kit.money import Money
from litemail.providers.payments import Paid
from tests.wallet.conftest import Purse


@pytest.fixture
async def vandal(purse: Purse, cluster: embedded_pg.Cluster) -> AsyncIterator[Tx]:
    """A transaction without triggers or limits, undone at the end."""
    payment = await purse.begin_top_up(5_000)
    await purse.tell(Paid(payment.id, f"ch_{payment.id}", Money(5_000)))
    order_id = await purse.hold(3_000)
    async with purse.database.begin(purse.actor) as tx:
        await wallet.capture(tx, order_id=order_id, amount=2_000, description="Slots")
        await wallet.refund(tx, order_id=order_id, amount=500, reason="Lost", key="1")
        name = await tx.value(str, "SELECT current_database()")
    assert name is not None
    async with await AsyncConnection.connect(cluster.url(database=name)) as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute("ALTER TABLE ledger_accounts DROP CONSTRAINT wallet_not_below_zero")
        yield Tx(connection, actor=None, now=clock.now())
        await connection.rollback()


MINE = "workspace_id = %(workspace_id)s"
LAST = f"number = (SELECT max(number) FROM ledger_entries WHERE {MINE})"


async def test_a_sound_ledger_has_no_difference(vandal: Tx) -> None:
    assert await wallet.first_difference(vandal) is None


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (f"DELETE FROM ledger_entries WHERE {MINE} AND {LAST} AND account = 'wallet'", "does not sum to zero"),
        (f"UPDATE ledger_entries SET amount = amount + 1 WHERE {MINE} AND {LAST}", "does not sum to zero"),
        (f"DELETE FROM ledger_entries WHERE {MINE} AND {LAST}", "does not sum to zero"),
        (
            f"UPDATE ledger_entries SET balance_after = balance_after + 1 WHERE {MINE} AND account = 'wallet'",
            "is not the sum of the entries up to it",
        ),
        (
            f"UPDATE ledger_accounts SET balance = balance + 1 WHERE {MINE} AND account = 'wallet'",
            "is not the sum of its entries",
        ),
        (f"DELETE FROM ledger_accounts WHERE {MINE} AND account = 'revenue'", "is not the sum of its entries"),
        (f"UPDATE ledger_orders SET captured = captured + 1 WHERE {MINE}", "whose sums are not"),
        (f"DELETE FROM ledger_orders WHERE {MINE}", "whose sums are not"),
        (f"UPDATE payments SET status = 'failed' WHERE {MINE}", "not credited once"),
        (f"UPDATE payments SET amount = amount + 1 WHERE {MINE}", "not credited once"),
    ],
)
async def test_every_change_is_found(vandal: Tx, purse: Purse, statement: str, what: str) -> None:
    await vandal.connection.execute(statement.encode(), {"workspace_id": purse.workspace_id})
    found = await wallet.first_difference(vandal)
    assert found is not None
    assert what in found.what
    assert found.kept != found.computed
