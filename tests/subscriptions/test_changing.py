"""Upgrades now, downgrades at renewal, cancelling and taking back, at the API."""

from datetime import datetime

import pytest

from tests.buyers import Buyer, usd


async def test_an_upgrade_is_prorated_and_charged_now(buyer: Buyer):
    bought = await buyer.buy()
    before = await buyer.available()
    quote = (await buyer.call("PUT", f"/v1/subscriptions/{bought['id']}?dry_run=true", {"plan": "growth"}))["quote"]
    changed = await buyer.call("PUT", f"/v1/subscriptions/{bought['id']}", {"plan": "growth", "max_charge": 6200})
    assert changed["proration"] == {"credit": usd(3700), "charge": usd(9900), "amount": usd(6200)}
    assert quote["total"] == usd(6200)
    assert (changed["plan"], changed["quantity"], changed["price"]) == ("growth", 30, usd(9900))
    assert changed["current_period_end"] == bought["current_period_end"]
    assert await buyer.available() == before - 6200
    order = (await buyer.orders("upgrade"))[0]
    assert [line["amount"] for line in order["lines"]] == [usd(9900), usd(-3700)]
    invoice = (await buyer.call("GET", "/v1/billings/invoices"))["data"][0]
    assert (invoice["order_id"], invoice["total"]) == (order["id"], usd(6200))


async def test_add_ons_cost_their_share_of_the_period(buyer: Buyer):
    bought = await buyer.buy()
    await buyer.move("P7D")
    changed = await buyer.call("PUT", f"/v1/subscriptions/{bought['id']}", {"addon_mailboxes": 10})
    assert changed["quantity"] == 20
    days = _days(bought)
    credit, charge = (price * (days - 7) / days for price in (3700, 7400))
    assert abs(changed["proration"]["credit"]["amount"] - credit) <= 1
    assert abs(changed["proration"]["charge"]["amount"] - charge) <= 1
    assert changed["next_renewal"]["amount"] == usd(7400)


async def test_a_longer_interval_starts_a_new_period(buyer: Buyer):
    bought = await buyer.buy()
    await buyer.move("P3D")
    changed = await buyer.call("PUT", f"/v1/subscriptions/{bought['id']}", {"interval": "quarter"})
    assert changed["interval"] == "quarter"
    assert changed["current_period_start"] > bought["current_period_start"]
    assert changed["proration"]["charge"] == usd(9990)
    days = _days(bought)
    assert abs(changed["proration"]["credit"]["amount"] - 3700 * (days - 3) / days) <= 1


async def test_a_downgrade_waits_for_the_renewal(buyer: Buyer):
    bought = await buyer.buy("growth", addon_mailboxes=2)
    before = await buyer.available()
    path = f"/v1/subscriptions/{bought['id']}"
    body = {"plan": "starter", "addon_mailboxes": 0}
    assert (await buyer.call("PUT", f"{path}?dry_run=true", body))["quote"]["total"] == usd(0)
    changed = await buyer.call("PUT", path, body)
    assert changed["proration"] == {"credit": usd(0), "charge": usd(0), "amount": usd(0)}
    assert (changed["plan"], changed["quantity"]) == ("growth", 32)
    assert changed["next_renewal"]["amount"] == usd(3700)
    assert changed["pending_change"] == {
        "plan": "starter",
        "interval": "month",
        "addon_mailboxes": 0,
        "date": bought["current_period_end"],
    }
    assert await buyer.refused("PUT", path, body) == (409, "subscription.nothing_to_change")
    assert await buyer.available() == before
    await _cancel_granted(buyer)
    await buyer.move("P1M")
    renewed = await buyer.subscription(bought["id"])
    assert (renewed["plan"], renewed["quantity"], renewed["pending_change"]) == ("starter", 10, None)
    assert await buyer.available() == before - 3700


async def test_a_downgrade_is_taken_back_by_asking_for_what_is_there(buyer: Buyer):
    bought = await buyer.buy("growth")
    path = f"/v1/subscriptions/{bought['id']}"
    await buyer.call("PUT", path, {"plan": "starter"})
    back = await buyer.call("PUT", path, {"plan": "growth"})
    assert (back["pending_change"], back["next_renewal"]["amount"]) == (None, usd(9900))


async def test_an_upgrade_replaces_a_waiting_downgrade(buyer: Buyer):
    bought = await buyer.buy("growth")
    path = f"/v1/subscriptions/{bought['id']}"
    await buyer.call("PUT", path, {"plan": "starter"})
    changed = await buyer.call("PUT", path, {"addon_mailboxes": 1})
    assert (changed["plan"], changed["quantity"], changed["pending_change"]) == ("growth", 31, None)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"plan": "growth"}, (409, "subscription.nothing_to_change")),
        ({"interval": "month"}, (409, "subscription.nothing_to_change")),
        ({"addon_mailboxes": 0}, (409, "subscription.nothing_to_change")),
        ({}, (422, "subscription.change_missing")),
        ({"max_charge": 5}, (422, "subscription.change_missing")),
        ({"plan": "platinum"}, (422, "plan.unknown")),
        ({"interval": "decade"}, (422, "request.invalid")),
        ({"addon_mailboxes": -3}, (422, "request.invalid")),
        ({"cancel_at_period_end": True}, (422, "request.invalid")),
        ({"plan": "pro", "max_charge": 100}, (409, "order.max_charge_exceeded")),
    ],
)
async def test_changes_that_are_none(buyer: Buyer, body: dict[str, object], expected: tuple[int, str]):
    bought = await buyer.buy("growth")
    assert await buyer.refused("PUT", f"/v1/subscriptions/{bought['id']}", body) == expected
    assert await buyer.subscription(bought["id"]) == bought


async def test_cancelling_at_the_periods_end_and_taking_it_back(buyer: Buyer):
    bought = await buyer.buy()
    path = f"/v1/subscriptions/{bought['id']}"
    cancelled = await buyer.call("DELETE", path)
    assert (cancelled["cancel_at_period_end"], cancelled["status"], cancelled["next_renewal"]) == (True, "active", None)
    assert await buyer.call("DELETE", path) == cancelled
    back = await buyer.call("PUT", path, {"cancel_at_period_end": False})
    assert (back["cancel_at_period_end"], back["proration"]["amount"]) == (False, usd(0))
    assert back["next_renewal"]["amount"] == usd(3700)
    await buyer.call("DELETE", path)
    await _cancel_granted(buyer)
    before = await buyer.available()
    await buyer.move("P1M")
    ended = await buyer.subscription(bought["id"])
    assert (ended["status"], ended["next_renewal"]) == ("cancelled", None)
    assert await buyer.available() == before


async def test_cancelling_at_once(buyer: Buyer):
    bought = await buyer.buy()
    path = f"/v1/subscriptions/{bought['id']}"
    before = await buyer.available()
    assert (await buyer.call("DELETE", f"{path}?at=now"))["status"] == "cancelled"
    assert await buyer.available() == before
    assert await buyer.refused("DELETE", path) == (409, "subscription.cancelled")
    assert await buyer.refused("PUT", path, {"plan": "pro"}) == (409, "subscription.cancelled")
    assert await buyer.refused("PUT", path, {"cancel_at_period_end": False}) == (409, "subscription.cancelled")
    assert await buyer.refused("DELETE", f"{path}?at=noon") == (422, "request.invalid")


def _days(subscription: dict[str, str]) -> int:
    start, end = (datetime.fromisoformat(subscription[f"current_period_{name}"]) for name in ("start", "end"))
    return (end - start).days


async def _cancel_granted(buyer: Buyer) -> None:
    await buyer.call("DELETE", f"/v1/subscriptions/{(await buyer.granted())['id']}?at=now")
