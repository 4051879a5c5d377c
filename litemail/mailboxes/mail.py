"""Use cases of the mail servers: sign in, receive, send."""

from collections.abc import Sequence

import msgspec

from litemail.kit import passwords
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.mailboxes import queries
from litemail.mailboxes.queries import Owned, SignInRow, Status

USABLE: frozenset[Status] = frozenset({"active", "scheduled_for_removal"})
"""In these states a mailbox receives, sends and is read."""


class SendingLimitReached(Error):
    kind = Kind.RATE_LIMITED
    code = "mailbox.sending_limit"
    message = "{email} has sent {limit} messages today, as many as a mailbox may."
    action = "Go on tomorrow (UTC), or ask the operator for a higher limit."
    retryable = True


class Receiver(msgspec.Struct, frozen=True):
    mailbox_id: str
    email: str


async def find_sign_in(tx: Tx, email: str) -> SignInRow | None:
    """What is needed to check a password of this mailbox, outside of any transaction, with `verify`."""
    return await queries.find_sign_in(tx, email)


class Match(msgspec.Struct, frozen=True):
    """A password that opens a mailbox: one of its app passwords, or (None) its own."""

    app_password_id: str | None


async def verify(row: SignInRow | None, password: str) -> Match | None:
    """Which password of the mailbox this is; None for none of them. Takes as long when there is no mailbox."""
    if row is not None:
        for app_password_id, app_hash in zip(row.app_ids, row.app_hashes, strict=True):
            if await passwords.verify(app_hash, password):
                return Match(app_password_id)
    return Match(None) if await passwords.verify(row.password_hash if row else None, password) else None


async def count_sent(tx: Tx, mailbox_id: str, *, email: str, recipients: int, limit: int) -> None:
    """Counts a message to so many recipients. Raises SendingLimitReached, which undoes the count."""
    if await queries.count_sent(tx, mailbox_id, messages=recipients) > limit:
        raise SendingLimitReached(email=email, limit=limit)


async def list_active(tx: Tx, emails: Sequence[str], *, workspace_id: str) -> dict[str, Owned]:
    """Those of the addresses that are active mailboxes of the workspace."""
    return {row.email: row for row in await queries.list_active(tx, emails, workspace_id=workspace_id)}
