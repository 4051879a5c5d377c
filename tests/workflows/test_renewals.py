"""Renewals in the time of a sandbox: paid, recharged, failed, suspended, restored, ended."""

import asyncio
from datetime import datetime, timedelta

import httpx
import pytest

from litemail import subscriptions
from litemail.kit import stops
from litemail.kit.ids import new_id
from litemail.subscriptions import Outcome
from litemail.workflows import renew_subscriptions
from tests.buyers import Buyer, usd
from tests.conftest import NewPerson

CARD_THAT_DECLINES = "4000000000000341"


class Stopped(BaseException):
    """What a killed process is in one that goes on."""


@pytest.fixture(autouse=True)
def no_stops() -> None:
    stops.disarm()


@pytest.fixture
async def bought(buyer: Buyer) -> str:
    """The only subscription: 37.00 a month. The wallet is empty."""
    await buyer.call("DELETE", f"/v1/subscriptions/{(await buyer.granted())['id']}?at=now")
    made = await buyer.buy()
    await buyer.set_wallet(0)
    return str(made["id"])


async def step(buyer: Buyer, subscription_id: str, *, owed: bool = False) -> Outcome:
    return await renew_subscriptions.step(buyer.database, buyer.gateways, subscription_id, owed=owed)


async def money_comes(buyer: Buyer, amount: int) -> None:
    await buyer.set_wallet(amount)
    await renew_subscriptions.pay_what_is_owed(
        database=buyer.database,
        gateways=buyer.gateways,
        workspace_id=buyer.person.workspace_id,
        subject=new_id("txn"),
    )


async def events(buyer: Buyer, subscription_id: str) -> list[str]:
    async with buyer.database.begin_system("test") as tx:
        return await tx.values(
            str, "SELECT type FROM events WHERE subject = %(id)s ORDER BY number", id=subscription_id
        )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_a_renewal_takes_the_price_and_moves_the_period(buyer: Buyer, bought: str):
    before = await buyer.subscription(bought)
    await buyer.set_wallet(5000)
    await buyer.move("P1M")
    after = await buyer.subscription(bought)
    assert after["status"] == "active"
    assert after["current_period_start"] == before["current_period_end"]
    assert await buyer.available() == 1300
    (order,) = await buyer.orders("renewal")
    assert (order["status"], order["captured"]) == ("fulfilled", usd(3700))
    assert order["created_at"] >= before["current_period_end"]
    invoice = (await buyer.call("GET", "/v1/billings/invoices"))["data"][0]
    assert (invoice["order_id"], invoice["issued_at"][:10]) == (order["id"], before["current_period_end"][:10])


async def test_a_renewal_that_is_not_due_does_nothing(buyer: Buyer, bought: str):
    await buyer.set_wallet(50_000)
    assert await step(buyer, bought) is Outcome.NOTHING
    assert await step(buyer, bought, owed=True) is Outcome.NOTHING
    assert await buyer.available() == 50_000


async def test_many_workers_renew_a_period_once(buyer: Buyer, bought: str):
    await buyer.move("P20D")
    async with buyer.database.begin_system("test") as tx:
        await tx.execute(
            """UPDATE subscriptions SET current_period_end = current_period_start + '10 days',
                      due_at = current_period_start + '10 days' WHERE id = %(id)s""",
            id=bought,
        )
    await buyer.set_wallet(50_000)
    outcomes = await asyncio.gather(*(step(buyer, bought) for _ in range(8)))
    assert outcomes.count(Outcome.RENEWED) == 1
    assert await buyer.available() == 50_000 - 3700


async def test_the_whole_dunning_path(buyer: Buyer, bought: str):
    ended = at((await buyer.subscription(bought))["current_period_end"])
    await buyer.move("P1M")
    for attempt, day in enumerate((1, 3, 5, 7)):
        unpaid = await buyer.subscription(bought)
        assert unpaid["status"] == "past_due", attempt
        assert at(unpaid["next_renewal"]["date"]) == ended + timedelta(days=day)
        assert unpaid["next_renewal"]["amount"] == usd(3700)
        await buyer.move(f"P{2 if attempt else 1}D")
    suspended = await buyer.subscription(bought)
    assert suspended["status"] == "suspended"
    assert suspended["next_renewal"]["amount"] == usd(3700)
    await buyer.move("P29D")
    assert (await buyer.subscription(bought))["status"] == "suspended"
    await buyer.move("P2D")
    assert (await buyer.subscription(bought))["status"] == "cancelled"
    assert await events(buyer, bought) == [
        "subscription.created",
        *["subscription.past_due"] * 4,
        "subscription.suspended",
        "subscription.cancelled",
    ]
    assert await buyer.orders("renewal") == []


async def test_all_of_it_happens_in_one_long_move_too(buyer: Buyer, bought: str):
    await buyer.move("P3M")
    assert (await events(buyer, bought))[-3:] == [
        "subscription.past_due",
        "subscription.suspended",
        "subscription.cancelled",
    ]


async def test_money_pays_what_is_past_due_at_once(buyer: Buyer, bought: str):
    before = await buyer.subscription(bought)
    await buyer.move("P1M")
    await money_comes(buyer, 3699)
    assert (await buyer.subscription(bought))["status"] == "past_due"
    assert await buyer.available() == 3699
    await money_comes(buyer, 3700)
    paid = await buyer.subscription(bought)
    assert (paid["status"], paid["current_period_start"]) == ("active", before["current_period_end"])
    assert await buyer.available() == 0
    await buyer.move("P7D")
    assert (await buyer.subscription(bought))["status"] == "active"


async def test_paying_restores_what_was_suspended_with_a_new_period(buyer: Buyer, bought: str):
    await buyer.move("P1M")
    await buyer.move("P20D")
    assert (await buyer.subscription(bought))["status"] == "suspended"
    await money_comes(buyer, 5000)
    restored = await buyer.subscription(bought)
    assert restored["status"] == "active"
    clock = await buyer.call("GET", "/v1/sandbox/clock")
    assert at(clock["now"]) - at(restored["current_period_start"]) < timedelta(minutes=5)
    assert (await events(buyer, bought))[-2:] == ["subscription.renewed", "subscription.restored"]
    assert await buyer.available() == 1300


async def test_changes_wait_until_a_renewal_is_paid(buyer: Buyer, bought: str):
    await buyer.move("P1M")
    path = f"/v1/subscriptions/{bought}"
    assert await buyer.refused("PUT", path, {"plan": "growth"}) == (409, "subscription.payment_due")
    cancelled = await buyer.call("DELETE", path)
    assert cancelled["status"] == "cancelled"


async def test_auto_recharge_comes_before_dunning(buyer: Buyer, bought: str):
    await buyer.save_card(amount=1500)
    await buyer.move("P1M")
    assert (await buyer.subscription(bought))["status"] == "active"
    assert await buyer.available() == 3 * 1500 - 3700


async def test_a_declined_card_is_dunning(buyer: Buyer, bought: str):
    await buyer.save_card(CARD_THAT_DECLINES)
    await buyer.move("P1M")
    assert (await buyer.subscription(bought))["status"] == "past_due"
    assert await buyer.available() == 0


async def test_auto_recharge_comes_before_a_402(buyer: Buyer, bought: str):
    await buyer.save_card(amount=1500)
    made = await buyer.buy()
    assert made["status"] == "active"
    assert await buyer.available() == 3 * 1500 - 3700


async def test_each_of_many_requests_at_once_has_the_card_charged(buyer: Buyer, bought: str):
    await buyer.save_card(amount=3700)
    made = await asyncio.gather(*[buyer.buy() for _ in range(6)])
    assert [each["status"] for each in made] == ["active"] * 6
    assert await buyer.available() == 0


async def test_a_402_says_that_the_card_was_declined(buyer: Buyer, bought: str):
    await buyer.save_card(CARD_THAT_DECLINES)
    answer = await buyer.ask("POST", "/v1/subscriptions", {"plan": "starter", "interval": "month"})
    assert (answer.status_code, answer.json()["recharge"]) == (402, "declined")
    assert (answer.json()["shortfall"], answer.json()["quote"]["total"]) == (usd(3700), usd(3700))
    assert "/pay/" in answer.json()["payment_link"]


async def test_the_anchor_day_is_kept(buyer: Buyer, bought: str):
    await buyer.set_wallet(100_000)
    async with buyer.database.begin_system("test") as tx:
        await tx.execute(
            """UPDATE subscriptions SET anchor_day = 31, current_period_start = '2030-12-31T10:00Z',
                      current_period_end = '2031-01-31T10:00Z', due_at = '2031-01-31T10:00Z' WHERE id = %(id)s""",
            id=bought,
        )
    now = at((await buyer.call("GET", "/v1/sandbox/clock"))["now"])
    ends = []
    await buyer.move(f"PT{int((at('2031-01-15T00:00+00:00') - now).total_seconds())}S")
    for _ in range(4):
        ends.append((await buyer.subscription(bought))["current_period_end"][:10])
        await buyer.move("P1M")
    assert ends == ["2031-01-31", "2031-02-28", "2031-03-31", "2031-04-30"]


async def test_what_falls_due_happens_in_order(buyer: Buyer, bought: str):
    second = (await buyer.call("PUT", f"/v1/subscriptions/{bought}?dry_run=true", {"plan": "growth"}))["quote"]
    assert second["covered"] is False
    await buyer.set_wallet(3700 * 3 + 9990)
    quarterly = (await buyer.buy("starter", "quarter"))["id"]
    await buyer.set_wallet(3700 * 3)
    await buyer.move("P3M")
    renewals = [order["items"][0]["ref"] for order in await buyer.orders("renewal")]
    assert renewals == [bought] * 3
    assert (await buyer.subscription(quarterly))["status"] == "past_due"
    assert await buyer.available() == 0


@pytest.mark.parametrize("stop", ["renewal.held", "renewal.captured", "renewal.moved", "renewal.done"])
async def test_stopped_in_a_renewal_it_ends_the_same(buyer: Buyer, bought: str, stop: str):
    await buyer.set_wallet(5000)
    before = await buyer.subscription(bought)
    stops.arm(stop, _stop)
    with pytest.raises(Stopped):
        await buyer.move("P1M")
    await buyer.move("PT1S")
    after = await buyer.subscription(bought)
    assert (after["status"], after["current_period_start"]) == ("active", before["current_period_end"])
    assert await buyer.available() == 1300
    assert len(await buyer.orders("renewal")) == 1


@pytest.mark.parametrize(
    "stop",
    [
        "renewal.short",
        "recharge.begun",
        "recharge.charged",
        "renewal.recharged",
        "renewal.held",
        "renewal.moved",
        "renewal.done",
    ],
)
async def test_stopped_in_a_recharge_it_ends_the_same(buyer: Buyer, bought: str, stop: str):
    await buyer.save_card(amount=4000)
    stops.arm(stop, _stop)
    with pytest.raises(Stopped):
        await buyer.move("P1M")
    await buyer.move("PT1S")
    assert (await buyer.subscription(bought))["status"] == "active"
    assert await buyer.available() == 300
    async with buyer.database.begin_system("test") as tx:
        charges = await tx.values(
            int,
            "SELECT amount FROM sandbox.gateway_charges WHERE workspace_id = %(id)s",
            id=buyer.person.workspace_id,
        )
    assert charges == [4000]


async def test_stopped_after_a_failure_no_attempt_is_counted_twice(buyer: Buyer, bought: str):
    stops.arm("renewal.failed", _stop)
    with pytest.raises(Stopped):
        await buyer.move("P1M")
    await buyer.move("PT1S")
    async with buyer.database.begin_system("test") as tx:
        assert await tx.value(int, "SELECT failed_attempts FROM subscriptions WHERE id = %(id)s", id=bought) == 1


async def test_the_schedule_finds_what_is_due_by_each_clock(buyer: Buyer, bought: str):
    async with buyer.database.begin_system("test") as tx:
        assert bought not in {due.id for due in await subscriptions.list_due(tx, limit=10_000)}
        await tx.execute(
            "UPDATE workspaces SET clock_ahead = '40 days', clock_goal = '40 days' WHERE id = %(id)s",
            id=buyer.person.workspace_id,
        )
        assert bought in {due.id for due in await subscriptions.list_due(tx, limit=10_000)}


@pytest.mark.parametrize(
    ("advance", "code"),
    [
        ("P", "request.bad_duration"),
        ("PT", "request.bad_duration"),
        ("1M", "request.bad_duration"),
        ("P-1M", "request.bad_duration"),
        ("P1.5D", "request.bad_duration"),
        ("P1M1Y", "request.bad_duration"),
        ("P\u0663D", "request.bad_duration"),
        ("P0D", "sandbox.clock_too_far"),
        ("P9999Y", "sandbox.clock_too_far"),
        ("P101Y", "sandbox.clock_too_far"),
        (7, "request.invalid"),
    ],
)
async def test_bad_durations(buyer: Buyer, advance: object, code: str):
    answer = await buyer.ask("POST", "/v1/sandbox/clock", {"advance": advance})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["details"][0]["field"] == "advance"


async def test_the_clock_says_where_it_goes(buyer: Buyer):
    before = await buyer.call("GET", "/v1/sandbox/clock")
    assert (before["moving"], before["now"]) == (False, before["goal"])
    moved = await buyer.call("POST", "/v1/sandbox/clock", {"advance": "P1Y2M3DT4H"}, expect=202)
    again = await buyer.call("POST", "/v1/sandbox/clock", {"advance": "PT1H"}, expect=202)
    assert timedelta(hours=1) <= at(again["now"]) - at(moved["now"]) < timedelta(hours=1, minutes=1)
    shown = await buyer.call("GET", "/v1/sandbox/clock")
    assert shown["moving"] is True
    assert at(shown["goal"]) >= at(again["now"])


async def test_live_workspaces_have_no_clock_to_move(buyer: Buyer, client: httpx.AsyncClient, new_person: NewPerson):
    async with buyer.database.begin_system("test") as tx:
        await tx.execute("UPDATE users SET live_allowed = true WHERE id = %(id)s", id=buyer.person.user_id)
    live = await buyer.call("POST", "/v1/workspaces", {"name": "Live", "mode": "live"}, expect=201)
    answer = await buyer.ask("POST", "/v1/sandbox/clock", {"advance": "P1M"}, **{"x-workspace-id": live["id"]})
    assert (answer.status_code, answer.json()["code"]) == (404, "sandbox.live_workspace")


def _stop() -> None:
    raise Stopped
