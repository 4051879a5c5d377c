"""Stripe's adapter against localstripe, a double of Stripe by others, in a process of its own.

It has no Checkout and ignores idempotency keys: those are held against our own twin.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest

from litemail.kit import clock
from litemail.kit.http_server import check_port
from litemail.kit.ids import new_id
from litemail.kit.money import Money
from litemail.kit.outbound import Guard, ListedOnly, own_routes
from litemail.providers.payments import (
    Charged,
    Declined,
    DeclineReason,
    Failed,
    GatewayEvent,
    GatewayMisconfigured,
    Paid,
    Payer,
    RefundRefused,
    RefundStatus,
    SavedMethod,
)
from litemail.providers.payments.stripe import StripeGateway

KEY, SECRET = "sk_test_local", "whsec_local"
PAYER = Payer("ws_01k5m3v8w0e3t9f7a2b4c6d8ee", "ada@example.com")
FIFTY = Money(5000)


@dataclass
class Local:
    """A running localstripe, and what it sent to the webhook."""

    url: str
    client: httpx.AsyncClient
    told: asyncio.Queue[tuple[dict[str, str], bytes]]

    def gateway(self, *, key: str = KEY) -> StripeGateway:
        routes = own_routes(hosts=["127.0.0.1"], ports={int(self.url.rpartition(":")[2])})
        return StripeGateway(
            secret_key=key,
            webhook_secret=SECRET,
            guard=Guard(policy=ListedOnly(routes)),
            return_url=lambda: "http://litemail.test/pay/done",
            api_base=self.url,
        )

    async def card(self, number: str) -> SavedMethod:
        """A saved card, as Checkout would leave it."""
        customer = await self.post("/v1/customers", email="ada@example.com")
        fields = {"type": "card", "card[number]": number, "card[exp_month]": "12", "card[exp_year]": "2031"}
        method = await self.post("/v1/payment_methods", **fields, **{"card[cvc]": "123"})
        await self.post(f"/v1/payment_methods/{method}/attach", customer=customer)
        return SavedMethod(customer, method, "visa", number[-4:])

    async def post(self, path: str, **form: str) -> str:
        answer = await self.client.post(path, data=form)
        assert answer.is_success, answer.text
        return str(answer.json()["id"])

    async def hear(self, event_type: str) -> GatewayEvent:
        """The next event of that type; it comes about a second late."""
        async with asyncio.timeout(10):
            while True:
                event = await self.gateway().parse_webhook(*await self.told.get(), now=clock.now())
                if event.type == event_type:
                    return event


@asynccontextmanager
async def webhook() -> AsyncIterator[tuple[str, asyncio.Queue[tuple[dict[str, str], bytes]]]]:
    told: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head)}
        told.put_nowait((headers, await reader.readexactly(int(headers["content-length"]))))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", told


@pytest.fixture(scope="module")
async def local() -> AsyncIterator[Local]:
    port = check_port("127.0.0.1", 0, setting="none")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "localstripe", "--port", str(port), "--from-scratch"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with webhook() as (hook, told), httpx.AsyncClient(base_url=url, auth=(KEY, "")) as client:
            await answering(client)
            await client.post("/_config/webhooks/ours", json={"url": hook, "secret": SECRET})
            yield Local(url, client, told)
    finally:
        process.terminate()
        await process.wait()


async def answering(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await client.get("/v1/balance")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return


async def test_a_saved_card_is_charged_and_refunded(local: Local) -> None:
    gateway, payment_id = local.gateway(), new_id("pay")
    method = await local.card("4242424242424242")
    outcome = await gateway.charge_saved(payment_id, amount=FIFTY, method=method, payer=PAYER)
    assert isinstance(outcome, Charged)
    assert outcome.amount == FIFTY
    assert await gateway.check(outcome.charge) == Paid(payment_id, outcome.charge, FIFTY)
    refund = await gateway.refund("refund-1", charge=outcome.charge, amount=Money(1000))
    assert refund.status is RefundStatus.SUCCEEDED
    event = await local.hear("payment_intent.succeeded")
    assert event.fact == Paid(payment_id, outcome.charge, FIFTY)


async def test_a_declined_card_says_so(local: Local) -> None:
    gateway, payment_id = local.gateway(), new_id("pay")
    outcome = await gateway.charge_saved(
        payment_id, amount=FIFTY, method=await local.card("4000000000000341"), payer=PAYER
    )
    assert isinstance(outcome, Declined)
    assert outcome.reason is DeclineReason.CARD_DECLINED
    fact = (await local.hear("payment_intent.payment_failed")).fact
    assert isinstance(fact, Failed)
    assert fact.final
    assert fact.payment_id == payment_id
    with pytest.raises(RefundRefused):
        await gateway.refund("refund-2", charge=fact.decline.charge or "", amount=Money(100))


async def test_a_card_that_asks_its_owner_is_not_charged(local: Local) -> None:
    gateway = local.gateway()
    method = await local.card("4000002500003155")
    outcome = await gateway.charge_saved(new_id("pay"), amount=FIFTY, method=method, payer=PAYER)
    assert isinstance(outcome, Declined)
    assert outcome.reason is DeclineReason.AUTHENTICATION_REQUIRED
    assert outcome.charge
    fact = await gateway.check(outcome.charge)
    assert isinstance(fact, Failed)
    assert fact.final


async def test_a_card_that_is_gone_is_a_decline(local: Local) -> None:
    method = SavedMethod((await local.card("4242424242424242")).customer, "pm_gone", "visa", "4242")
    outcome = await local.gateway().charge_saved(new_id("pay"), amount=FIFTY, method=method, payer=PAYER)
    assert isinstance(outcome, Declined)
    assert outcome.reason is DeclineReason.METHOD_GONE


async def test_a_wrong_key_is_the_operators_business(local: Local) -> None:
    method = await local.card("4242424242424242")
    with pytest.raises(GatewayMisconfigured):
        await local.gateway(key="pk_x").charge_saved(new_id("pay"), amount=FIFTY, method=method, payer=PAYER)
