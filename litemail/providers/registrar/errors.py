"""What can go wrong at a registrar, as types: try again, the operator must act, the customer must act, or give up."""

from litemail.kit.errors import Error, Kind


class RegistrarError(Error):
    """Base of what a registrar raises. `registrar` is its name as people know it."""


class RegistrarUnavailable(RegistrarError):
    """Nothing is known to have happened; the same call may succeed later."""

    kind = Kind.UNAVAILABLE
    code = "registrar.unavailable"
    message = "{registrar} cannot be reached at the moment: {reason}."
    action = "Try again in a moment."
    retryable = True


class OutcomeUnknown(RegistrarUnavailable):
    """The call was sent and got no answer. What became of it shows in `Registrar.find`, or by repeating the call."""

    message = "{registrar} did not answer, so it is not known whether it did what was asked: {reason}."


class StillUnderWay(RegistrarError):
    """An operation that takes its time; ask again later."""

    kind = Kind.UNAVAILABLE
    code = "registrar.under_way"
    message = "{registrar} is still at work on {name}{words}."
    action = "Wait: it goes on by itself. Some names need a click in a mail that the registrar sends to their owner."
    retryable = True


class RegistrarMisconfigured(RegistrarError):
    """The operator must act: the registrar refuses our keys, or the account may not do this."""

    kind = Kind.UNAVAILABLE
    code = "registrar.misconfigured"
    message = "{registrar} refuses to work for this installation: {reason}."
    action = "The operator of this installation has to check the account and the keys of the registrar."


class NoRegistrar(RegistrarError):
    kind = Kind.UNAVAILABLE
    code = "registrar.none"
    message = "This installation buys no domains in {mode} workspaces."
    action = "Buy the name at any registrar and connect it with POST /v1/domains/connect."


class RegistrarGone(RegistrarError):
    """The operator must act: names are held at a registrar that the settings name no more."""

    kind = Kind.UNAVAILABLE
    code = "registrar.gone"
    message = "This installation has no access to the registrar {name!r} any more."
    action = "The operator of this installation has to set the registrar up again."
    retryable = True


class UnexpectedAnswer(RegistrarError):
    """An answer that the adapter does not know; never taken for success."""

    kind = Kind.UNAVAILABLE
    code = "registrar.unexpected_answer"
    message = "{registrar} answered {call} with something Litemail does not know: {reason}."
    action = "Look at the registrar what became of it. If this repeats, report it."


class NotAvailable(RegistrarError):
    """Give up: somebody has the name, or nobody may have it."""

    kind = Kind.CONFLICT
    code = "domain.not_available"
    message = "{name} cannot be registered: {reason}."
    action = "Choose another name, see GET /v1/domains/available."


class PriceChanged(RegistrarError):
    """Give up: it costs more than what was agreed."""

    kind = Kind.CONFLICT
    code = "domain.price_changed"
    message = "{name} costs more at the registrar now than when it was quoted."
    action = "Look at the price with ?dry_run=true and order again."


class SuffixNotSold(RegistrarError):
    """Give up: the registrar does not work with names under this ending."""

    kind = Kind.INVALID
    code = "registrar.suffix_not_sold"
    message = "{registrar} does not sell names under .{suffix}."
    action = "Choose another ending, or buy the name elsewhere and connect it."


class Refused(RegistrarError):
    """The customer must act: the registrar said why."""

    kind = Kind.CONFLICT
    code = "registrar.refused"
    message = "{registrar} refused {name}: {reason}"
    action = "Correct what the registrar names, the billing details for instance, and try again."


class NotHeld(RegistrarError):
    """Give up: the name is not in our account, never was or was moved away."""

    kind = Kind.CONFLICT
    code = "registrar.not_held"
    message = "{name} is not with this registrar account."
    action = "Renew or move it where it is registered."
