"""What Stripe's objects say, as facts. All functions are pure.

Our `payment_id`, `workspace_id` and `purpose` are in the metadata of each object that we cause. What has none belongs
to other business of the same Stripe account.
"""

from collections.abc import Mapping

from litemail.kit.money import Money
from litemail.providers.payments.base import (
    Declined,
    DeclineReason,
    Disputed,
    Expired,
    Fact,
    Failed,
    Irrelevant,
    MethodSaved,
    Paid,
    Refunded,
    RefundFailed,
    SavedMethod,
)
from litemail.providers.payments.errors import UnexpectedAnswer
from litemail.providers.payments.stripe_declines import declined
from litemail.providers.payments.stripe_http import NAME
from litemail.providers.payments.stripe_wire import Dispute, Metadata, PaymentIntent, Refund, Session, SetupIntent

TOP_UP, SAVE_CARD, RECHARGE = "top_up", "save_card", "recharge"


def metadata(payment_id: str, workspace_id: str, purpose: str) -> Metadata:
    return {"payment_id": payment_id, "workspace_id": workspace_id, "purpose": purpose}


def money(amount: int, currency: str) -> Money:
    """Stripe counts in minor units too, and writes currencies in lower case."""
    return Money(amount, currency.upper())


def payment_id(about: Mapping[str, str] | None) -> str | None:
    return (about or {}).get("payment_id")


def of_session(session: Session, setup: SetupIntent | None) -> Fact | None:
    """None while nothing is decided. `setup`, with its card, is needed of a session that saved one."""
    ours = payment_id(session.metadata)
    if ours is None:
        return Irrelevant()
    if session.status == "expired":
        return Expired(ours)
    if session.status == "open":
        return None
    if session.mode == "setup":
        return _saved(session, setup, ours)
    if session.payment_status == "paid":
        return _paid(session, ours)
    intent = session.payment_intent
    if isinstance(intent, PaymentIntent) and intent.last_payment_error and intent.status == "requires_payment_method":
        return Failed(ours, declined(intent.last_payment_error, charge=intent.id), final=True)
    return None  # a bank transfer, say, that takes days


def failed_session(session: Session) -> Fact:
    """A payment that took days and did not arrive."""
    ours = payment_id(session.metadata)
    if ours is None:
        return Irrelevant()
    intent = session.payment_intent
    charge = intent.id if isinstance(intent, PaymentIntent) else intent
    return Failed(ours, Declined(DeclineReason.CARD_DECLINED, may_retry=False, charge=charge), final=True)


def of_intent(intent: PaymentIntent) -> Fact | None:
    """None while nothing is decided. A failed try on an open page is not final; that of a saved card is."""
    ours = payment_id(intent.metadata)
    if ours is None:
        return Irrelevant()
    final = (intent.metadata or {}).get("purpose") == RECHARGE
    match intent.status:
        case "succeeded":
            return Paid(ours, intent.id, money(intent.received, intent.currency))
        case "requires_payment_method" if intent.last_payment_error is not None:
            return Failed(ours, declined(intent.last_payment_error, charge=intent.id), final=final)
        case "canceled" if final:
            return Failed(ours, unconfirmed(intent), final=True)
        case _:
            return None


def unconfirmed(intent: PaymentIntent) -> Declined:
    """An intent of ours that waits for the card's owner. Such are cancelled, and no others."""
    return Declined(DeclineReason.AUTHENTICATION_REQUIRED, may_retry=False, words=intent.status, charge=intent.id)


def of_refund(refund: Refund) -> Fact | None:
    if refund.payment_intent is None:
        return Irrelevant()
    key = (refund.metadata or {}).get("refund_key")
    amount = money(refund.amount, refund.currency)
    match refund.status:
        case "succeeded":
            return Refunded(refund.payment_intent, refund.id, amount, key)
        case "failed" | "canceled":
            return RefundFailed(refund.payment_intent, refund.id, amount, key)
        case _:
            return None


def of_dispute(dispute: Dispute) -> Fact:
    if dispute.payment_intent is None:
        return Irrelevant()
    return Disputed(dispute.payment_intent, dispute.id, money(dispute.amount, dispute.currency), dispute.reason)


def _paid(session: Session, ours: str) -> Paid:
    intent = session.payment_intent
    charge = intent.id if isinstance(intent, PaymentIntent) else intent
    if charge is None or session.amount_total is None or session.currency is None:
        raise UnexpectedAnswer(gateway=NAME, call="Checkout", reason=f"{session.id} is paid without an amount")
    return Paid(ours, charge, money(session.amount_total, session.currency))


def _saved(session: Session, setup: SetupIntent | None, ours: str) -> MethodSaved:
    method = setup.payment_method if setup else None
    workspace_id = (session.metadata or {}).get("workspace_id")
    if setup is None or setup.status != "succeeded" or not workspace_id or not session.customer:
        raise UnexpectedAnswer(gateway=NAME, call="Checkout", reason=f"{session.id} is complete without a saved card")
    if method is None or isinstance(method, str) or method.card is None:
        raise UnexpectedAnswer(gateway=NAME, call="Checkout", reason=f"{session.id} saved something that is no card")
    card = method.card
    return MethodSaved(
        ours,
        workspace_id,
        SavedMethod(session.customer, method.id, card.brand, card.last4, card.exp_month, card.exp_year),
    )
