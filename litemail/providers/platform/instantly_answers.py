"""What Instantly's answers say, whichever call they answer."""

import msgspec

from litemail.kit.errors import Error
from litemail.providers.platform import instantly_wire as wire
from litemail.providers.platform.errors import BadCredentials, NoPaidPlan, Rejected, TotpRequired
from litemail.providers.platform.http import Answer, Caller
from litemail.providers.platform.wording import asks_second_factor, refusal

NAME = "Instantly"


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
    words = caller.shown(failure.message)
    if words.startswith(("body ", "body/")):
        return Rejected(name=NAME, words=words)
    return refusal(name=NAME, email=email, words=words)
