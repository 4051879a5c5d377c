"""What can go wrong at a sending platform, as types: try again, the user must act, or give up.

`concerns` says how far a failure reaches: a wrong API key fails every inbox of the platform account, a refused
inbox only itself. Every message that carries a platform's words has them redacted and bounded (`redaction`).
"""

from enum import StrEnum
from typing import ClassVar

from litemail.kit.errors import Error, Kind


class Concerns(StrEnum):
    """Whom a failure concerns."""

    ACCOUNT = "account"
    INBOX = "inbox"


class PlatformError(Error):
    """Base of what a platform adapter raises or reports. `name` is the platform's name as people know it."""

    concerns: ClassVar[Concerns] = Concerns.ACCOUNT


class TryAgain(PlatformError):
    """The same call may succeed later, by itself."""

    kind = Kind.UNAVAILABLE
    retryable = True


class ActionNeeded(PlatformError):
    """Nothing changes until the user does something."""

    kind = Kind.INVALID


class GivenUp(PlatformError):
    """Neither time nor a user's simple act helps."""

    kind = Kind.UNAVAILABLE


class Unavailable(TryAgain):
    code = "platform.unavailable"
    message = "{name} cannot be reached at the moment: {reason}."
    action = "Litemail tries again by itself. If it lasts, look at the platform's status page."


class OutcomeUnknown(Unavailable):
    """A call that changes something got no answer: it may have happened. Read back before doing it again."""

    message = "{name} did not answer, so it is not known whether it did what was asked: {reason}."

    def wait_at_least(self, seconds: float) -> None:
        """For platforms that work in the background: what was asked for shows only after a while."""
        self.retry_after = max(self.retry_after or 0, seconds)


class RateLimited(TryAgain):
    """`retry_after` is always set: seconds to wait before the next call with these credentials, the platform's wish or,
    without one, longer each time.
    """

    code = "platform.rate_limited"
    message = "{name} asks for fewer requests."
    action = "Litemail waits and goes on by itself."


class BadCredentials(ActionNeeded):
    code = "platform.bad_credentials"
    message = "{name} refused the sign-in: {words}"
    action = "Check the API key, or the e-mail and password, of the platform account and send them again."


class TotpRequired(ActionNeeded):
    code = "platform.totp_required"
    message = "{name} asks for a second factor, which Litemail cannot give."
    action = "Make an API key at the platform and use it instead of e-mail and password."


class LoginNotOffered(ActionNeeded):
    """`where` says where at the platform a key is found."""

    code = "platform.login_not_offered"
    message = "Litemail does not sign in to {name} with e-mail and password."
    action = (
        "Send an API key instead, as platform_api_key (to POST /v1/exports/accounts as api_key). "
        "Where {name} shows it: {where}."
    )


class WorkspaceRequired(ActionNeeded):
    code = "platform.workspace_required"
    message = "This {name} login has several workspaces: {known}."
    action = "Name the workspace that the inboxes belong to."


class WorkspaceNotFound(ActionNeeded):
    code = "platform.workspace_not_found"
    message = "This {name} login has no workspace {wanted!r}, only: {known}."
    action = "Name one of these workspaces."


class NoPaidPlan(ActionNeeded):
    code = "platform.no_paid_plan"
    message = "The {name} workspace has no active paid plan."
    action = "Choose a plan at the platform, then try again."


class LimitReached(ActionNeeded):
    concerns = Concerns.INBOX
    code = "platform.limit_reached"
    message = "{name} takes no more inboxes: {words}"
    action = "Remove inboxes at the platform or choose a larger plan there, then try again."


class AlreadyConnectedElsewhere(ActionNeeded):
    concerns = Concerns.INBOX
    code = "platform.already_connected_elsewhere"
    message = "{name} has {email} in another account: {words}"
    action = "Remove the inbox from the other account at the platform, then try again."


class InboxSignInRefused(ActionNeeded):
    """The platform could not sign in to the inbox."""

    concerns = Concerns.INBOX
    code = "inbox.bad_credentials"
    message = "{name} could not sign in to {email}: {words}"
    action = "Check the inbox's password (some providers need an app password) and its IMAP and SMTP servers."

    def __init__(self, *, name: str, email: str, words: str) -> None:
        super().__init__(name=name, email=email, words=words, stage="connecting")


class Rejected(GivenUp):
    concerns = Concerns.INBOX
    kind = Kind.INVALID
    code = "platform.rejected"
    message = "{name} refused: {words}"
    action = "Read the platform's words; if they do not help, ask its support."


class UnexpectedAnswer(GivenUp):
    """An answer in a shape or with a status that the adapter does not know; never taken for success."""

    code = "platform.unexpected_answer"
    message = "{name} answered {call} with something Litemail does not know (HTTP {status}: {reason}). It said: {body}"
    action = "Look at the platform whether the inbox is there. If this repeats, report it with this answer."

    def __init__(self, *, name: str, call: str, status: int, reason: str, body: str) -> None:
        super().__init__(name=name, call=call, status=status, reason=reason, body=body or "nothing")
        self.body = body
        """What was answered: redacted, cut."""


class UnknownPlatform(ActionNeeded):
    code = "platform.unknown"
    message = "There is no sending platform {platform_type!r}. Known ones: {known}."
    action = "Use one of the known platform types."


class FileOnly(ActionNeeded):
    code = "platform.file_only"
    message = "Litemail connects no inboxes to {name} by itself: it makes a file for you to upload there."
    action = "Export the mailboxes as a file with POST /v1/exports and upload it there."


class NotOffered(GivenUp):
    """Asked for what is not among the adapter's capabilities."""

    kind = Kind.INVALID
    code = "platform.not_offered"
    message = "{name} offers no way to {what} through its API."
    action = "Do it at the platform itself."
