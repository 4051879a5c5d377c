"""What a platform's words hint at, where its codes do not say it.

Words choose only the name of a failure. Whether there is one is told by the status and by reading back.
"""

from litemail.providers.platform.errors import (
    AlreadyConnectedElsewhere,
    InboxSignInRefused,
    LimitReached,
    PlatformError,
    Rejected,
)

_MALFORMED = ("must be", "must not", "must have", "is required", "should not be")
_SIGN_IN = ("imap", "smtp", "auth", "credential", "password", "login", "sign in")
_ELSEWHERE = ("another", "elsewhere", "already", "in use", "other user")
_FULL = ("limit", "maximum", "quota", "upgrade", "plan")
_SECOND_FACTOR = ("two-factor", "two factor", "2fa", "second factor", "totp", "otp", "mfa", "authenticator")


def refusal(*, name: str, email: str, words: str) -> PlatformError:
    """Why the platform `name` did not take an inbox that is not there afterwards. `words` are fit to be shown."""
    said = words.lower()
    if any(hint in said for hint in _MALFORMED):  # it speaks of a field, whose name may hold any of the other hints
        return Rejected(name=name, words=words)
    if any(hint in said for hint in _SIGN_IN):
        return InboxSignInRefused(name=name, email=email, words=words)
    if any(hint in said for hint in _ELSEWHERE):
        return AlreadyConnectedElsewhere(name=name, email=email, words=words)
    if any(hint in said for hint in _FULL):
        return LimitReached(name=name, words=words)
    return Rejected(name=name, words=words)


def asks_second_factor(words: str) -> bool:
    return any(hint in words.lower() for hint in _SECOND_FACTOR)
