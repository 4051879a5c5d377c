"""Orders: held, delivered in whole or in part, captured, released, refunded."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from litemail import billing, orders, wallet
from litemail.billing import Line
from litemail.kit.db import Tx
from litemail.kit.errors import Problem
from litemail.kit.ids import new_id
from litemail.orders import NewItem, Order
from litemail.orders.service import NotCancellable, RefundTooLarge
from litemail.workflows import fulfil_order
from tests.buyers import Buyer, NewBuyer, usd

NAMES = ("a.test", "b.test", "c.test")
LOST = Problem(code="domain.lost", message="Somebody was faster.")


@asynccontextmanager
async def acting(buyer: Buyer) -> AsyncIterator[Tx]:
    async with buyer.database.begin(buyer.person.actor()) as tx:
        yield tx


async def place(buyer: Buyer, *, key: str | None = None, price: int = 1200) -> Order:
    async with acting(buyer) as tx:
        return await orders.place(
            tx,
            kind="domains",
            lines=[Line(name, 1, price, price) for name in NAMES],
            items=[NewItem(name, price) for name in NAMES],
            key=key,
        )


async def sums(buyer: Buyer) -> tuple[int, int]:
    """Available and held."""
    async with acting(buyer) as tx:
        balance = await wallet.balance(tx, buyer.person.workspace_id)
    return balance.available, balance.held


async def test_an_order_holds_its_total_and_captures_what_was_delivered(buyer: Buyer):
    order = await place(buyer)
    assert (order.status, order.total) == ("confirmed", 3600)
    assert await sums(buyer) == (96_400, 3600)
    async with acting(buyer) as tx:
        assert (await orders.start(tx, order.id)).status == "fulfilling"
        await orders.settle_items(tx, order.id, delivered=["a.test", "c.test"], failed={"b.test": LOST})
        done = await orders.complete(tx, order.id)
    assert (done.status, done.captured, done.released) == ("partially_fulfilled", 2400, 1200)
    assert await sums(buyer) == (97_600, 0)
    shown = await buyer.call("GET", f"/v1/orders/{order.id}")
    assert (shown["total"], shown["captured"], shown["released"]) == (usd(3600), usd(2400), usd(1200))
    assert [(item["ref"], item["status"]) for item in shown["items"]] == [
        ("a.test", "delivered"),
        ("b.test", "failed"),
        ("c.test", "delivered"),
    ]
    assert shown["items"][1]["error"]["code"] == "domain.lost"
    (invoice,) = (await buyer.call("GET", "/v1/billings/invoices"))["data"]
    assert (invoice["order_id"], invoice["total"]) == (order.id, usd(2400))


async def test_what_was_not_delivered_at_all_costs_nothing(buyer: Buyer):
    order = await place(buyer)
    async with acting(buyer) as tx:
        await orders.settle_items(tx, order.id, failed=dict.fromkeys(NAMES, LOST))
        done = await orders.complete(tx, order.id)
    assert (done.status, done.captured, done.released) == ("failed", 0, 3600)
    assert await sums(buyer) == (100_000, 0)
    assert (await buyer.call("GET", "/v1/billings/invoices"))["data"] == []


async def test_completing_twice_changes_nothing(buyer: Buyer):
    order = await place(buyer)
    for _ in range(2):
        async with acting(buyer) as tx:
            await orders.settle_items(tx, order.id, delivered=NAMES)
            done = await orders.complete(tx, order.id)
        assert (done.status, done.captured) == ("fulfilled", 3600)
    async with acting(buyer) as tx:
        await orders.settle_items(tx, order.id, failed=dict.fromkeys(NAMES, LOST))
        assert (await orders.get(tx, order.id)).status == "fulfilled"
    assert await sums(buyer) == (96_400, 0)


async def test_the_same_key_is_the_same_order(buyer: Buyer):
    key = new_id("pay")
    assert (await place(buyer, key=key)).id == (await place(buyer, key=key)).id
    assert await sums(buyer) == (96_400, 3600)


async def test_an_order_is_cancelled_only_before_it_is_begun(buyer: Buyer):
    order = await place(buyer)
    async with acting(buyer) as tx:
        assert (await orders.cancel(tx, order.id)).status == "cancelled"
    assert await sums(buyer) == (100_000, 0)
    order = await place(buyer)
    async with acting(buyer) as tx:
        await orders.start(tx, order.id)
    with pytest.raises(NotCancellable):
        async with acting(buyer) as tx:
            await orders.cancel(tx, order.id)


async def test_refunds_go_to_the_wallet_once_each_and_never_beyond(buyer: Buyer):
    order = await place(buyer)
    async with acting(buyer) as tx:
        await orders.settle_items(tx, order.id, delivered=NAMES)
        await orders.complete(tx, order.id)
    for key, amount, refunded in (("1", 1000, 1000), ("1", 1000, 1000), ("2", 2600, 3600)):
        async with buyer.database.begin_system("test") as tx:
            done = await orders.refund(tx, order.id, amount=amount, reason="Not as promised", key=key)
        assert (await buyer.call("GET", f"/v1/orders/{order.id}"))["refunded"] == usd(refunded)
    assert done.status == "fulfilled"
    with pytest.raises(RefundTooLarge):
        async with buyer.database.begin_system("test") as tx:
            await orders.refund(tx, order.id, amount=1, reason="More", key="3")
    assert await sums(buyer) == (100_000, 0)
    invoices = (await buyer.call("GET", "/v1/billings/invoices"))["data"]
    assert sum(invoice["total"]["amount"] for invoice in invoices) == 0
    assert len(invoices) == 3


async def test_other_peoples_orders_are_not_there(buyer: Buyer, new_buyer: NewBuyer):
    theirs = await place(await new_buyer())
    assert await buyer.refused("GET", f"/v1/orders/{theirs.id}") == (404, "order.not_found")
    assert await buyer.refused("GET", "/v1/orders/ord_x") == (404, "order.not_found")
    assert (await buyer.call("GET", "/v1/orders"))["data"] == []


async def test_the_list_pages_and_filters(buyer: Buyer):
    for _ in range(3):
        await place(buyer, price=100)
    await buyer.buy()
    first = await buyer.call("GET", "/v1/orders?limit=2&count=true")
    assert (len(first["data"]), first["total"], first["data"][0]["kind"]) == (2, 4, "subscription")
    rest = await buyer.call("GET", f"/v1/orders?limit=2&cursor={first['next_cursor']}")
    assert ([order["kind"] for order in rest["data"]], rest["next_cursor"]) == (["domains", "domains"], None)
    assert len((await buyer.call("GET", "/v1/orders?status=confirmed"))["data"]) == 3
    assert len((await buyer.call("GET", "/v1/orders?kind=subscription"))["data"]) == 1
    assert await buyer.refused("GET", "/v1/orders?status=lost") == (422, "request.invalid")


async def test_a_workspace_that_another_pays_for_sees_its_own_orders(buyer: Buyer):
    payer = buyer.person.workspace_id
    made = await buyer.call("POST", "/v1/workspaces", {"name": "Client", "billing_workspace_id": payer}, expect=201)
    there = {"x-workspace-id": made["id"]}
    await buyer.buy("growth")
    answer = await buyer.ask("POST", "/v1/subscriptions", {"plan": "starter", "interval": "month"}, **there)
    assert answer.status_code == 201, answer.text
    assert await buyer.available() == 100_000 - 9900 - 3700
    seen = (await buyer.ask("GET", "/v1/orders", **there)).json()["data"]
    assert [order["total"] for order in seen] == [usd(3700)]
    everything = (await buyer.call("GET", "/v1/orders"))["data"]
    assert [order["total"] for order in everything] == [usd(3700), usd(9900)]
    assert (await buyer.ask("GET", f"/v1/orders/{everything[1]['id']}", **there)).status_code == 404
    assert len((await buyer.call("GET", "/v1/subscriptions"))["data"]) == 2


async def test_an_order_waits_for_its_payment(buyer: Buyer):
    payment_id = await _payment(buyer)
    async with acting(buyer) as tx:
        order = await _await(tx, buyer, payment_id)
        assert (await _await(tx, buyer, payment_id)).id == order.id
    assert (order.status, await sums(buyer)) == ("awaiting_payment", (100_000, 0))
    assert (await buyer.call("GET", f"/v1/orders/{order.id}"))["payment_link"] == "https://pay.test/1"
    await fulfil_order.start_paid_order(
        database=buyer.database, workspace_id=buyer.person.workspace_id, subject=payment_id
    )
    shown = await buyer.call("GET", f"/v1/orders/{order.id}")
    assert (shown["status"], shown["payment_link"]) == ("confirmed", None)
    assert await sums(buyer) == (98_800, 1200)
    await fulfil_order.start_paid_order(
        database=buyer.database, workspace_id=buyer.person.workspace_id, subject=payment_id
    )
    assert await sums(buyer) == (98_800, 1200)


async def test_a_paid_order_whose_money_is_gone_is_cancelled(buyer: Buyer):
    payment_id = await _payment(buyer)
    async with acting(buyer) as tx:
        order = await _await(tx, buyer, payment_id)
    await buyer.set_wallet(100)
    await fulfil_order.start_paid_order(
        database=buyer.database, workspace_id=buyer.person.workspace_id, subject=payment_id
    )
    assert (await buyer.call("GET", f"/v1/orders/{order.id}"))["status"] == "cancelled"
    assert await sums(buyer) == (100, 0)


async def test_billing_details_come_before_everything(buyer: Buyer, new_buyer: NewBuyer):
    async with buyer.database.begin_system("test") as tx:
        await tx.execute("DELETE FROM billing_details WHERE workspace_id = %(id)s", id=buyer.person.workspace_id)
    with pytest.raises(billing.DetailsRequired):
        await place(buyer)


async def _await(tx: Tx, buyer: Buyer, payment_id: str) -> Order:
    return await orders.await_payment(
        tx,
        kind="domains",
        lines=[Line("a.test", 1, 1200, 1200)],
        items=[NewItem("a.test", 1200)],
        payment_id=payment_id,
        ordered_by=buyer.person.workspace_id,
    )


async def _payment(buyer: Buyer) -> str:
    async with buyer.database.begin_system("test") as tx:
        payment = await wallet.begin_top_up(tx, workspace_id=buyer.person.workspace_id, amount=1200, gateway="sandbox")
        await tx.execute("UPDATE payments SET payment_link = 'https://pay.test/1' WHERE id = %(id)s", id=payment.id)
    return payment.id
