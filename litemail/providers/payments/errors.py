"""What can go wrong at a payment gateway, as types: try again, the operator must act, or give up.

A declined card is no error here but an outcome (`base.Declined`): it is a final answer, and its owner must act.
"""

from litemail.kit.errors import Error, Kind


class GatewayError(Error):
    """Base of what a payment gateway raises. `gateway` is its name as people know it."""


class GatewayUnavailable(GatewayError):
    """Nothing is known to have happened; the same call with the same id may succeed later."""

    kind = Kind.UNAVAILABLE
    code = "payment.gateway_unavailable"
    message = "{gateway} cannot be reached at the moment: {reason}."
    action = "Try again in a moment."
    retryable = True


class OutcomeUnknown(GatewayUnavailable):
    """The call was sent and got no answer. Repeating it with the same id is safe and tells what became of it."""

    message = "{gateway} did not answer, so it is not known whether it did what was asked: {reason}."


class GatewayMisconfigured(GatewayError):
    """The operator must act: the gateway refuses our key, or what we ask of it."""

    kind = Kind.UNAVAILABLE
    code = "payment.gateway_misconfigured"
    message = "{gateway} refuses to work for this installation: {reason}."
    action = "The operator of this installation has to check the keys and settings of the payment gateway."


class NoGateway(GatewayError):
    kind = Kind.UNAVAILABLE
    code = "payment.no_gateway"
    message = "This installation takes no payments in {mode} workspaces."
    action = "The operator of this installation has to set up a payment gateway."


class UnknownGateway(GatewayError):
    kind = Kind.NOT_FOUND
    code = "payment.unknown_gateway"
    message = "There is no payment gateway {name!r} here."
    action = "Correct the address of the webhook at the gateway."


class UnexpectedAnswer(GatewayError):
    """An answer that the adapter does not know; never taken for success. What happened has to be looked at."""

    kind = Kind.UNAVAILABLE
    code = "payment.unexpected_answer"
    message = "{gateway} answered {call} with something Litemail does not know: {reason}."
    action = "Look at the gateway whether the payment is there. If this repeats, report it."


class RefundRefused(GatewayError):
    kind = Kind.CONFLICT
    code = "payment.refund_refused"
    message = "{gateway} does not refund this payment: {reason}."
    action = "Look at the payment in the gateway's own dashboard; refund it by other means."


class BadSignature(GatewayError):
    """A webhook that the gateway did not sign, or not just now: forged, replayed, or another secret."""

    kind = Kind.MALFORMED
    code = "payment.bad_signature"
    message = "This call is not signed by {gateway}: {reason}."
    action = "Compare the webhook secret in the settings with the one that the gateway shows."


class BadEvent(GatewayError):
    """A signed webhook that cannot be read."""

    kind = Kind.MALFORMED
    code = "payment.bad_event"
    message = "This event of {gateway} cannot be read: {reason}."
    action = "Compare the version of the gateway's API with the one that this installation expects."
