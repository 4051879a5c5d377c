"""What every payment gateway does: the sandbox's own, and Stripe's adapter against a twin on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec
import pytest
import stripe

from litemail.kit import clock, standard_webhooks
from litemail.kit.db import Database
from litemail.kit.ids import new_id
from litemail.kit.money import Money
from litemail.kit.outbound import Guard, ListedOnly, own_routes
from litemail.providers.payments import (
    BadEvent,
    BadSignature,
    Charged,
    Checkout,
    Declined,
    DeclineReason,
    Disputed,
    Expired,
    Fact,
    Failed,
    Gateway,
    GatewayEvent,
    Irrelevant,
    MethodSaved,
    Paid,
    Payer,
    Refunded,
    RefundRefused,
    RefundStatus,
    SavedMethod,
)
from litemail.providers.payments.sandbox import PayLinks, SandboxGateway
from litemail.providers.payments.stripe import StripeGateway
from litemail.servers.sandbox import gateway as books
from litemail.servers.sandbox import gateway_queries as queries
from litemail.servers.sandbox.gateway_cards import CARDS
from tests.conftest import Person
from tests.contracts import stripe_twin
from tests.contracts.stripe_twin import StripeTwin

GOOD, DECLINED, SHORT = "4242424242424242", "4000000000000002", "4000000000009995"
LATER_DECLINED, ASKS_ITS_OWNER = "4000000000000341", "4000002500003155"
FIFTY = Money(5000)
Signed = tuple[dict[str, str], bytes]


class World(Protocol):
    """A gateway, and what people and time do to it."""

    gateway: Gateway
    payer: Payer

    async def pay(self, page: Checkout, number: str) -> None: ...
    async def save(self, page: Checkout, number: str) -> None: ...
    async def expire(self, page: Checkout) -> None: ...
    async def events(self) -> list[Signed]:
        """What was told so far, as it is sent."""
        ...

    def sign(self, body: bytes, *, at: datetime, secret: bytes) -> dict[str, str]: ...
    def secret(self) -> bytes: ...


@dataclass
class SandboxWorld:
    database: Database
    payer: Payer
    gateway: Gateway = field(init=False)

    def __post_init__(self) -> None:
        links = PayLinks(lambda: "http://litemail.test", b"links")
        self.gateway = SandboxGateway(books.SqlBooks(self.database), links, self.secret())

    async def pay(self, page: Checkout, number: str) -> None:
        async with self.database.begin_system("test") as tx:
            locked = await queries.lock_page(tx, page.reference)
            assert locked
            await books.pay(tx, locked, CARDS[number])

    async def save(self, page: Checkout, number: str) -> None:
        async with self.database.begin_system("test") as tx:
            locked = await queries.lock_page(tx, page.reference)
            assert locked
            await books.save_card(tx, locked, CARDS[number])

    async def expire(self, page: Checkout) -> None:
        async with self.database.begin_system("test") as tx:
            locked = await queries.lock_page(tx, page.reference)
            assert locked
            await books.expire(tx, locked)

    async def events(self) -> list[Signed]:
        async with self.database.begin_system("test") as tx:
            untold = await queries.list_untold(tx, since=tx.now - timedelta(days=1), limit=1000)
        ours = [event for event in untold if self.payer.workspace_id in event.body or "pay_" in event.body]
        return [(self._headers(event.id, event.body.encode()), event.body.encode()) for event in ours]

    def sign(self, body: bytes, *, at: datetime, secret: bytes) -> dict[str, str]:
        return standard_webhooks.sign(body, message_id="evt_1", secret=secret, now=at)

    def secret(self) -> bytes:
        return b"a secret of the test"

    def _headers(self, event_id: str, body: bytes) -> dict[str, str]:
        return standard_webhooks.sign(body, message_id=event_id, secret=self.secret(), now=clock.now())


@dataclass
class StripeWorld:
    twin: StripeTwin
    payer: Payer
    gateway: Gateway = field(init=False)

    def __post_init__(self) -> None:
        routes = own_routes(hosts=["127.0.0.1"], ports={self.twin.port})
        self.gateway = StripeGateway(
            secret_key=stripe_twin.KEY,
            webhook_secret=stripe_twin.SECRET,
            guard=Guard(policy=ListedOnly(routes)),
            return_url=lambda: "http://litemail.test/pay/done",
            api_base=self.twin.url,
        )

    async def pay(self, page: Checkout, number: str) -> None:
        await self.twin.pay(page.reference, number)

    async def save(self, page: Checkout, number: str) -> None:
        await self.twin.save(page.reference, number)

    async def expire(self, page: Checkout) -> None:
        await self.twin.expire(page.reference)

    async def events(self) -> list[Signed]:
        return [self.twin.signed(event) for event in self.twin.events]

    def sign(self, body: bytes, *, at: datetime, secret: bytes) -> dict[str, str]:
        header = stripe.WebhookSignature.generate_signature_header(body.decode(), secret.decode(), int(at.timestamp()))
        return {"stripe-signature": header}

    def secret(self) -> bytes:
        return stripe_twin.SECRET.encode()


@pytest.fixture(params=["sandbox", "stripe"])
async def world(request: pytest.FixtureRequest, database: Database, person: Person) -> AsyncIterator[World]:
    payer = Payer(person.workspace_id, person.email)
    if request.param == "sandbox":
        yield SandboxWorld(database, payer)
    else:
        async with stripe_twin.running() as twin:
            yield StripeWorld(twin, payer)


@pytest.fixture
def payment_id() -> str:
    return new_id("pay")


async def facts(world: World, payment_id: str) -> list[Fact]:
    """What the gateway told of a payment, read as our webhook reads it. Every event is read, of whatever payment."""
    read = [await world.gateway.parse_webhook(headers, body, now=clock.now()) for headers, body in await world.events()]
    return [event.fact for event in read if getattr(event.fact, "payment_id", None) == payment_id]


async def top_up(world: World, payment_id: str, amount: Money = FIFTY) -> Checkout:
    return await world.gateway.create_top_up(payment_id, amount=amount, payer=world.payer, description="Top-up")


async def saved_card(world: World, number: str = GOOD) -> SavedMethod:
    payment_id = new_id("pay")
    page = await world.gateway.create_save_card(payment_id, payer=world.payer)
    await world.save(page, number)
    [fact] = await facts(world, payment_id)
    assert isinstance(fact, MethodSaved)
    return fact.method


async def charged(world: World, payment_id: str, method: SavedMethod, amount: Money = FIFTY) -> Charged:
    outcome = await world.gateway.charge_saved(payment_id, amount=amount, method=method, payer=world.payer)
    assert isinstance(outcome, Charged)
    return outcome


async def test_a_payment_has_one_page_however_often_it_is_asked_for(world: World, payment_id: str) -> None:
    first, second = await top_up(world, payment_id), await top_up(world, payment_id)
    assert first == second
    assert first.link.startswith("http")
    assert first.expires_at > clock.now() + timedelta(hours=1)
    assert await world.gateway.check(first.reference) is None
    other = await top_up(world, new_id("pay"))
    assert other.reference != first.reference
    assert other.link != first.link


async def test_a_paid_page_is_told_with_the_payment_and_what_came_in(world: World, payment_id: str) -> None:
    page = await top_up(world, payment_id, Money(12345))
    await world.pay(page, GOOD)
    told = await facts(world, payment_id)
    assert told
    for fact in told:  # Stripe tells it twice, by the page and by the charge
        assert isinstance(fact, Paid)
        assert fact == told[0]
        assert fact.amount == Money(12345)
    assert await world.gateway.check(page.reference) == told[0]
    assert isinstance(told[0], Paid)
    assert await world.gateway.check(told[0].charge) == told[0]


async def test_a_declined_card_leaves_the_page_open(world: World, payment_id: str) -> None:
    page = await top_up(world, payment_id)
    await world.pay(page, SHORT)
    [fact] = await facts(world, payment_id)
    assert isinstance(fact, Failed)
    assert not fact.final
    assert fact.decline.reason is DeclineReason.INSUFFICIENT_FUNDS
    problem = fact.decline.problem()
    assert problem.code == "payment.insufficient_funds"
    assert problem.action
    await world.pay(page, GOOD)
    assert isinstance((await facts(world, payment_id))[-1], Paid)


async def test_a_page_that_nobody_used_expires(world: World, payment_id: str) -> None:
    page = await top_up(world, payment_id)
    await world.expire(page)
    assert await facts(world, payment_id) == [Expired(payment_id)]
    assert await world.gateway.check(page.reference) == Expired(payment_id)


async def test_a_saved_card_is_told_with_what_people_know_it_by(world: World, payment_id: str) -> None:
    page = await world.gateway.create_save_card(payment_id, payer=world.payer)
    assert await world.gateway.create_save_card(payment_id, payer=world.payer) == page
    await world.save(page, GOOD)
    [fact] = await facts(world, payment_id)
    assert isinstance(fact, MethodSaved)
    assert fact.workspace_id == world.payer.workspace_id
    assert str(fact.method) == "Visa ending in 4242"
    assert fact.method.exp_month == 12
    assert await world.gateway.check(page.reference) == fact


async def test_a_card_that_cannot_be_saved_leaves_the_page_open(world: World, payment_id: str) -> None:
    page = await world.gateway.create_save_card(payment_id, payer=world.payer)
    await world.save(page, DECLINED)
    assert not any(isinstance(fact, MethodSaved) for fact in await facts(world, payment_id))
    assert await world.gateway.check(page.reference) is None


async def test_a_second_card_belongs_to_the_same_customer(world: World) -> None:
    first = await saved_card(world)
    world.payer = Payer(world.payer.workspace_id, world.payer.email, first.customer)
    second = await saved_card(world)
    assert second.customer == first.customer
    assert second.reference != first.reference
    page = await top_up(world, new_id("pay"))
    assert page.link


async def test_a_saved_card_is_charged_once_for_a_payment(world: World, payment_id: str) -> None:
    method = await saved_card(world)
    outcomes = [await charged(world, payment_id, method) for _ in range(3)]
    outcomes += await asyncio.gather(*(charged(world, payment_id, method) for _ in range(5)))
    assert len({outcome.charge for outcome in outcomes}) == 1
    assert outcomes[0].amount == FIFTY
    assert await facts(world, payment_id) == [Paid(payment_id, outcomes[0].charge, FIFTY)]
    assert await world.gateway.check(outcomes[0].charge) == Paid(payment_id, outcomes[0].charge, FIFTY)
    again = await charged(world, new_id("pay"), method)
    assert again.charge != outcomes[0].charge


@pytest.mark.parametrize(
    ("number", "reason", "may_retry"),
    [
        (SHORT, DeclineReason.INSUFFICIENT_FUNDS, True),
        (LATER_DECLINED, DeclineReason.CARD_DECLINED, True),
        (ASKS_ITS_OWNER, DeclineReason.AUTHENTICATION_REQUIRED, False),
    ],
)
async def test_a_declined_charge_says_why_and_stays_declined(
    world: World, payment_id: str, number: str, reason: DeclineReason, *, may_retry: bool
) -> None:
    method = await saved_card(world, number)
    first = await world.gateway.charge_saved(payment_id, amount=FIFTY, method=method, payer=world.payer)
    second = await world.gateway.charge_saved(payment_id, amount=FIFTY, method=method, payer=world.payer)
    assert isinstance(first, Declined)
    assert first == second
    assert (first.reason, first.may_retry) == (reason, may_retry)
    [fact] = await facts(world, payment_id)
    assert isinstance(fact, Failed)
    assert fact.final
    assert fact.decline.reason is reason
    assert first.charge
    assert await world.gateway.check(first.charge) == fact


async def test_a_card_that_is_gone_is_a_decline(world: World, payment_id: str) -> None:
    method = msgspec.structs.replace(await saved_card(world), reference=new_id("card"))
    outcome = await world.gateway.charge_saved(payment_id, amount=FIFTY, method=method, payer=world.payer)
    assert isinstance(outcome, Declined)
    assert outcome.reason is DeclineReason.METHOD_GONE
    assert not outcome.may_retry


async def test_anothers_card_is_not_charged(world: World, payment_id: str) -> None:
    mine, others = await saved_card(world), await saved_card(world)
    mixed = msgspec.structs.replace(mine, customer=others.customer)
    outcome = await world.gateway.charge_saved(payment_id, amount=FIFTY, method=mixed, payer=world.payer)
    assert isinstance(outcome, Declined)
    assert outcome.reason is DeclineReason.METHOD_GONE


async def test_refunds_are_made_once_and_never_exceed_the_charge(world: World, payment_id: str) -> None:
    charge = (await charged(world, payment_id, await saved_card(world))).charge
    first = await world.gateway.refund("refund-1" + payment_id, charge=charge, amount=Money(2000))
    assert first == await world.gateway.refund("refund-1" + payment_id, charge=charge, amount=Money(2000))
    assert first.status is RefundStatus.SUCCEEDED
    with pytest.raises(RefundRefused) as refused:
        await world.gateway.refund("refund-2" + payment_id, charge=charge, amount=Money(3001))
    assert refused.value.problem().action
    second = await world.gateway.refund("refund-3" + payment_id, charge=charge, amount=Money(3000))
    assert second.reference != first.reference
    read = [await world.gateway.parse_webhook(*event, now=clock.now()) for event in await world.events()]
    told = [event.fact for event in read if isinstance(event.fact, Refunded) and event.fact.charge == charge]
    assert told == [
        Refunded(charge, first.reference, Money(2000), "refund-1" + payment_id),
        Refunded(charge, second.reference, Money(3000), "refund-3" + payment_id),
    ]


async def test_an_event_survives_being_stored(world: World, payment_id: str) -> None:
    await world.pay(await top_up(world, payment_id), GOOD)
    headers, body = (await world.events())[-1]
    event = await world.gateway.parse_webhook(headers, body, now=clock.now())
    assert event.gateway == world.gateway.name
    assert event.id
    assert abs(event.occurred_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert msgspec.json.decode(msgspec.json.encode(event), type=GatewayEvent) == event


async def test_forged_and_repeated_calls_are_refused(world: World, payment_id: str) -> None:
    await world.pay(await top_up(world, payment_id), GOOD)
    headers, body = (await world.events())[-1]
    parse, now = world.gateway.parse_webhook, clock.now()
    other_key = world.sign(body, at=now, secret=b"whsec_of_somebody_else")
    bad: list[Signed] = [
        ({}, body),
        (dict.fromkeys(headers, ""), body),
        (dict.fromkeys(headers, "t=1,v1=x"), body),
        (dict.fromkeys(headers, "t=99999999999999999999,v1=ü"), body),
        ({name: f"{value}0" for name, value in headers.items()}, body),
        (headers, body.replace(b"5000", b"9000")),
        (headers, body + b" "),
        (headers, b""),
        (headers, b"\xff"),
        (other_key, body),
    ]
    for index, (forged, sent) in enumerate(bad):
        with pytest.raises(BadSignature):
            pytest.fail(f"{index} was taken: {await parse(forged, sent, now=now)}")
    for away in (timedelta(minutes=6), timedelta(minutes=-6)):
        with pytest.raises(BadSignature):
            await parse(headers, body, now=now + away)
    assert (await parse(headers, body, now=now + timedelta(minutes=4))).id


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b'{"id": 1}', b"not json", b'{"id": "evt_1", "type": "x", "created": "y"}']
)
async def test_what_is_signed_but_no_event_is_refused(world: World, body: bytes) -> None:
    headers = world.sign(body, at=clock.now(), secret=world.secret())
    with pytest.raises(BadEvent):
        await world.gateway.parse_webhook(headers, body, now=clock.now())


def test_facts_are_told_apart_when_stored() -> None:
    money = Money(1)
    decline = Declined(DeclineReason.EXPIRED_CARD, may_retry=False)
    every: list[Fact] = [
        Paid("pay_1", "ch_1", money),
        MethodSaved("pay_1", "ws_1", SavedMethod("cus_1", "pm_1", "visa", "4242")),
        Failed("pay_1", decline, final=True),
        Expired("pay_1"),
        Refunded("ch_1", "re_1", money),
        Disputed("ch_1", "dp_1", money, "fraudulent"),
        Irrelevant(),
    ]
    for fact in every:
        event = GatewayEvent("evt_1", "stripe", "x", clock.now(), fact)
        assert msgspec.json.decode(msgspec.json.encode(event), type=GatewayEvent).fact == fact
