"""Random lives of two wallets: whatever is asked, repeated or cut short, the ledger is what a simple model says."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from litemail import wallet
from litemail.kit import ids
from litemail.kit.db import Database, Tx
from litemail.kit.money import Money
from litemail.providers.payments import Paid
from litemail.wallet import payments
from tests.wallet.conftest import event

STEPS, LIVES = 50, 12
amounts = st.integers(min_value=1, max_value=1_500)
Verb = Callable[[Tx], Awaitable[object]]


@dataclass
class Order:
    purse: "Model"
    held: int = 0
    captured: int = 0
    refunded: int = 0


@dataclass
class Model:
    """What a wallet should be."""

    available: int = 0
    orders: dict[str, Order] = field(default_factory=dict)

    @property
    def held(self) -> int:
        return sum(order.held for order in self.orders.values())


class Crash(Exception):
    """The process ended before its transaction was committed."""


class Lives(RuleBasedStateMachine):
    database: Database
    runner: asyncio.Runner
    steps = 0
    orders = Bundle("orders")

    @initialize()
    def open_two_wallets(self) -> None:
        self.models = {ids.new_id("ws"): Model() for _ in range(2)}
        user_id = ids.new_id("user")
        self.last: Verb | None = None

        async def make() -> None:
            async with self.database.begin_system("test") as tx:
                await tx.execute(
                    """INSERT INTO users (id, email, password_hash, first_name, last_name, created_at)
                       VALUES (%(id)s, gen_random_uuid()::text || '@example.com', '', 'Ada', 'Lovelace', now())""",
                    id=user_id,
                )
                for workspace_id in self.models:
                    await tx.execute(
                        """INSERT INTO workspaces (id, owner_id, name, mode, created_at)
                           VALUES (%(id)s, %(owner)s, gen_random_uuid()::text, 'live', now())""",
                        id=workspace_id,
                        owner=user_id,
                    )
                    await wallet.open_(tx, workspace_id)

        self.runner.run(make())

    def play(self, verb: Verb, *, expected: type[Exception] | None) -> None:
        """Runs a verb in a transaction of its own. It fails exactly as the model says, and then changes nothing."""
        type(self).steps += 1

        async def run() -> None:
            async with self.database.begin_system("test") as tx:
                await verb(tx)

        if expected is None:
            self.runner.run(run())
            self.last = verb
        else:
            with pytest.raises(expected):
                self.runner.run(run())

    def _wallet(self, number: int) -> tuple[str, Model]:
        return list(self.models.items())[number]

    @rule(number=st.integers(0, 1), amount=amounts)
    def grant(self, number: int, amount: int) -> None:
        workspace_id, model = self._wallet(number)
        key = ids.new_id("key")
        self.play(
            lambda tx: wallet.grant(tx, workspace_id=workspace_id, amount=amount, reason="Gift", key=key),
            expected=None,
        )
        model.available += amount

    @rule(number=st.integers(0, 1), amount=amounts)
    def top_up(self, number: int, amount: int) -> None:
        workspace_id, model = self._wallet(number)
        paid_id: list[str] = []

        async def begin(tx: Tx) -> None:
            payment = await payments.begin_top_up(tx, workspace_id=workspace_id, amount=amount, gateway="fake")
            paid_id.append(payment.id)

        self.play(begin, expected=None)
        fact = Paid(paid_id[0], f"ch_{paid_id[0]}", Money(amount))
        self.play(lambda tx: wallet.receive_gateway_event(tx, event(fact)), expected=None)
        model.available += amount

    @rule(number=st.integers(0, 1), amount=amounts)
    def take_out(self, number: int, amount: int) -> None:
        workspace_id, model = self._wallet(number)
        key = ids.new_id("key")
        covered = amount <= model.available
        self.play(
            lambda tx: wallet.adjust(tx, workspace_id=workspace_id, amount=-amount, reason="Mistake", key=key),
            expected=None if covered else wallet.InsufficientFunds,
        )
        model.available -= amount * covered

    @rule(target=orders, number=st.integers(0, 1), amount=amounts, at_once=st.booleans())
    def order(self, number: int, amount: int, at_once: bool) -> Any:
        workspace_id, model = self._wallet(number)
        order_id = ids.new_id("ord")
        covered = amount <= model.available
        verb = wallet.charge if at_once else wallet.hold
        self.play(
            lambda tx: verb(tx, workspace_id=workspace_id, amount=amount, order_id=order_id, description="Slots"),
            expected=None if covered else wallet.InsufficientFunds,
        )
        if not covered:
            return multiple()
        model.available -= amount
        model.orders[order_id] = Order(model, held=0 if at_once else amount, captured=amount if at_once else 0)
        return order_id

    def _order(self, order_id: str) -> Order:
        return next(model.orders[order_id] for model in self.models.values() if order_id in model.orders)

    @rule(order_id=orders, amount=amounts)
    def capture(self, order_id: str, amount: int) -> None:
        order, key = self._order(order_id), ids.new_id("key")
        covered = amount <= order.held
        self.play(
            lambda tx: wallet.capture(tx, order_id=order_id, amount=amount, description="Slots", key=key),
            expected=None if covered else wallet.HoldExceeded,
        )
        order.held -= amount * covered
        order.captured += amount * covered

    @rule(order_id=orders)
    def capture_all_and_nothing_twice(self, order_id: str) -> None:
        order, key = self._order(order_id), ids.new_id("key")
        if order.held:
            self.play(
                lambda tx: wallet.capture(tx, order_id=order_id, amount=order.held, description="Slots", key=key),
                expected=None,
            )
            order.captured += order.held
            self.last = None  # its amount was read when it ran
        order.held = 0

    @rule(order_id=orders)
    def release(self, order_id: str) -> None:
        order, key = self._order(order_id), ids.new_id("key")
        self.play(lambda tx: wallet.release(tx, order_id=order_id, key=key), expected=None)
        order.purse.available += order.held
        order.held = 0

    @rule(order_id=orders, amount=amounts)
    def refund(self, order_id: str, amount: int) -> None:
        order, key = self._order(order_id), ids.new_id("key")
        covered = order.refunded + amount <= order.captured
        self.play(
            lambda tx: wallet.refund(tx, order_id=order_id, amount=amount, reason="Lost", key=key),
            expected=None if covered else wallet.RefundExceeded,
        )
        order.refunded += amount * covered
        order.purse.available += amount * covered

    @rule()
    def repeat_the_last(self) -> None:
        """Somebody lost the answer and asks again."""
        if self.last is not None:
            self.play(self.last, expected=None)

    @rule(number=st.integers(0, 1), amount=amounts)
    def crash(self, number: int, amount: int) -> None:
        workspace_id, _ = self._wallet(number)

        async def cut_short(tx: Tx) -> None:
            await wallet.grant(tx, workspace_id=workspace_id, amount=amount, reason="Gift")
            await wallet.hold(
                tx, workspace_id=workspace_id, amount=amount, order_id=ids.new_id("ord"), description="Slots"
            )
            raise Crash

        self.play(cut_short, expected=Crash)

    @invariant()
    def wallets_are_what_the_model_says(self) -> None:
        async def look() -> None:
            async with self.database.begin_system("test") as tx:
                for workspace_id, model in self.models.items():
                    balance = await wallet.balance(tx, workspace_id)
                    assert (balance.available, balance.held) == (model.available, model.held)
                    total = await tx.value(
                        int,
                        "SELECT sum(balance)::bigint FROM ledger_accounts WHERE workspace_id = %(id)s",
                        id=workspace_id,
                    )
                    assert total == 0

        self.runner.run(look())

    def teardown(self) -> None:
        async def look() -> None:
            async with self.database.begin_system("test") as tx:
                assert await wallet.first_difference(tx) is None
                for model in self.models.values():
                    for order_id, order in model.orders.items():
                        sums = await wallet.find_order(tx, order_id)
                        assert sums is not None
                        assert (sums.held, sums.captured, sums.refunded) == (
                            order.held,
                            order.captured,
                            order.refunded,
                        )

        if hasattr(self, "models"):
            self.runner.run(look())


@pytest.fixture
def world(database: Database) -> Iterator[type[Lives]]:
    """The machine with a loop and connections of its own: Hypothesis calls its rules outside of any loop."""
    with asyncio.Runner() as runner:
        own = Database(app_url=database.app_url, system_url=database.system_url, size=2)
        runner.run(own.open())
        yield type("World", (Lives,), {"database": own, "runner": runner})
        runner.run(own.close())


@pytest.mark.timeout(240)
def test_no_life_of_a_wallet_makes_or_loses_money(world: type[Lives]) -> None:
    run_state_machine_as_test(
        world,
        settings=settings(
            max_examples=LIVES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert world.steps > LIVES * STEPS / 4
