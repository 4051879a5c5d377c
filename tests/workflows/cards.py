"""A payment gateway for random lives: it charges each payment once, and its card does what it is told."""

# ruff: noqa: ARG002 - it takes what its protocol names

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from litemail.kit.errors import Error, Kind
from litemail.kit.money import Money
from litemail.providers.payments import (
    Charged,
    ChargeOutcome,
    Checkout,
    Declined,
    DeclineReason,
    Fact,
    GatewayEvent,
    MethodSaved,
    OutcomeUnknown,
    Payer,
    Refund,
    SavedMethod,
)

CardState = Literal["pays", "declines", "away"]


class Away(Error):
    kind = Kind.UNAVAILABLE
    code = "test.away"
    message = "The gateway is away."


class Gateway:
    """Charges each payment once; the card does what it is told."""

    name = "test"
    card: CardState = "pays"

    def __init__(self) -> None:
        self.charged: dict[str, ChargeOutcome] = {}
        self.saved: dict[str, MethodSaved] = {}

    async def charge_saved(self, payment_id: str, *, amount: Money, method: SavedMethod, payer: Payer) -> ChargeOutcome:
        if payment_id not in self.charged:
            declined = Declined(DeclineReason.CARD_DECLINED, may_retry=True)
            self.charged[payment_id] = declined if self.card == "declines" else Charged(f"ch_{payment_id}", amount)
        if self.card == "away":
            raise OutcomeUnknown(gateway=self.name, reason="the line is cut")
        return self.charged[payment_id]

    async def create_top_up(self, payment_id: str, *, amount: Money, payer: Payer, description: str) -> Checkout:
        raise Away

    async def create_save_card(self, payment_id: str, *, payer: Payer) -> Checkout:
        raise Away

    async def refund(self, key: str, *, charge: str, amount: Money) -> Refund:
        raise Away

    async def check(self, reference: str) -> Fact | None:
        raise Away

    async def parse_webhook(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> GatewayEvent:
        raise Away
