"""Charges: a wallet loses money for an order, once, under locks and constraints, committed to disk."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence

from benchmarks import world
from benchmarks.row import Row, Scale, milliseconds, percentile
from litemail import wallet
from litemail.kit import ids
from litemail.kit.actor import Actor
from litemail.kit.db import Database

CLIENTS = 8
WALLETS = 1_000
AMOUNT = 100
PLENTY = 10**12


async def measure(scale: Scale) -> list[Row]:
    with world.fresh() as installed:
        async with world.inside(installed) as house:
            database = house.database
            wallets = await _add_wallets(database)

            async def charge(workspace_id: str) -> None:
                async with database.begin(_actor(workspace_id)) as tx:
                    await wallet.charge(
                        tx, workspace_id=workspace_id, amount=AMOUNT, order_id=ids.new_id("ord"), description="Slots"
                    )

            async def touch() -> None:
                async with database.begin_system("benchmark") as tx:
                    await tx.execute("UPDATE workspaces SET name = name WHERE id = %(id)s", id=wallets[0])

            await _times(lambda: charge(random.choice(wallets)), clients=CLIENTS, seconds=0.5)
            one = await _times(lambda: charge(wallets[0]), clients=CLIENTS, seconds=scale.seconds)
            many = await _times(lambda: charge(random.choice(wallets)), clients=CLIENTS, seconds=scale.seconds)
            row = await _times(touch, clients=CLIENTS, seconds=scale.seconds)
            rows = await _times(touch_nothing(database), clients=CLIENTS, seconds=scale.seconds)
            async with database.begin_system("benchmark") as tx:
                proof = time.perf_counter()
                assert await wallet.first_difference(tx) is None
                proved = time.perf_counter() - proof
                posted = await tx.value(int, "SELECT count(*) FROM ledger_transactions") or 0
    return [
        Row(
            f"charges on one wallet, {CLIENTS} clients in one process",
            _shown(one, scale),
            f"UPDATE of one and the same row, committed: {len(row) / scale.seconds:,.0f}/s",
            f"{len(one) / len(row):.2f}",
            "500/s",
        ),
        Row(
            f"charges on {WALLETS:,} wallets, {CLIENTS} clients in one process",
            _shown(many, scale),
            f"empty transactions from the same process: {len(rows) / scale.seconds:,.0f}/s",
            f"{len(many) / len(rows):.2f}",
        ),
        Row("the ledger recomputed, as `litemail doctor` does", f"{posted:,} transactions in {milliseconds(proved)}"),
    ]


def touch_nothing(database: Database) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        async with database.begin_system("benchmark"):
            pass

    return run


async def _times(act: Callable[[], Awaitable[None]], *, clients: int, seconds: float) -> Sequence[float]:
    """Seconds that each took; every client begins the next when one is done."""
    taken: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        while (began := time.perf_counter()) < end:
            await act()
            taken.append(time.perf_counter() - began)

    await asyncio.gather(*(client() for _ in range(clients)))
    return taken


def _shown(times: Sequence[float], scale: Scale) -> str:
    return (
        f"{len(times) / scale.seconds:,.0f}/s, p50 {milliseconds(percentile(times, 50))}, "
        f"p99 {milliseconds(percentile(times, 99))}"
    )


async def _add_wallets(database: Database) -> list[str]:
    """Workspaces with plenty of money; their ids."""
    user_id = ids.new_id("user")
    wallets = [ids.new_id("ws") for _ in range(WALLETS)]
    async with database.begin_system("benchmark") as tx:
        await tx.execute(
            """INSERT INTO users (id, email, password_hash, first_name, last_name, created_at)
               VALUES (%(id)s, 'bench@example.com', '', 'Ada', 'Lovelace', %(now)s)""",
            id=user_id,
            now=tx.now,
        )
        await tx.execute(
            """INSERT INTO workspaces (id, owner_id, name, mode, created_at)
               SELECT id, %(owner)s, id, 'sandbox', %(now)s FROM unnest(%(ids)s::text[]) id""",
            ids=wallets,
            owner=user_id,
            now=tx.now,
        )
        for workspace_id in wallets:
            await wallet.open_(tx, workspace_id)
            await wallet.grant(tx, workspace_id=workspace_id, amount=PLENTY, reason="Benchmark", key="benchmark")
    return wallets


def _actor(workspace_id: str) -> Actor:
    return Actor(
        user_id="user_of_the_benchmark",
        workspace_id=workspace_id,
        paying_workspace_id=workspace_id,
        mode="sandbox",
        role="owner",
        scopes=frozenset(),
    )
