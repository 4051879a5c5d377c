"""Stripe's adapter where Stripe differs: idempotency keys, lost answers, events of all kinds, the way out."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from litemail.kit import clock
from litemail.kit.ids import new_id
from litemail.kit.money import Money
from litemail.kit.outbound import VENDOR, Guard, ListedOnly, own_routes
from litemail.providers.payments import (
    Charged,
    Declined,
    DeclineReason,
    Disputed,
    Failed,
    GatewayEvent,
    GatewayMisconfigured,
    GatewayUnavailable,
    Irrelevant,
    MethodSaved,
    OutcomeUnknown,
    Paid,
    Payer,
    Pending,
    Refunded,
    RefundFailed,
    SavedMethod,
    UnexpectedAnswer,
)
from litemail.providers.payments.stripe import EVENT_TYPES, StripeGateway
from tests.contracts import stripe_twin
from tests.contracts.stripe_twin import Fault, StripeTwin

FIFTY = Money(5000)
PAYER = Payer("ws_01k5m3v8w0e3t9f7a2b4c6d8ee", "ada@example.com")
ASKS_ITS_OWNER, SLOW = "4000002500003155", "4000000000000077"


@pytest.fixture
async def twin() -> AsyncIterator[StripeTwin]:
    async with stripe_twin.running() as running:
        yield running


def reaching(port: int, *, key: str = stripe_twin.KEY, seconds: float = 5, **more: Any) -> StripeGateway:
    return StripeGateway(
        secret_key=key,
        webhook_secret=stripe_twin.SECRET,
        guard=Guard(policy=ListedOnly(own_routes(hosts=["127.0.0.1"], ports={port}))),
        return_url=lambda: "http://litemail.test/pay/done",
        api_base=f"http://127.0.0.1:{port}",
        seconds=seconds,
        **more,
    )


@pytest.fixture
def gateway(twin: StripeTwin) -> StripeGateway:
    return reaching(twin.port)


@pytest.fixture
def payment_id() -> str:
    return new_id("pay")


async def saved(gateway: StripeGateway, twin: StripeTwin, number: str = "4242424242424242") -> SavedMethod:
    page = await gateway.create_save_card(new_id("pay"), payer=PAYER)
    await twin.save(page.reference, number)
    fact = (await read(gateway, twin.events[-1])).fact
    assert isinstance(fact, MethodSaved)
    return fact.method


async def read(gateway: StripeGateway, event: dict[str, Any]) -> GatewayEvent:
    headers, body = StripeTwin.signed(event)
    return await gateway.parse_webhook(headers, body, now=clock.now())


def event_of(event_type: str, **thing: Any) -> dict[str, Any]:
    now = int(clock.now().timestamp())
    return {"id": "evt_1", "object": "event", "type": event_type, "created": now, "data": {"object": thing}}


async def test_every_change_carries_a_key_of_ours_and_nothing_of_this_machine(
    gateway: StripeGateway, twin: StripeTwin, payment_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))  # where the library would keep an id of the machine
    method = await saved(gateway, twin, ASKS_ITS_OWNER)
    await gateway.charge_saved(payment_id, amount=FIFTY, method=method, payer=PAYER)
    await gateway.create_top_up(payment_id, amount=FIFTY, payer=PAYER, description="Top-up")
    changes = [call for call in twin.calls if call.method == "POST"]
    keys = [call.headers["idempotency-key"] for call in changes]
    assert len(set(keys)) == len(keys) == 4
    assert f"litemail-charge-{payment_id}" in keys
    assert f"litemail-top_up-{payment_id}" in keys
    for call in twin.calls:
        assert call.headers["user-agent"] == "Litemail"
        assert call.headers["x-stripe-client-user-agent"] == '{"lang": "python"}'
        assert call.headers["stripe-version"]
        assert "telemetry" not in " ".join(call.headers)
    assert not list(tmp_path.iterdir())  # noqa: ASYNC240 - an empty folder


async def test_what_we_cause_at_stripe_names_our_payment(
    gateway: StripeGateway, twin: StripeTwin, payment_id: str
) -> None:
    page = await gateway.create_top_up(payment_id, amount=FIFTY, payer=PAYER, description="Top-up of a wallet")
    form = twin.calls[-1].form
    about = {"payment_id": payment_id, "workspace_id": PAYER.workspace_id, "purpose": "top_up"}
    assert form["metadata"] == form["payment_intent_data"]["metadata"] == about
    assert form["client_reference_id"] == payment_id
    assert form["line_items"][0]["price_data"]["product_data"]["name"] == "Top-up of a wallet"
    assert form["customer_email"] == "ada@example.com"
    assert form["success_url"] == "http://litemail.test/pay/done"
    assert page.link.startswith("https://checkout.stripe.com/")


async def test_a_lost_answer_is_found_again_by_repeating(twin: StripeTwin, payment_id: str) -> None:
    hasty = reaching(twin.port, seconds=0.3)
    method = await saved(reaching(twin.port), twin)
    twin.fault = Fault(hangs=True)
    with pytest.raises(OutcomeUnknown) as lost:
        await hasty.charge_saved(payment_id, amount=FIFTY, method=method, payer=PAYER)
    assert lost.value.problem().retryable
    outcome = await hasty.charge_saved(payment_id, amount=FIFTY, method=method, payer=PAYER)
    assert isinstance(outcome, Charged)
    assert [intent["status"] for intent in twin.intents.values()] == ["succeeded"]


async def test_a_failure_inside_stripe_after_the_charge_is_looked_up(
    gateway: StripeGateway, twin: StripeTwin, payment_id: str
) -> None:
    """Stripe repeats its 500 for the key, so only reading back tells that the card was charged."""
    method = await saved(gateway, twin)
    for _ in range(2):
        twin.fault = Fault(status=500)
        outcome = await gateway.charge_saved(payment_id, amount=FIFTY, method=method, payer=PAYER)
        assert isinstance(outcome, Charged)
    assert len(twin.intents) == 1


async def test_a_failure_inside_stripe_before_the_charge_is_no_success(
    gateway: StripeGateway, twin: StripeTwin, payment_id: str
) -> None:
    method = await saved(gateway, twin)
    twin.fault = Fault(status=503, after=False)
    with pytest.raises(OutcomeUnknown):
        await gateway.charge_saved(payment_id, amount=FIFTY, method=method, payer=PAYER)
    assert not twin.intents
    outcome = await gateway.charge_saved(payment_id, amount=FIFTY, method=method, payer=PAYER)
    assert isinstance(outcome, Charged)


async def test_a_failed_answer_to_a_refund_is_looked_up(
    gateway: StripeGateway, twin: StripeTwin, payment_id: str
) -> None:
    outcome = await gateway.charge_saved(payment_id, amount=FIFTY, method=await saved(gateway, twin), payer=PAYER)
    assert isinstance(outcome, Charged)
    for _ in range(2):
        twin.fault = Fault(status=500)
        refund = await gateway.refund("key-1", charge=outcome.charge, amount=Money(100))
        assert refund.reference in twin.refunds
    assert len(twin.refunds) == 1
    twin.fault = Fault(status=500, after=False)
    with pytest.raises(OutcomeUnknown):
        await gateway.refund("key-2", charge=outcome.charge, amount=Money(100))


@pytest.mark.parametrize(
    "body",
    [
        b"<html>504</html>",
        b"",
        b"{}",
        b'{"id": "pi_1"}',
        b'{"id": "pi_1", "status": "shiny", "amount": 5000, "currency": "usd"}',
        b'{"id": "pi_1", "status": "requires_capture", "amount": 5000, "currency": "usd"}',
        b'{"id": "pi_1", "status": "succeeded", "amount": "5000", "currency": "usd"}',
    ],
)
async def test_an_unknown_answer_is_never_success(
    gateway: StripeGateway, twin: StripeTwin, payment_id: str, body: bytes
) -> None:
    method = await saved(gateway, twin)
    twin.fault = Fault(body=body)
    with pytest.raises(UnexpectedAnswer):
        await gateway.charge_saved(payment_id, amount=FIFTY, method=method, payer=PAYER)


async def test_a_charge_that_waits_for_the_cards_owner_is_cancelled(
    gateway: StripeGateway, twin: StripeTwin, payment_id: str
) -> None:
    method = await saved(gateway, twin, ASKS_ITS_OWNER)
    for _ in range(2):
        outcome = await gateway.charge_saved(payment_id, amount=FIFTY, method=method, payer=PAYER)
        assert isinstance(outcome, Declined)
        assert outcome.reason is DeclineReason.AUTHENTICATION_REQUIRED
        [intent] = twin.intents.values()
        assert intent["status"] == "canceled"


async def test_an_answer_lost_while_cancelling_is_found_again(
    gateway: StripeGateway, twin: StripeTwin, payment_id: str
) -> None:
    method = await saved(gateway, twin, ASKS_ITS_OWNER)

    async def break_the_next(event: dict[str, Any]) -> None:
        if event["type"] == "payment_intent.requires_action":
            twin.fault = Fault(status=500)

    twin.on_event = break_the_next
    with pytest.raises(OutcomeUnknown):
        await gateway.charge_saved(payment_id, amount=FIFTY, method=method, payer=PAYER)
    twin.kept = {key: kept for key, kept in twin.kept.items() if "cancel" not in key}
    outcome = await gateway.charge_saved(payment_id, amount=FIFTY, method=method, payer=PAYER)
    assert isinstance(outcome, Declined)


async def test_a_charge_under_way_is_pending(gateway: StripeGateway, twin: StripeTwin, payment_id: str) -> None:
    method = await saved(gateway, twin, SLOW)
    outcome = await gateway.charge_saved(payment_id, amount=FIFTY, method=method, payer=PAYER)
    assert isinstance(outcome, Pending)
    assert await gateway.check(outcome.charge) is None


@pytest.mark.parametrize(
    ("number", "reason", "may_retry"),
    [
        ("4000000000009979", DeclineReason.CARD_DECLINED, False),
        ("4000002760003184", DeclineReason.AUTHENTICATION_REQUIRED, False),
    ],
)
async def test_some_cards_must_not_be_tried_again(
    gateway: StripeGateway, twin: StripeTwin, number: str, reason: DeclineReason, *, may_retry: bool
) -> None:
    method = await saved(gateway, twin, number)
    outcome = await gateway.charge_saved(new_id("pay"), amount=FIFTY, method=method, payer=PAYER)
    assert isinstance(outcome, Declined)
    assert (outcome.reason, outcome.may_retry) == (reason, may_retry)
    assert outcome.words


async def test_an_event_can_come_before_our_own_answer(
    gateway: StripeGateway, twin: StripeTwin, payment_id: str
) -> None:
    method = await saved(gateway, twin)
    early: list[GatewayEvent] = []

    async def deliver(event: dict[str, Any]) -> None:
        early.append(await read(gateway, event))

    twin.on_event = deliver
    outcome = await gateway.charge_saved(payment_id, amount=FIFTY, method=method, payer=PAYER)
    assert isinstance(outcome, Charged)
    assert [event.fact for event in early] == [Paid(payment_id, outcome.charge, FIFTY)]


async def test_payments_that_take_days_are_told_at_the_end(
    gateway: StripeGateway, twin: StripeTwin, payment_id: str
) -> None:
    other = new_id("pay")
    for one, well in ((payment_id, True), (other, False)):
        page = await gateway.create_top_up(one, amount=FIFTY, payer=PAYER, description="Top-up")
        await twin.pay(page.reference, SLOW)
        assert isinstance((await read(gateway, twin.events[-1])).fact, Irrelevant)
        assert await gateway.check(page.reference) is None
        await twin.arrive(page.reference, well=well)
        fact = (await read(gateway, twin.events[-1])).fact
        assert isinstance(fact, Paid if well else Failed)
        assert fact.payment_id == one


async def test_what_is_not_ours_in_the_same_account_is_irrelevant(gateway: StripeGateway, twin: StripeTwin) -> None:
    session = {"id": "cs_1", "mode": "payment", "status": "complete", "payment_status": "paid", "expires_at": 1}
    intent = {"id": "pi_1", "status": "succeeded", "amount": 1, "currency": "usd", "metadata": {}}
    for event in (
        event_of("checkout.session.completed", **session, amount_total=1, currency="usd", payment_intent="pi_1"),
        event_of("checkout.session.completed", **{**session, "mode": "setup"}, setup_intent="seti_1", metadata=None),
        event_of("checkout.session.expired", **{**session, "status": "expired"}),
        event_of("checkout.session.async_payment_failed", **session),
        event_of("payment_intent.succeeded", **intent),
        event_of("refund.created", id="re_1", amount=1, currency="usd", status="succeeded", payment_intent=None),
        event_of("charge.dispute.created", id="dp_1", amount=1, currency="usd", reason="x", payment_intent=None),
        event_of("customer.created", id="cus_1"),
        event_of("payment_intent.requires_action", id="pi_1"),
    ):
        assert (await read(gateway, event)).fact == Irrelevant()
    assert twin.calls == []


async def test_refunds_and_disputes_of_the_dashboard_are_told(gateway: StripeGateway) -> None:
    refund = {"id": "re_1", "amount": 700, "currency": "usd", "payment_intent": "pi_1"}
    facts = [
        (await read(gateway, event_of(event_type, **thing))).fact
        for event_type, thing in (
            ("refund.created", {**refund, "status": "pending"}),
            ("refund.updated", {**refund, "status": "succeeded"}),
            ("refund.failed", {**refund, "status": "failed", "metadata": {"refund_key": "ours"}}),
            ("charge.dispute.created", {**refund, "id": "dp_1", "reason": "fraudulent"}),
        )
    ]
    assert facts == [
        Irrelevant(),
        Refunded("pi_1", "re_1", Money(700)),
        RefundFailed("pi_1", "re_1", Money(700), "ours"),
        Disputed("pi_1", "dp_1", Money(700), "fraudulent"),
    ]


async def test_a_signature_counts_for_five_minutes(gateway: StripeGateway) -> None:
    at = clock.now()
    headers, body = StripeTwin.signed(event_of("customer.created"), at=at.timestamp())
    await gateway.parse_webhook(headers, body, now=at + timedelta(minutes=4, seconds=59))


async def test_a_card_that_cannot_be_read_now_lets_the_event_come_again(
    gateway: StripeGateway, twin: StripeTwin
) -> None:
    page = await gateway.create_save_card(new_id("pay"), payer=PAYER)
    await twin.save(page.reference)
    nobody = reaching(1)
    with pytest.raises(GatewayUnavailable):
        await read(nobody, twin.events[-1])
    assert isinstance((await read(gateway, twin.events[-1])).fact, MethodSaved)


async def test_a_wrong_key_is_the_operators_business(twin: StripeTwin, payment_id: str) -> None:
    locked_out = reaching(twin.port, key="sk_test_wrong_key")
    with pytest.raises(GatewayMisconfigured) as refused:
        await locked_out.create_top_up(payment_id, amount=FIFTY, payer=PAYER, description="Top-up")
    assert "sk_test" not in str(refused.value)


async def test_what_stripe_does_not_take_is_said(gateway: StripeGateway, payment_id: str) -> None:
    with pytest.raises(GatewayMisconfigured, match=r"at least \$0\.50"):
        await gateway.create_top_up(payment_id, amount=Money(10), payer=PAYER, description="Top-up")


async def test_the_same_payment_asked_for_differently_is_refused(gateway: StripeGateway, payment_id: str) -> None:
    await gateway.create_top_up(payment_id, amount=FIFTY, payer=PAYER, description="Top-up")
    with pytest.raises(UnexpectedAnswer):
        await gateway.create_top_up(payment_id, amount=Money(6000), payer=PAYER, description="Top-up")


async def test_too_many_requests_are_tried_again_later(
    gateway: StripeGateway, twin: StripeTwin, payment_id: str
) -> None:
    twin.fault = Fault(status=429, after=False)
    with pytest.raises(GatewayUnavailable) as refused:
        await gateway.create_top_up(payment_id, amount=FIFTY, payer=PAYER, description="Top-up")
    assert not isinstance(refused.value, OutcomeUnknown)
    assert refused.value.problem().retryable


async def test_nobody_there_means_nothing_happened(payment_id: str) -> None:
    with pytest.raises(GatewayUnavailable) as refused:
        await reaching(1).create_top_up(payment_id, amount=FIFTY, payer=PAYER, description="Top-up")
    assert not isinstance(refused.value, OutcomeUnknown)


async def test_only_the_guard_leads_out(twin: StripeTwin, payment_id: str) -> None:
    """The policy for vendors reaches public addresses only, so a base on this machine is refused before any call."""
    inside = StripeGateway(
        secret_key=stripe_twin.KEY,
        webhook_secret=stripe_twin.SECRET,
        guard=Guard(policy=VENDOR),
        return_url=lambda: "http://litemail.test/pay/done",
        api_base=f"https://127.0.0.1:{twin.port}",
    )
    with pytest.raises(GatewayMisconfigured):
        await inside.create_top_up(payment_id, amount=FIFTY, payer=PAYER, description="Top-up")
    assert twin.calls == []


async def test_the_twin_speaks_as_stripe_about_keys(twin: StripeTwin) -> None:
    """The twin itself: the same key gives the same answer, another body is refused."""
    about = {"mode": "payment", "success_url": "http://x", "line_items[0][quantity]": "1"}
    about |= {"line_items[0][price_data][unit_amount]": "500", "line_items[0][price_data][currency]": "usd"}
    headers = {"authorization": f"Bearer {stripe_twin.KEY}", "idempotency-key": "k"}
    async with httpx.AsyncClient(base_url=twin.url, headers=headers) as client:
        first = await client.post("/v1/checkout/sessions", data=about)
        assert (await client.post("/v1/checkout/sessions", data=about)).json() == first.json()
        other = await client.post("/v1/checkout/sessions", data={**about, "client_reference_id": "x"})
        assert other.json()["error"]["type"] == "idempotency_error"
        unknown = await client.post("/v1/checkout/sessions", data={"shiny": "1"}, headers={"idempotency-key": "l"})
        assert unknown.json()["error"]["code"] == "parameter_unknown"


def test_the_events_to_set_up_are_those_that_are_read() -> None:
    assert len(EVENT_TYPES) == len(set(EVENT_TYPES))
    assert all("." in event_type for event_type in EVENT_TYPES)
