"""Jobs of mailboxes."""

from collections.abc import Mapping

from litemail.kit import passwords
from litemail.kit.db import Database
from litemail.kit.jobs import Job
from litemail.kit.secrets import Secrets
from litemail.mailboxes import queries

_AT_ONCE = 20


async def hash_passwords(*, database: Database, secrets: Secrets, workspace_id: str) -> None:
    """Hashes the chosen passwords of new mailboxes, 0.1 s each, and makes the mailboxes active.

    Safe to repeat: what is hashed is no longer `provisioning`.
    """
    while True:
        async with database.begin_system("look for passwords to hash") as tx:
            waiting = await queries.list_unhashed(tx, workspace_id=workspace_id, limit=_AT_ONCE)
        if not waiting:
            return
        hashes = {row.id: await passwords.hash_chosen(secrets.open(row.sealed, row=row.id)) for row in waiting}
        async with database.begin_system("activate mailboxes") as tx:
            active = [row for row in waiting if await queries.activate(tx, row.id, password_hash=hashes[row.id])]
            await tx.emit_many(
                "mailbox.activated",
                workspace_id=workspace_id,
                data_by_subject={row.id: {"email": row.email} for row in active},
            )


JOBS: Mapping[str, Job] = {"mailboxes.hash_passwords": hash_passwords}
HANDLERS: Mapping[str, str] = {}
SCHEDULES: Mapping[str, str] = {}
