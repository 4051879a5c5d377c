"""What the database itself refuses, whoever asks: changing the ledger, making money, other people's wallets."""

from collections.abc import AsyncIterator

import pytest
from psycopg import AsyncConnection, errors

from litemail import wallet
from litemail.kit import embedded_pg, ids
from litemail.kit.actor import Actor
from litemail.kit.db import Database
from litemail.wallet.posting import Refused
from tests.conftest import Databases
from tests.wallet.conftest import NewPurse, Purse

LEDGER = ("ledger_accounts", "ledger_transactions", "ledger_entries", "ledger_orders")
CHANGES = {
    "ledger_accounts": "balance = balance + 1",
    "ledger_transactions": "description = 'another'",
    "ledger_entries": "amount = amount + 1",
    "ledger_orders": "held = held + 1",
}


@pytest.fixture(params=["litemail_app", "litemail_system", "litemail_owner", "postgres"])
async def role(
    request: pytest.FixtureRequest, database: Database, cluster: embedded_pg.Cluster, purse: Purse
) -> AsyncIterator[AsyncConnection]:
    """A connection as each role that there is, the one that owns the tables and the superuser among them."""
    await purse.hold(1_000)
    async with purse.database.begin_system("test") as tx:
        name = await tx.value(str, "SELECT current_database()")
    assert name is not None
    async with await AsyncConnection.connect(cluster.url(database=name), autocommit=True) as connection:
        await connection.execute("SELECT set_config('litemail.paying_workspace_id', %s, false)", (purse.workspace_id,))
        if request.param != "postgres":
            await connection.execute(f"SET ROLE {request.param}")
        yield connection


@pytest.mark.parametrize("table", LEDGER)
async def test_nobody_changes_or_removes_what_is_in_the_ledger(role: AsyncConnection, purse: Purse, table: str) -> None:
    refusals = (errors.RestrictViolation, errors.InsufficientPrivilege)
    for statement in (f"UPDATE {table} SET {CHANGES[table]}", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        with pytest.raises(refusals):
            await role.execute(statement)
    await purse.check()


async def test_the_owner_of_the_tables_is_refused_by_the_ledger_and_not_for_want_of_rights(
    cluster: embedded_pg.Cluster, purse: Purse
) -> None:
    await purse.hold(1_000)
    async with purse.database.begin_system("test") as tx:
        name = await tx.value(str, "SELECT current_database()")
    assert name is not None
    async with await AsyncConnection.connect(cluster.url(database=name), autocommit=True) as connection:
        await connection.execute("SET ROLE litemail_owner")
        for table in LEDGER:
            for statement in (f"UPDATE {table} SET {CHANGES[table]}", f"DELETE FROM {table}", f"TRUNCATE {table}"):
                with pytest.raises(errors.RestrictViolation, match="the ledger is never changed"):
                    await connection.execute(statement)


async def _begin(connection: AsyncConnection, workspace_id: str) -> int:
    row = await (
        await connection.execute(
            """INSERT INTO ledger_transactions (number, id, workspace_id, kind, key, description, created_at)
               VALUES (0, %s, %s, 'adjustment', %s, 'by hand', now()) RETURNING number""",
            (ids.new_id("txn"), workspace_id, ids.new_id("key")),
        )
    ).fetchone()
    assert row is not None
    return int(row[0])


async def _enter(connection: AsyncConnection, workspace_id: str, number: int, account: str, amount: int) -> None:
    await connection.execute(
        "INSERT INTO ledger_entries (workspace_id, account, number, amount, balance_after) VALUES (%s, %s, %s, %s, 99)",
        (workspace_id, account, number, amount),
    )


async def _post(connection: AsyncConnection, workspace_id: str, **amounts: int) -> int:
    async with connection.transaction():
        number = await _begin(connection, workspace_id)
        for account, amount in amounts.items():
            await _enter(connection, workspace_id, number, account, amount)
    return number


async def test_a_transaction_that_does_not_sum_to_zero_cannot_be_committed(role: AsyncConnection, purse: Purse) -> None:
    with pytest.raises(errors.CheckViolation, match="sum to 5"):
        await _post(role, purse.workspace_id, wallet=15, grants=-10)
    with pytest.raises(errors.CheckViolation, match="0 entries"):
        await _post(role, purse.workspace_id)
    await purse.check()


async def test_nothing_is_added_to_a_transaction_later(role: AsyncConnection, purse: Purse) -> None:
    number = await _post(role, purse.workspace_id, wallet=10, grants=-10)
    with pytest.raises(errors.CheckViolation, match="sum to 10"):
        await _enter(role, purse.workspace_id, number, "revenue", 10)
    assert (await purse.balance()).available == 9_010
    await purse.check()


async def test_balances_are_the_databases_own_work(role: AsyncConnection, purse: Purse) -> None:
    number = await _post(role, purse.workspace_id, wallet=10, grants=-10)
    async with purse.database.begin_system("test") as tx:
        kept = await tx.values(
            int,
            "SELECT balance_after FROM ledger_entries WHERE number = %(number)s AND account = 'wallet'",
            number=number,
        )
    assert kept == [9_010]


async def test_a_wallet_never_goes_below_zero(role: AsyncConnection, purse: Purse) -> None:
    with pytest.raises(errors.CheckViolation, match="wallet_not_below_zero"):
        await _post(role, purse.workspace_id, grants=9_001, wallet=-9_001)


async def test_entries_of_one_workspace_do_not_join_anothers_transaction(
    role: AsyncConnection, purse: Purse, new_purse: NewPurse
) -> None:
    other = await new_purse(500)
    number = await _post(role, purse.workspace_id, wallet=500, grants=-500)
    with pytest.raises((errors.ForeignKeyViolation, errors.InsufficientPrivilege)):
        await _enter(role, other.workspace_id, number, "wallet", -500)


async def test_an_account_is_opened_empty(databases: Databases) -> None:
    async with databases.fresh() as fresh:
        user_id, workspace_id = ids.new_id("user"), ids.new_id("ws")
        async with fresh.begin_system("test") as tx:
            await tx.execute(
                """INSERT INTO users (id, email, password_hash, first_name, last_name, created_at)
                   VALUES (%(id)s, 'ada@example.com', '', 'Ada', 'Lovelace', now())""",
                id=user_id,
            )
            await tx.execute(
                """INSERT INTO workspaces (id, owner_id, name, mode, created_at)
                   VALUES (%(id)s, %(owner)s, 'Acme', 'live', now())""",
                id=workspace_id,
                owner=user_id,
            )
            await tx.execute(
                "INSERT INTO ledger_accounts (workspace_id, account, balance) VALUES (%(id)s, 'wallet', 1000000)",
                id=workspace_id,
            )
            await wallet.open_(tx, workspace_id)
            assert (await wallet.balance(tx, workspace_id)).available == 0


async def test_a_workspace_sees_only_the_wallet_that_pays_for_it(new_purse: NewPurse) -> None:
    payer, branch, stranger = [await new_purse(1_000) for _ in range(3)]
    of_branch = Actor(
        user_id=branch.person.user_id,
        workspace_id=branch.workspace_id,
        paying_workspace_id=payer.workspace_id,
        mode="sandbox",
        role="owner",
        scopes=frozenset(),
    )
    order_id = ids.new_id("ord")
    async with payer.database.begin(of_branch) as tx:
        await wallet.hold(tx, workspace_id=payer.workspace_id, amount=100, order_id=order_id, description="Slots")
        assert (await wallet.balance(tx, payer.workspace_id)).held == 100
        await wallet.capture(tx, order_id=order_id, amount=60, description="Slots")
        await wallet.refund(tx, order_id=order_id, amount=10, reason="Lost", key="1")
        for other in (branch, stranger):
            with pytest.raises(wallet.WalletMissing):
                await wallet.balance(tx, other.workspace_id)
        for table in (*LEDGER, "payments", "payment_methods", "auto_recharges"):
            seen = await tx.values(str, f"SELECT DISTINCT workspace_id FROM {table}")
            assert set(seen) <= {payer.workspace_id}
    assert await payer.events("wallet.refunded") == ["wallet.refunded"]
    assert await branch.events("wallet.refunded") == []
    async with payer.database.begin(stranger.actor) as tx:
        assert await wallet.find_order(tx, order_id) is None
        with pytest.raises(wallet.NothingHeld):
            await wallet.capture(tx, order_id=order_id, amount=100, description="Slots")


async def test_a_workspace_cannot_spend_anothers_money(new_purse: NewPurse) -> None:
    purse, other = await new_purse(1_000), await new_purse(1_000)
    with pytest.raises(errors.InsufficientPrivilege):
        async with purse.database.begin(purse.actor) as tx:
            await wallet.hold(
                tx, workspace_id=other.workspace_id, amount=1, order_id=ids.new_id("ord"), description="Slots"
            )
    assert (await other.balance()).held == 0


async def test_an_order_of_one_wallet_is_not_held_on_another(new_purse: NewPurse) -> None:
    purse, other = await new_purse(1_000), await new_purse(1_000)
    order_id = await purse.hold(100)
    with pytest.raises(Refused, match="order_is_of_workspace"):
        async with other.database.begin_system("test") as tx:
            await wallet.hold(tx, workspace_id=other.workspace_id, amount=100, order_id=order_id, description="Slots")
    assert (await other.balance()).held == 0
