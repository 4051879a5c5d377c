"""The sandbox's gateway tells us over HTTP what happened, as a real one does: signed, repeatedly, once counted."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import httpx
import msgspec
import pytest
import structlog.testing
from litestar import Litestar

from litemail import wallet
from litemail.kit import clock, http_server, standard_webhooks
from litemail.kit.db import Database
from litemail.kit.ids import new_id
from litemail.kit.money import Money
from litemail.kit.outbound import Guard, ListedOnly, own_routes
from litemail.providers.payments import Expired, Fact, Gateway, GatewayEvent, Gateways, Paid
from litemail.servers.sandbox import gateway as books
from litemail.servers.sandbox.gateway_jobs import GatewayHook, HookDoor, deliver
from litemail.wallet import Payment
from tests.conftest import GATEWAY_SECRET, Person

GOOD = "4242 4242 4242 4242"
PATH = "/v1/gateways/sandbox/events"


@pytest.fixture
def gateway(gateways: Gateways) -> Gateway:
    return gateways.of_mode("sandbox")


@dataclass
class Api:
    """The API on a real port."""

    port: int

    @property
    def hook(self) -> GatewayHook:
        return hook(self.port)


def hook(port: int, *, secret: bytes = GATEWAY_SECRET) -> GatewayHook:
    guard = Guard(policy=ListedOnly(own_routes(hosts=["127.0.0.1"], ports={port})))
    return GatewayHook(lambda: HookDoor(f"http://127.0.0.1:{port}{PATH}", guard), secret)


@pytest.fixture(scope="module")
async def api(client: httpx.AsyncClient) -> AsyncIterator[Api]:
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    assert isinstance(transport.app, Litestar)
    server = await http_server.serve(transport.app, host="127.0.0.1", port=0, setting="none")
    yield Api(server.port)
    await server.close()


@pytest.fixture(autouse=True)
async def nothing_waits(database: Database) -> None:
    """Other tests leave events that nobody was to be told of."""
    async with database.begin_system("test") as tx:
        await tx.execute("DELETE FROM sandbox.gateway_events WHERE told_at IS NULL")


@pytest.fixture
async def payment(database: Database, gateway: Gateway, person: Person) -> Payment:
    """A top-up of 50.00 whose page is open."""
    begin = partial(database.begin, person.actor())
    async with begin() as tx:
        await wallet.open_(tx, person.workspace_id)
        made = await wallet.begin_top_up(tx, workspace_id=person.workspace_id, amount=5000, gateway=gateway.name)
    return await wallet.open_checkout(begin, made, gateway=gateway)


async def standing(database: Database, person: Person, payment: Payment) -> tuple[str, int]:
    async with database.begin(person.actor()) as tx:
        found = await wallet.get_payment(tx, payment.id)
        return found.status, (await wallet.balance(tx, person.workspace_id)).balance


def signed(
    fact: Fact, *, event_id: str | None = None, secret: bytes = GATEWAY_SECRET, ago: timedelta = timedelta()
) -> tuple[dict[str, str], bytes]:
    event = GatewayEvent(event_id or new_id("evt"), "sandbox", "test", clock.now(), fact)
    body = msgspec.json.encode(event)
    headers = standard_webhooks.sign(body, message_id=event.id, secret=secret, now=clock.now() - ago)
    return {**headers, "content-type": "application/json"}, body


async def untold(database: Database) -> int:
    async with database.begin_system("test") as tx:
        return await tx.value(int, "SELECT count(*) FROM sandbox.gateway_events WHERE told_at IS NULL") or 0


async def test_paying_on_the_page_credits_the_wallet_through_the_webhook(
    api: Api, client: httpx.AsyncClient, database: Database, person: Person, payment: Payment
) -> None:
    before = await standing(database, person, payment)
    assert payment.payment_link
    assert (await client.post(payment.payment_link, data={"card_number": GOOD})).status_code == 303
    assert await standing(database, person, payment) == before
    await deliver(database=database, gateway_hook=api.hook)
    assert await standing(database, person, payment) == ("succeeded", before[1] + 5000)
    assert await untold(database) == 0
    await deliver(database=database, gateway_hook=api.hook)
    assert await standing(database, person, payment) == ("succeeded", before[1] + 5000)


async def test_an_event_waits_while_the_webhook_is_away(
    api: Api, client: httpx.AsyncClient, database: Database, person: Person, payment: Payment
) -> None:
    before = await standing(database, person, payment)
    assert payment.payment_link
    await client.post(payment.payment_link, data={"card_number": GOOD})
    await deliver(database=database, gateway_hook=hook(1))
    assert await untold(database) == 1
    await deliver(database=database, gateway_hook=hook(api.port, secret=b"another secret"))
    assert await untold(database) == 1
    assert await standing(database, person, payment) == before
    await deliver(database=database, gateway_hook=api.hook)
    assert await standing(database, person, payment) == ("succeeded", before[1] + 5000)


async def test_a_refused_event_does_not_hold_up_the_others(
    api: Api, client: httpx.AsyncClient, database: Database, person: Person, payment: Payment
) -> None:
    async with database.begin_system("test") as tx:
        await tx.execute(
            """INSERT INTO sandbox.gateway_events (id, body, created_at)
               SELECT 'evt_01k5m3v8w0e3t9f7a2b4c6d' || lpad(number::text, 3, '0'), 'no event', now()
               FROM generate_series(100, 124) number"""
        )
    assert payment.payment_link
    await client.post(payment.payment_link, data={"card_number": GOOD})
    for _ in range(2):
        await deliver(database=database, gateway_hook=api.hook)
    assert (await standing(database, person, payment))[0] == "succeeded"
    async with database.begin_system("test") as tx:
        assert await tx.execute("DELETE FROM sandbox.gateway_events WHERE told_at IS NULL") == 25


async def test_money_that_comes_after_the_end_still_arrives(
    api: Api, client: httpx.AsyncClient, database: Database, person: Person, payment: Payment
) -> None:
    """The page expired, a new one was asked for and paid."""
    before = await standing(database, person, payment)
    async with database.begin_system("test") as tx:
        past = clock.now() - timedelta(seconds=1)
        await tx.execute(
            "UPDATE sandbox.gateway_pages SET expires_at = %(past)s WHERE payment_id = %(id)s",
            past=past,
            id=payment.id,
        )
    assert payment.payment_link
    offered = await client.post(payment.payment_link, data={"action": "renew"})
    await deliver(database=database, gateway_hook=api.hook)
    assert (await standing(database, person, payment))[0] == "expired"
    fresh = str(offered.url.join(offered.headers["location"]))
    assert (await client.post(fresh, data={"card_number": GOOD})).status_code == 303
    await deliver(database=database, gateway_hook=api.hook)
    assert await standing(database, person, payment) == ("succeeded", before[1] + 5000)


async def test_an_event_told_many_times_at_once_counts_once(
    client: httpx.AsyncClient, database: Database, person: Person, payment: Payment
) -> None:
    before = await standing(database, person, payment)
    headers, body = signed(Paid(payment.id, new_id("ch"), Money(5000)))
    answers = await asyncio.gather(*(client.post(PATH, headers=headers, content=body) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["new"] for answer in answers) == [False] * 7 + [True]
    assert await standing(database, person, payment) == ("succeeded", before[1] + 5000)


async def test_events_count_whatever_their_order(
    client: httpx.AsyncClient, database: Database, person: Person, payment: Payment
) -> None:
    before = await standing(database, person, payment)
    for fact in (Expired(payment.id), Paid(payment.id, new_id("ch"), Money(5000)), Expired(payment.id)):
        headers, body = signed(fact)
        assert (await client.post(PATH, headers=headers, content=body)).status_code == 200
    assert await standing(database, person, payment) == ("succeeded", before[1] + 5000)


async def test_forged_and_replayed_calls_are_refused_logged_and_change_nothing(
    client: httpx.AsyncClient, database: Database, person: Person, payment: Payment
) -> None:
    before = await standing(database, person, payment)
    fact = Paid(payment.id, new_id("ch"), Money(5000))
    headers, body = signed(fact)
    forged = [
        signed(fact, secret=b"guessed"),
        signed(fact, ago=timedelta(minutes=6)),
        signed(fact, ago=timedelta(minutes=-6)),
        (headers, body.replace(b"5000", b"9000")),
        ({"content-type": "application/json"}, body),
        ({**headers, "webhook-id": new_id("evt")}, body),
        ({**headers, "webhook-timestamp": "1"}, body),
        ({**headers, "webhook-timestamp": "never"}, body),
    ]
    for its_headers, its_body in forged:
        with structlog.testing.capture_logs() as logs:
            answer = await client.post(PATH, headers=its_headers, content=its_body)
        assert answer.status_code == 400
        assert answer.json()["code"] == "payment.bad_signature"
        assert [line for line in logs if line["event"] == "a gateway's event was refused"]
    assert await standing(database, person, payment) == before
    async with database.begin_system("test") as tx:
        kept = await tx.value(
            int, "SELECT count(*) FROM gateway_events WHERE fact->>'payment_id' = %(id)s", id=payment.id
        )
    assert kept == 0


async def test_a_signed_event_that_cannot_be_read_is_refused(client: httpx.AsyncClient) -> None:
    for body in (b"{}", b"[]", b'{"id": 1}', b'"x"'):
        headers = standard_webhooks.sign(body, message_id="evt_1", secret=GATEWAY_SECRET, now=clock.now())
        answer = await client.post(PATH, headers={**headers, "content-type": "application/json"}, content=body)
        assert answer.status_code == 400
        assert answer.json()["code"] == "payment.bad_event"


async def test_a_gateway_that_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    headers, body = signed(Expired("pay_1"))
    for name in ("stripe", "paypal", "%2e%2e", "SANDBOX"):
        answer = await client.post(f"/v1/gateways/{name}/events", headers=headers, content=body)
        assert answer.status_code == 404
    assert (await client.get(PATH)).status_code == 405
    assert (await client.post(PATH, content=b"x", headers={"content-type": "text/plain"})).status_code == 415
    assert (await client.post(PATH, content=b"{", headers={"content-type": "application/json"})).status_code == 400


async def test_a_repetition_by_the_gateway_has_a_new_signature_and_the_same_effect(
    client: httpx.AsyncClient, database: Database, person: Person, payment: Payment
) -> None:
    before = await standing(database, person, payment)
    event_id = new_id("evt")
    fact = Paid(payment.id, new_id("ch"), Money(5000))
    news = []
    for ago in (timedelta(), timedelta(minutes=1)):
        headers, body = signed(fact, event_id=event_id, ago=ago)
        news.append((await client.post(PATH, headers=headers, content=body)).json()["new"])
    assert news == [True, False]
    assert await standing(database, person, payment) == ("succeeded", before[1] + 5000)


async def test_an_event_that_is_written_down_makes_the_job_that_delivers_it(
    database: Database, gateway: Gateway, payment: Payment
) -> None:
    assert gateway.name == "sandbox"
    async with database.begin_system("test") as tx:
        await books.note(tx, "page.expired", Expired(payment.id))
    async with database.begin_system("test") as tx:
        waiting = await tx.value(
            int,
            "SELECT count(*) FROM procrastinate_jobs WHERE task_name = %(name)s AND status = 'todo'",
            name="sandbox.deliver_gateway_events",
        )
    assert waiting == 1
