"""SQL of views that join what several slices own."""

from datetime import datetime

import msgspec

from litemail.kit.actor import Mode, Role
from litemail.kit.db import Tx


class UserRow(msgspec.Struct, frozen=True):
    id: str
    email: str
    first_name: str
    last_name: str
    default_workspace_id: str | None
    plan: str | None
    purchased_mailboxes: int
    assigned_mailboxes: int
    domains: int
    wallet_balance: int
    created_at: datetime


class WorkspaceRow(msgspec.Struct, frozen=True):
    id: str
    name: str
    mode: Mode
    role: Role
    domain_count: int
    mailbox_count: int
    billing_workspace_id: str | None
    created_at: datetime


async def get_user(tx: Tx, user_id: str, *, workspace_id: str, payer: str) -> UserRow:
    """The user, with what the workspace at hand has bought and holds, and the wallet that pays for it.

    Of several subscriptions the one with the most mailboxes names the plan.
    """
    return await tx.one(
        UserRow,
        """SELECT u.id, u.email, u.first_name, u.last_name, u.default_workspace_id,
                  s.plan, s.mailboxes AS purchased_mailboxes, d.mailboxes AS assigned_mailboxes, d.domains,
                  coalesce((SELECT balance FROM ledger_accounts
                            WHERE workspace_id = %(payer)s AND account = 'wallet'), 0) AS wallet_balance,
                  u.created_at
           FROM users u,
                (SELECT count(*) AS domains, coalesce(sum(mailbox_count), 0)::bigint AS mailboxes
                 FROM domains WHERE workspace_id = %(workspace_id)s AND removed_at IS NULL) d,
                (SELECT (array_agg(plan_id ORDER BY quantity DESC, id))[1] AS plan,
                        coalesce(sum(quantity), 0)::bigint AS mailboxes
                 FROM subscriptions WHERE workspace_id = %(workspace_id)s AND status <> 'cancelled') s
           WHERE u.id = %(id)s""",
        id=user_id,
        workspace_id=workspace_id,
        payer=payer,
    )


async def list_workspaces(
    tx: Tx, *, user_id: str, only: tuple[str, ...] | None, limit: int, after: str | None
) -> list[WorkspaceRow]:
    """The workspaces that the user belongs to, newest first; `only` those, if given."""
    return await tx.all(
        WorkspaceRow,
        """SELECT w.id, w.name, w.mode, m.role, c.domains AS domain_count, c.mailboxes AS mailbox_count,
                  w.billing_workspace_id, w.created_at
           FROM workspaces w JOIN members m ON m.workspace_id = w.id AND m.user_id = %(user_id)s
           CROSS JOIN LATERAL (SELECT count(*) AS domains, coalesce(sum(mailbox_count), 0)::bigint AS mailboxes
                               FROM domains d WHERE d.workspace_id = w.id AND d.removed_at IS NULL) c
           WHERE (%(only)s::text[] IS NULL OR w.id = ANY (%(only)s)) AND (%(after)s::text IS NULL OR w.id < %(after)s)
           ORDER BY w.id DESC LIMIT %(limit)s""",
        user_id=user_id,
        only=None if only is None else list(only),
        limit=limit,
        after=after,
    )


async def count_workspaces(tx: Tx, *, user_id: str, only: tuple[str, ...] | None) -> int:
    return (
        await tx.value(
            int,
            """SELECT count(*) FROM members
               WHERE user_id = %(user_id)s AND (%(only)s::text[] IS NULL OR workspace_id = ANY (%(only)s))""",
            user_id=user_id,
            only=None if only is None else list(only),
        )
        or 0
    )
