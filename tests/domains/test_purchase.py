"""POST /v1/domains/purchase: quotes, orders, names that are lost, and what becomes of bought ones."""

import asyncio

import pytest

from litemail.kit.db import Database
from tests.buyers import Buyer, usd
from tests.conftest import NewPerson
from tests.domains.shopping import NewShopper, Shopper


async def test_a_quote_buys_nothing(shopper: Shopper) -> None:
    free, premium, taken = shopper.name(), shopper.name("premium"), shopper.name("taken")
    wanted = [{"name": free, "years": 2}, {"name": premium, "years": 3}, {"name": taken}, {"name": "co.uk"}]
    answer = await shopper.buyer.call("POST", "/v1/domains/purchase?dry_run=true", {"domains": wanted}, expect=200)
    lines = [(line["description"], line["quantity"], line["amount"]) for line in answer["quote"]["lines"]]
    assert lines == [
        (f"{free}, 2 years", 2, usd(2400)),
        (f"{premium}, first year", 1, usd(25_000)),
        (f"{premium}, further years", 2, usd(10_000)),
    ]
    assert answer["quote"]["total"] == usd(37_400)
    assert answer["quote"]["covered"]
    assert [(each["name"], each["error"]["code"]) for each in answer["unavailable"]] == [
        (taken, "domain.not_available"),
        ("co.uk", "domain.public_suffix"),
    ]
    assert await shopper.buyer.available() == 100_000
    assert await shopper.buyer.orders() == []


async def test_a_bought_domain_becomes_active_by_itself(shopper: Shopper) -> None:
    name = shopper.name()
    order = await shopper.purchase(name)
    assert (order["kind"], order["status"], order["total"]) == ("domain_purchase", "confirmed", usd(1200))
    assert order["items"] == [{"ref": name, "status": "pending"}]
    order = await shopper.fulfil(order["id"])
    assert (order["status"], order["captured"]) == ("fulfilled", usd(1200))
    domain = await shopper.activate(name)
    assert (domain["status"], domain["source"], domain["auto_renew"]) == ("active", "purchased", False)
    assert domain["expires_at"]
    held = await shopper.registrar.find(name)
    assert held is not None
    assert held.name_servers == set(domain["name_servers"])
    assert held.locked
    assert [event for event, _ in await shopper.events("domain.purchased", "domain.activated")] == [
        "domain.purchased",
        "domain.activated",
    ]
    answer = await shopper.buyer.ask(
        "POST", "/v1/mailboxes", {"domain": name, "username": "ada", "first_name": "Ada", "last_name": "Lovelace"}
    )
    assert answer.status_code == 201


async def test_three_names_with_one_lost_meanwhile(shopper: Shopper) -> None:
    first, lost, third = shopper.name(), shopper.name("lost"), shopper.name()
    order = await shopper.bought(first, lost, third)
    assert (order["status"], order["captured"], order["released"]) == ("partially_fulfilled", usd(2400), usd(1200))
    items = {item["ref"]: item for item in order["items"]}
    assert [items[name]["status"] for name in (first, lost, third)] == ["delivered", "failed", "delivered"]
    assert items[lost]["error"]["code"] == "domain.not_available"
    assert items[lost]["error"]["action"]
    assert await shopper.buyer.available() == 100_000 - 2400
    invoices = (await shopper.buyer.call("GET", "/v1/billings/invoices"))["data"]
    assert invoices[0]["total"] == usd(2400)


@pytest.mark.parametrize(
    ("kind", "code"),
    [("lost", "domain.not_available"), ("raised", "domain.price_changed"), ("fails", "registrar.refused")],
)
async def test_what_is_not_delivered_is_not_charged(shopper: Shopper, kind: str, code: str) -> None:
    name = shopper.name(kind)
    order = await shopper.bought(name)
    assert (order["status"], order["captured"], order["released"]) == ("failed", usd(0), usd(1200))
    assert order["items"][0]["error"]["code"] == code
    assert await shopper.buyer.available() == 100_000
    assert (await shopper.buyer.ask("GET", f"/v1/domains/{name}")).status_code == 404
    assert await shopper.registrar.find(name) is None


async def test_names_that_cannot_be_had_are_in_the_order_for_nothing(shopper: Shopper) -> None:
    free, taken = shopper.name(), shopper.name("taken")
    wanted = [free, taken, "co.uk", free.upper(), "hopper.com", "litemail.test"]
    order = await shopper.purchase(*wanted)
    assert order["total"] == usd(1200)
    found = {item["ref"]: (item["status"], item.get("error", {}).get("code")) for item in order["items"]}
    assert found == {
        free: ("pending", None),
        taken: ("failed", "domain.not_available"),
        "co.uk": ("failed", "domain.public_suffix"),
        f"{free.upper()} (item 3)": ("failed", "domain.named_twice"),
        "hopper.com": ("failed", "sandbox.name_not_test"),
        "litemail.test": ("failed", "domain.reserved"),
    }
    order = await shopper.fulfil(order["id"])
    assert (order["status"], order["captured"]) == ("partially_fulfilled", usd(1200))


async def test_nothing_to_be_had_is_no_order(shopper: Shopper) -> None:
    taken = shopper.name("taken")
    for query in ("", "?dry_run=true"):
        answer = await shopper.buyer.ask("POST", f"/v1/domains/purchase{query}", {"domains": [{"name": taken}]})
        assert (answer.status_code, answer.json()["code"]) == (422, "bulk.rejected")
        assert answer.json()["results"][0]["error"]["code"] == "domain.not_available"
    assert await shopper.buyer.orders() == []


async def test_slow_registrars_are_waited_for(shopper: Shopper) -> None:
    name = shopper.name("slow")
    order = await shopper.bought(name)
    assert order["status"] == "fulfilled"


async def test_max_charge_and_details_and_money_are_asked_for(shopper: Shopper, new_person: NewPerson) -> None:
    buyer, name = shopper.buyer, shopper.name()
    body = {"domains": [{"name": name}]}
    answer = await buyer.ask("POST", "/v1/domains/purchase", {**body, "max_charge": 1199})
    assert (answer.status_code, answer.json()["code"]) == (409, "order.max_charge_exceeded")
    await buyer.set_wallet(1000)
    answer = await buyer.ask("POST", "/v1/domains/purchase", body)
    assert (answer.status_code, answer.json()["code"]) == (402, "wallet.insufficient_funds")
    assert answer.json()["shortfall"] == usd(200)
    assert answer.json()["quote"]["total"] == usd(1200)
    assert answer.json()["payment_link"]
    without = Buyer(await new_person(), buyer.client, buyer.database, buyer.gateways)
    assert await without.refused("POST", "/v1/domains/purchase", body) == (409, "billing.details_required")
    assert await buyer.orders() == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"domains": []},
        {"domains": [{"name": "a.test"}] * 101},
        {"domains": [{"name": ""}]},
        {"domains": [{"name": "a.test", "years": 0}]},
        {"domains": [{"name": "a.test", "years": 11}]},
        {"domains": [{"name": "a.test", "years": "1"}]},
        {"domains": ["a.test"]},
        {"domains": [{"name": "a.test"}], "max_charge": -1},
        {"domains": [{"name": "a.test", "more": 1}]},
    ],
)
async def test_a_wrong_shape_refuses_the_whole_call(shopper: Shopper, body: object) -> None:
    for path in ("/v1/domains/purchase", "/v1/domains/renew"):
        assert await shopper.buyer.refused("POST", path, body) == (422, "request.invalid")


async def test_a_repeated_request_is_one_order(shopper: Shopper) -> None:
    body, key = {"domains": [{"name": shopper.name()}]}, {"idempotency-key": "purchase-1"}
    answers = await asyncio.gather(*(shopper.buyer.ask("POST", "/v1/domains/purchase", body, **key) for _ in range(4)))
    made = {answer.json()["id"] for answer in answers if answer.status_code == 202}
    assert len(made) == 1
    assert {answer.status_code for answer in answers} <= {202, 409}
    again = await shopper.buyer.ask("POST", "/v1/domains/purchase", body, **key)
    assert (again.json()["id"], again.headers["idempotency-replayed"]) == (*made, "true")
    assert len(await shopper.buyer.orders()) == 1


async def test_a_name_is_sold_once_however_many_order_it(new_shopper: NewShopper) -> None:
    shoppers = [await new_shopper() for _ in range(3)]
    name = shoppers[0].name()
    made = [await each.purchase(name) for each in shoppers]
    ended = await asyncio.gather(*(each.fulfil(order["id"]) for each, order in zip(shoppers, made, strict=True)))
    assert sorted(order["status"] for order in ended) == ["failed", "failed", "fulfilled"]
    assert sum(order["captured"]["amount"] for order in ended) == 1200


async def test_a_name_that_this_workspace_has_is_not_bought_again(shopper: Shopper) -> None:
    name = shopper.name()
    await shopper.bought(name)
    answer = await shopper.buyer.ask("POST", "/v1/domains/purchase", {"domains": [{"name": name}]})
    assert answer.json()["results"][0]["error"]["code"] == "domain.already_connected"


async def test_who_may_spend_may_buy(shopper: Shopper, database: Database) -> None:
    """An editor changes domains, and does not spend."""
    key = await shopper.buyer.call("POST", "/v1/api-keys", {"name": "k", "scopes": ["domains:write", "domains:read"]})
    answer = await shopper.buyer.client.post(
        "/v1/domains/purchase", json={"domains": [{"name": shopper.name()}]}, headers={"x-api-key": key["key"]}
    )
    assert (answer.status_code, "billing:spend" in answer.text) == (403, True)


async def test_a_saved_card_fills_a_wallet_that_is_short(shopper: Shopper) -> None:
    await shopper.buyer.set_wallet(0)
    await shopper.buyer.save_card(amount=5000)
    order = await shopper.bought(shopper.name())
    assert (order["status"], order["captured"]) == ("fulfilled", usd(1200))
    assert len(await shopper.buyer.orders("domain_purchase")) == 1
    assert await shopper.buyer.available() == 5000 - 1200


async def test_a_name_that_was_connected_while_it_was_bought_is_that_domain(shopper: Shopper) -> None:
    name = shopper.name()
    order = await shopper.purchase(name)
    await shopper.buyer.call("POST", "/v1/domains/connect", {"domains": [name]}, expect=202)
    connected = await shopper.domain(name)
    order = await shopper.fulfil(order["id"])
    assert (order["status"], order["captured"]) == ("fulfilled", usd(1200))
    domain = await shopper.activate(name)
    assert (domain["id"], domain["status"], domain["source"]) == (connected["id"], "active", "purchased")
    held = await shopper.registrar.find(name)
    assert held is not None
    assert held.name_servers == set(domain["name_servers"]) == set(connected["name_servers"])
