"""What auto-recharge remembers of its attempts: declines in a row, when to try again, why it was switched off."""

from datetime import timedelta

from litemail.kit.db import Tx
from litemail.kit.errors import Problem
from litemail.wallet import posting
from litemail.wallet import recharge_queries as queries

RETRY_AFTER = (timedelta(hours=1), timedelta(days=1), timedelta(days=3))
"""How long after each decline in a row the card is tried again; after one more, auto-recharge is switched off."""


async def note_success(tx: Tx, workspace_id: str) -> None:
    auto = await queries.lock(tx, workspace_id)
    if auto is not None:
        await queries.note(tx, workspace_id, enabled=auto.enabled, declines=0, next_attempt_at=None, failure=None)


async def start_afresh(tx: Tx, workspace_id: str) -> None:
    """Another card was saved: earlier declines say nothing about it. It is used at once where the wallet is low."""
    await note_success(tx, workspace_id)
    await posting.enqueue_recharge(tx, workspace_id)


async def note_decline(tx: Tx, workspace_id: str, problem: Problem, *, may_retry: bool) -> None:
    """Plans the next attempt, or switches auto-recharge off and tells why."""
    auto = await queries.lock(tx, workspace_id)
    if auto is None or not auto.enabled:
        return
    again = may_retry and auto.declines < len(RETRY_AFTER)
    now = await queries.time_of(tx, workspace_id)
    next_attempt_at = now + RETRY_AFTER[auto.declines] if again else None
    await queries.note(
        tx,
        workspace_id,
        enabled=again,
        declines=auto.declines + 1,
        next_attempt_at=next_attempt_at,
        failure=problem,
    )
    await tx.emit(
        "wallet.recharge_declined" if again else "wallet.auto_recharge_off",
        workspace_id=workspace_id,
        subject=workspace_id,
        data={
            "code": problem.code,
            "message": problem.message,
            "action": problem.action,
            "declines": auto.declines + 1,
            "next_attempt_at": next_attempt_at,
        },
    )
