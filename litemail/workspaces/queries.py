"""SQL of workspaces, members and API keys."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from litemail.kit.actor import Mode, Role
from litemail.kit.db import Tx


class Workspace(msgspec.Struct, frozen=True):
    id: str
    name: str
    mode: Mode
    role: Role
    billing_workspace_id: str | None
    created_at: datetime


class ApiKey(msgspec.Struct, frozen=True):
    id: str
    name: str
    prefix: str
    scopes: list[str]
    workspace_ids: list[str]
    spend_limit: int | None
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


class Clock(msgspec.Struct, frozen=True):
    """How far a workspace's time is ahead of ours, and how far it was told to go.

    It is `moving` until it is there and all that fell due on the way is done.
    """

    ahead: timedelta
    goal: timedelta
    moving: bool


class Identity(msgspec.Struct, frozen=True):
    """Who a credential belongs to, and what it may do in the workspace asked for (None: no such workspace)."""

    user_id: str
    workspace_id: str | None
    mode: Mode | None
    role: Role | None
    billing_workspace_id: str | None
    key_id: str | None
    key_scopes: list[str] | None
    key_workspace_ids: list[str] | None


_WORKSPACE = """
SELECT w.id, w.name, w.mode, m.role, w.billing_workspace_id, w.created_at
FROM workspaces w JOIN members m ON m.workspace_id = w.id AND m.user_id = %(user_id)s
"""

_API_KEY = "id, name, prefix, scopes, workspace_ids, spend_limit, expires_at, last_used_at, created_at"


async def identify_key(tx: Tx, key_hash: bytes, *, workspace_id: str | None) -> Identity | None:
    """None for a key that is unknown or expired. One statement: it runs before every request."""
    return await tx.find(
        Identity,
        """SELECT k.user_id, w.id AS workspace_id, w.mode, m.role, w.billing_workspace_id,
                  k.id AS key_id, k.scopes AS key_scopes, k.workspace_ids AS key_workspace_ids
           FROM api_keys k
           LEFT JOIN workspaces w ON w.id = coalesce(%(workspace_id)s, k.workspace_ids[1])
               AND w.id = ANY (k.workspace_ids)
               AND EXISTS (SELECT FROM members WHERE workspace_id = w.id AND user_id = k.user_id)
           LEFT JOIN members m ON m.workspace_id = w.id AND m.user_id = k.user_id
           WHERE k.hash = %(hash)s AND (k.expires_at IS NULL OR k.expires_at > %(now)s)""",
        hash=key_hash,
        workspace_id=workspace_id,
        now=tx.now,
    )


async def identify_session(tx: Tx, session_id: str, user_id: str, *, workspace_id: str | None) -> Identity | None:
    """None for a session that was revoked."""
    return await tx.find(
        Identity,
        """SELECT u.id AS user_id, w.id AS workspace_id, w.mode, m.role, w.billing_workspace_id,
                  NULL AS key_id, NULL::text[] AS key_scopes, NULL::text[] AS key_workspace_ids
           FROM sessions s JOIN users u ON u.id = s.user_id
           LEFT JOIN members m ON m.user_id = u.id
               AND m.workspace_id = coalesce(%(workspace_id)s, u.default_workspace_id)
           LEFT JOIN workspaces w ON w.id = m.workspace_id
           WHERE s.id = %(session_id)s AND u.id = %(user_id)s AND s.revoked_at IS NULL""",
        session_id=session_id,
        user_id=user_id,
        workspace_id=workspace_id,
    )


async def touch_keys(tx: Tx, used: Sequence[tuple[str, datetime]]) -> None:
    await tx.execute_many(
        "UPDATE api_keys SET last_used_at = greatest(last_used_at, %(at)s) WHERE id = %(id)s",
        [{"id": key_id, "at": at} for key_id, at in used],
    )


async def insert_workspace(
    tx: Tx, *, workspace_id: str, owner_id: str, name: str, mode: Mode, billing_workspace_id: str | None
) -> bool:
    """False when the owner has one of that name."""
    return bool(
        await tx.execute(
            """INSERT INTO workspaces (id, owner_id, name, mode, billing_workspace_id, created_at)
               VALUES (%(id)s, %(owner_id)s, %(name)s, %(mode)s, %(billing_workspace_id)s, %(now)s)
               ON CONFLICT (owner_id, lower(name)) DO NOTHING""",
            id=workspace_id,
            owner_id=owner_id,
            name=name,
            mode=mode,
            billing_workspace_id=billing_workspace_id,
            now=tx.now,
        )
    )


async def insert_member(tx: Tx, *, workspace_id: str, user_id: str, role: Role) -> None:
    await tx.execute(
        """INSERT INTO members (workspace_id, user_id, role, created_at)
           VALUES (%(workspace_id)s, %(user_id)s, %(role)s, %(now)s)""",
        workspace_id=workspace_id,
        user_id=user_id,
        role=role,
        now=tx.now,
    )


async def find_workspace(tx: Tx, workspace_id: str, *, user_id: str) -> Workspace | None:
    return await tx.find(Workspace, _WORKSPACE + "WHERE w.id = %(id)s", id=workspace_id, user_id=user_id)


async def name_is_taken(tx: Tx, name: str, *, owner_id: str, besides: str) -> bool:
    return (
        await tx.value(
            int,
            """SELECT 1 FROM workspaces
               WHERE owner_id = %(owner_id)s AND lower(name) = lower(%(name)s) AND id <> %(besides)s""",
            owner_id=owner_id,
            name=name,
            besides=besides,
        )
        is not None
    )


async def update_workspace(tx: Tx, workspace_id: str, *, name: str, billing_workspace_id: str | None) -> None:
    await tx.execute(
        "UPDATE workspaces SET name = %(name)s, billing_workspace_id = %(billing)s WHERE id = %(id)s",
        id=workspace_id,
        name=name,
        billing=billing_workspace_id,
    )


async def owner_of(tx: Tx, workspace_id: str) -> str | None:
    return await tx.value(str, "SELECT owner_id FROM workspaces WHERE id = %(id)s", id=workspace_id)


async def payer_of(tx: Tx, workspace_id: str) -> str:
    """The workspace whose wallet pays for this one."""
    payer = await tx.value(
        str, "SELECT coalesce(billing_workspace_id, id) FROM workspaces WHERE id = %(id)s", id=workspace_id
    )
    assert payer is not None
    return payer


async def get_clock(tx: Tx, workspace_id: str, *, lock: bool = False) -> Clock:
    return await tx.one(
        Clock,
        "SELECT clock_ahead AS ahead, clock_goal AS goal, clock_moving AS moving FROM workspaces WHERE id = %(id)s"
        + (" FOR NO KEY UPDATE" if lock else ""),
        id=workspace_id,
    )


async def set_clock(tx: Tx, workspace_id: str, clock: Clock) -> None:
    await tx.execute(
        """UPDATE workspaces SET clock_ahead = %(ahead)s, clock_goal = %(goal)s, clock_moving = %(moving)s
           WHERE id = %(id)s""",
        id=workspace_id,
        ahead=clock.ahead,
        goal=clock.goal,
        moving=clock.moving,
    )


async def modes_of(tx: Tx, workspace_ids: Sequence[str], *, user_id: str) -> dict[str, Mode]:
    """The modes of those workspaces that the user belongs to."""
    rows = await tx.all(Workspace, _WORKSPACE + "WHERE w.id = ANY (%(ids)s)", ids=list(workspace_ids), user_id=user_id)
    return {row.id: row.mode for row in rows}


async def insert_key(
    tx: Tx,
    *,
    key_id: str,
    user_id: str,
    name: str,
    prefix: str,
    key_hash: bytes,
    scopes: Sequence[str],
    workspace_ids: Sequence[str],
    spend_limit: int | None,
    expires_at: datetime | None,
) -> ApiKey:
    return await tx.one(
        ApiKey,
        f"""INSERT INTO api_keys (id, user_id, name, prefix, hash, scopes, workspace_ids, spend_limit, expires_at,
                                  created_at)
            VALUES (%(id)s, %(user_id)s, %(name)s, %(prefix)s, %(hash)s, %(scopes)s, %(workspace_ids)s,
                    %(spend_limit)s, %(expires_at)s, %(now)s)
            RETURNING {_API_KEY}""",
        id=key_id,
        user_id=user_id,
        name=name,
        prefix=prefix,
        hash=key_hash,
        scopes=list(scopes),
        workspace_ids=list(workspace_ids),
        spend_limit=spend_limit,
        expires_at=expires_at,
        now=tx.now,
    )


_REACHED = "(%(reach)s::text[] IS NULL OR workspace_ids <@ %(reach)s::text[])"


async def list_keys(
    tx: Tx, *, user_id: str, reach: Sequence[str] | None, limit: int, after: str | None
) -> list[ApiKey]:
    """Those whose workspaces are all in `reach`; None reaches everywhere."""
    return await tx.all(
        ApiKey,
        f"""SELECT {_API_KEY} FROM api_keys
            WHERE user_id = %(user_id)s AND {_REACHED} AND (%(after)s::text IS NULL OR id < %(after)s)
            ORDER BY id DESC LIMIT %(limit)s""",
        user_id=user_id,
        reach=None if reach is None else list(reach),
        after=after,
        limit=limit,
    )


async def count_keys(tx: Tx, *, user_id: str, reach: Sequence[str] | None) -> int:
    return (
        await tx.value(
            int,
            f"SELECT count(*) FROM api_keys WHERE user_id = %(user_id)s AND {_REACHED}",
            user_id=user_id,
            reach=None if reach is None else list(reach),
        )
        or 0
    )


async def delete_key(tx: Tx, key_id: str, *, user_id: str, reach: Sequence[str] | None) -> ApiKey | None:
    return await tx.find(
        ApiKey,
        f"DELETE FROM api_keys WHERE id = %(id)s AND user_id = %(user_id)s AND {_REACHED} RETURNING {_API_KEY}",
        id=key_id,
        user_id=user_id,
        reach=None if reach is None else list(reach),
    )
