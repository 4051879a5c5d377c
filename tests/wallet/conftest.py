"""Wallets to test with, and a gateway that does what it is told."""

# ruff: noqa: ARG002 - the gateway takes what its protocol names

import asyncio
import secrets as random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import pytest

from litemail import users, wallet, workspaces
from litemail.kit import clock, ids
from litemail.kit.actor import Actor
from litemail.kit.db import Database
from litemail.kit.money import Money
from litemail.providers.payments import (
    Charged,
    ChargeOutcome,
    Checkout,
    Fact,
    GatewayEvent,
    Gateways,
    MethodSaved,
    Payer,
    Refund,
    SavedMethod,
)
from litemail.wallet import payments, recharging
from litemail.wallet.payments_queries import Payment
from tests.conftest import Person

CARD = SavedMethod(customer="cus_1", reference="pm_1", brand="visa", last4="4242", exp_month=12, exp_year=2030)


@dataclass
class FakeGateway:
    """A gateway that does what it is told and remembers what it was asked. It charges each payment once."""

    outcome: Callable[[str, Money], ChargeOutcome] | None = None
    fault: Exception | None = None
    delay: float = 0
    pages: Counter[str] = field(default_factory=Counter)
    tries: Counter[str] = field(default_factory=Counter)
    charged: dict[str, ChargeOutcome] = field(default_factory=dict)
    methods: dict[str, SavedMethod] = field(default_factory=dict)
    facts: dict[str, Fact] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "fake"

    async def create_top_up(self, payment_id: str, *, amount: Money, payer: Payer, description: str) -> Checkout:
        return await self._page(payment_id)

    async def create_save_card(self, payment_id: str, *, payer: Payer) -> Checkout:
        return await self._page(payment_id)

    async def charge_saved(self, payment_id: str, *, amount: Money, method: SavedMethod, payer: Payer) -> ChargeOutcome:
        self.tries[payment_id] += 1
        self.methods[payment_id] = method
        await asyncio.sleep(self.delay)
        if payment_id not in self.charged:
            decide = self.outcome or (lambda _, amount: Charged(f"ch_{payment_id}", amount))
            self.charged[payment_id] = decide(payment_id, amount)
        if self.fault is not None:
            raise self.fault
        return self.charged[payment_id]

    async def refund(self, key: str, *, charge: str, amount: Money) -> Refund:
        raise NotImplementedError

    async def check(self, reference: str) -> Fact | None:
        return self.facts.get(reference)

    async def parse_webhook(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> GatewayEvent:
        raise NotImplementedError

    async def _page(self, payment_id: str) -> Checkout:
        self.pages[payment_id] += 1
        await asyncio.sleep(self.delay)
        if self.fault is not None:
            raise self.fault
        expires_at = clock.now() + timedelta(hours=24)
        return Checkout(f"https://pay.example/{payment_id}", f"cs_{payment_id}", expires_at)


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def fake_gateways(gateway: FakeGateway) -> Gateways:
    return Gateways({"sandbox": gateway})


def event(fact: Fact, *, gateway: str = "fake") -> GatewayEvent:
    """As a gateway tells it, with an id of its own."""
    return GatewayEvent(ids.new_id("gev"), gateway, "test", clock.now(), fact)


@dataclass(frozen=True)
class Purse:
    """Somebody's wallet, and the somebody."""

    database: Database
    person: Person

    @property
    def workspace_id(self) -> str:
        return self.person.workspace_id

    @property
    def actor(self) -> Actor:
        return self.person.actor()

    async def grant(self, amount: int) -> None:
        async with self.database.begin_system("test") as tx:
            await wallet.grant(tx, workspace_id=self.workspace_id, amount=amount, reason="test")

    async def balance(self) -> wallet.Balance:
        async with self.database.begin(self.actor) as tx:
            return await wallet.balance(tx, self.workspace_id)

    async def hold(self, amount: int, order_id: str | None = None) -> str:
        """The order that holds it."""
        order_id = order_id or ids.new_id("ord")
        async with self.database.begin(self.actor) as tx:
            await wallet.hold(tx, workspace_id=self.workspace_id, amount=amount, order_id=order_id, description="Slots")
        return order_id

    async def set_balance(self, amount: int) -> None:
        """Whatever registering has put in, this is in it now."""
        change = amount - (await self.balance()).available
        if change:
            async with self.database.begin_system("test") as tx:
                await wallet.adjust(tx, workspace_id=self.workspace_id, amount=change, reason="test")

    async def tell(self, fact: Fact, *, gateway: str = "fake") -> bool:
        """A new event comes in."""
        async with self.database.begin_system("test") as tx:
            return await wallet.receive_gateway_event(tx, event(fact, gateway=gateway))

    async def begin_top_up(self, amount: int = 5_000) -> Payment:
        async with self.database.begin(self.actor) as tx:
            return await payments.begin_top_up(tx, workspace_id=self.workspace_id, amount=amount, gateway="fake")

    async def payment(self, payment_id: str) -> Payment:
        async with self.database.begin(self.actor) as tx:
            return await wallet.get_payment(tx, payment_id)

    async def save_card(self, card: SavedMethod = CARD) -> None:
        async with self.database.begin(self.actor) as tx:
            payment = await payments.begin_save_card(tx, workspace_id=self.workspace_id, gateway="fake")
        await self.tell(MethodSaved(payment.id, self.workspace_id, card))

    async def set_auto_recharge(self, *, threshold: int = 2_000, amount: int = 5_000) -> None:
        """On, with a saved card."""
        await self.save_card()
        async with self.database.begin(self.actor) as tx:
            await recharging.configure(
                tx, workspace_id=self.workspace_id, enabled=True, threshold=threshold, amount=amount
            )

    async def recharge(self, gateways: Gateways, *, needed: int = 0) -> wallet.RechargeState:
        begin = partial(self.database.begin_system, "test")
        return await wallet.recharge(begin, self.workspace_id, gateways=gateways, needed=needed)

    async def auto_recharge(self) -> wallet.AutoRecharge:
        async with self.database.begin(self.actor) as tx:
            return await wallet.find_auto_recharge(tx, self.workspace_id)

    async def events(self, *types: str) -> list[str]:
        """The types of what happened to this wallet, of those asked for, in order."""
        async with self.database.begin_system("test") as tx:
            return await tx.values(
                str,
                """SELECT type FROM events WHERE workspace_id = %(workspace_id)s AND type = ANY (%(types)s)
                   ORDER BY xid, number""",
                workspace_id=self.workspace_id,
                types=list(types),
            )

    async def jobs(self) -> int:
        """How many looks at this wallet wait for a worker."""
        async with self.database.begin_system("test") as tx:
            found = await tx.value(
                int,
                """SELECT count(*) FROM procrastinate_jobs
                   WHERE task_name = 'wallet.recharge' AND status = 'todo' AND args->>'workspace_id' = %(id)s""",
                id=self.workspace_id,
            )
            return found or 0

    async def check(self) -> None:
        """The ledger of the whole database is sound."""
        async with self.database.begin_system("test") as tx:
            assert await wallet.first_difference(tx) is None


NewPurse = Callable[..., Awaitable[Purse]]


@pytest.fixture
def new_purse(database: Database) -> NewPurse:
    """Somebody with nothing but a wallet; registering in full takes 0.1 s for the password alone."""

    async def make(amount: int = 0) -> Purse:
        email = f"{random.token_hex(6)}@example.com"
        async with database.begin_system("test") as tx:
            user = await users.create(tx, email=email, password_hash="", first_name="Ada", last_name="Lovelace")
            workspace = await workspaces.create(tx, owner_id=user.id, name="Acme", mode="sandbox")
            await wallet.open_(tx, workspace.id)
            if amount:
                await wallet.grant(tx, workspace_id=workspace.id, amount=amount, reason="test")
        return Purse(database, Person(email, user.id, workspace.id, access_token="", refresh_token=""))

    return make


@pytest.fixture
async def purse(new_purse: NewPurse) -> Purse:
    """A wallet with 100.00 in it."""
    return await new_purse(10_000)
