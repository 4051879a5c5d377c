"""SQL of files: the mailboxes of an export with the passwords made for it."""

import msgspec

from litemail.kit.db import Tx


class SealedLogin(msgspec.Struct, frozen=True):
    """A row of a file to be, if the mailbox is still there. The password is sealed with its own id as row."""

    mailbox_id: str
    email: str
    first_name: str
    last_name: str
    display_name: str
    app_password_id: str
    sealed: bytes
    there: bool


async def list_logins(tx: Tx, export_id: str, *, after: str, limit: int) -> list[SealedLogin]:
    """The next mailboxes after that one, by their ids."""
    return await tx.all(
        SealedLogin,
        """SELECT m.id AS mailbox_id, m.email, m.first_name, m.last_name, m.display_name, a.id AS app_password_id,
                  a.sealed, m.removed_at IS NULL AS there
           FROM (SELECT id, mailbox_id, sealed FROM app_passwords
                 WHERE export_id = %(export_id)s AND mailbox_id > %(after)s
                 ORDER BY mailbox_id LIMIT %(limit)s) a
                JOIN mailboxes m ON m.id = a.mailbox_id
           ORDER BY a.mailbox_id""",
        export_id=export_id,
        after=after,
        limit=limit,
    )
