"""Stripe's answers and events, as far as they are read. Fields that are left out here may change without harm.

Source: https://docs.stripe.com/api (version of the library).
"""

from typing import Literal

import msgspec

Metadata = dict[str, str]


class Card(msgspec.Struct, frozen=True):
    brand: str
    last4: str
    exp_month: int | None = None
    exp_year: int | None = None


class PaymentMethod(msgspec.Struct, frozen=True):
    id: str
    card: Card | None = None


class SetupIntent(msgspec.Struct, frozen=True):
    id: str
    status: str
    payment_method: PaymentMethod | str | None = None


class Failure(msgspec.Struct, frozen=True):
    """`error` of a failed call, and `last_payment_error` of an intent."""

    code: str | None = None
    decline_code: str | None = None
    advice_code: str | None = None
    message: str | None = None
    payment_intent: "PaymentIntent | None" = None


class ErrorAnswer(msgspec.Struct, frozen=True):
    error: Failure


class PaymentIntent(msgspec.Struct, frozen=True):
    id: str
    status: str
    amount: int
    currency: str
    amount_received: int | None = None
    metadata: Metadata | None = None
    last_payment_error: Failure | None = None

    @property
    def received(self) -> int:
        """What came in, of an intent that succeeded."""
        return self.amount if self.amount_received is None else self.amount_received


class PaymentIntents(msgspec.Struct, frozen=True):
    data: list[PaymentIntent]


class Session(msgspec.Struct, frozen=True):
    """A page of Checkout."""

    id: str
    mode: str
    status: Literal["open", "complete", "expired"]
    payment_status: str
    expires_at: int
    url: str | None = None
    amount_total: int | None = None
    currency: str | None = None
    customer: str | None = None
    payment_intent: PaymentIntent | str | None = None
    setup_intent: SetupIntent | str | None = None
    metadata: Metadata | None = None


class Refund(msgspec.Struct, frozen=True):
    id: str
    amount: int
    currency: str
    status: str | None = None
    payment_intent: str | None = None
    metadata: Metadata | None = None


class Refunds(msgspec.Struct, frozen=True):
    data: list[Refund]


class Dispute(msgspec.Struct, frozen=True):
    id: str
    amount: int
    currency: str
    reason: str
    payment_intent: str | None = None


class EventData(msgspec.Struct, frozen=True):
    object: msgspec.Raw


class Event(msgspec.Struct, frozen=True):
    id: str
    type: str
    created: int
    data: EventData
