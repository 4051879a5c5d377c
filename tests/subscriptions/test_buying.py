"""Buying a subscription at the API."""

import secrets as random

import httpx
import pytest

from tests.buyers import Buyer, NewBuyer, usd
from tests.conftest import NewPerson


async def test_the_price_list(buyer: Buyer):
    plans = (await buyer.call("GET", "/v1/plans"))["data"]
    assert [(plan["id"], plan["included_mailboxes"]) for plan in plans] == [
        ("starter", 10),
        ("growth", 30),
        ("pro", 100),
    ]
    assert plans[0]["prices"] == {"month": usd(3700), "quarter": usd(9990), "year": usd(37000)}
    assert plans[1]["prices"] == {"month": usd(9900), "quarter": usd(26730), "year": usd(99000)}
    assert plans[2]["prices"] == {"month": usd(29900), "quarter": usd(80730), "year": usd(299000)}
    assert [plan["addon_price"]["month"] for plan in plans] == [usd(370), usd(330), usd(300)]


async def test_a_new_sandbox_has_the_pro_plan_and_a_thousand(buyer: Buyer):
    (granted,) = (await buyer.call("GET", "/v1/subscriptions"))["data"]
    assert (granted["plan"], granted["interval"], granted["quantity"], granted["status"]) == (
        "pro",
        "month",
        100,
        "active",
    )
    assert granted["next_renewal"]["amount"] == usd(29900)
    assert await buyer.available() == 100_000


async def test_the_quote_is_what_is_charged(buyer: Buyer):
    body = {"plan": "growth", "interval": "quarter", "addon_mailboxes": 3}
    quote = (await buyer.call("POST", "/v1/subscriptions?dry_run=true", body, expect=200))["quote"]
    assert quote["total"] == usd(26730 + 3 * 891)
    assert (quote["wallet_balance"], quote["covered"]) == (usd(100_000), True)
    assert [line["amount"] for line in quote["lines"]] == [usd(26730), usd(2673)]
    assert len((await buyer.call("GET", "/v1/subscriptions"))["data"]) == 1
    assert await buyer.available() == 100_000
    bought = await buyer.call("POST", "/v1/subscriptions", {**body, "max_charge": 29403}, expect=201)
    assert (bought["plan"], bought["quantity"], bought["used"]) == ("growth", 33, 0)
    assert bought["price"] == usd(29403)
    assert await buyer.available() == 100_000 - 29403
    (order,) = await buyer.orders()
    assert (order["kind"], order["status"]) == ("subscription", "fulfilled")
    assert order["lines"] == quote["lines"]
    assert (order["total"], order["captured"], order["released"]) == (usd(29403), usd(29403), usd(0))
    assert order["items"] == [{"ref": bought["id"], "status": "delivered"}]
    (invoice,) = (await buyer.call("GET", "/v1/billings/invoices"))["data"]
    assert (invoice["order_id"], invoice["total"]) == (order["id"], usd(29403))


@pytest.mark.parametrize(
    ("query", "field"),
    [("dryrun=true", "dryrun"), ("Dry_run=true", "Dry_run"), ("dry_run=true&dry_run=false", "dry_run"), ("=1", "")],
)
async def test_a_quote_asked_for_in_a_wrong_way_buys_nothing(buyer: Buyer, query: str, field: str):
    answer = await buyer.ask("POST", f"/v1/subscriptions?{query}", {"plan": "starter", "interval": "month"})
    assert answer.status_code == 422
    assert [detail["field"] for detail in answer.json()["details"]] == [field]
    assert await buyer.available() == 100_000


async def test_max_charge_refuses_a_larger_quote(buyer: Buyer):
    body = {"plan": "starter", "interval": "month", "max_charge": 3699}
    answer = await buyer.ask("POST", "/v1/subscriptions", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "order.max_charge_exceeded")
    assert answer.json()["quote"]["total"] == usd(3700)
    assert await buyer.orders() == []
    await buyer.call("POST", "/v1/subscriptions", {**body, "max_charge": 3700}, expect=201)


async def test_nothing_is_sold_without_billing_details(client: httpx.AsyncClient, new_person: NewPerson):
    person = await new_person()
    body = {"plan": "starter", "interval": "month"}
    answer = await client.post("/v1/subscriptions", json=body, headers=person.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "billing.details_required")
    quote = await client.post("/v1/subscriptions?dry_run=true", json=body, headers=person.headers)
    assert quote.status_code == 200


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"plan": "platinum", "interval": "month"}, "plan.unknown", "plan"),
        ({"plan": "", "interval": "month"}, "request.invalid", "plan"),
        ({"plan": "starter", "interval": "week"}, "request.invalid", "interval"),
        ({"plan": "starter"}, "request.invalid", "interval"),
        ({"plan": "starter", "interval": "month", "addon_mailboxes": -1}, "request.invalid", "addon_mailboxes"),
        ({"plan": "starter", "interval": "month", "addon_mailboxes": 1.5}, "request.invalid", "addon_mailboxes"),
        ({"plan": "starter", "interval": "month", "addon_mailboxes": "1"}, "request.invalid", "addon_mailboxes"),
        ({"plan": "starter", "interval": "month", "addon_mailboxes": True}, "request.invalid", "addon_mailboxes"),
        ({"plan": "starter", "interval": "month", "addon_mailboxes": 10**30}, "request.invalid", "addon_mailboxes"),
        ({"plan": "starter", "interval": "month", "max_charge": "3700"}, "request.invalid", "max_charge"),
        ({"plan": "starter", "interval": "month", "max_charge": 3700.0}, "request.invalid", "max_charge"),
        ({"plan": "starter", "interval": "month", "max_charge": -1}, "request.invalid", "max_charge"),
        ({"plan": "starter", "interval": "month", "coupon": "x"}, "request.invalid", "coupon"),
    ],
)
async def test_bad_input_is_refused(buyer: Buyer, body: dict[str, object], code: str, field: str):
    answer = await buyer.ask("POST", "/v1/subscriptions", body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert [detail["field"] for detail in answer.json()["details"]] == [field]
    assert await buyer.orders() == []


async def test_huge_orders_are_refused_by_the_wallet_and_nothing_else(buyer: Buyer):
    body = {"plan": "pro", "interval": "year", "addon_mailboxes": 1_000_000}
    answer = await buyer.ask("POST", "/v1/subscriptions", body)
    assert (answer.status_code, answer.json()["code"]) == (402, "wallet.insufficient_funds")


async def test_a_short_wallet_gets_a_link_and_then_the_same_request_succeeds(buyer: Buyer):
    await buyer.set_wallet(1000)
    body = {"plan": "starter", "interval": "month"}
    key = random.token_hex(8)
    answer = await buyer.ask("POST", "/v1/subscriptions", body, **{"idempotency-key": key})
    refused = answer.json()
    assert (answer.status_code, refused["code"]) == (402, "wallet.insufficient_funds")
    assert refused["shortfall"] == usd(2700)
    assert refused["recharge"] == "off"
    assert (refused["quote"]["total"], refused["quote"]["covered"]) == (usd(3700), False)
    assert "/pay/" in refused["payment_link"]
    assert (await buyer.available(), await buyer.orders()) == (1000, [])
    again = await buyer.ask("POST", "/v1/subscriptions", body, **{"idempotency-key": key})
    assert again.json()["payment_link"] == refused["payment_link"]
    await buyer.set_wallet(3700)
    paid = await buyer.ask("POST", "/v1/subscriptions", body, **{"idempotency-key": key})
    assert paid.status_code == 201, paid.text
    replayed = await buyer.ask("POST", "/v1/subscriptions", body, **{"idempotency-key": key})
    assert (replayed.json(), replayed.headers["idempotency-replayed"]) == (paid.json(), "true")
    assert await buyer.available() == 0


async def test_other_peoples_subscriptions_are_not_there(buyer: Buyer, new_buyer: NewBuyer):
    other = await new_buyer()
    theirs = await other.granted()
    for method, body in (("GET", None), ("PUT", {"addon_mailboxes": 1}), ("DELETE", None)):
        assert await buyer.refused(method, f"/v1/subscriptions/{theirs['id']}", body) == (404, "subscription.not_found")
    for bad in ("sub_1", "nonsense", theirs["id"].replace("sub_", "ord_")):
        assert await buyer.refused("GET", f"/v1/subscriptions/{bad}") == (404, "subscription.not_found")


async def test_who_may_spend(buyer: Buyer):
    reader = await buyer.call("POST", "/v1/api-keys", {"name": "Reader", "scopes": ["billing:read"]})
    headers = {"x-api-key": reader["key"]}
    assert (await buyer.client.get("/v1/plans", headers=headers)).status_code == 200
    answer = await buyer.client.post(
        "/v1/subscriptions", json={"plan": "starter", "interval": "month"}, headers=headers
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "auth.scope_missing")
    assert "billing:spend" in answer.json()["message"]


async def test_a_keys_spend_limit_holds_over_all_its_orders(buyer: Buyer):
    made = await buyer.call(
        "POST", "/v1/api-keys", {"name": "Buyer", "scopes": ["billing:read", "billing:spend"], "spend_limit": 8000}
    )
    headers = {"x-api-key": made["key"]}
    body = {"plan": "starter", "interval": "month"}
    answers = [await buyer.client.post("/v1/subscriptions", json=body, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 403]
    assert answers[2].json()["code"] == "api_key.spend_limit_reached"
    assert await buyer.available() == 100_000 - 2 * 3700
