"""A year of a workspace, in the time of its sandbox: every invoice equals a table that was computed by hand."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.journeys.installation import Customer, Installation, customer, installation
from tests.journeys.spending import (
    CARD_THAT_DECLINES,
    at,
    available,
    invoices,
    move_to,
    save_card,
    settle_in,
    top_up,
)

START = datetime(2031, 1, 31, tzinfo=UTC)

# Starter costs 37.00 a month for 10 mailboxes, each more 3.70; growth 99.00 for 30.
THE_YEAR = [
    ("2031-01-31", 4810),  # starter and 3 add-ons: 37.00 + 3 x 3.70
    ("2031-02-28", 4810),  # 1st renewal, at the end of a short month
    ("2031-03-31", 4810),  # 2nd, on the 31st again
    ("2031-04-30", 3700),  # 3rd: 3 mailboxes were removed, so no add-ons
    ("2031-05-15", 3100),  # upgrade with 15.5 of 31 days left: 99.00 / 2 - 37.00 / 2
    ("2031-05-31", 9900),  # 4th: growth
    ("2031-07-02", 9900),  # 5th, due on June 30: the card was declined, a top-up paid it on July 2
    ("2031-07-31", 9900),  # 6th, on its day all the same
    ("2031-08-31", 3700),  # 7th: downgraded to starter
    ("2031-09-30", 3700),
    ("2031-10-31", 3700),
    ("2031-11-30", 3700),
    ("2031-12-31", 3700),
    ("2032-01-31", 3700),  # 12th
]
IN_ALL = 73_130


class Year:
    def __init__(self, ada: Customer) -> None:
        self.ada = ada
        self.subscription_id = ""

    async def subscription(self) -> Any:
        return await self.ada.call("GET", f"/v1/subscriptions/{self.subscription_id}")

    async def change(self, **body: object) -> Any:
        return await self.ada.call("PUT", f"/v1/subscriptions/{self.subscription_id}", body)

    async def until(self, day: str) -> Any:
        """Goes to six in the evening of that day."""
        await move_to(self.ada, at(f"{day}T18:00:00+00:00"))
        return await self.subscription()

    async def mailboxes(self) -> list[Any]:
        data: list[Any] = (await self.ada.call("GET", "/v1/mailboxes?limit=200"))["data"]
        return [mailbox for mailbox in data if mailbox["status"] != "removed"]


async def test_a_year(tmp_path: Path):
    assert sum(amount for _, amount in THE_YEAR) == IN_ALL
    with installation(tmp_path) as house:
        house.start("serve")
        async with customer(house.url) as ada:
            await _live_through(Year(ada), house)
            assert [
                (invoice["issued_at"][:10], invoice["total"]["amount"]) for invoice in await invoices(ada)
            ] == THE_YEAR
            numbers = [invoice["number"] for invoice in await invoices(ada)]
            assert len(set(numbers)) == len(THE_YEAR)
            await _ledger_agrees(ada)
            checked = house.run("doctor")
            assert checked.returncode == 0, checked.stdout


async def _live_through(year: Year, house: Installation) -> None:
    ada = year.ada
    await settle_in(ada)
    await ada.active_domain("brandmerge.test")
    await move_to(ada, START)
    body = {"plan": "starter", "interval": "month", "addon_mailboxes": 3, "max_charge": 4810}
    bought = await ada.call("POST", "/v1/subscriptions", body, expect=201)
    year.subscription_id = bought["id"]
    assert bought["current_period_end"][:10] == "2031-02-28"
    people = [
        {"domain": "brandmerge.test", "username": f"u{number}", "first_name": "U", "last_name": "N"}
        for number in range(13)
    ]
    made = await ada.call("POST", "/v1/mailboxes", {"mailboxes": people}, expect=202)
    assert made["accepted"] == 13

    assert (await year.until("2031-02-28"))["current_period_end"][:10] == "2031-03-31"
    assert (await year.until("2031-03-31"))["price"]["amount"] == 4810

    await year.until("2031-04-15")
    for mailbox in (await year.mailboxes())[:3]:
        scheduled = await ada.call("DELETE", f"/v1/mailboxes/{mailbox['id']}")
        assert scheduled["removal_at"][:10] == "2031-04-30"
    april = await year.until("2031-04-30")
    assert (april["addon_mailboxes"], april["used"], april["price"]["amount"]) == (0, 10, 3700)
    assert len(await year.mailboxes()) == 10

    await move_to(ada, at(april["current_period_start"]) + timedelta(days=15, hours=12))
    upgraded = await year.change(plan="growth", max_charge=3100)
    assert {name: amount["amount"] for name, amount in upgraded["proration"].items()} == {
        "credit": 1850,
        "charge": 4950,
        "amount": 3100,
    }
    await year.until("2031-05-31")

    workspace = (await ada.call("GET", "/v1/workspaces"))["data"][0]["id"]
    surplus = await available(ada) - 5000
    taken = house.run("wallet", "grant", workspace, f"-{surplus / 100:.2f}", "--reason", "To see a decline")
    assert taken.returncode == 0, taken.stderr
    await save_card(ada, CARD_THAT_DECLINES, threshold=500, amount=5000)
    june = await year.until("2031-06-30")
    assert (june["status"], june["next_renewal"]["date"][:10]) == ("past_due", "2031-07-01")
    assert (await year.until("2031-07-01"))["next_renewal"]["date"][:10] == "2031-07-03"
    await year.until("2031-07-02")
    assert {mailbox["status"] for mailbox in await year.mailboxes()} == {"active"}
    await top_up(ada, 50_000)
    async with asyncio.timeout(30):
        while (july := await year.subscription())["status"] != "active":
            await asyncio.sleep(0.05)
    assert (july["current_period_start"][:10], july["current_period_end"][:10]) == ("2031-06-30", "2031-07-31")

    await year.until("2031-08-15")
    waiting = await year.change(plan="starter")
    assert (waiting["plan"], waiting["next_renewal"]["amount"]["amount"]) == ("growth", 3700)
    assert (await year.until("2031-08-31"))["plan"] == "starter"
    last = await year.until("2032-01-31")
    assert (last["status"], last["current_period_end"][:10]) == ("active", "2032-02-29")
    assert len(await year.mailboxes()) == 10


async def _ledger_agrees(ada: Customer) -> None:
    """What was captured is what was invoiced, and the balance is what all transactions add up to."""
    lines = (await ada.call("GET", "/v1/wallet/transactions?limit=200"))["data"]
    captured = sum(line["held"]["amount"] for line in lines if line["kind"] == "capture")
    assert -captured == IN_ALL
    assert sum(line["amount"]["amount"] for line in lines) == await available(ada)
    orders = (await ada.call("GET", "/v1/orders?limit=200"))["data"]
    assert {order["status"] for order in orders} == {"fulfilled"}
    assert sum(order["captured"]["amount"] for order in orders) == IN_ALL
    renewals = [order for order in orders if order["kind"] == "renewal"]
    assert len(renewals) == 12
