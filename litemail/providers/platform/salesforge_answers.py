"""What Salesforge's answers say, whichever call they answer."""

import httpx
import msgspec

from litemail.kit.errors import Error
from litemail.providers.platform import salesforge_wire as wire
from litemail.providers.platform.base import RemoteInbox, Standing
from litemail.providers.platform.errors import (
    AlreadyConnectedElsewhere,
    BadCredentials,
    InboxSignInRefused,
    NoPaidPlan,
    Rejected,
    TotpRequired,
    Unavailable,
)
from litemail.providers.platform.http import Answer, Caller
from litemail.providers.platform.wording import asks_second_factor, refusal

NAME = "Salesforge"

_STANDINGS = {
    "active": Standing.CONNECTED,
    "pending": Standing.PENDING,
    "access_lost": Standing.FAILED,
}
_PLAN = ("plan", "subscription", "upgrade", "credit")
_DAILY_LIMIT = ("dailyemaillimit", "daily email limit", "daily limit")
_OTHER_WORKSPACE = ("another workspace", "other workspace", "different workspace")


def failure_of(answer: Answer) -> wire.Failure | None:
    """The documented error body, or None when the answer has another one."""
    try:
        return msgspec.json.decode(answer.body, type=wire.Failure)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def is_absent(answer: Answer) -> bool:
    """Whether Salesforge says that there is no such thing; a 404 without its own body says nothing."""
    return answer.status == 404 and failure_of(answer) is not None  # noqa: PLR2004


def raise_for_account(caller: Caller, answer: Answer) -> None:
    """Raises what an answer says of the account as a whole: 401 a wrong key, 402 no credits, 403 a key without a right
    to what was asked, or a plan without it (both are documented of 403).
    """
    if answer.status == 402:  # noqa: PLR2004
        raise NoPaidPlan(name=NAME)
    if answer.status not in (401, 403):
        return
    failure = failure_of(answer)
    words = caller.shown(failure.message) if failure else f"HTTP {answer.status}"
    if asks_second_factor(words):
        raise TotpRequired(name=NAME)
    if answer.status == 403 and any(hint in words.lower() for hint in _PLAN):  # noqa: PLR2004
        raise NoPaidPlan(name=NAME)
    raise BadCredentials(name=NAME, words=words)


def refusal_of(caller: Caller, answer: Answer, *, email: str) -> Error:
    """Why a mailbox was not taken, or not changed. The causes are documented, their words are not.

    400: a server that does not let it in, naming the protocol; an address of another workspace; a daily limit above
    the workspace's. 409: the address is being connected just now, by an earlier call say whose answer was lost.
    """
    failure = failure_of(answer)
    if failure is None:
        return caller.unexpected(answer, "no message")
    words, said = caller.shown(failure.message), failure.message.lower()
    if any(hint in said for hint in _OTHER_WORKSPACE):
        return AlreadyConnectedElsewhere(name=NAME, email=email, words=words)
    if answer.status == 409:  # noqa: PLR2004
        return Unavailable(name=NAME, reason=f"it is still connecting this inbox: {words}")
    if any(hint in said for hint in _DAILY_LIMIT):
        return Rejected(name=NAME, words=words)
    return refusal(name=NAME, email=email, words=words)


def inbox_of(caller: Caller, mailbox: wire.Mailbox) -> RemoteInbox:
    standing = _STANDINGS.get(mailbox.status, Standing.FAILED)
    return RemoteInbox(
        email=mailbox.address.lower(),
        external_id=mailbox.id,
        standing=standing,
        problem=_problem_of(caller, mailbox) if standing is Standing.FAILED else None,
        daily_limit=mailbox.daily_email_limit,
    )


def _problem_of(caller: Caller, mailbox: wire.Mailbox) -> Error:
    if mailbox.status in _STANDINGS:
        words = caller.shown(mailbox.disconnect_reason or "it lost access to the inbox")
        return InboxSignInRefused(name=NAME, email=mailbox.address, words=words)
    kept = Answer("GET /public/v2/workspaces/{id}/mailboxes", 200, httpx.Headers(), msgspec.json.encode(mailbox))
    return caller.unexpected(kept, f"unknown status of {mailbox.address}")
