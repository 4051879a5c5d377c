"""kill -9 at every step of a purchase, an upgrade, a renewal, a recharge: after a restart all ends as without."""

import asyncio
import contextlib
import secrets as random
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journeys.installation import Customer, Installation, customer, installation
from tests.journeys.spending import GOOD_CARD, PATIENCE, arrived, available, invoices, save_card, settle_in

Act = Callable[[Customer], Awaitable[None]]
Lived = dict[str, object]

PURCHASES = ("subscription.held", "subscription.captured", "subscription.delivered", "request.committed#5")
UPGRADES = ("upgrade.held", "upgrade.captured", "upgrade.delivered")
RENEWALS = ("clock.moved", "renewal.held", "renewal.captured", "renewal.moved", "renewal.done")
RECHARGES = ("renewal.short", "recharge.begun", "recharge.charged", "renewal.recharged")
FAILURES = ("renewal.short", "renewal.failed")


async def subscribed(ada: Customer) -> None:
    await settle_in(ada)
    await ada.call("POST", "/v1/subscriptions", {"plan": "starter", "interval": "month"}, expect=201)


async def short(ada: Customer) -> None:
    """A subscription, and less in the wallet than its renewal costs."""
    await subscribed(ada)
    for plan, interval in (("pro", "quarter"), ("growth", "month"), ("starter", "month")):
        bought = await ada.call("POST", "/v1/subscriptions", {"plan": plan, "interval": interval})
        await ada.call("DELETE", f"/v1/subscriptions/{bought['id']}?at=now")
    assert await available(ada) == 1970


async def with_card(ada: Customer) -> None:
    await short(ada)
    await save_card(ada, GOOD_CARD, threshold=0, amount=5000)


async def buy(ada: Customer) -> None:
    await keyed(ada, "POST", "/v1/subscriptions", {"plan": "starter", "interval": "month"})


async def upgrade(ada: Customer) -> None:
    subscription = (await ada.call("GET", "/v1/subscriptions?limit=1"))["data"][0]
    await keyed(ada, "PUT", f"/v1/subscriptions/{subscription['id']}", {"plan": "growth", "addon_mailboxes": 2})


async def a_month_passes(ada: Customer) -> None:
    await keyed(ada, "POST", "/v1/sandbox/clock", {"advance": "P1M"})


async def keyed(ada: Customer, method: str, path: str, body: object) -> None:
    """Under a key of this customer's, as clients repeat a request that got no answer."""
    key = {"idempotency-key": f"{ada.client.headers['x-customer']} {method}"}
    answer = await ada.client.request(method, path, json=body, headers=key)
    assert answer.is_success, answer.text


async def lived(ada: Customer) -> Lived:
    """All that money did, without ids and times."""
    await arrived(ada)
    subscriptions = (await ada.call("GET", "/v1/subscriptions"))["data"]
    orders = (await ada.call("GET", "/v1/orders?limit=200"))["data"]
    lines = (await ada.call("GET", "/v1/wallet/transactions?limit=200"))["data"]
    wallet = await ada.call("GET", "/v1/wallet/balance")
    return {
        "wallet": (wallet["balance"]["amount"], wallet["held"]["amount"]),
        "subscriptions": sorted((s["plan"], s["quantity"], s["status"]) for s in subscriptions),
        "orders": sorted((o["kind"], o["status"], o["total"]["amount"], o["captured"]["amount"]) for o in orders),
        "invoices": Counter(invoice["total"]["amount"] for invoice in await invoices(ada)),
        "ledger": Counter((line["kind"], line["amount"]["amount"]) for line in lines),
    }


class Town:
    """An installation of an API and workers, and its customers."""

    def __init__(self, house: Installation, stack: AsyncExitStack) -> None:
        self.house = house
        self.stack = stack
        self.api = house.start("api")
        self.url = house.url

    async def somebody(self, prepare: Act, *, url: str | None = None) -> Customer:
        email = f"{random.token_hex(6)}@example.com"
        ada: Customer = await self.stack.enter_async_context(customer(url or self.url, email=email))
        ada.client.headers["x-customer"] = email
        await prepare(ada)
        return ada

    def armed(self, step: str, *arguments: str) -> subprocess.Popen[str]:
        self.house.settings["LITEMAIL_STOP_AT"] = step
        try:
            return self.house.start(*arguments)
        finally:
            del self.house.settings["LITEMAIL_STOP_AT"]

    async def died(self, process: subprocess.Popen[str]) -> None:
        async with asyncio.timeout(PATIENCE):
            while process.poll() is None:
                await asyncio.sleep(0.02)
        assert self.house.stop(process) == -9


@pytest.fixture
async def town(tmp_path: Path) -> Any:
    with installation(tmp_path, LITEMAIL_LOG_LEVEL="warning") as house:
        async with AsyncExitStack() as stack:
            yield Town(house, stack)


@pytest.mark.timeout(400)
async def test_workers_killed_anywhere_end_renewals_the_same(town: Town):
    scenarios: list[tuple[Act, tuple[str, ...]]] = [
        (subscribed, RENEWALS),
        (with_card, RECHARGES),
        (short, FAILURES),
    ]
    worker = town.house.start("worker")
    customers = [
        (number, step, await town.somebody(prepare))
        for number, (prepare, steps) in enumerate(scenarios)
        for step in steps
    ]
    expected = []
    for prepare, _ in scenarios:
        ada = await town.somebody(prepare)
        await a_month_passes(ada)
        expected.append(await lived(ada))
    town.house.stop(worker)
    for _, step, ada in customers:
        worker = town.armed(step, "worker")
        await a_month_passes(ada)
        await town.died(worker)
    town.house.start("worker")
    for number, step, ada in customers:
        assert await lived(ada) == expected[number], f"killed at {step}"
    assert town.house.run("doctor").returncode == 0


@pytest.mark.timeout(400)
async def test_an_api_killed_anywhere_ends_purchases_the_same(town: Town):
    scenarios: list[tuple[Act, Act, tuple[str, ...]]] = [
        (settle_in, buy, PURCHASES),
        (subscribed, upgrade, UPGRADES),
    ]
    for prepare, act, steps in scenarios:
        ada = await town.somebody(prepare)
        await act(ada)
        expected = await lived(ada)
        for step in steps:
            api = town.armed(step, "api")
            ada = await town.somebody(prepare, url=town.house.url)
            with contextlib.suppress(httpx.TransportError):
                await act(ada)
            await town.died(api)
            ada.client.base_url = httpx.URL(town.url)
            await act(ada)
            assert await lived(ada) == expected, f"killed at {step}"
