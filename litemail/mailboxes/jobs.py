"""Jobs of mailboxes."""

from collections.abc import Mapping

from litemail.kit import passwords
from litemail.kit.db import Database
from litemail.kit.jobs import Job
from litemail.kit.secrets import Secrets
from litemail.mailboxes import following, queries, slot_queries
from litemail.mailboxes.mail import USABLE
from litemail.mailboxes.removing import KEPT

_AT_ONCE = 20
_FOLLOW_AT_ONCE = 500
_ERASE_AT_ONCE = 500


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
            active = [
                row
                for row in waiting
                if await queries.set_first_password(tx, row.id, password_hash=hashes[row.id]) in USABLE
            ]
            await tx.emit_many(
                "mailbox.activated",
                workspace_id=workspace_id,
                data_by_subject={row.id: {"email": row.email} for row in active},
            )


async def follow_subscription(*, database: Database, workspace_id: str, subject: str) -> None:
    """Something happened to a subscription: its mailboxes follow. Safe to repeat."""
    found = _FOLLOW_AT_ONCE
    while found:
        async with database.begin_system("mailboxes follow their subscription") as tx:
            found = await following.follow(tx, subject, workspace_id=workspace_id, limit=_FOLLOW_AT_ONCE)


async def erase_removed(*, database: Database) -> None:
    """Mailboxes that nobody can restore any more lose their passwords; the mail servers then erase their mail."""
    found = _ERASE_AT_ONCE
    while found:
        async with database.begin_system("erase removed mailboxes") as tx:
            found = await slot_queries.erase_secrets(tx, kept=KEPT, limit=_ERASE_AT_ONCE)


JOBS: Mapping[str, Job] = {
    "mailboxes.hash_passwords": hash_passwords,
    "mailboxes.follow_subscription": follow_subscription,
    "mailboxes.erase_removed": erase_removed,
}
HANDLERS: Mapping[str, str] = dict.fromkeys(
    (
        "subscription.renewed",
        "subscription.suspended",
        "subscription.restored",
        "subscription.cancelled",
        "subscription.period_moved",
    ),
    "mailboxes.follow_subscription",
)
SCHEDULES: Mapping[str, str] = {"mailboxes.erase_removed": "41 3 * * *"}
