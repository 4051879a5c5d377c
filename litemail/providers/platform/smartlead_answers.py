"""What Smartlead's answers say, whichever call they answer."""

import msgspec

from litemail.providers.platform import smartlead_wire as wire
from litemail.providers.platform.errors import (
    AlreadyConnectedElsewhere,
    InboxSignInRefused,
    PlatformError,
    Rejected,
)
from litemail.providers.platform.http import Answer, Caller
from litemail.providers.platform.wording import refusal

NAME = "Smartlead"

_NOT_THERE = "not found"
_REFUSALS = (400, 404, 409, 422)


def failure_of(answer: Answer) -> wire.Failure | None:
    """An error body of Smartlead's own, or None when the answer has another one."""
    try:
        failure = msgspec.json.decode(answer.body, type=wire.Failure)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return failure if failure.words or failure.errorCode else None


def is_absent(answer: Answer) -> bool:
    """Whether Smartlead says that there is no such account: ACCOUNT_NOT_FOUND, or only the words, as where an account
    is asked for by its address.

    A 404 without its own body comes from something in between and says nothing.
    """
    failure = failure_of(answer) if answer.status == 404 else None  # noqa: PLR2004
    return failure is not None and (
        failure.errorCode == "ACCOUNT_NOT_FOUND" or (not failure.errorCode and _NOT_THERE in failure.words.lower())
    )


def is_refusal(answer: Answer) -> bool:
    """Whether an account was not taken, in Smartlead's own words; some answers say so with 200 and `ok: false`."""
    return (answer.ok or answer.status in _REFUSALS) and failure_of(answer) is not None


def raise_for_body(caller: Caller, answer: Answer) -> None:
    """Raises `Rejected` for what Smartlead does not take."""
    failure = failure_of(answer)
    if answer.status in _REFUSALS and failure is not None:
        raise Rejected(name=NAME, words=caller.shown(failure.words))


def refusal_of(caller: Caller, answer: Answer, *, email: str) -> PlatformError:
    """Why an inbox that is not there afterwards was not taken."""
    failure = failure_of(answer)
    if failure is None:
        return caller.unexpected(answer, "no message")
    words = caller.shown(failure.words)
    if failure.errorCode == "ACCOUNT_ALREADY_EXIST":
        return AlreadyConnectedElsewhere(name=NAME, email=email, words=words)
    if failure.errorCode == "ACCOUNT_VERIFICATION_FAILED":
        return InboxSignInRefused(name=NAME, email=email, words=words)
    # What it says of single fields is no verdict about the inbox, although it may name SMTP or a password.
    if answer.status == 422 or failure.validation is not None:  # noqa: PLR2004
        return Rejected(name=NAME, words=words)
    return refusal(name=NAME, email=email, words=words)
