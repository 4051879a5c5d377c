"""What Instantly's answers say, whichever call they answer."""

import msgspec

from litemail.kit.errors import Error
from litemail.providers.platform import instantly_wire as wire
from litemail.providers.platform.errors import (
    AlreadyConnectedElsewhere,
    BadCredentials,
    InboxSignInRefused,
    LimitReached,
    NoPaidPlan,
    Rejected,
    TotpRequired,
)
from litemail.providers.platform.http import Answer, Caller

NAME = "Instantly"

_ELSEWHERE = ("another", "elsewhere", "already", "in use")
_SIGN_IN = ("imap", "smtp", "auth", "credential", "password", "login", "sign in")
_FULL = ("limit", "maximum", "quota", "upgrade", "plan")
_SECOND_FACTOR = ("two-factor", "two factor", "2fa", "second factor", "totp", "otp", "mfa", "authenticator")


def failure_of(answer: Answer) -> wire.Failure | None:
    """The documented error body, or None when the answer has another one."""
    try:
        return msgspec.json.decode(answer.body, type=wire.Failure)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def is_absent(answer: Answer) -> bool:
    """Whether Instantly says that there is no such thing.

    A 404 without its own body comes from something in between and says nothing.
    """
    return answer.status == 404 and failure_of(answer) is not None  # noqa: PLR2004


def raise_for_account(caller: Caller, answer: Answer) -> None:
    """Raises what an answer says of the account as a whole: 401 and 403 `BadCredentials`, 402 `NoPaidPlan`."""
    if answer.status == 402:  # noqa: PLR2004
        raise NoPaidPlan(name=NAME)
    if answer.status in (401, 403):
        failure = failure_of(answer)
        words = caller.shown(failure.message) if failure else f"HTTP {answer.status}"
        if asks_second_factor(words):
            raise TotpRequired(name=NAME)
        raise BadCredentials(name=NAME, words=words)


def raise_for_body(caller: Caller, answer: Answer) -> None:
    """Raises `Rejected` for a 400: Instantly does not take what was sent."""
    failure = failure_of(answer)
    if answer.status == 400 and failure is not None:  # noqa: PLR2004
        raise Rejected(name=NAME, words=caller.shown(failure.message))


def refusal_of(caller: Caller, answer: Answer, *, email: str) -> Error:
    """Why an inbox that is not there afterwards was not added.

    Only the text of its schema check is documented ("body must have ..."); for the rest the words are a hint.
    """
    failure = failure_of(answer)
    if failure is None:
        return caller.unexpected(answer, "no message")
    words, said = caller.shown(failure.message), failure.message.lower()
    if said.startswith(("body ", "body/")):
        return Rejected(name=NAME, words=words)
    if any(hint in said for hint in _SIGN_IN):
        return InboxSignInRefused(name=NAME, email=email, words=words)
    if any(hint in said for hint in _ELSEWHERE):
        return AlreadyConnectedElsewhere(name=NAME, email=email, words=words)
    if any(hint in said for hint in _FULL):
        return LimitReached(name=NAME, words=words)
    return Rejected(name=NAME, words=words)


def asks_second_factor(words: str) -> bool:
    return any(hint in words.lower() for hint in _SECOND_FACTOR)
