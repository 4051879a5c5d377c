"""A twin of Stripe's API for what the adapter uses, with what localstripe lacks: Checkout, idempotency keys, declines.

It takes no parameter that the official library does not know, answers in Stripe's documented shapes and keeps its
answer to each idempotency key, also a failure, as documented at https://docs.stripe.com/api/idempotent_requests.
People act on it through `pay`, `save`, `expire`; its events wait in `events`, or go to `on_event` before the answer.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import stripe
from litestar import Litestar, Request, Response, route

from litemail.kit import http_server
from tests.contracts.stripe_data import ASKS_ITS_OWNER, DECLINES, KNOWN, REFUSED_WHEN_SAVED, SLOW, Thing, tree

KEY = "sk_test_twin"
SECRET = "whsec_twin"


class Refused(Exception):
    """An answer of Stripe's that is an error."""

    def __init__(self, status: int, **error: Any) -> None:
        super().__init__(error.get("message"))
        self.status = status
        self.error = {"type": "invalid_request_error", **error}


@dataclass
class Call:
    method: str
    path: str
    headers: dict[str, str]
    form: Thing


@dataclass
class Fault:
    """What the next change does wrong: `status` is answered after the effect (or before), or nothing ever."""

    status: int | None = None
    after: bool = True
    body: bytes | None = None
    hangs: bool = False


@dataclass
class StripeTwin:
    sessions: dict[str, Thing] = field(default_factory=dict)
    intents: dict[str, Thing] = field(default_factory=dict)
    setups: dict[str, Thing] = field(default_factory=dict)
    methods: dict[str, Thing] = field(default_factory=dict)
    refunds: dict[str, Thing] = field(default_factory=dict)
    kept: dict[str, tuple[Thing, int, bytes]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    events: list[Thing] = field(default_factory=list)
    on_event: Callable[[Thing], Awaitable[None]] | None = None
    fault: Fault | None = None
    port: int = 0
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    count: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # What people and time do.

    async def pay(self, session_id: str, number: str = "4242424242424242") -> bool:
        """Types a card into the page of a session."""
        session = self.sessions[session_id]
        assert session["status"] == "open"
        intent = self.intents[session["payment_intent"]]
        if number in DECLINES:
            self._decline(intent, number)
            await self._tell("payment_intent.payment_failed", intent)
            return False
        if number == SLOW:
            intent["status"] = "processing"
            session |= {"status": "complete", "payment_status": "unpaid", "url": None}
            await self._tell("checkout.session.completed", session)
            return True
        self._succeed(intent)
        session |= {"status": "complete", "payment_status": "paid", "url": None}
        await self._tell("payment_intent.succeeded", intent)
        await self._tell("checkout.session.completed", session)
        return True

    async def arrive(self, session_id: str, *, well: bool) -> None:
        """The end of a payment that took days."""
        session = self.sessions[session_id]
        if well:
            self._succeed(self.intents[session["payment_intent"]])
            session["payment_status"] = "paid"
        await self._tell(f"checkout.session.async_payment_{'succeeded' if well else 'failed'}", session)

    async def save(self, session_id: str, number: str = "4242424242424242") -> bool:
        session = self.sessions[session_id]
        assert session["mode"] == "setup"
        if number in REFUSED_WHEN_SAVED:
            await self._tell("setup_intent.setup_failed", self.setups[session["setup_intent"]])
            return False
        customer = session["customer"] or self._new("cus")
        card = {"brand": "visa", "last4": number[-4:], "exp_month": 12, "exp_year": 2031}
        method: Thing = {"id": self._new("pm"), "object": "payment_method", "card": card, "customer": customer}
        self.methods[method["id"]] = {**method, "number": number}
        self.setups[session["setup_intent"]] |= {"status": "succeeded", "payment_method": method["id"]}
        session |= {"status": "complete", "customer": customer, "url": None}
        await self._tell("checkout.session.completed", session)
        return True

    async def expire(self, session_id: str) -> None:
        session = self.sessions[session_id]
        session |= {"status": "expired", "url": None}
        if session["payment_intent"]:
            self.intents[session["payment_intent"]]["status"] = "canceled"
            await self._tell("payment_intent.canceled", self.intents[session["payment_intent"]])
        await self._tell("checkout.session.expired", session)

    async def tell(self, event_type: str, thing: Thing) -> None:
        await self._tell(event_type, thing)

    @staticmethod
    def signed(event: Thing, *, at: float | None = None, secret: str = SECRET) -> tuple[dict[str, str], bytes]:
        """An event as it is sent: headers and body."""
        body = msgspec.json.encode(event).decode()
        timestamp = int(time.time() if at is None else at)
        header = stripe.WebhookSignature.generate_signature_header(body, secret, timestamp)
        return {"stripe-signature": header, "content-type": "application/json; charset=utf-8"}, body.encode()

    # The API.

    async def answer(self, request: Request[Any, Any, Any]) -> tuple[int, bytes]:
        pairs = parse_qsl((await request.body()).decode() or request.url.query, keep_blank_values=True)
        call = Call(str(request.method), request.url.path, dict(request.headers), tree(pairs))
        self.calls.append(call)
        try:
            self._check_key(call)
            return 200, msgspec.json.encode(await self._once(call))
        except Refused as refused:
            return refused.status, msgspec.json.encode({"error": refused.error})

    @staticmethod
    def _check_key(call: Call) -> None:
        if call.headers.get("authorization") != f"Bearer {KEY}":
            raise Refused(401, message=f"Invalid API Key provided: {call.headers.get('authorization')}")

    async def _once(self, call: Call) -> Any:
        fault, self.fault = (self.fault, None) if call.method == "POST" else (None, self.fault)
        key = call.headers.get("idempotency-key")
        if call.method != "POST":
            return await self._act(call)
        if key is None:
            raise Refused(400, message="The adapter sends a key with every change.")
        if key in self.kept:
            form, status, body = self.kept[key]
            if form != call.form:
                raise Refused(400, type="idempotency_error", message="Keys can only be used with the same parameters.")
            return _replayed(status, body)
        if fault and not fault.after:
            raise Refused(fault.status or 500, type="api_error", message="Something is wrong on Stripe's end.")
        try:
            status, made = 200, await self._act(call)
        except Refused as refused:
            status, made = refused.status, {"error": refused.error}
        if fault and fault.status:
            status, made = fault.status, {"error": {"type": "api_error", "message": "An unknown error occurred."}}
        body = msgspec.json.encode(made)
        self.kept[key] = (call.form, status, body)
        if fault and fault.hangs:
            await self.closing.wait()
        if fault and fault.body is not None:
            body = fault.body
        return _replayed(status, body)

    async def _act(self, call: Call) -> Any:
        resource = f"{call.method} {re.sub(r'/(cs|pi|seti)_[^/]+', '/*', call.path)}"
        known = KNOWN.get(resource)
        if known is None:
            raise Refused(404, message=f"Unrecognized request URL ({resource}).")
        for name in call.form:
            if name not in known.__annotations__:
                raise Refused(400, message=f"Received unknown parameter: {name}", param=name, code="parameter_unknown")
        thing_id = next((part for part in call.path.split("/") if re.match(r"(cs|pi|seti)_", part)), "")
        doing: Mapping[str, Callable[[str, Thing], Awaitable[Any]]] = {
            "POST /v1/checkout/sessions": self._open_session,
            "GET /v1/checkout/sessions/*": self._show_session,
            "POST /v1/payment_intents": self._charge,
            "GET /v1/payment_intents": self._list_intents,
            "GET /v1/payment_intents/*": self._show_intent,
            "POST /v1/payment_intents/*/cancel": self._cancel,
            "GET /v1/setup_intents/*": self._show_setup,
            "POST /v1/refunds": self._refund,
            "GET /v1/refunds": self._list_refunds,
        }
        return await doing[resource](thing_id, call.form)

    async def _show_session(self, session_id: str, form: Thing) -> Thing:
        session, expand = self._get(self.sessions, session_id), form.get("expand", [])
        shown = dict(session)
        if "payment_intent" in expand and session["payment_intent"]:
            shown["payment_intent"] = self.intents[session["payment_intent"]]
        if "setup_intent.payment_method" in expand and session["setup_intent"]:
            shown["setup_intent"] = await self._show_setup(session["setup_intent"], {})
        return shown

    async def _show_setup(self, setup_id: str, _form: Thing) -> Thing:
        setup = dict(self._get(self.setups, setup_id))
        method = self.methods.get(setup["payment_method"] or "")
        return {**setup, "payment_method": method and {k: v for k, v in method.items() if k != "number"}}

    async def _show_intent(self, intent_id: str, _form: Thing) -> Thing:
        return self._get(self.intents, intent_id)

    async def _list_intents(self, _id: str, form: Thing) -> Thing:
        mine = [one for one in self.intents.values() if one["customer"] == form["customer"]]
        return {"object": "list", "data": mine[::-1]}

    async def _list_refunds(self, _id: str, form: Thing) -> Thing:
        mine = [one for one in self.refunds.values() if one["payment_intent"] == form["payment_intent"]]
        return {"object": "list", "data": mine[::-1]}

    async def _cancel(self, intent_id: str, _form: Thing) -> Thing:
        intent = self._get(self.intents, intent_id)
        if intent["status"] in ("succeeded", "canceled"):
            raise Refused(400, code="payment_intent_unexpected_state", message="It cannot be canceled.")
        intent["status"] = "canceled"
        await self._tell("payment_intent.canceled", intent)
        return intent

    async def _open_session(self, _id: str, form: Thing) -> Thing:
        for name in ("success_url", "mode"):
            if name not in form:
                raise Refused(400, message=f"Missing required param: {name}.", param=name)
        if "customer" in form and ("customer_email" in form or "customer_creation" in form):
            raise Refused(400, message="You may only specify one of these parameters: customer, customer_email.")
        session: Thing = {
            "id": self._new("cs_test"),
            "object": "checkout.session",
            "mode": form["mode"],
            "status": "open",
            "payment_status": "unpaid",
            "expires_at": int(time.time()) + 86400,
            "amount_total": None,
            "currency": None,
            "customer": form.get("customer"),
            "payment_intent": None,
            "setup_intent": None,
            "metadata": form.get("metadata", {}),
            "client_reference_id": form.get("client_reference_id"),
        }
        session["url"] = f"https://checkout.stripe.com/c/pay/{session['id']}"
        if form["mode"] == "payment":
            [item] = form["line_items"]
            amount = int(item["price_data"]["unit_amount"]) * int(item["quantity"])
            if amount < 50:
                raise Refused(400, message="The total must be at least $0.50 usd.", code="amount_too_small")
            intent = self._intent(amount, item["price_data"]["currency"], form.get("customer"))
            intent["metadata"] = form.get("payment_intent_data", {}).get("metadata", {})
            session |= {"amount_total": amount, "currency": intent["currency"], "payment_intent": intent["id"]}
        else:
            if "allowed_payment_method_types" not in form and "currency" not in form:
                raise Refused(400, message="Missing required param: currency.", param="currency")
            setup: Thing = {"id": self._new("seti"), "object": "setup_intent", "status": "requires_payment_method"}
            setup |= {"payment_method": None, "metadata": form.get("setup_intent_data", {}).get("metadata", {})}
            self.setups[setup["id"]] = setup
            session |= {"setup_intent": setup["id"], "payment_status": "no_payment_required"}
        self.sessions[session["id"]] = session
        return session

    async def _charge(self, _id: str, form: Thing) -> Thing:
        method = self.methods.get(form["payment_method"])
        if method is None:
            raise Refused(
                400, code="resource_missing", param="payment_method", message="No such PaymentMethod: it was detached."
            )
        if method["customer"] != form["customer"]:
            raise Refused(400, param="payment_method", message="The PaymentMethod belongs to another customer.")
        assert form["confirm"] == "true"
        assert form["off_session"] == "true"
        intent = self._intent(int(form["amount"]), form["currency"], form["customer"])
        intent["metadata"] = form.get("metadata", {})
        number = method["number"]
        if number == ASKS_ITS_OWNER:
            intent["status"] = "requires_action"
            await self._tell("payment_intent.requires_action", intent)
        elif number == SLOW:
            intent["status"] = "processing"
        elif number in DECLINES:
            error = self._decline(intent, number)
            await self._tell("payment_intent.payment_failed", intent)
            raise Refused(402, **{**error, "type": "card_error", "payment_intent": intent})
        else:
            self._succeed(intent)
            await self._tell("payment_intent.succeeded", intent)
        return intent

    async def _refund(self, _id: str, form: Thing) -> Thing:
        intent = self._get(self.intents, form["payment_intent"])
        gone = sum(one["amount"] for one in self.refunds.values() if one["payment_intent"] == intent["id"])
        amount = int(form["amount"])
        if intent["status"] != "succeeded" or amount > intent["amount_received"] - gone:
            raise Refused(400, param="amount", message="Refund amount is greater than unrefunded amount on charge.")
        refund = {"id": self._new("re"), "object": "refund", "amount": amount, "currency": intent["currency"]}
        refund |= {"status": "succeeded", "payment_intent": intent["id"], "metadata": form.get("metadata", {})}
        self.refunds[refund["id"]] = refund
        await self._tell("refund.created", refund)
        return refund

    def _intent(self, amount: int, currency: str, customer: str | None) -> Thing:
        intent: Thing = {
            "id": self._new("pi"),
            "object": "payment_intent",
            "status": "requires_payment_method",
            "amount": amount,
            "amount_received": 0,
            "currency": currency,
            "customer": customer,
            "metadata": {},
            "last_payment_error": None,
        }
        self.intents[intent["id"]] = intent
        return intent

    def _succeed(self, intent: Thing) -> None:
        intent |= {"status": "succeeded", "amount_received": intent["amount"], "last_payment_error": None}

    def _decline(self, intent: Thing, number: str) -> Thing:
        code, decline_code, message = DECLINES[number]
        error = {"type": "card_error", "code": code, "decline_code": decline_code, "message": message}
        intent |= {"status": "requires_payment_method", "last_payment_error": error}
        return error

    def _get(self, things: dict[str, Thing], thing_id: str) -> Thing:
        if thing_id not in things:
            raise Refused(404, code="resource_missing", message=f"No such thing: {thing_id}", param="id")
        return things[thing_id]

    def _new(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}_{self.count:04}"

    async def _tell(self, event_type: str, thing: Thing) -> None:
        event = {
            "id": self._new("evt"),
            "object": "event",
            "type": event_type,
            "created": int(time.time()),
            "livemode": False,
            "data": {"object": msgspec.json.decode(msgspec.json.encode(thing))},
        }
        self.events.append(event)
        if self.on_event is not None:
            await self.on_event(event)


def _replayed(status: int, body: bytes) -> msgspec.Raw:
    if status != 200:
        error = msgspec.json.decode(body)["error"]
        raise Refused(status, **error)
    return msgspec.Raw(body)


@asynccontextmanager
async def running() -> AsyncIterator[StripeTwin]:
    twin = StripeTwin()

    @route("/{rest:path}", http_method=["GET", "POST"], status_code=200)
    async def serve(request: Request[Any, Any, Any]) -> Response[bytes]:
        status, body = await twin.answer(request)
        return Response(body, status_code=status, media_type="application/json")

    app = Litestar([serve], openapi_config=None, logging_config=None)
    server = await http_server.serve(app, host="127.0.0.1", port=0, setting="none")
    twin.port = server.port
    try:
        yield twin
    finally:
        twin.closing.set()
        await server.close()
