"""What every payment gateway is to Litemail: hosted pages for people, charges of saved cards, refunds, signed events.

Three rules keep money from being lost or taken twice:

- Every call carries an id of ours (`payment_id`, or `key` of a refund) and is safe to repeat with it, and with the
  same arguments, for 24 hours: the gateway answers as it answered the first call. One payment is one attempt; trying a
  card again is a new payment.
- What happened is told by events. They come any number of times, in any order, and before our own call has returned;
  so they name our `payment_id`. `Paid` wins over all others: money that arrived after `Expired` or `Failed` arrived.
- An answer that is not known is never success.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from litemail.kit.actor import Mode
from litemail.kit.errors import Problem
from litemail.kit.money import Money
from litemail.providers.payments.errors import NoGateway, UnknownGateway


class Payer(msgspec.Struct, frozen=True):
    """Who pays. `customer` is the gateway's id of them, known from an earlier `SavedMethod`."""

    workspace_id: str
    email: str | None = None
    customer: str | None = None


class SavedMethod(msgspec.Struct, frozen=True):
    """A card kept at the gateway; we hold only names of it. `brand` and `last4` are for people."""

    customer: str
    reference: str
    brand: str
    last4: str
    exp_month: int | None = None
    exp_year: int | None = None

    def __str__(self) -> str:
        return f"{self.brand.capitalize()} ending in {self.last4}"


class Checkout(msgspec.Struct, frozen=True):
    """A hosted page where somebody pays or saves a card. `reference` is the gateway's id of it."""

    link: str
    reference: str
    expires_at: datetime


class DeclineReason(StrEnum):
    """Why a card was not charged. In each case its owner must act."""

    CARD_DECLINED = "card_declined"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    EXPIRED_CARD = "expired_card"
    AUTHENTICATION_REQUIRED = "authentication_required"
    METHOD_GONE = "method_gone"


DECLINES: Mapping[DeclineReason, tuple[str, str]] = {
    DeclineReason.CARD_DECLINED: ("The card was declined.", "Use another card, or ask the bank that issued it."),
    DeclineReason.INSUFFICIENT_FUNDS: ("The card has insufficient funds.", "Use another card, or try again later."),
    DeclineReason.EXPIRED_CARD: ("The card has expired.", "Save another card."),
    DeclineReason.AUTHENTICATION_REQUIRED: (
        "The card's bank wants its owner to confirm the payment.",
        "Pay with a payment link, where the bank can ask, or save another card.",
    ),
    DeclineReason.METHOD_GONE: ("The saved card is no longer there.", "Save a card again."),
}


class Declined(msgspec.Struct, frozen=True, tag="declined"):
    """The card was not charged, and will not be for this payment.

    `may_retry`: whether the same card may work later, as a new payment, without its owner doing anything. `words` are
    the gateway's own, for the operator. `charge` is the gateway's id of the failed charge, where it has one.
    """

    reason: DeclineReason
    may_retry: bool
    words: str = ""
    charge: str | None = None

    def problem(self) -> Problem:
        """For people: code `payment.<reason>`, what is wrong, what to do."""
        message, action = DECLINES[self.reason]
        return Problem(code=f"payment.{self.reason}", message=message, action=action, retryable=self.may_retry)


class Charged(msgspec.Struct, frozen=True, tag="charged"):
    """The money is ours. `charge` is the gateway's id, which `refund` needs. An event says `Paid` as well."""

    charge: str
    amount: Money


class Pending(msgspec.Struct, frozen=True, tag="pending"):
    """Under way; an event will say `Paid` or `Failed`."""

    charge: str


ChargeOutcome = Charged | Declined | Pending


class RefundStatus(StrEnum):
    SUCCEEDED = "succeeded"
    PENDING = "pending"
    FAILED = "failed"


class Refund(msgspec.Struct, frozen=True):
    """Money on its way back. `reference` is the gateway's id of the refund."""

    reference: str
    status: RefundStatus


class Paid(msgspec.Struct, frozen=True, tag="paid"):
    """`amount` of the payment arrived. `charge` is the gateway's id, which `refund` needs."""

    payment_id: str
    charge: str
    amount: Money


class MethodSaved(msgspec.Struct, frozen=True, tag="method_saved"):
    """The payment, whose purpose was to save a card, has done so."""

    payment_id: str
    workspace_id: str
    method: SavedMethod


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A try failed. `final`: the payment is over; else its hosted page is still open and another card may pay."""

    payment_id: str
    decline: Declined
    final: bool


class Expired(msgspec.Struct, frozen=True, tag="expired"):
    """The hosted page closed without anything having happened on it."""

    payment_id: str


class Refunded(msgspec.Struct, frozen=True, tag="refunded"):
    """Money went back to the card, perhaps at the operator's wish in the gateway's own dashboard.

    `reference` is the gateway's id of this refund, told perhaps several times; `key` is ours, None when not made by us.
    """

    charge: str
    reference: str
    amount: Money
    key: str | None = None


class RefundFailed(msgspec.Struct, frozen=True, tag="refund_failed"):
    """A refund that was pending, or even told as `Refunded`, did not reach the card."""

    charge: str
    reference: str
    amount: Money
    key: str | None = None


class Disputed(msgspec.Struct, frozen=True, tag="disputed"):
    """The card's owner asks the bank to take the money back; the operator has to answer at the gateway."""

    charge: str
    reference: str
    amount: Money
    words: str


class Irrelevant(msgspec.Struct, frozen=True, tag="irrelevant"):
    """Nothing that matters here. Kept so that the gateway gets its 200 and does not send it again."""


Fact = Paid | MethodSaved | Failed | Expired | Refunded | RefundFailed | Disputed | Irrelevant


class GatewayEvent(msgspec.Struct, frozen=True):
    """What a gateway told us, its signature checked. `id` is unique within `gateway`; `type` is the gateway's word.

    It may speak only of payments that were made at this gateway: the receiver compares `gateway` with the payment's.
    The struct survives `msgspec.json.encode` and `decode` unchanged.
    """

    id: str
    gateway: str
    type: str
    occurred_at: datetime
    fact: Fact


class Gateway(Protocol):
    """One gateway. No call is made while a transaction is open, and each ends within 10 s.

    Each raises `GatewayUnavailable`, `GatewayMisconfigured`, `UnexpectedAnswer`. After `OutcomeUnknown` and
    `UnexpectedAnswer` a payment stays pending: repeating the call, or an event, tells what became of it.
    """

    @property
    def name(self) -> str:
        """As stored with payments and events and named in the webhook's path: `sandbox`, `stripe`."""
        ...

    async def create_top_up(self, payment_id: str, *, amount: Money, payer: Payer, description: str) -> Checkout:
        """A hosted page that takes `amount`, once. The same page again for the same `payment_id`."""
        ...

    async def create_save_card(self, payment_id: str, *, payer: Payer) -> Checkout:
        """A hosted page that saves a card for `charge_saved` and takes nothing."""
        ...

    async def charge_saved(self, payment_id: str, *, amount: Money, method: SavedMethod, payer: Payer) -> ChargeOutcome:
        """Charges a saved card while nobody is there. The same outcome again for the same `payment_id`."""
        ...

    async def refund(self, key: str, *, charge: str, amount: Money) -> Refund:
        """Gives `amount` of a charge back; at most what is left of it. `key` names this refund among all of ours.

        Raises `RefundRefused`.
        """
        ...

    async def check(self, reference: str) -> Fact | None:
        """What has become of a `Checkout` or charge, for when no event came; None while it is still open."""
        ...

    async def parse_webhook(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> GatewayEvent:
        """The event of a webhook call; may ask the gateway for what the event leaves out. Names in lower case.

        Raises `BadSignature` (forged, or older than 5 minutes), `BadEvent`.
        """
        ...


class Gateways:
    """The gateways of an installation: which one serves a mode, and each by its name."""

    def __init__(self, by_mode: Mapping[Mode, Gateway]) -> None:
        self._by_mode = by_mode

    def of_mode(self, mode: Mode) -> Gateway:
        """Raises `NoGateway`."""
        gateway = self._by_mode.get(mode)
        if gateway is None:
            raise NoGateway(mode=mode)
        return gateway

    def get(self, name: str) -> Gateway:
        """Raises `UnknownGateway`."""
        for gateway in self._by_mode.values():
            if gateway.name == name:
                return gateway
        raise UnknownGateway(name=name)
