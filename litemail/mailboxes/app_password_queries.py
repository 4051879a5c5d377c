"""SQL of app passwords."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from litemail.kit.db import Tx


class AppPassword(msgspec.Struct, frozen=True):
    """A password of one client of a mailbox. At most one of platform account and export is set: who it was made for."""

    id: str
    mailbox_id: str
    label: str
    platform_account_id: str | None
    export_id: str | None
    created_at: datetime
    last_used_at: datetime | None


class NewAppPassword(msgspec.Struct, frozen=True):
    id: str
    mailbox_id: str
    hash: str
    sealed: bytes


class Stored(msgspec.Struct, frozen=True):
    """A password as it is kept; sealed with its id as row."""

    id: str
    mailbox_id: str
    sealed: bytes


_COLUMNS = "id, mailbox_id, label, platform_account_id, export_id, created_at, last_used_at"


async def insert(
    tx: Tx,
    rows: Sequence[NewAppPassword],
    *,
    label: str,
    platform_account_id: str | None = None,
    export_id: str | None = None,
) -> None:
    """Those that there is not one of already, for that mailbox and platform account or export."""
    await tx.execute(
        """INSERT INTO app_passwords (id, workspace_id, mailbox_id, label, platform_account_id, export_id, hash, sealed,
                                      created_at)
           SELECT new.id, m.workspace_id, m.id, %(label)s, %(platform_account_id)s, %(export_id)s, new.hash, new.sealed,
                  %(now)s
           FROM unnest(%(ids)s::text[], %(mailbox_ids)s::text[], %(hashes)s::text[], %(sealed)s::bytea[])
                    AS new (id, mailbox_id, hash, sealed)
                JOIN mailboxes m ON m.id = new.mailbox_id
           ON CONFLICT DO NOTHING""",
        ids=[row.id for row in rows],
        mailbox_ids=[row.mailbox_id for row in rows],
        hashes=[row.hash for row in rows],
        sealed=[row.sealed for row in rows],
        label=label,
        platform_account_id=platform_account_id,
        export_id=export_id,
        now=tx.now,
    )


async def list_of_platform_account(tx: Tx, mailbox_ids: Sequence[str], *, platform_account_id: str) -> list[Stored]:
    return await tx.all(
        Stored,
        """SELECT id, mailbox_id, sealed FROM app_passwords
           WHERE mailbox_id = ANY (%(mailbox_ids)s) AND platform_account_id = %(platform_account_id)s""",
        mailbox_ids=list(mailbox_ids),
        platform_account_id=platform_account_id,
    )


async def list_(tx: Tx, mailbox_id: str, *, limit: int, after: str | None) -> list[AppPassword]:
    """Newest first."""
    return await tx.all(
        AppPassword,
        f"""SELECT {_COLUMNS} FROM app_passwords
            WHERE mailbox_id = %(mailbox_id)s AND (%(after)s::text IS NULL OR id < %(after)s)
            ORDER BY id DESC LIMIT %(limit)s""",
        mailbox_id=mailbox_id,
        limit=limit,
        after=after,
    )


async def count(tx: Tx, mailbox_id: str, *, own: bool = False) -> int:
    """How many the mailbox has; `own` counts those only that were made for nobody but its people."""
    return (
        await tx.value(
            int,
            """SELECT count(*) FROM app_passwords
               WHERE mailbox_id = %(mailbox_id)s
                 AND (NOT %(own)s OR platform_account_id IS NULL AND export_id IS NULL)""",
            mailbox_id=mailbox_id,
            own=own,
        )
        or 0
    )


async def find(tx: Tx, mailbox_id: str, app_password_id: str) -> AppPassword | None:
    return await tx.find(
        AppPassword,
        f"SELECT {_COLUMNS} FROM app_passwords WHERE id = %(id)s AND mailbox_id = %(mailbox_id)s",
        id=app_password_id,
        mailbox_id=mailbox_id,
    )


async def delete(tx: Tx, app_password_id: str) -> bool:
    return bool(await tx.execute("DELETE FROM app_passwords WHERE id = %(id)s", id=app_password_id))


async def delete_of(tx: Tx, *, platform_account_id: str | None = None, export_id: str | None = None) -> int:
    """All that were made for a platform account, or for an export; how many there were."""
    return await tx.execute(
        "DELETE FROM app_passwords WHERE platform_account_id = %(platform_account_id)s OR export_id = %(export_id)s",
        platform_account_id=platform_account_id,
        export_id=export_id,
    )


async def note_use(tx: Tx, app_password_id: str) -> None:
    await tx.execute(
        "UPDATE app_passwords SET last_used_at = %(now)s WHERE id = %(id)s", id=app_password_id, now=tx.now
    )
