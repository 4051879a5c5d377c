"""What the twin of Stripe knows: cards and how they behave, parameters that the library knows, the form of requests."""

import re
from collections.abc import Mapping
from typing import Any

from stripe.params import (
    PaymentIntentCancelParams,
    PaymentIntentCreateParams,
    PaymentIntentListParams,
    PaymentIntentRetrieveParams,
    RefundCreateParams,
    RefundListParams,
    SetupIntentRetrieveParams,
)
from stripe.params.checkout import SessionCreateParams, SessionRetrieveParams

Thing = dict[str, Any]

DECLINES = {
    "4000000000000002": ("card_declined", "generic_decline", "Your card was declined."),
    "4000000000009995": ("card_declined", "insufficient_funds", "Your card has insufficient funds."),
    "4000000000000341": ("card_declined", "generic_decline", "Your card was declined."),
    "4000000000000069": ("expired_card", "expired_card", "Your card has expired."),
    "4000000000009979": ("card_declined", "stolen_card", "Your card was declined."),
    "4000002760003184": ("authentication_required", "authentication_required", "This payment needs authentication."),
}
ASKS_ITS_OWNER = "4000002500003155"
SLOW = "4000000000000077"
REFUSED_WHEN_SAVED = {"4000000000000002", "4000000000000069"}
KNOWN: Mapping[str, Any] = {
    "POST /v1/checkout/sessions": SessionCreateParams,
    "GET /v1/checkout/sessions/*": SessionRetrieveParams,
    "POST /v1/payment_intents": PaymentIntentCreateParams,
    "GET /v1/payment_intents": PaymentIntentListParams,
    "GET /v1/payment_intents/*": PaymentIntentRetrieveParams,
    "POST /v1/payment_intents/*/cancel": PaymentIntentCancelParams,
    "GET /v1/setup_intents/*": SetupIntentRetrieveParams,
    "POST /v1/refunds": RefundCreateParams,
    "GET /v1/refunds": RefundListParams,
}


def tree(pairs: list[tuple[str, str]]) -> Thing:
    """`a[b][0]=c` as `{"a": {"b": ["c"]}}`."""
    tree: Thing = {}
    for name, value in pairs:
        node, steps = tree, re.findall(r"[^\[\]]+", name)
        for step in steps[:-1]:
            node = node.setdefault(step, {})
        node[steps[-1]] = value
    return dict(_lists(tree))


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(name.isdigit() for name in node):
        return [_lists(node[name]) for name in sorted(node, key=int)]
    return {name: _lists(value) for name, value in node.items()}
