"""What EmailBison's answers say, whichever call they answer.

No error is documented. The shapes are those of Laravel, seen by users of the API: `{message, errors}`, mostly within
`data` (`api feedback` of the vendor's n8n node; a public script that adds senders).
"""

import msgspec

from litemail.providers.platform import answers
from litemail.providers.platform import emailbison_wire as wire
from litemail.providers.platform.errors import (
    AlreadyConnectedElsewhere,
    PlatformError,
    Rejected,
    WorkspaceRequired,
)
from litemail.providers.platform.http import Answer, Caller
from litemail.providers.platform.wording import refusal

NAME = "EmailBison"

_TAKEN = ("already been taken", "already exists")
_VALIDATION = ("field is required", "field must", "must be", "is invalid", "may not be")


class KeyOfSeveral(WorkspaceRequired):
    """A key that follows its owner from workspace to workspace: where inboxes would go, nobody can know before."""

    message = "This {name} key is for several workspaces ({known}) and acts in the one its owner last chose."
    action = "Make a key for the one workspace: there under Settings → Developer API, of type api-user. Use it instead."


def reasons_of(answer: Answer) -> wire.Reasons | None:
    """An error body of EmailBison's own, or None when the answer has another one."""
    try:
        reasons = msgspec.json.decode(answer.body, type=wire.Failure).reasons
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return reasons if reasons.message or reasons.errors else None


def words_of(reasons: wire.Reasons) -> str:
    complaints = [complaint for field in reasons.errors.values() for complaint in field]
    return " ".join(dict.fromkeys(filter(None, (reasons.message, *complaints))))


def is_absent(answer: Answer) -> bool:
    """Whether EmailBison says that there is no such record.

    A 404 without its own body, or about the path, comes from something in between or an older instance.
    """
    reasons = reasons_of(answer) if answer.status == 404 else None  # noqa: PLR2004
    if reasons is None:
        return False
    return bytes(reasons.record_not_found) != b"null" or reasons.message.startswith(("Record not found", "No query"))


def raise_for_account(caller: Caller, answer: Answer) -> None:
    """Raises what an answer says of the account as a whole."""
    reasons = None if answer.ok else reasons_of(answer)
    answers.raise_for_account(caller, answer, words=caller.shown(words_of(reasons)) if reasons else None)


def raise_for_body(caller: Caller, answer: Answer) -> None:
    """Raises `Rejected` for what EmailBison does not take."""
    reasons = reasons_of(answer)
    if answer.status in (400, 404, 422) and reasons is not None:
        raise Rejected(name=NAME, words=caller.shown(words_of(reasons)))


def refusal_of(caller: Caller, answer: Answer, *, email: str) -> PlatformError:
    """Why an inbox that is not there afterwards was not added."""
    reasons = reasons_of(answer)
    if reasons is None:
        return caller.unexpected(answer, "no message")
    words = caller.shown(words_of(reasons))
    said = words.lower()
    if any(hint in said for hint in _TAKEN):
        return AlreadyConnectedElsewhere(name=NAME, email=email, words=words)
    # What its check of the fields says is no verdict about the inbox, although it names IMAP, SMTP or the password.
    if any(hint in said for hint in _VALIDATION):
        return Rejected(name=NAME, words=words)
    return refusal(name=NAME, email=email, words=words)
