"""SQL of automatic exports."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from psycopg.types.json import Jsonb

from litemail.exports.queries import Filter, Options, as_requester
from litemail.kit.actor import Actor, Mode
from litemail.kit.db import Tx


class Rule(msgspec.Struct, frozen=True):
    """What becomes active in a workspace since then, and matches, goes to the platform account."""

    workspace_id: str
    platform_account_id: str
    mode: Mode
    filter: Filter
    options: Options
    enabled: bool
    requested_by: Actor
    since: datetime


_RULE = "workspace_id, platform_account_id, mode, filter, options, enabled, requested_by, since"


async def find(tx: Tx, workspace_id: str) -> Rule | None:
    return await tx.find(
        Rule,
        f"SELECT {_RULE} FROM automatic_exports WHERE workspace_id = %(workspace_id)s",
        workspace_id=workspace_id,
    )


async def list_enabled(tx: Tx, workspace_ids: Sequence[str]) -> dict[str, Rule]:
    rows = await tx.all(
        Rule,
        f"SELECT {_RULE} FROM automatic_exports WHERE workspace_id = ANY (%(ids)s) AND enabled",
        ids=list(workspace_ids),
    )
    return {row.workspace_id: row for row in rows}


async def put(
    tx: Tx, *, workspace_id: str, platform_account_id: str, chosen: Filter, options: Options, enabled: bool, by: Actor
) -> Rule:
    """A rule that goes on, with whatever changes, keeps its beginning; one that was off begins now."""
    return await tx.one(
        Rule,
        f"""INSERT INTO automatic_exports (workspace_id, platform_account_id, mode, filter, options, enabled,
                                           requested_by, since, updated_at)
            VALUES (%(workspace_id)s, %(platform_account_id)s, %(mode)s, %(filter)s, %(options)s, %(enabled)s,
                    %(requested_by)s, %(now)s, %(now)s)
            ON CONFLICT (workspace_id) DO UPDATE
            SET platform_account_id = excluded.platform_account_id, filter = excluded.filter,
                options = excluded.options, enabled = excluded.enabled, requested_by = excluded.requested_by,
                since = CASE WHEN automatic_exports.enabled AND excluded.enabled THEN automatic_exports.since
                             ELSE excluded.since END,
                updated_at = excluded.updated_at
            RETURNING {_RULE}""",
        workspace_id=workspace_id,
        platform_account_id=platform_account_id,
        mode=by.mode,
        filter=Jsonb(msgspec.to_builtins(chosen)),
        options=Jsonb(msgspec.to_builtins(options)),
        enabled=enabled,
        requested_by=as_requester(by),
        now=tx.now,
    )


async def disable_of_account(tx: Tx, platform_account_id: str) -> None:
    await tx.execute(
        """UPDATE automatic_exports SET enabled = false, updated_at = %(now)s
           WHERE platform_account_id = %(id)s AND enabled""",
        id=platform_account_id,
        now=tx.now,
    )
