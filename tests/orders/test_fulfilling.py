"""The fulfilment of orders whose items are bought one by one, stopped at any point and resumed."""

from collections import Counter
from dataclasses import dataclass, field

import pytest

from litemail import orders
from litemail.billing import Line
from litemail.kit import stops
from litemail.kit.errors import Error, Kind, Problem
from litemail.orders import Item, NewItem, Order
from litemail.workflows import fulfil_order
from litemail.workflows.fulfil_order import NoDeliverer
from tests.buyers import Buyer, usd


class Stopped(BaseException):
    """What a killed process is in one that goes on."""


class Away(Error):
    kind = Kind.UNAVAILABLE
    code = "registrar.away"
    message = "The registrar is away."


@dataclass
class Registrar:
    """Sells names, each once; looks before it buys, as deliverers have to."""

    lost: tuple[str, ...] = ()
    away: Counter[str] = field(default_factory=Counter)
    sold: Counter[str] = field(default_factory=Counter)

    async def deliver(self, _order: Order, item: Item) -> Problem | None:
        if self.away[item.ref] > 0:
            self.away[item.ref] -= 1
            raise Away
        if item.ref in self.lost:
            return Problem(code="domain.lost", message="Somebody was faster.")
        if not self.sold[item.ref]:
            self.sold[item.ref] += 1
        return None


@pytest.fixture(autouse=True)
def no_stops() -> None:
    stops.disarm()


async def place(buyer: Buyer) -> str:
    async with buyer.database.begin(buyer.person.actor()) as tx:
        order = await orders.place(
            tx,
            kind="domains",
            lines=[Line(f"{name}.test", 1, 1200, 1200) for name in "abc"],
            items=[NewItem(f"{name}.test", 1200) for name in "abc"],
        )
        await fulfil_order.begin(tx, order)
    return order.id


async def fulfil(buyer: Buyer, order_id: str, registrar: Registrar) -> None:
    await fulfil_order.fulfil_order(
        database=buyer.database, deliverers={"domains": registrar.deliver}, order_id=order_id
    )


async def test_items_are_delivered_and_captured(buyer: Buyer):
    registrar = Registrar(lost=("b.test",))
    order_id = await place(buyer)
    for _ in range(2):
        await fulfil(buyer, order_id, registrar)
        order = await buyer.call("GET", f"/v1/orders/{order_id}")
        assert (order["status"], order["captured"]) == ("partially_fulfilled", usd(2400))
    assert registrar.sold == {"a.test": 1, "c.test": 1}
    assert await buyer.available() == 100_000 - 2400


async def test_an_item_that_fails_for_now_is_tried_again_alone(buyer: Buyer):
    registrar = Registrar(away=Counter({"b.test": 1}))
    order_id = await place(buyer)
    with pytest.raises(Away):
        await fulfil(buyer, order_id, registrar)
    order = await buyer.call("GET", f"/v1/orders/{order_id}")
    assert [item["status"] for item in order["items"]] == ["delivered", "pending", "delivered"]
    assert (order["status"], order["captured"]) == ("fulfilling", usd(0))
    await fulfil(buyer, order_id, registrar)
    assert (await buyer.call("GET", f"/v1/orders/{order_id}"))["status"] == "fulfilled"
    assert registrar.sold == {"a.test": 1, "b.test": 1, "c.test": 1}


@pytest.mark.parametrize(
    "stop",
    [
        "fulfilment.started",
        "fulfilment.delivered",
        "fulfilment.settled",
        "fulfilment.captured",
        "fulfilment.completed",
    ],
)
async def test_stopped_anywhere_it_ends_the_same(buyer: Buyer, stop: str):
    def end() -> None:
        raise Stopped

    registrar = Registrar(lost=("c.test",))
    order_id = await place(buyer)
    stops.arm(stop, end)
    with pytest.raises(Stopped):
        await fulfil(buyer, order_id, registrar)
    await fulfil(buyer, order_id, registrar)
    order = await buyer.call("GET", f"/v1/orders/{order_id}")
    assert (order["status"], order["captured"], order["released"]) == (
        "partially_fulfilled",
        usd(2400),
        usd(1200),
    )
    assert registrar.sold == {"a.test": 1, "b.test": 1}
    assert await buyer.available() == 100_000 - 2400


async def test_an_order_that_nobody_delivers_stays_open_and_says_so(buyer: Buyer):
    order_id = await place(buyer)
    with pytest.raises(NoDeliverer):
        await fulfil_order.fulfil_order(database=buyer.database, deliverers={}, order_id=order_id)
    assert (await buyer.call("GET", f"/v1/orders/{order_id}"))["status"] == "fulfilling"
