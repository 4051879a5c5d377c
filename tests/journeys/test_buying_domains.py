"""Buying domains at a whole installation: one is lost meanwhile, one is moved away, processes are killed."""

import asyncio
import secrets as random
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.installation import Customer, Installation, customer, installation
from tests.journeys.spending import DETAILS, GOOD_CARD, PATIENCE, available, pay

STOPS = (
    "fulfilment.started",
    "purchase.attempted",
    "purchase.begun",
    "purchase.registered",
    "purchase.recorded",
    "fulfilment.settled",
    "fulfilment.captured",
)


@pytest.fixture
def house(tmp_path: Path) -> Any:
    with installation(tmp_path, LITEMAIL_LOG_LEVEL="warning") as made:
        yield made


async def ended(ada: Customer, order_id: str) -> Any:
    return await ada.until(f"/v1/orders/{order_id}", "fulfilled", "partially_fulfilled", "failed", seconds=PATIENCE)


def names() -> tuple[str, str, str]:
    """Two names that can be had, and one that is lost between the quote and the purchase."""
    label = random.token_hex(6)
    return f"{label}.test", f"lost-{label}.test", f"get{label}.test"


async def buy(ada: Customer, *wanted: str, expect: int = 202) -> Any:
    body = {"domains": [{"name": name} for name in wanted], "max_charge": 1200 * len(wanted)}
    return await ada.call("POST", "/v1/domains/purchase", body, expect=expect)


async def test_three_names_are_bought_and_one_is_lost_meanwhile(house: Installation) -> None:
    house.start("serve")
    async with customer(house.url) as ada:
        await ada.call("POST", "/v1/billings", DETAILS)
        before = await available(ada)
        first, lost, third = names()
        quote = (await ada.call("POST", "/v1/domains/purchase?dry_run=true", {"domains": [{"name": lost}]}))["quote"]
        assert quote["total"]["amount"] == 1200
        order = await ended(ada, (await buy(ada, first, lost, third))["id"])
        assert (order["status"], order["captured"]["amount"]) == ("partially_fulfilled", 2400)
        assert [item["status"] for item in order["items"]] == ["delivered", "failed", "delivered"]
        assert order["items"][1]["error"]["code"] == "domain.not_available"
        assert await available(ada) == before - 2400
        for name in (first, third):
            domain = await ada.until(f"/v1/domains/{name}", "active")
            assert (domain["source"], domain["expires_at"] > order["created_at"]) == ("purchased", True)
            mailbox = await ada.mailbox(name, "ada")
            assert mailbox["status"] == "active"
    assert house.run("doctor").returncode == 0


async def test_a_link_is_paid_and_a_domain_moves_away_with_its_code(house: Installation) -> None:
    house.start("serve")
    async with customer(house.url) as ada:
        await ada.call("POST", "/v1/billings", DETAILS)
        name = names()[0]
        before = await available(ada)
        link = (await ada.call("GET", f"/v1/domains/purchase-link?domains={name}"))["payment_link"]
        page = await ada.client.get(link)
        assert (page.status_code, name in page.text) == (200, True)
        sent = await ada.client.post(link)
        assert sent.status_code == 303
        await pay(ada, sent.headers["location"], GOOD_CARD)
        async with asyncio.timeout(PATIENCE):
            while (await ada.client.get(f"/v1/domains/{name}")).status_code == 404:
                await asyncio.sleep(0.05)
        domain = await ada.until(f"/v1/domains/{name}", "active")
        assert await available(ada) == before
        [order] = (await ada.call("GET", "/v1/orders?kind=domain_purchase"))["data"]
        assert (order["status"], order["captured"]["amount"]) == ("fulfilled", 1200)

        code = (await ada.call("GET", f"/v1/domains/{name}/auth-code"))["auth_code"]
        await ada.call("POST", "/v1/sandbox/transfers", {"domain": name, "auth_code": code})
        async with asyncio.timeout(PATIENCE):
            while (await ada.call("GET", f"/v1/domains/{name}"))["source"] != "connected":
                await asyncio.sleep(0.05)
        moved = await ada.call("GET", f"/v1/domains/{name}")
        assert (moved["status"], moved["name_servers"]) == ("active", domain["name_servers"])
        assert moved["expires_at"] is None


@pytest.mark.timeout(300)
async def test_workers_killed_anywhere_buy_each_name_once(house: Installation) -> None:
    house.start("api")
    house.start("dns")
    bought: list[tuple[str, str, tuple[str, str, str]]] = []
    async with customer(house.url) as ada:
        await ada.call("POST", "/v1/billings", DETAILS)
        before = await available(ada)
        for step in STOPS:
            house.settings["LITEMAIL_STOP_AT"] = step
            worker = house.start("worker")
            del house.settings["LITEMAIL_STOP_AT"]
            wanted = names()
            bought.append((step, (await buy(ada, *wanted))["id"], wanted))
            async with asyncio.timeout(PATIENCE):
                while worker.poll() is None:
                    await asyncio.sleep(0.02)
            assert house.stop(worker) == -9
        house.start("worker")
        for step, order_id, (first, _, third) in bought:
            order = await ended(ada, order_id)
            assert (order["status"], order["captured"]["amount"]) == ("partially_fulfilled", 2400), step
            for name in (first, third):
                await ada.until(f"/v1/domains/{name}", "active", seconds=PATIENCE)
        assert await available(ada) == before - 2400 * len(STOPS)
    assert house.run("doctor").returncode == 0
