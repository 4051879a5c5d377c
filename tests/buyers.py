"""Customers who buy: at the API, with billing details, and with a clock that they can move."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest

from litemail import wallet, workspaces
from litemail.kit.calendar import parse_duration
from litemail.kit.db import Database
from litemail.providers.payments import Gateways
from litemail.servers.sandbox import gateway as gateway_books
from litemail.servers.sandbox import gateway_queries
from litemail.servers.sandbox.gateway_cards import CARDS
from litemail.wallet import payments, recharging, settling
from litemail.workflows import advance_clock
from tests.conftest import NewPerson, Person, sandbox_market

DETAILS = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "address_line_1": "12 St James's Square",
    "city": "London",
    "country": "GB",
    "postal_code": "SW1Y 4JH",
}


def usd(amount: int) -> dict[str, object]:
    return {"amount": amount, "currency": "USD"}


@dataclass(frozen=True)
class Buyer:
    """Somebody with billing details and the 1,000.00 of a new sandbox."""

    person: Person
    client: httpx.AsyncClient
    database: Database
    gateways: Gateways

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        return await self.client.request(method, path, json=body, headers={**self.person.headers, **headers})

    async def call(self, method: str, path: str, body: object = None, *, expect: int | None = None) -> Any:
        answer = await self.ask(method, path, body)
        if expect is None:
            assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        else:
            assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def refused(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        answer = await self.ask(method, path, body)
        return answer.status_code, answer.json()["code"]

    async def subscription(self, subscription_id: str) -> Any:
        return await self.call("GET", f"/v1/subscriptions/{subscription_id}")

    async def granted(self) -> Any:
        """The subscription that came with the sandbox."""
        return (await self.call("GET", "/v1/subscriptions"))["data"][-1]

    async def buy(self, plan: str = "starter", interval: str = "month", **more: object) -> Any:
        body = {"plan": plan, "interval": interval, **more}
        return await self.call("POST", "/v1/subscriptions", body, expect=201)

    async def available(self) -> int:
        async with self.database.begin_system("test") as tx:
            return (await wallet.balance(tx, self.person.workspace_id)).available

    async def set_wallet(self, amount: int) -> None:
        """Makes the wallet hold exactly that, without telling whoever waits for money."""
        async with self.database.begin_system("test") as tx:
            missing = amount - (await wallet.balance(tx, self.person.workspace_id)).available
            if missing:
                await wallet.adjust(tx, workspace_id=self.person.workspace_id, amount=missing, reason="test")

    async def save_card(self, number: str = "4242424242424242", *, threshold: int = 0, amount: int = 5000) -> None:
        """Turns auto-recharge on, with one of the sandbox's test cards."""
        begin = partial(self.database.begin_system, "test")
        gateway = self.gateways.of_mode("sandbox")
        async with begin() as tx:
            payment = await payments.begin_save_card(tx, workspace_id=self.person.workspace_id, gateway=gateway.name)
        payment = await payments.open_checkout(begin, payment, gateway=gateway)
        assert payment.reference is not None
        async with begin() as tx:
            page = await gateway_queries.find_page(tx, payment.reference)
            assert page is not None
            await gateway_books.save_card(tx, page, CARDS[number])
        fact = await gateway.check(payment.reference)
        assert fact is not None
        async with begin() as tx:
            await settling.settle(tx, fact, gateway=gateway.name)
            await recharging.configure(
                tx, workspace_id=self.person.workspace_id, enabled=True, threshold=threshold, amount=amount
            )

    async def orders(self, *kinds: str) -> list[Any]:
        """Newest first."""
        data = (await self.call("GET", "/v1/orders?limit=200"))["data"]
        return [order for order in data if not kinds or order["kind"] in kinds]

    async def move(self, duration: str) -> None:
        """Moves the clock, and does what falls due, without the jobs that follow events."""
        workspace_id = self.person.workspace_id
        async with self.database.begin_system("test") as tx:
            await workspaces.set_clock_goal(tx, workspace_id, parse_duration(duration))
        await advance_clock.advance_clock(
            database=self.database,
            gateways=self.gateways,
            market=sandbox_market(self.database),
            workspace_id=workspace_id,
            patience=0,
        )


NewBuyer = Callable[[], Awaitable[Buyer]]


@pytest.fixture
def new_buyer(client: httpx.AsyncClient, new_person: NewPerson, database: Database, gateways: Gateways) -> NewBuyer:
    async def make() -> Buyer:
        buyer = Buyer(await new_person(), client, database, gateways)
        await buyer.call("POST", "/v1/billings", DETAILS, expect=201)
        return buyer

    return make


@pytest.fixture
async def buyer(new_buyer: NewBuyer) -> Buyer:
    return await new_buyer()
