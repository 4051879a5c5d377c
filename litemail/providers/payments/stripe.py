"""Stripe, through its official library: Checkout for people, off-session intents for saved cards, signed events.

Every call carries an idempotency key made of our id. Stripe repeats its answer to a key for 24 hours, also that it
failed inside (5xx): so after such an answer we look whether the effect is there.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
import stripe
from stripe.params import PaymentIntentCreateParams
from stripe.params.checkout import SessionCreateParams

from litemail.kit.errors import Error
from litemail.kit.money import Money
from litemail.kit.outbound import Guard
from litemail.providers.payments import stripe_facts as facts
from litemail.providers.payments import stripe_wire as wire
from litemail.providers.payments.base import (
    Charged,
    ChargeOutcome,
    Checkout,
    Declined,
    DeclineReason,
    Fact,
    GatewayEvent,
    Irrelevant,
    Payer,
    Pending,
    Refund,
    RefundStatus,
    SavedMethod,
)
from litemail.providers.payments.errors import (
    BadEvent,
    BadSignature,
    GatewayMisconfigured,
    GatewayUnavailable,
    OutcomeUnknown,
    RefundRefused,
    UnexpectedAnswer,
)
from litemail.providers.payments.stripe_declines import declined
from litemail.providers.payments.stripe_http import NAME, GuardedClient

API_BASE = "https://api.stripe.com"
SECONDS = 9.0
"""How long one call may take."""
TOLERANCE = 300.0
"""Seconds that the time in a signature may be away from ours; Stripe's own default."""

EVENT_TYPES = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
)
"""What the webhook at Stripe has to be set up for."""

_FAULTS = range(500, 600)
_BUSY = 409
_NOT_FOUND = 404
_SIGNED_AT = re.compile(r"(?:^|,)t=(\d{1,12})(?:,|$)")
_REFUND_STATUS: Mapping[str, RefundStatus] = {
    "succeeded": RefundStatus.SUCCEEDED,
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}

Shape = TypeVar("Shape", bound=msgspec.Struct)


class StripeGateway:
    """Implements `base.Gateway`. `return_url` is where people land when Checkout is done."""

    name = "stripe"

    def __init__(
        self,
        *,
        secret_key: str,
        webhook_secret: str,
        guard: Guard,
        return_url: Callable[[], str],
        api_base: str = API_BASE,
        seconds: float = SECONDS,
    ) -> None:
        self._webhook_secret = webhook_secret
        self._return_url = return_url
        self._api = stripe.StripeClient(
            secret_key,
            http_client=GuardedClient(guard, seconds=seconds),
            base_addresses={"api": api_base.rstrip("/")},
            max_network_retries=0,
        ).v1

    async def create_top_up(self, payment_id: str, *, amount: Money, payer: Payer, description: str) -> Checkout:
        about = facts.metadata(payment_id, payer.workspace_id, facts.TOP_UP)
        wanted: SessionCreateParams = {
            "mode": "payment",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": amount.currency.lower(),
                        "unit_amount": amount.amount,
                        "product_data": {"name": description},
                    },
                }
            ],
            "payment_intent_data": {"metadata": about},
            "adaptive_pricing": {"enabled": False},  # the wallet is credited in its own currency, to the cent
        }
        return await self._open_page(payment_id, about, payer, wanted)

    async def create_save_card(self, payment_id: str, *, payer: Payer) -> Checkout:
        about = facts.metadata(payment_id, payer.workspace_id, facts.SAVE_CARD)
        wanted: SessionCreateParams = {
            "mode": "setup",
            "allowed_payment_method_types": ["card"],
            "setup_intent_data": {"metadata": about},
        }
        if payer.customer is None:
            wanted["customer_creation"] = "always"
        return await self._open_page(payment_id, about, payer, wanted)

    async def charge_saved(self, payment_id: str, *, amount: Money, method: SavedMethod, payer: Payer) -> ChargeOutcome:
        wanted: PaymentIntentCreateParams = {
            "amount": amount.amount,
            "currency": amount.currency.lower(),
            "customer": method.customer,
            "payment_method": method.reference,
            "confirm": True,
            "off_session": True,
            "metadata": facts.metadata(payment_id, payer.workspace_id, facts.RECHARGE),
        }
        try:
            made = await self._api.payment_intents.create_async(wanted, _key("charge", payment_id))
        except stripe.CardError as error:
            failure = _read(error.http_body, wire.ErrorAnswer, "charge").error
            return declined(failure, charge=failure.payment_intent.id if failure.payment_intent else None)
        except stripe.InvalidRequestError as error:
            if _is_about_the_method(error):
                return Declined(DeclineReason.METHOD_GONE, may_retry=False, words=error.user_message or "")
            raise _ours(error, "charge") from error
        except stripe.StripeError as error:
            raised = _ours(error, "charge")
            found = await self._find_charge(payment_id, method.customer) if isinstance(raised, OutcomeUnknown) else None
            if found is None:
                raise raised from error
            return await self._outcome(found)
        return await self._outcome(_parsed(made, wire.PaymentIntent, "charge"))

    async def refund(self, key: str, *, charge: str, amount: Money) -> Refund:
        try:
            made = await self._api.refunds.create_async(
                {"payment_intent": charge, "amount": amount.amount, "metadata": {"refund_key": key}},
                _key("refund", key),
            )
        except stripe.InvalidRequestError as error:
            raise RefundRefused(gateway=NAME, reason=(error.user_message or "").rstrip(".")) from error
        except stripe.StripeError as error:
            raised = _ours(error, "refund")
            found = await self._find_refund(key, charge) if isinstance(raised, OutcomeUnknown) else None
            if found is None:
                raise raised from error
            return _refund(found)
        return _refund(_parsed(made, wire.Refund, "refund"))

    async def check(self, reference: str) -> Fact | None:
        try:
            if reference.startswith("pi_"):
                intent = await self._api.payment_intents.retrieve_async(reference)
                return facts.of_intent(_parsed(intent, wire.PaymentIntent, "look at a charge"))
            page = await self._api.checkout.sessions.retrieve_async(
                reference, {"expand": ["payment_intent", "setup_intent.payment_method"]}
            )
        except stripe.StripeError as error:
            raise _ours(error, "look at a payment") from error
        session = _parsed(page, wire.Session, "look at a page")
        setup = session.setup_intent if isinstance(session.setup_intent, wire.SetupIntent) else None
        return facts.of_session(session, setup)

    async def parse_webhook(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> GatewayEvent:
        self._check_signature(headers.get("stripe-signature", ""), body, now)
        event = _event_part(body, wire.Event)
        fact = await self._fact(event.type, bytes(event.data.object))
        occurred_at = datetime.fromtimestamp(event.created, UTC)
        return GatewayEvent(event.id, self.name, event.type, occurred_at, fact or Irrelevant())

    async def _open_page(
        self, payment_id: str, about: wire.Metadata, payer: Payer, wanted: SessionCreateParams
    ) -> Checkout:
        # No time in it: a repeated call must be the same to the letter, or Stripe refuses the key.
        wanted["client_reference_id"] = payment_id
        wanted["metadata"] = about
        wanted["success_url"] = wanted["cancel_url"] = self._return_url()
        if payer.customer is not None:
            wanted["customer"] = payer.customer
        elif payer.email is not None:
            wanted["customer_email"] = payer.email
        try:
            made = await self._api.checkout.sessions.create_async(wanted, _key(about["purpose"], payment_id))
        except stripe.StripeError as error:
            raise _ours(error, "open a page") from error
        page = _parsed(made, wire.Session, "open a page")
        if page.url is None:
            raise UnexpectedAnswer(gateway=NAME, call="open a page", reason=f"{page.id} has no address")
        return Checkout(page.url, page.id, datetime.fromtimestamp(page.expires_at, UTC))

    async def _outcome(self, intent: wire.PaymentIntent) -> ChargeOutcome:
        match intent.status:
            case "succeeded":
                return Charged(intent.id, facts.money(intent.received, intent.currency))
            case "processing":
                return Pending(intent.id)
            case "requires_payment_method" if intent.last_payment_error is not None:
                return declined(intent.last_payment_error, charge=intent.id)
            case "requires_action" | "requires_confirmation":
                await self._cancel(intent)
                return facts.unconfirmed(intent)
            case "canceled":
                return facts.unconfirmed(intent)
            case status:
                raise UnexpectedAnswer(gateway=NAME, call="charge", reason=f"{intent.id} is {status[:40]!r}")

    async def _cancel(self, intent: wire.PaymentIntent) -> None:
        """Nobody will be asked to confirm it: it must not be charged later."""
        try:
            try:
                await self._api.payment_intents.cancel_async(intent.id, None, _key("cancel", intent.id))
            except stripe.InvalidRequestError:  # perhaps an earlier try has cancelled it, whose answer was lost
                found = await self._api.payment_intents.retrieve_async(intent.id)
                status = _parsed(found, wire.PaymentIntent, "cancel").status
                if status != "canceled":
                    raise
        except stripe.StripeError as error:
            raise _ours(error, "cancel") from error

    async def _find_charge(self, payment_id: str, customer: str) -> wire.PaymentIntent | None:
        try:
            listed = await self._api.payment_intents.list_async({"customer": customer, "limit": 100})
        except stripe.StripeError as error:
            raise OutcomeUnknown(gateway=NAME, reason=str(_ours(error, "look for a charge"))) from error
        intents = _parsed(listed, wire.PaymentIntents, "look for a charge").data
        return next((intent for intent in intents if facts.payment_id(intent.metadata) == payment_id), None)

    async def _find_refund(self, key: str, charge: str) -> wire.Refund | None:
        try:
            listed = await self._api.refunds.list_async({"payment_intent": charge, "limit": 100})
        except stripe.StripeError as error:
            raise OutcomeUnknown(gateway=NAME, reason=str(_ours(error, "look for a refund"))) from error
        refunds = _parsed(listed, wire.Refunds, "look for a refund").data
        return next((refund for refund in refunds if (refund.metadata or {}).get("refund_key") == key), None)

    def _check_signature(self, header: str, body: bytes, now: datetime) -> None:
        signed_at = _SIGNED_AT.search(header)
        if not header.isascii() or signed_at is None:
            raise BadSignature(gateway=NAME, reason="there is no signature")
        try:
            stripe.WebhookSignature.verify_header(body, header, self._webhook_secret)
        except stripe.SignatureVerificationError as error:
            raise BadSignature(gateway=NAME, reason="the signature is not Stripe's") from error
        except UnicodeDecodeError:
            raise BadSignature(gateway=NAME, reason="the body is not UTF-8") from None
        if abs(now.timestamp() - int(signed_at[1])) > TOLERANCE:
            raise BadSignature(gateway=NAME, reason="it was signed at another time: is it a repetition?")

    async def _fact(self, event_type: str, thing: bytes) -> Fact | None:
        match event_type:
            case "checkout.session.completed" | "checkout.session.async_payment_succeeded" | "checkout.session.expired":
                session = _event_part(thing, wire.Session)
                return facts.of_session(session, await self._setup_of(session))
            case "checkout.session.async_payment_failed":
                return facts.failed_session(_event_part(thing, wire.Session))
            case "payment_intent.succeeded" | "payment_intent.payment_failed" | "payment_intent.canceled":
                return facts.of_intent(_event_part(thing, wire.PaymentIntent))
            case "refund.created" | "refund.updated" | "refund.failed":
                return facts.of_refund(_event_part(thing, wire.Refund))
            case "charge.dispute.created":
                return facts.of_dispute(_event_part(thing, wire.Dispute))
            case _:
                return None

    async def _setup_of(self, session: wire.Session) -> wire.SetupIntent | None:
        """The card that a session saved: the event itself only names it."""
        if session.status != "complete" or session.mode != "setup" or facts.payment_id(session.metadata) is None:
            return None
        setup = session.setup_intent
        setup_id = setup.id if isinstance(setup, wire.SetupIntent) else setup
        if setup_id is None:
            return None
        try:
            made = await self._api.setup_intents.retrieve_async(setup_id, {"expand": ["payment_method"]})
        except stripe.StripeError as error:
            raise _ours(error, "look at a saved card") from error
        return _parsed(made, wire.SetupIntent, "look at a saved card")


def _key(what: str, our_id: str) -> stripe.RequestOptions:
    return {"idempotency_key": f"litemail-{what}-{our_id}"}


def _parsed(made: stripe.StripeObject, shape: type[Shape], call: str) -> Shape:
    """The answer as it came. The library's own objects check nothing."""
    return _read(made.last_response.body if made.last_response else None, shape, call)


def _read(body: str | None, shape: type[Shape], call: str) -> Shape:
    try:
        return msgspec.json.decode(body or "", type=shape)
    except msgspec.DecodeError as error:
        raise UnexpectedAnswer(gateway=NAME, call=call, reason=str(error)) from error


def _event_part(body: bytes, shape: type[Shape]) -> Shape:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadEvent(gateway=NAME, reason=str(error)) from error


def _refund(refund: wire.Refund) -> Refund:
    status = _REFUND_STATUS.get(refund.status or "")
    if status is None:
        raise UnexpectedAnswer(gateway=NAME, call="refund", reason=f"{refund.id} is {refund.status!r}")
    return Refund(refund.id, status)


def _is_about_the_method(error: stripe.InvalidRequestError) -> bool:
    return (
        error.http_status == _NOT_FOUND
        or (error.code == "resource_missing" and error.param in ("customer", "payment_method"))
        or error.param == "payment_method"
    )


def _ours(error: stripe.StripeError, call: str) -> Error:
    reason = (error.user_message or type(error).__name__).strip().rstrip(".")
    match error:
        case stripe.RateLimitError():
            return GatewayUnavailable(gateway=NAME, reason="it asks for fewer requests")
        case stripe.IdempotencyError():
            return UnexpectedAnswer(gateway=NAME, call=call, reason=reason)
        case stripe.AuthenticationError():
            return GatewayMisconfigured(gateway=NAME, reason="it refuses the secret key")
        case stripe.PermissionError():
            return GatewayMisconfigured(gateway=NAME, reason="the secret key may not do this")
        case stripe.InvalidRequestError():
            return GatewayMisconfigured(gateway=NAME, reason=reason)
        case _ if error.http_status in _FAULTS or error.http_status == _BUSY:
            return OutcomeUnknown(gateway=NAME, reason=f"HTTP {error.http_status}")
        case _:
            return UnexpectedAnswer(gateway=NAME, call=call, reason=reason)
