"""What lemlist's answers say, whichever call they answer. Its errors are bare words, as plain text."""

import httpx
import msgspec

from litemail.kit.errors import Error
from litemail.providers.platform import lemlist_wire as wire
from litemail.providers.platform.base import RemoteInbox, Standing
from litemail.providers.platform.errors import (
    AlreadyConnectedElsewhere,
    BadCredentials,
    InboxSignInRefused,
    NoPaidPlan,
    Rejected,
    TotpRequired,
)
from litemail.providers.platform.http import Answer, Caller
from litemail.providers.platform.wording import asks_second_factor, refusal

NAME = "lemlist"

_BAD_TEAM = "bad team"
_NOT_OURS = "not allowed to modify"
_WORKING = "CONNECTED"
_BROKEN = ("ERROR", "DISCONNECTED")
_EXISTS = "this smtp mailbox already exists"


class GoogleOnly(Rejected):
    """Gmail over SMTP and IMAP is not allowed (developer.lemlist.com, connect email account)."""

    message = "lemlist takes Gmail inboxes only by signing in with Google, never with a password."
    action = "Connect this inbox in lemlist itself, with its button for Google."


class StoredPasswordRefused(InboxSignInRefused):
    """An inbox that lemlist has, and that it cannot sign in to. Its API changes no password."""

    action = "Remove the inbox in lemlist, check its password and servers, then try again: lemlist can change neither."


def words_of(answer: Answer) -> str | None:
    """The words of an error answer; None when something else than lemlist's API wrote it."""
    kind = answer.headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    text = answer.body.decode("utf-8", "replace").strip()
    return text if text and kind in ("text/plain", "application/json") else None


def is_absent(answer: Answer) -> bool:
    """Whether lemlist says that there is no such thing; a 404 without its words says nothing."""
    return answer.status == 404 and words_of(answer) is not None  # noqa: PLR2004


def raise_for_account(caller: Caller, answer: Answer) -> None:
    """Raises what an answer says of the account as a whole.

    401 is a wrong key, 403 a blocked user or one who is not of the team, 400 "Bad team" a key without a right to the
    team (developer.lemlist.com, errors). But 403 on removing may be about that mailbox alone.
    """
    said = words_of(answer) or f"HTTP {answer.status}"
    if answer.status == 402:  # noqa: PLR2004
        raise NoPaidPlan(name=NAME)
    if answer.status == 403 and _NOT_OURS in said.lower():  # noqa: PLR2004
        raise Rejected(name=NAME, words=caller.shown(said))
    if answer.status in (401, 403) or (answer.status == 400 and said.lower() == _BAD_TEAM):  # noqa: PLR2004
        if asks_second_factor(said):
            raise TotpRequired(name=NAME)
        raise BadCredentials(name=NAME, words=caller.shown(said))


def refusal_of(caller: Caller, answer: Answer, *, email: str) -> Error:
    """Why an inbox that is not there afterwards was not added.

    Documented are "Missing required fields", "Invalid host" and "This SMTP mailbox already exists", which names SMTP
    and yet is no failed sign-in. What a full plan says is not documented.
    """
    said = words_of(answer)
    if said is None:
        return caller.unexpected(answer, "no words")
    words = caller.shown(said)
    if said.lower() == _EXISTS:
        return AlreadyConnectedElsewhere(name=NAME, email=email, words=words)
    return refusal(name=NAME, email=email, words=words)


def inbox_of(caller: Caller, mailbox: wire.Mailbox) -> RemoteInbox:
    """A mailbox as lemlist saw it last."""
    problem = _problem_of(caller, mailbox)
    return RemoteInbox(
        email=mailbox.email.lower(),
        external_id=mailbox.id,
        standing=Standing.FAILED if problem else Standing.CONNECTED,
        problem=problem,
        daily_limit=mailbox.lemlist.email_limit,
        warmup=mailbox.lemwarm.active,
    )


def _problem_of(caller: Caller, mailbox: wire.Mailbox) -> Error | None:
    if mailbox.status == _WORKING:
        return None
    if mailbox.status in _BROKEN:
        return Rejected(name=NAME, words=f"its status there is {mailbox.status}")
    kept = Answer("GET /api/users/{userId}", 200, httpx.Headers(), msgspec.json.encode(mailbox))
    return caller.unexpected(kept, f"unknown status of {mailbox.email}")
