"""Twins of the mail providers: IMAP and SMTP that let anybody in, and refuse the magic passwords in real words.

Which provider is meant, the client says by the host name that it asks for in TLS (SNI).
"""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from litemail.protocols.address import Address
from litemail.protocols.dkim import SigningKey
from litemail.providers.mailhost import TEXTS, Case, Replies, provider_of
from litemail.servers import imap, smtp

_MAGIC = {
    "wrong-password": Case.BAD_CREDENTIALS,
    "needs-app-password": Case.APP_PASSWORD_REQUIRED,
    "needs-totp": Case.SECOND_FACTOR,
    "imap-disabled": Case.IMAP_DISABLED,
}
_NEVER_ANSWERED = "timeout"
_FALLBACK = "gmail"
"""Whose words are used when the client names no provider's host."""


def _refusal(password: str, tls_name: str | None) -> Replies | None:
    case = _MAGIC.get(password)
    if case is None:
        return None
    return TEXTS[provider_of(tls_name or "") or _FALLBACK][case]


class ImapTwin:
    """Implements `imap.Backend`: an empty mailbox for every address."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def sign_in(self, *, username: str, password: str, peer: str, tls_name: str | None) -> imap.Account:  # noqa: ARG002 - of no matter here
        if password == _NEVER_ANSWERED:
            raise imap.SignInStalled
        refusal = _refusal(password, tls_name)
        if refusal is not None:
            _refuse_imap(refusal.imap)
        # All twin mailboxes are empty, so a few folders are enough for them all.
        shelf = hashlib.sha256(username.encode()).hexdigest()[:2]
        return imap.Account(username, self._root / shelf)


def _refuse_imap(reply: str) -> NoReturn:
    raise imap.SignInRefused(reply.removeprefix("NO "), code=None)


class SmtpTwin:
    """Implements `smtp.SubmissionBackend`: takes every message and drops it."""

    async def sign_in(self, *, username: str, password: str, peer: str, tls_name: str | None) -> smtp.Sender:  # noqa: ARG002 - of no matter here
        if password == _NEVER_ANSWERED:
            await asyncio.Event().wait()
        refusal = _refusal(password, tls_name)
        if refusal is not None and refusal.smtp is not None:
            raise smtp.SignInRefused("\r\n".join(refusal.smtp))
        return smtp.Sender(username, username)

    async def may_send_as(self, sender: smtp.Sender, address: Address) -> bool:  # noqa: ARG002 - anybody as anybody
        return True

    async def signing_keys(self, domain: str) -> Sequence[SigningKey]:  # noqa: ARG002 - nothing is sent on
        return ()

    async def admit(self, sender: smtp.Sender, recipients: int) -> None:
        pass

    async def route(self, address: Address) -> smtp.Route:  # noqa: ARG002 - taken and dropped
        return smtp.Deliver()

    async def deliver(self, delivery: smtp.Delivery, message: bytes) -> None:
        pass

    async def forward(self, forward: smtp.Forward, outgoing: smtp.Outgoing) -> None:
        pass

    async def txt(self, name: str) -> str | None:  # noqa: ARG002 - nothing is checked
        return None
