"""Random lives of customers who buy: two workspaces, of which one pays for the other, and a card that may decline."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from litemail import orders, subscriptions, users, wallet, workspaces
from litemail.billing import Line
from litemail.billing.queries import Address
from litemail.billing.service import create_details
from litemail.kit import ids, stops
from litemail.kit.actor import Actor
from litemail.kit.calendar import Duration
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Error, Kind, Problem
from litemail.kit.money import Money
from litemail.orders import MaxChargeExceeded, NewItem, Order, Quote
from litemail.providers.payments import (
    Charged,
    Gateways,
    MethodSaved,
    Paid,
    SavedMethod,
)
from litemail.subscriptions import Interval, Subscription
from litemail.wallet import InsufficientFunds, payments, recharging, settling
from litemail.workflows import advance_clock, renew_subscriptions, sign_up
from litemail.workspaces import roles
from tests.conftest import sandbox_market
from tests.workflows.cards import CardState, Gateway
from tests.workflows.proof import available_in, faults_of

Made = TypeVar("Made")
ADA = Address("Ada", "Lovelace", None, "12 St James's Square", None, "London", None, "GB", "SW1Y 4JH", None, None)
LOST = Problem(code="domain.lost", message="Somebody was faster.")
PURCHASE_STOPS = ("held", "captured", "delivered")
TIME_STOPS = (
    "clock.moved",
    "renewal.short",
    "recharge.begun",
    "recharge.charged",
    "renewal.recharged",
    "renewal.held",
    "renewal.captured",
    "renewal.moved",
    "renewal.done",
    "renewal.failed",
)

amounts = st.integers(1, 60_000)
wheres = st.integers(0, 1)
which = st.integers(0, 30)
maybe = st.sampled_from([None, None, None, *PURCHASE_STOPS])
plans = st.sampled_from(["starter", "growth", "pro"])
intervals: st.SearchStrategy[Interval] = st.sampled_from(["month", "quarter", "year"])


class Stopped(BaseException):
    """What a killed process is in one that goes on."""


class Lives(RuleBasedStateMachine):
    """`available` is what the wallet of the first workspace, which pays for both, has to have."""

    database: Database
    runner: asyncio.Runner
    steps = 0

    def run(self, work: Awaitable[Made]) -> Made:
        async def whole() -> Made:
            return await work

        return self.runner.run(whole())

    @initialize()
    def begin(self) -> None:
        stops.disarm()
        self.gateway = Gateway()
        self.gateways = Gateways({"sandbox": self.gateway})
        self.actors: list[Actor] = []
        self.orders: list[str] = []
        self.run(self._begin())
        self.available = self._available()

    async def _begin(self) -> None:
        async with self.database.begin_system("test") as tx:
            email = f"{ids.new_id('user')}@example.com"
            user = await users.create(tx, email=email, password_hash="", first_name="Ada", last_name="Lovelace")
            for name in ("Payer", "Client"):
                payer = self.actors[0].workspace_id if self.actors else None
                made = await workspaces.create(
                    tx, owner_id=user.id, name=name, mode="sandbox", billing_workspace_id=payer
                )
                await sign_up.equip(tx, made)
                scopes = roles.ROLE_SCOPES["owner"]
                self.actors.append(Actor(user.id, made.id, payer or made.id, "sandbox", "owner", scopes))
        async with self.database.begin(self.actors[0]) as tx:
            await create_details(tx, ADA)

    @property
    def payer(self) -> str:
        return self.actors[0].workspace_id

    def _available(self) -> int:
        return self.run(available_in(self.database, self.payer))

    def act(
        self, actor: Actor, verb: Callable[[Tx], Awaitable[Made]], *, stop: str | None = None
    ) -> Made | Error | None:
        """One request: what it came to, its refusal, or None when the process died in it, which undoes it."""
        type(self).steps += 1

        async def request() -> Made:
            async with self.database.begin(actor) as tx:
                return await verb(tx)

        if stop is not None:
            stops.arm(stop, _stop)
        try:
            return self.run(request())
        except Error as refusal:
            if refusal.kind is Kind.BUG:
                raise
            return refusal
        except Stopped:
            return None
        finally:
            stops.disarm()

    def spend(
        self,
        where: int,
        quote: Callable[[Tx], Awaitable[Quote]],
        verb: Callable[[Tx], Awaitable[object]],
        *,
        stop: str | None,
    ) -> None:
        """A request that spends exactly its quote, if the wallet covers that; else nothing."""

        async def quoted(tx: Tx) -> tuple[int, Error | None]:
            total = (await quote(tx)).total
            try:
                await verb(tx)
            except InsufficientFunds as refusal:
                assert total > self.available
                raise Refused(total) from refusal
            return total, None

        came_to = self.act(self.actors[where], quoted, stop=stop)
        if isinstance(came_to, tuple):
            assert came_to[0] <= self.available
            self.available -= came_to[0]

    @rule(amount=amounts, repeated=st.booleans())
    def top_up(self, amount: int, repeated: bool) -> None:
        async def come(tx: Tx) -> None:
            payment = await payments.begin_top_up(tx, workspace_id=self.payer, amount=amount, gateway=self.gateway.name)
            for _ in range(1 + repeated):
                paid = Paid(payment.id, f"ch_{payment.id}", Money(amount))
                assert await settling.settle(tx, paid, gateway=self.gateway.name) is None

        self.system(come)
        self.available += amount

    @rule(amount=amounts)
    def lose(self, amount: int) -> None:
        """The operator takes money out, as far as it is there."""
        taken = min(amount, self.available)
        if taken:
            self.system(lambda tx: wallet.adjust(tx, workspace_id=self.payer, amount=-taken, reason="test"))
            self.available -= taken

    def system(self, verb: Callable[[Tx], Awaitable[object]]) -> None:
        type(self).steps += 1

        async def work() -> None:
            async with self.database.begin_system("test") as tx:
                await verb(tx)

        self.run(work())

    @rule(
        where=wheres,
        plan=plans,
        interval=intervals,
        addons=st.integers(0, 5),
        limit=st.integers(0, 400_000),
        stop=maybe,
    )
    def buy(self, where: int, plan: str, interval: Interval, addons: int, limit: int, stop: str | None) -> None:
        terms: dict[str, Any] = {"plan": plan, "interval": interval, "addon_mailboxes": addons}

        async def purchase(tx: Tx) -> object:
            try:
                return await subscriptions.purchase(tx, **terms, max_charge=limit)
            except MaxChargeExceeded:
                return await subscriptions.purchase(tx, **terms)

        self.spend(
            where, lambda tx: subscriptions.quote_purchase(tx, **terms), purchase, stop=stop and f"subscription.{stop}"
        )

    @rule(
        where=wheres,
        number=which,
        plan=st.none() | plans,
        interval=st.none() | intervals,
        addons=st.none() | st.integers(0, 5),
        stop=maybe,
    )
    def change(
        self, where: int, number: int, plan: str | None, interval: Interval | None, addons: int | None, stop: str | None
    ) -> None:
        if (chosen := self.subscription(where, number)) is None:
            return
        terms: dict[str, Any] = {"plan": plan, "interval": interval, "addon_mailboxes": addons}
        self.spend(
            where,
            lambda tx: subscriptions.quote_change(tx, chosen.id, **terms),
            lambda tx: subscriptions.change(tx, chosen.id, **terms),
            stop=stop and f"upgrade.{stop}",
        )

    @rule(where=wheres, number=which, at_once=st.booleans())
    def cancel(self, where: int, number: int, at_once: bool) -> None:
        if (chosen := self.subscription(where, number)) is not None:
            self.act(self.actors[where], lambda tx: subscriptions.cancel(tx, chosen.id, at_once=at_once))

    @rule(where=wheres, number=which)
    def take_back(self, where: int, number: int) -> None:
        if (chosen := self.subscription(where, number)) is not None:
            self.act(self.actors[where], lambda tx: subscriptions.change(tx, chosen.id, take_back=True))

    @rule(where=wheres, count=st.integers(1, 40), stop=maybe)
    def take_slots(self, where: int, count: int, stop: str | None) -> None:
        self.spend(
            where,
            lambda tx: subscriptions.quote_slots(tx, count),
            lambda tx: subscriptions.take_slots(tx, count, buy=True),
            stop=stop and f"addon.{stop}",
        )

    @rule(where=wheres, number=which, count=st.integers(1, 10), how=st.sampled_from(["now", "renewal", "keep"]))
    def release_slots(self, where: int, number: int, count: int, how: str) -> None:
        chosen = self.subscription(where, number)
        if chosen is None or chosen.status == "cancelled":
            return
        actor, staying = self.actors[where], chosen.used - chosen.removals
        if how == "keep":
            self.act(actor, lambda tx: subscriptions.cancel_release(tx, chosen.id, count=count))
        elif how == "now" and staying:
            self.act(actor, lambda tx: subscriptions.release_slots(tx, [chosen.id] * min(count, staying)))
        elif staying:
            self.act(actor, lambda tx: subscriptions.release_slot_at_renewal(tx, chosen.id, count=min(count, staying)))

    @rule(where=wheres, prices=st.lists(st.integers(0, 9_000), min_size=1, max_size=4))
    def order(self, where: int, prices: list[int]) -> None:
        """Things that are delivered later: their price is held."""

        async def place(tx: Tx) -> Order:
            placed = await orders.place(
                tx,
                kind="domains",
                lines=[Line(f"{number}.test", 1, price, price) for number, price in enumerate(prices)],
                items=[NewItem(f"{number}.test", price) for number, price in enumerate(prices)],
            )
            return await orders.start(tx, placed.id)

        placed = self.act(self.actors[where], place)
        if isinstance(placed, Order):
            self.available -= placed.total
            self.orders.append(placed.id)

    @rule(number=which, fates=st.lists(st.booleans(), min_size=4, max_size=4))
    def deliver(self, number: int, fates: list[bool]) -> None:
        if not self.orders:
            return
        order_id = self.orders[number % len(self.orders)]

        async def complete(tx: Tx) -> None:
            before = await orders.get(tx, order_id)
            refs = [f"{number}.test" for number, fate in enumerate(fates) if fate]
            lost = {item.ref: LOST for item in before.items if item.ref not in refs}
            await orders.settle_items(tx, order_id, delivered=refs, failed=lost)
            done = await orders.complete(tx, order_id)
            if before.status == "fulfilling":
                self.available += done.released

        self.system(complete)

    @rule(number=which, part=st.integers(1, 100), repeated=st.booleans())
    def refund(self, number: int, part: int, repeated: bool) -> None:
        async def give_back(tx: Tx) -> None:
            captured = await tx.values(
                str,
                "SELECT id FROM orders WHERE workspace_id = %(id)s AND captured > refunded ORDER BY id",
                id=self.payer,
            )
            if not captured:
                return
            order = await orders.get(tx, captured[number % len(captured)])
            amount, key = -(-(order.captured - order.refunded) * part // 100), ids.new_id("key")
            for _ in range(1 + repeated):
                await orders.refund(tx, order.id, amount=amount, reason="test", key=key)
            self.available += amount

        self.system(give_back)

    @rule(card=st.sampled_from(["pays", "declines", "away"]), amount=st.integers(1, 20_000))
    def use_card(self, card: CardState, amount: int) -> None:
        self.gateway.card = card

        async def save(tx: Tx) -> None:
            payment = await payments.begin_save_card(tx, workspace_id=self.payer, gateway=self.gateway.name)
            method = SavedMethod("cus_1", "pm_1", "visa", "4242")
            await settling.settle(tx, MethodSaved(payment.id, self.payer, method), gateway=self.gateway.name)
            await recharging.configure(tx, workspace_id=self.payer, enabled=True, threshold=0, amount=amount)

        self.system(save)

    @rule(where=wheres, days=st.none() | st.integers(1, 45), stop=st.none() | st.sampled_from(TIME_STOPS))
    def time_passes(self, where: int, days: int | None, stop: str | None) -> None:
        """So many days, or until something falls due."""
        workspace_id = self.actors[where].workspace_id

        async def set_goal(tx: Tx) -> None:
            due = await subscriptions.next_due(tx, workspace_id) if days is None else None
            rest = due - await workspaces.time_of(tx, workspace_id) if due else timedelta(days=days or 1)
            await workspaces.set_clock_goal(tx, workspace_id, Duration(0, max(rest, timedelta(seconds=1))))

        self.system(set_goal)
        if stop is not None:
            stops.arm(stop, _stop)
            with contextlib.suppress(Stopped):
                self.run(self._advance(workspace_id))
            stops.disarm()
        self.run(self._advance(workspace_id))
        self.available = self._available()

    async def _advance(self, workspace_id: str) -> None:
        await advance_clock.advance_clock(
            database=self.database,
            gateways=self.gateways,
            market=sandbox_market(self.database),
            workspace_id=workspace_id,
            patience=0,
        )

    @rule()
    def money_is_noticed(self) -> None:
        type(self).steps += 1
        self.run(
            renew_subscriptions.pay_what_is_owed(
                database=self.database, gateways=self.gateways, workspace_id=self.payer, subject=ids.new_id("txn")
            )
        )
        self.available = self._available()

    def subscription(self, where: int, number: int) -> Subscription | None:
        async def look() -> Subscription | None:
            async with self.database.begin(self.actors[where]) as tx:
                found = await tx.values(
                    str,
                    """SELECT id FROM subscriptions WHERE workspace_id = %(id)s
                       ORDER BY status = 'cancelled', id LIMIT 8""",
                    id=self.actors[where].workspace_id,
                )
                return await subscriptions.get(tx, found[number % len(found)]) if found else None

        return self.run(look())

    @invariant()
    def all_is_accounted_for(self) -> None:
        if not hasattr(self, "available"):
            return
        assert self._available() == self.available
        charged = {
            payment_id: outcome.amount.amount
            for payment_id, outcome in self.gateway.charged.items()
            if isinstance(outcome, Charged)
        }
        workspace_ids = [actor.workspace_id for actor in self.actors]
        assert self.run(faults_of(self.database, workspace_ids, charged)) == []


class Refused(Error):
    """A request that the wallet did not cover; it is undone."""

    kind = Kind.PAYMENT_REQUIRED
    code = "test.refused"
    message = "not covered"

    def __init__(self, total: int) -> None:
        super().__init__()
        self.total = total


def _stop() -> None:
    raise Stopped
