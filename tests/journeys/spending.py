"""Customers of a whole installation who pay, and whose clock is moved."""

import asyncio
import math
from datetime import datetime
from typing import Any

from tests.journeys.installation import Customer

DETAILS = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "address_line_1": "12 St James's Square",
    "city": "London",
    "country": "GB",
    "postal_code": "SW1Y 4JH",
}
GOOD_CARD = "4242 4242 4242 4242"
CARD_THAT_DECLINES = "4000 0000 0000 0341"
PATIENCE = 60.0


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def settle_in(customer: Customer) -> None:
    """Billing details, and none of the subscriptions that a sandbox begins with."""
    await customer.call("POST", "/v1/billings", DETAILS)
    for subscription in (await customer.call("GET", "/v1/subscriptions"))["data"]:
        await customer.call("DELETE", f"/v1/subscriptions/{subscription['id']}?at=now")


async def arrived(customer: Customer) -> datetime:
    """Waits until the clock stands where it was told to go; what time it is then."""
    async with asyncio.timeout(PATIENCE):
        while (clock := await customer.call("GET", "/v1/sandbox/clock"))["moving"]:
            await asyncio.sleep(0.02)
    return at(clock["now"])


async def move(customer: Customer, duration: str) -> datetime:
    await customer.call("POST", "/v1/sandbox/clock", {"advance": duration}, expect=202)
    return await arrived(customer)


async def move_to(customer: Customer, moment: datetime) -> datetime:
    """To that moment or less than a second later."""
    now = at((await customer.call("GET", "/v1/sandbox/clock"))["now"])
    return await move(customer, f"PT{math.ceil((moment - now).total_seconds())}S")


async def pay(customer: Customer, link: str, card: str) -> None:
    """Fills in the hosted page."""
    answer = await customer.client.post(link, data={"card_number": card})
    assert answer.status_code in (200, 303), answer.text


async def save_card(customer: Customer, card: str, **settings: int) -> None:
    state = await customer.call("POST", "/v1/wallet/auto-recharge", {"enabled": True, **settings})
    await pay(customer, state["payment_link"], card)
    async with asyncio.timeout(PATIENCE):
        while (await customer.call("GET", "/v1/wallet/balance"))["auto_recharge"]["payment_method"] is None:
            await asyncio.sleep(0.05)


async def top_up(customer: Customer, amount: int) -> None:
    payment = await customer.call("POST", "/v1/wallet/balance", {"amount": amount}, expect=201)
    before = await available(customer)
    await pay(customer, payment["payment_link"], GOOD_CARD)
    async with asyncio.timeout(PATIENCE):
        while await available(customer) == before:
            await asyncio.sleep(0.05)


async def available(customer: Customer) -> int:
    return int((await customer.call("GET", "/v1/wallet/balance"))["available"]["amount"])


async def invoices(customer: Customer) -> list[Any]:
    """Oldest first."""
    data: list[Any] = (await customer.call("GET", "/v1/billings/invoices?limit=200"))["data"]
    return data[::-1]
