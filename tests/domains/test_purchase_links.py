"""Links that sell domains: opening them changes nothing, paying them buys once."""

import asyncio
import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from litemail.kit import clock
from litemail.kit.db import Database
from litemail.servers.sandbox import gateway as gateway_books
from litemail.servers.sandbox import gateway_queries
from litemail.servers.sandbox.gateway_cards import CARDS
from litemail.wallet import settling
from litemail.workflows import fulfil_order
from litemail.workflows.purchase_links import Offer
from tests.buyers import Buyer, usd
from tests.conftest import PAY_LINKS, PURCHASE_LINKS, NewPerson
from tests.domains.shopping import Shopper


async def link_for(shopper: Shopper, *names: str, years: int = 1) -> Any:
    return await shopper.buyer.call("GET", f"/v1/domains/purchase-link?domains={','.join(names)}&years={years}")


def path_of(link: str) -> str:
    return urlsplit(link).path


async def open_page(shopper: Shopper, link: str) -> httpx.Response:
    """As a stranger who has the link."""
    return await shopper.buyer.client.get(path_of(link))


async def send_off(shopper: Shopper, link: str) -> httpx.Response:
    return await shopper.buyer.client.post(path_of(link), follow_redirects=False)


async def pay(shopper: Shopper, gateway_link: str) -> None:
    """Pays at the gateway's page, and has its event received and followed."""
    page_id = PAY_LINKS.page_id(gateway_link.rpartition("/")[2])
    assert page_id is not None
    async with shopper.database.begin_system("test") as tx:
        page = await gateway_queries.lock_page(tx, page_id)
        assert page is not None
        if page.status == "open":
            assert await gateway_books.pay(tx, page, CARDS["4242424242424242"]) is None
    fact = await shopper.buyer.gateways.of_mode("sandbox").check(page_id)
    assert fact is not None
    async with shopper.database.begin_system("test") as tx:
        await settling.settle(tx, fact, gateway="sandbox")
    await follow(shopper, page.payment_id)


async def follow(shopper: Shopper, payment_id: str) -> None:
    await fulfil_order.start_paid_order(
        database=shopper.database, workspace_id=shopper.workspace_id, subject=payment_id
    )


async def everything(database: Database) -> list[tuple[object, ...]]:
    """How many rows there are of whatever a purchase could make."""
    async with database.begin_system("test") as tx:
        cursor = await tx.connection.execute(
            """SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM payments), (SELECT count(*) FROM domains),
                      (SELECT count(*) FROM domain_orders), (SELECT count(*) FROM events),
                      (SELECT count(*) FROM registrar_names), (SELECT count(*) FROM test_names)"""
        )
        return await cursor.fetchall()


async def test_a_link_and_its_page_change_nothing(shopper: Shopper) -> None:
    name, taken = shopper.name(), shopper.name("taken")
    before = await everything(shopper.database)
    made = await link_for(shopper, name, taken, years=2)
    assert made["quote"]["total"] == usd(2400)
    assert [each["name"] for each in made["unavailable"]] == [taken]
    for _ in range(3):
        page = await open_page(shopper, made["payment_link"])
        assert page.status_code == 200
        assert f"{name}, 2 years" in page.text
        assert "24.00 USD" in page.text
    assert await everything(shopper.database) == before
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"


async def test_paying_buys_exactly_once(shopper: Shopper) -> None:
    name = shopper.name()
    link = (await link_for(shopper, name))["payment_link"]
    sent = await asyncio.gather(*(send_off(shopper, link) for _ in range(4)))
    assert {answer.status_code for answer in sent} == {303}
    [gateway_link] = {answer.headers["location"] for answer in sent}
    [order] = await shopper.buyer.orders()
    assert (order["status"], order["kind"], order["payment_link"]) == (
        "awaiting_payment",
        "domain_purchase",
        gateway_link,
    )
    assert "Go on to the payment" in (await open_page(shopper, link)).text
    for _ in range(3):
        await pay(shopper, gateway_link)
    assert await shopper.open_orders() == [order["id"]]
    assert "being bought" in (await open_page(shopper, link)).text
    ended = await shopper.fulfil(order["id"])
    assert (ended["status"], ended["captured"]) == ("fulfilled", usd(1200))
    assert await shopper.buyer.available() == 100_000
    assert (await shopper.activate(name))["status"] == "active"
    page = await open_page(shopper, link)
    assert re.search(rf"{name}</th><td>bought", page.text)
    again = await send_off(shopper, link)
    assert (again.status_code, again.headers["location"]) == (303, link.rpartition("/")[2])
    assert len(await shopper.buyer.orders()) == 1


async def test_what_is_lost_meanwhile_stays_in_the_wallet(shopper: Shopper) -> None:
    name, lost = shopper.name(), shopper.name("lost")
    link = (await link_for(shopper, name, lost))["payment_link"]
    await pay(shopper, (await send_off(shopper, link)).headers["location"])
    [order_id] = await shopper.open_orders()
    ended = await shopper.fulfil(order_id)
    assert (ended["status"], ended["captured"], ended["released"]) == ("partially_fulfilled", usd(1200), usd(1200))
    assert await shopper.buyer.available() == 100_000 + 1200
    assert "its price stays in the wallet" in (await open_page(shopper, link)).text


async def test_two_links_for_the_same_are_two_purchases_of_which_one_gets_the_name(shopper: Shopper) -> None:
    name = shopper.name()
    links = [(await link_for(shopper, name))["payment_link"] for _ in range(2)]
    assert links[0] != links[1]
    for link in links:
        await pay(shopper, (await send_off(shopper, link)).headers["location"])
    ended = [await shopper.fulfil(order_id) for order_id in await shopper.open_orders()]
    assert sorted(order["status"] for order in ended) == ["failed", "fulfilled"]
    assert await shopper.buyer.available() == 100_000 + 1200


def offer(shopper: Shopper, *, seconds: int = 60) -> Offer:
    until = clock.now() + timedelta(seconds=seconds)
    return Offer(shopper.workspace_id, "sandbox", "sandbox", (), int(until.timestamp()), "n")


async def test_an_expired_link_is_gone(shopper: Shopper) -> None:
    link = PURCHASE_LINKS.link(offer(shopper, seconds=-1))
    for answer in (await open_page(shopper, link), await send_off(shopper, link)):
        assert answer.status_code == 410
        assert "This offer has expired." in answer.text
    assert await shopper.buyer.orders() == []


async def test_a_link_that_was_changed_is_none_of_ours(shopper: Shopper) -> None:
    token = PURCHASE_LINKS.token(offer(shopper))
    other = PURCHASE_LINKS.token(offer(shopper, seconds=3600))
    wrong = [token[:-2], token + "A", token[:24] + other[24:], "x", "%00", "a" * 5000, "é", token + "="]
    wrong.append(token[:30] + ("A" if token[30] != "A" else "B") + token[31:])
    for each in wrong:
        for method in ("GET", "POST"):
            answer = await shopper.buyer.client.request(method, f"/purchase/{each}")
            assert answer.status_code == 404, each
            assert "traceback" not in answer.text.lower()


@pytest.mark.parametrize(
    "query",
    [
        "domains=",
        "domains=a.test&years=0",
        "domains=a.test&years=11",
        "domains=" + ",".join(f"a{n}.test" for n in range(21)),
    ],
)
async def test_links_have_bounds(shopper: Shopper, query: str) -> None:
    assert await shopper.buyer.refused("GET", f"/v1/domains/purchase-link?{query}") == (422, "request.invalid")


async def test_no_link_without_billing_details_or_for_nothing(shopper: Shopper, new_person: NewPerson) -> None:
    query = f"/v1/domains/purchase-link?domains={shopper.name('taken')}"
    assert await shopper.buyer.refused("GET", query) == (422, "bulk.rejected")
    without = Buyer(await new_person(), shopper.buyer.client, shopper.database, shopper.buyer.gateways)
    query = f"/v1/domains/purchase-link?domains={shopper.name()}"
    assert await without.refused("GET", query) == (409, "billing.details_required")
