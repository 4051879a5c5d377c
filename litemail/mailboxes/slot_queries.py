"""SQL of mailboxes that take slots, give them back, are suspended, removed and restored."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from litemail.kit.db import Tx
from litemail.mailboxes.queries import MAILBOX, Mailbox, Suspender

ContractStatus = Literal["active", "past_due", "suspended", "cancelled"]


class Contract(msgspec.Struct, frozen=True):
    """What mailboxes need to know of their subscription."""

    status: ContractStatus
    current_period_start: datetime
    current_period_end: datetime

    def took_back(self, removal_at: datetime | None) -> bool:
        """Whether the slot of a mailbox with this plan of removal is gone."""
        return self.status == "cancelled" or (removal_at is not None and removal_at <= self.current_period_start)


class Follower(msgspec.Struct, frozen=True):
    """A mailbox that may not be as its subscription has it."""

    id: str
    email: str
    domain_id: str
    removal_at: datetime | None
    suspended_by: list[Suspender]


async def give_slots(tx: Tx, subscription_by_mailbox: Mapping[str, str]) -> None:
    await tx.execute(
        """UPDATE mailboxes m SET subscription_id = given.subscription_id
           FROM unnest(%(ids)s::text[], %(subscriptions)s::text[]) AS given (id, subscription_id)
           WHERE m.id = given.id""",
        ids=list(subscription_by_mailbox),
        subscriptions=list(subscription_by_mailbox.values()),
    )


async def lock_contract(tx: Tx, subscription_id: str) -> Contract:
    """The subscription as it is now; it stays so until this transaction ends."""
    return await tx.one(
        Contract,
        """SELECT status, current_period_start, current_period_end FROM subscriptions
           WHERE id = %(id)s FOR NO KEY UPDATE""",
        id=subscription_id,
    )


async def schedule_removal(tx: Tx, mailbox_id: str, *, at: datetime | None) -> Mailbox:
    """Plans the removal, or with None takes the plan back."""
    return await tx.one(
        Mailbox,
        f"""UPDATE mailboxes SET removal_at = %(at)s::timestamptz,
                   status = mailbox_status(suspended_by, password_hash, failure, %(at)s::timestamptz)
            WHERE id = %(id)s RETURNING {MAILBOX}""",
        id=mailbox_id,
        at=at,
    )


async def move_removals(tx: Tx, mailbox_ids: Sequence[str], *, to: datetime) -> None:
    await tx.execute(
        "UPDATE mailboxes SET removal_at = %(to)s WHERE id = ANY (%(ids)s) AND removal_at <> %(to)s",
        ids=list(mailbox_ids),
        to=to,
    )


async def suspend(tx: Tx, mailbox_ids: Sequence[str], *, by: Suspender) -> list[Mailbox]:
    """Those that it had not suspended yet."""
    return await tx.all(
        Mailbox,
        f"""UPDATE mailboxes SET suspended_by = suspended_by || %(by)s::text, status = 'suspended'
            WHERE id = ANY (%(ids)s) AND removed_at IS NULL AND NOT %(by)s::text = ANY (suspended_by)
            RETURNING {MAILBOX}""",
        ids=list(mailbox_ids),
        by=by,
    )


async def resume(tx: Tx, mailbox_ids: Sequence[str], *, by: Suspender) -> list[Mailbox]:
    """Those that it had suspended; somebody else may still do so."""
    return await tx.all(
        Mailbox,
        f"""UPDATE mailboxes SET suspended_by = array_remove(suspended_by, %(by)s::text),
                   status = mailbox_status(array_remove(suspended_by, %(by)s::text), password_hash, failure, removal_at)
            WHERE id = ANY (%(ids)s) AND removed_at IS NULL AND %(by)s::text = ANY (suspended_by)
            RETURNING {MAILBOX}""",
        ids=list(mailbox_ids),
        by=by,
    )


async def remove(tx: Tx, mailbox_ids: Sequence[str], *, at: datetime) -> list[Mailbox]:
    """Removed at `at`, or when it was planned, if that was before."""
    return await tx.all(
        Mailbox,
        f"""UPDATE mailboxes SET status = 'removed', suspended_by = '{{}}',
                   removed_at = least(%(at)s, removal_at), removal_at = least(%(at)s, removal_at)
            WHERE id = ANY (%(ids)s) AND removed_at IS NULL RETURNING {MAILBOX}""",
        ids=list(mailbox_ids),
        at=at,
    )


async def restore(tx: Tx, mailbox_id: str, *, subscription_id: str) -> Mailbox:
    return await tx.one(
        Mailbox,
        f"""UPDATE mailboxes SET subscription_id = %(subscription_id)s, removed_at = NULL, removal_at = NULL,
                   status = mailbox_status('{{}}', password_hash, failure, NULL)
            WHERE id = %(id)s RETURNING {MAILBOX}""",
        id=mailbox_id,
        subscription_id=subscription_id,
    )


async def erase_secrets(tx: Tx, *, kept: timedelta, limit: int) -> int:
    """Erases the passwords of mailboxes removed that long ago by their workspace's time; how many there were."""
    return await tx.execute(
        """WITH due AS (
               SELECT m.id FROM mailboxes m JOIN workspaces w ON w.id = m.workspace_id
               WHERE m.removed_at <= %(now)s + w.clock_ahead - %(kept)s AND m.password_sealed <> ''
               ORDER BY m.id LIMIT %(limit)s FOR UPDATE OF m SKIP LOCKED),
           revoked AS (DELETE FROM app_passwords p USING due WHERE p.mailbox_id = due.id)
           UPDATE mailboxes m SET password_hash = NULL, password_sealed = '' FROM due WHERE m.id = due.id""",
        now=tx.now,
        kept=kept,
        limit=limit,
    )


async def list_erased(tx: Tx, mailbox_ids: Sequence[str]) -> Sequence[str]:
    """Those of the mailboxes whose passwords are erased."""
    return await tx.values(
        str, "SELECT id FROM mailboxes WHERE id = ANY (%(ids)s) AND password_sealed = ''", ids=list(mailbox_ids)
    )


async def find_out_of_step(tx: Tx, subscription_id: str, *, workspace_id: str, limit: int) -> list[Follower]:
    """Mailboxes that are not as their subscription has it."""
    return await tx.all(
        Follower,
        """SELECT m.id, m.email, m.domain_id, m.removal_at, m.suspended_by
           FROM mailboxes m JOIN subscriptions s ON s.id = m.subscription_id
           WHERE m.subscription_id = %(subscription_id)s AND m.workspace_id = %(workspace_id)s
             AND m.removed_at IS NULL
             AND (s.status = 'cancelled' OR m.removal_at <> s.current_period_end
                  OR (s.status = 'suspended') <> ('subscription' = ANY (m.suspended_by)))
           ORDER BY m.id LIMIT %(limit)s""",
        subscription_id=subscription_id,
        workspace_id=workspace_id,
        limit=limit,
    )


async def lock_followers(tx: Tx, mailbox_ids: Sequence[str], *, subscription_id: str) -> list[Follower]:
    return await tx.all(
        Follower,
        """SELECT id, email, domain_id, removal_at, suspended_by FROM mailboxes
           WHERE id = ANY (%(ids)s) AND subscription_id = %(subscription_id)s AND removed_at IS NULL
           ORDER BY id FOR UPDATE""",
        ids=list(mailbox_ids),
        subscription_id=subscription_id,
    )
