"""What answers say at platforms that document no codes of errors: by status, and by words where those are there."""

from typing import Annotated, TypeAlias

import msgspec

from litemail.providers.platform.errors import BadCredentials, NoPaidPlan, PlatformError, Rejected, TotpRequired
from litemail.providers.platform.http import Answer, Caller
from litemail.providers.platform.wording import asks_second_factor, refusal

_REFUSED = (400, 409, 422)
_NO_ENTRY = (401, 403)
_NOT_PAID = 402
_PLAN = ("plan", "subscription", "upgrade", "trial", "add-on", "addon")


class _Inner(msgspec.Struct, frozen=True):
    message: str = ""


_Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]


class _Body(msgspec.Struct, frozen=True):
    """The places where platforms put their words."""

    message: str | list[str] = ""
    error: str | _Inner = ""
    details: list[_Text] = []
    code: str | int = ""


def words_of(caller: Caller, answer: Answer, *more_secrets: str) -> str | None:
    """The platform's own words about a failure, fit to be shown; None when the body is none that a platform writes."""
    try:
        body = msgspec.json.decode(answer.body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    message = body.message if isinstance(body.message, str) else "; ".join(body.message)
    error = body.error if isinstance(body.error, str) else body.error.message
    code = body.code if isinstance(body.code, str) else ""
    words = "; ".join(part for part in (message or error, "; ".join(body.details)) if part) or code
    return caller.shown(words, *more_secrets) if words else None


def is_refused(answer: Answer) -> bool:
    """Whether the platform did not take what was sent: 400, 409, 422."""
    return answer.status in _REFUSED


def raise_for_account(caller: Caller, answer: Answer, *, words: str | None = None) -> None:
    """Raises what an answer says of the account as a whole: `NoPaidPlan`, `TotpRequired`, `BadCredentials`.

    `words` are those of a platform that puts them where `words_of` does not look.
    """
    if answer.status == _NOT_PAID:
        raise NoPaidPlan(name=caller.name)
    if answer.status not in _NO_ENTRY:
        return
    words = words or words_of(caller, answer) or f"HTTP {answer.status}"
    if asks_second_factor(words):
        raise TotpRequired(name=caller.name)
    if any(hint in words.lower() for hint in _PLAN):
        raise NoPaidPlan(name=caller.name)
    raise BadCredentials(name=caller.name, words=words)


def raise_for_body(caller: Caller, answer: Answer) -> None:
    """Raises `Rejected` when the platform did not take what was sent."""
    words = words_of(caller, answer)
    if is_refused(answer) and words is not None:
        raise Rejected(name=caller.name, words=words)


def refusal_of(caller: Caller, answer: Answer, *, email: str) -> PlatformError:
    """Why an inbox that is not there afterwards was not added."""
    words = words_of(caller, answer)
    if words is None:
        return caller.unexpected(answer, "no message")
    return refusal(name=caller.name, email=email, words=words)
