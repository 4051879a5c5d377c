"""The mailboxes of the database, for the IMAP engine."""

from pathlib import Path

from litemail.servers.imap.account import Account, SignInRefused
from litemail.servers.sign_in import SignIns, mail_folder


class MailboxBackend:
    """Implements `imap.Backend`."""

    def __init__(self, sign_ins: SignIns, *, mail_root: Path) -> None:
        self._sign_ins = sign_ins
        self._mail_root = mail_root

    async def sign_in(self, *, username: str, password: str, peer: str, tls_name: str | None) -> Account:  # noqa: ARG002 - of no matter here
        row = await self._sign_ins.check(username, password)
        if row is None:
            raise SignInRefused("Authentication failed.")
        return Account(row.mailbox_id, mail_folder(self._mail_root, row.mailbox_id))
