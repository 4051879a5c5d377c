"""The test cards of the sandbox's gateway. No other card is taken."""

from collections.abc import Mapping

import msgspec

from litemail.providers.payments import DeclineReason


class SandboxCard(msgspec.Struct, frozen=True):
    """How a card behaves: when paying on a page, when being saved, and when charged while nobody is there.

    `paying` and `alone` are why it is declined, None where it pays.
    """

    number: str
    meaning: str
    paying: DeclineReason | None = None
    can_be_saved: bool = True
    alone: DeclineReason | None = None

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def shown(self) -> str:
        """`4242 4242 4242 4242`"""
        return " ".join(self.number[start : start + 4] for start in range(0, len(self.number), 4))


BRAND = "visa"
EXP_MONTH, YEARS_LEFT = 12, 4

CARDS: Mapping[str, SandboxCard] = {
    card.number: card
    for card in (
        SandboxCard("4242424242424242", "pays"),
        SandboxCard(
            "4000000000000002",
            "is declined, and cannot be saved",
            paying=DeclineReason.CARD_DECLINED,
            can_be_saved=False,
            alone=DeclineReason.CARD_DECLINED,
        ),
        SandboxCard(
            "4000000000009995",
            "has insufficient funds; it can be saved",
            paying=DeclineReason.INSUFFICIENT_FUNDS,
            alone=DeclineReason.INSUFFICIENT_FUNDS,
        ),
        SandboxCard(
            "4000000000000341",
            "can be saved, and is declined whenever it is charged",
            paying=DeclineReason.CARD_DECLINED,
            alone=DeclineReason.CARD_DECLINED,
        ),
        SandboxCard(
            "4000002500003155",
            "pays here; charged while nobody is there, its bank wants a confirmation",
            alone=DeclineReason.AUTHENTICATION_REQUIRED,
        ),
    )
}
