"""Slots, as mailboxes take and release them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from litemail import subscriptions
from litemail.kit.db import Tx
from litemail.kit.errors import Error
from litemail.orders import MaxChargeExceeded
from litemail.orders.quoting import ShownQuote
from litemail.subscriptions import (
    DowngradeNeedsRemoval,
    NoSubscription,
    RenewalPassed,
    SlotsExhausted,
)
from tests.buyers import Buyer, usd


@asynccontextmanager
async def acting(buyer: Buyer) -> AsyncIterator[Tx]:
    async with buyer.database.begin(buyer.person.actor()) as tx:
        yield tx


def total_of(refusal: Error) -> int:
    quote = refusal.extra["quote"]
    assert isinstance(quote, ShownQuote)
    return quote.total.amount


@pytest.fixture
async def bought(buyer: Buyer) -> str:
    """The only subscription: ten slots."""
    await buyer.call("DELETE", f"/v1/subscriptions/{(await buyer.granted())['id']}?at=now")
    made = await buyer.buy()
    return str(made["id"])


async def test_slots_come_of_the_oldest_subscription_that_has_some(buyer: Buyer, bought: str):
    second = (await buyer.buy())["id"]
    async with acting(buyer) as tx:
        assert await subscriptions.free_slots(tx) == 20
        assert await subscriptions.take_slots(tx, 12) == [bought] * 10 + [second] * 2
        await subscriptions.release_slots(tx, [bought, second, bought])
        assert await subscriptions.take_slots(tx, 3) == [bought, bought, second]
    assert (await buyer.subscription(bought))["used"] == 10
    assert (await buyer.subscription(second))["used"] == 2


async def test_beyond_them_is_402_with_the_quote_of_what_is_missing(buyer: Buyer, bought: str):
    async with acting(buyer) as tx:
        await subscriptions.take_slots(tx, 9)
    with pytest.raises(SlotsExhausted) as caught:
        async with acting(buyer) as tx:
            await subscriptions.take_slots(tx, 3)
    assert total_of(caught.value) == 740  # two add-ons
    async with acting(buyer) as tx:
        assert (await subscriptions.quote_slots(tx, 3)).total == 740
        assert (await subscriptions.quote_slots(tx, 1)).total == 0
    assert (await buyer.subscription(bought))["used"] == 9


async def test_missing_slots_are_bought_when_told_so(buyer: Buyer, bought: str):
    before = await buyer.available()
    with pytest.raises(MaxChargeExceeded):
        async with acting(buyer) as tx:
            await subscriptions.take_slots(tx, 12, buy=True, max_charge=739)
    async with acting(buyer) as tx:
        assert await subscriptions.take_slots(tx, 12, buy=True, max_charge=740) == [bought] * 12
    extended = await buyer.subscription(bought)
    assert (extended["addon_mailboxes"], extended["used"], extended["next_renewal"]["amount"]) == (2, 12, usd(4440))
    assert await buyer.available() == before - 740
    assert (await buyer.orders())[0]["kind"] == "addon"


async def test_without_a_subscription_the_quote_is_a_plan(buyer: Buyer, bought: str):
    await buyer.call("DELETE", f"/v1/subscriptions/{bought}?at=now")
    for buy in (False, True):
        with pytest.raises(NoSubscription) as caught:
            async with acting(buyer) as tx:
                await subscriptions.take_slots(tx, 25, buy=buy)
        assert total_of(caught.value) == 3700 + 15 * 370  # 9,250 < 9,900
    async with acting(buyer) as tx:
        await subscriptions.release_slots(tx, [bought])  # a mailbox that went with it


async def test_a_removal_lowers_the_add_ons_at_the_renewal_and_not_below_zero(buyer: Buyer, bought: str):
    await buyer.call("PUT", f"/v1/subscriptions/{bought}", {"addon_mailboxes": 2})
    async with acting(buyer) as tx:
        await subscriptions.take_slots(tx, 12)
        removal_at = await subscriptions.release_slot_at_renewal(tx, bought, count=3)
    planned = await buyer.subscription(bought)
    assert (planned["used"], planned["removals_at_renewal"], planned["quantity"]) == (12, 3, 12)
    assert planned["next_renewal"]["amount"] == usd(3700)
    assert removal_at.isoformat()[:19] == planned["current_period_end"][:19]
    before = await buyer.available()
    await buyer.move("P1M")
    renewed = await buyer.subscription(bought)
    assert (renewed["used"], renewed["removals_at_renewal"], renewed["addon_mailboxes"]) == (9, 0, 0)
    assert await buyer.available() == before - 3700


async def test_a_removal_is_taken_back(buyer: Buyer, bought: str):
    await buyer.call("PUT", f"/v1/subscriptions/{bought}", {"addon_mailboxes": 1})
    async with acting(buyer) as tx:
        await subscriptions.take_slots(tx, 11)
        await subscriptions.release_slot_at_renewal(tx, bought)
        await subscriptions.cancel_release(tx, bought)
    assert (await buyer.subscription(bought))["next_renewal"]["amount"] == usd(4070)
    with pytest.raises(RenewalPassed):
        async with acting(buyer) as tx:
            await subscriptions.cancel_release(tx, bought)


async def test_a_mailbox_that_was_to_go_at_renewal_may_go_now(buyer: Buyer, bought: str):
    async with acting(buyer) as tx:
        await subscriptions.take_slots(tx, 4)
        await subscriptions.release_slot_at_renewal(tx, bought, count=2)
        await subscriptions.release_slots(tx, [bought], scheduled=1)
    shown = await buyer.subscription(bought)
    assert (shown["used"], shown["removals_at_renewal"]) == (3, 1)


async def test_a_downgrade_needs_room_for_the_mailboxes_that_stay(buyer: Buyer, bought: str):
    path = f"/v1/subscriptions/{bought}"
    await buyer.call("PUT", path, {"addon_mailboxes": 5})
    async with acting(buyer) as tx:
        await subscriptions.take_slots(tx, 14)
    assert await buyer.refused("PUT", path, {"addon_mailboxes": 1}) == (409, "subscription.slots_in_use")
    async with acting(buyer) as tx:
        await subscriptions.release_slot_at_renewal(tx, bought, count=3)
    waiting = await buyer.call("PUT", path, {"addon_mailboxes": 1})
    assert waiting["next_renewal"]["amount"] == usd(4070)
    with pytest.raises(DowngradeNeedsRemoval):
        async with acting(buyer) as tx:
            await subscriptions.cancel_release(tx, bought)
    with pytest.raises(SlotsExhausted):  # there is a slot now, but not after the renewal
        async with acting(buyer) as tx:
            await subscriptions.take_slots(tx, 1)
    async with acting(buyer) as tx:
        await subscriptions.release_slot_at_renewal(tx, bought)
    lowered = await buyer.subscription(bought)
    assert (lowered["removals_at_renewal"], lowered["next_renewal"]["amount"]) == (4, usd(3700))
    await buyer.move("P1M")
    renewed = await buyer.subscription(bought)
    assert (renewed["quantity"], renewed["used"]) == (10, 10)


async def test_slots_bought_while_a_downgrade_waits_stay_after_it(buyer: Buyer, bought: str):
    path = f"/v1/subscriptions/{bought}"
    await buyer.call("PUT", path, {"plan": "growth"})
    async with acting(buyer) as tx:
        await subscriptions.take_slots(tx, 8)
    await buyer.call("PUT", path, {"plan": "starter"})
    async with acting(buyer) as tx:
        assert await subscriptions.free_slots(tx) == 2
        await subscriptions.take_slots(tx, 4, buy=True)
    shown = await buyer.subscription(bought)
    assert (shown["plan"], shown["quantity"], shown["used"]) == ("growth", 32, 12)
    assert shown["pending_change"]["addon_mailboxes"] == 2
    await buyer.move("P1M")
    renewed = await buyer.subscription(bought)
    assert (renewed["plan"], renewed["quantity"], renewed["used"]) == ("starter", 12, 12)
