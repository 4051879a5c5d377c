"""Why Stripe did not charge a card.

Sources: https://docs.stripe.com/declines/codes and https://docs.stripe.com/error-codes
"""

from collections.abc import Mapping

from litemail.providers.payments.base import Declined, DeclineReason
from litemail.providers.payments.stripe_wire import Failure

_REASONS: Mapping[str, DeclineReason] = {
    "insufficient_funds": DeclineReason.INSUFFICIENT_FUNDS,
    "expired_card": DeclineReason.EXPIRED_CARD,
    "invalid_expiry_month": DeclineReason.EXPIRED_CARD,
    "invalid_expiry_year": DeclineReason.EXPIRED_CARD,
    "authentication_required": DeclineReason.AUTHENTICATION_REQUIRED,
    "authentication_not_handled": DeclineReason.AUTHENTICATION_REQUIRED,
    "payment_intent_authentication_failure": DeclineReason.AUTHENTICATION_REQUIRED,
}

_CARD_IS_LOST = frozenset(
    {
        "do_not_try_again",
        "fraudulent",
        "incorrect_number",
        "invalid_account",
        "invalid_number",
        "lost_card",
        "merchant_blacklist",
        "new_account_information_available",
        "no_action_taken",
        "not_permitted",
        "pickup_card",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "security_violation",
        "service_not_allowed",
        "stolen_card",
        "stop_payment_order",
        "transaction_not_allowed",
    }
)
"""Declines after which the card networks forbid or punish another try with the same card."""

_RETRYABLE = frozenset({DeclineReason.CARD_DECLINED, DeclineReason.INSUFFICIENT_FUNDS})
_LONGEST = 300


def declined(failure: Failure, *, charge: str | None) -> Declined:
    codes = (failure.decline_code or "", failure.code or "")
    reason = next((_REASONS[code] for code in codes if code in _REASONS), DeclineReason.CARD_DECLINED)
    never = failure.advice_code == "do_not_try_again" or any(code in _CARD_IS_LOST for code in codes)
    words = " ".join(part for part in (failure.message, f"({'/'.join(filter(None, codes))})") if part and part != "()")
    return Declined(reason, may_retry=reason in _RETRYABLE and not never, words=words[:_LONGEST], charge=charge)
