"""Sign-ins of our own mailboxes, for IMAP and submission alike."""

import asyncio
from collections import OrderedDict
from pathlib import Path

from litemail import mailboxes
from litemail.kit.db import Database
from litemail.kit.secrets import Secrets
from litemail.mailboxes import SignInRow

_REMEMBERED_SECONDS = 600.0
_REMEMBERED = 20_000


class SignIns:
    """Checks passwords against the database and remembers successes for ten minutes.

    Mail programs sign in again and again, and an argon2id hash costs 0.1 s each time. What is remembered is a keyed
    hash over address, password and the hashes stored now: a changed or revoked password is no longer found. When an
    app password was last used is noted where it is not remembered, so it is right to ten minutes.
    """

    def __init__(self, database: Database, secrets: Secrets) -> None:
        self._database = database
        self._secrets = secrets
        self._good: OrderedDict[bytes, float] = OrderedDict()

    async def check(self, username: str, password: str) -> SignInRow | None:
        """The mailbox, if this is its password (or one of its app passwords) and it may be used now."""
        async with self._database.system_statement() as tx:
            row = await mailboxes.find_sign_in(tx, username.strip().lower())
        key = b""
        if row is not None:
            parts = "\0".join((row.mailbox_id, password, row.password_hash, *row.app_hashes))
            key = self._secrets.mac("mail sign-in", parts)
        now = asyncio.get_running_loop().time()
        if self._good.get(key, 0.0) <= now:
            match = await mailboxes.verify(row, password)
            if match is None:
                return None
            if match.app_password_id is not None:
                async with self._database.system_statement() as tx:
                    await mailboxes.note_use(tx, match.app_password_id)
            self._remember(key, until=now + _REMEMBERED_SECONDS)
        return row if row is not None and row.status in mailboxes.USABLE else None

    def _remember(self, key: bytes, *, until: float) -> None:
        self._good[key] = until
        self._good.move_to_end(key)
        if len(self._good) > _REMEMBERED:
            self._good.popitem(last=False)


def mail_folder(root: Path, mailbox_id: str) -> Path:
    """The Maildir of a mailbox. Named by id, so that renaming moves nothing; spread over 1,024 folders."""
    return root / mailbox_id[-2:] / mailbox_id
