"""SQL of auto-recharge."""

from datetime import datetime

import msgspec
from psycopg.types.json import Jsonb

from litemail.kit.db import Tx
from litemail.kit.errors import Problem


class AutoRecharge(msgspec.Struct, frozen=True):
    """`declines` in a row; `next_attempt_at` after a decline; `failure` says why it was declined or switched off."""

    workspace_id: str
    enabled: bool
    threshold: int
    amount: int
    declines: int
    next_attempt_at: datetime | None
    failure: Problem | None


_AUTO = "workspace_id, enabled, threshold, amount, declines, next_attempt_at, failure"


async def find(tx: Tx, workspace_id: str) -> AutoRecharge | None:
    return await tx.find(
        AutoRecharge,
        f"SELECT {_AUTO} FROM auto_recharges WHERE workspace_id = %(workspace_id)s",
        workspace_id=workspace_id,
    )


async def lock(tx: Tx, workspace_id: str) -> AutoRecharge | None:
    return await tx.find(
        AutoRecharge,
        f"SELECT {_AUTO} FROM auto_recharges WHERE workspace_id = %(workspace_id)s FOR UPDATE",
        workspace_id=workspace_id,
    )


async def put(tx: Tx, *, workspace_id: str, enabled: bool, threshold: int, amount: int) -> AutoRecharge:
    """Sets it and forgets earlier declines."""
    return await tx.one(
        AutoRecharge,
        f"""INSERT INTO auto_recharges (workspace_id, enabled, threshold, amount, updated_at)
            VALUES (%(workspace_id)s, %(enabled)s, %(threshold)s, %(amount)s, %(now)s)
            ON CONFLICT (workspace_id) DO UPDATE
            SET enabled = excluded.enabled, threshold = excluded.threshold, amount = excluded.amount, declines = 0,
                next_attempt_at = NULL, failure = NULL, updated_at = excluded.updated_at
            RETURNING {_AUTO}""",
        workspace_id=workspace_id,
        enabled=enabled,
        threshold=threshold,
        amount=amount,
        now=tx.now,
    )


async def note(
    tx: Tx,
    workspace_id: str,
    *,
    enabled: bool,
    declines: int,
    next_attempt_at: datetime | None,
    failure: Problem | None,
) -> None:
    await tx.execute(
        """UPDATE auto_recharges SET enabled = %(enabled)s, declines = %(declines)s,
                  next_attempt_at = %(next_attempt_at)s, failure = %(failure)s, updated_at = %(now)s
           WHERE workspace_id = %(workspace_id)s""",
        workspace_id=workspace_id,
        enabled=enabled,
        declines=declines,
        next_attempt_at=next_attempt_at,
        failure=None if failure is None else Jsonb(msgspec.to_builtins(failure)),
        now=tx.now,
    )


async def time_of(tx: Tx, workspace_id: str) -> datetime:
    """The time of a paying workspace, which the caller need not belong to."""
    moment = await tx.value(
        datetime, "SELECT workspace_time(%(workspace_id)s, %(now)s)", workspace_id=workspace_id, now=tx.now
    )
    assert moment is not None
    return moment


async def list_due(tx: Tx, *, limit: int) -> list[str]:
    """The wallets whose declined card is due for its next attempt."""
    return await tx.values(
        str,
        """SELECT workspace_id FROM auto_recharges
           WHERE enabled AND next_attempt_at <= workspace_time(workspace_id, %(now)s)
           ORDER BY next_attempt_at LIMIT %(limit)s""",
        now=tx.now,
        limit=limit,
    )
