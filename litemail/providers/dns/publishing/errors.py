"""What can go wrong at a customer's DNS provider: try again, the customer must act, or give up."""

from collections.abc import Iterable

from litemail.kit.errors import Error, Kind

_WORDS = 300
REDACTED = "[redacted]"


class DnsProviderError(Error):
    """Base of what a DNS provider's adapter raises. `name` is the provider's name as people know it."""


class TryAgain(DnsProviderError):
    """The same may succeed later, by itself."""

    kind = Kind.UNAVAILABLE
    retryable = True


class ActionNeeded(DnsProviderError):
    """Nothing changes until the customer does something."""

    kind = Kind.INVALID


class GivenUp(DnsProviderError):
    """Neither time nor a simple act of the customer helps."""

    kind = Kind.UNAVAILABLE


class Unavailable(TryAgain):
    code = "dns_provider.unavailable"
    message = "{name} cannot be reached at the moment: {reason}."
    action = "Litemail tries again by itself. If it lasts, look at the provider's status page."


class RateLimited(TryAgain):
    code = "dns_provider.rate_limited"
    message = "{name} asks for fewer requests."
    action = "Litemail waits and goes on by itself."


class ChangedMeanwhile(TryAgain):
    """Somebody else changed the zone between our reading and our writing; nothing was written."""

    code = "dns_provider.changed_meanwhile"
    message = "The zone {zone} at {name} changed while it was being read."
    action = "Litemail looks again by itself."


class BadCredentials(ActionNeeded):
    code = "dns_provider.bad_credentials"
    message = "{name} refused the credentials: {words}"
    action = "Make a new API key or token at the provider and connect the domain again with it."


class NotPermitted(ActionNeeded):
    code = "dns_provider.not_permitted"
    message = "{name} does not let these credentials do that: {words}"
    action = "Give the API key or token the right to read and edit the DNS of this zone."


class BadAddress(ActionNeeded):
    code = "dns_provider.bad_address"
    message = "There is no API of {name} at this address: {reason}."
    action = "Check the URL, and the name of the server if you gave one."


class ZoneMissing(ActionNeeded):
    code = "dns_provider.zone_missing"
    message = "{name} has no zone {zone} that these credentials can see."
    action = "Add the zone at the provider, or give credentials that can see it; then connect the domain again."


class Rejected(ActionNeeded):
    code = "dns_provider.rejected"
    message = "{name} refused the change: {words}"
    action = "Read the provider's words, correct the zone there, then connect the domain again."


class NotOffered(ActionNeeded):
    code = "dns_provider.type_not_offered"
    message = "{name} cannot hold a record of type {type}."
    action = "Use hosted DNS for this domain, or do without what needs the record."


class UnexpectedAnswer(GivenUp):
    """An answer that the adapter does not know; never taken for success."""

    code = "dns_provider.unexpected_answer"
    message = "{name} answered with something Litemail does not know: {reason}."
    action = "Check that the address is the provider's API. If it is, report this answer."


class UnknownProvider(ActionNeeded):
    code = "dns_provider.unknown"
    message = "There is no DNS provider {provider!r}. Known ones: {known}."
    action = "Use one of the known providers, or `hosted`."


class CredentialsIncomplete(ActionNeeded):
    code = "dns_provider.credentials_incomplete"
    message = "The credentials of {name} need {needed}, and take nothing else{optional}."
    action = "Send exactly these fields."


def words(text: str, secrets: Iterable[str]) -> str:
    """What a provider said, fit to be shown: one line, bounded, without the credentials."""
    for secret in filter(None, secrets):
        text = text.replace(secret, REDACTED)
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _WORDS else line[: _WORDS - 1] + "…"
