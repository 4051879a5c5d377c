"""Renewals: wallet, then auto-recharge, then another attempt on a later day, until the subscription ends.

Each step is a transaction of its own, safe to repeat, and finds out for itself what is due; so a step that was
interrupted anywhere is done by whoever comes next, and no period is paid twice.
"""

from functools import partial

import structlog

from litemail import subscriptions, wallet
from litemail.kit.db import Database
from litemail.kit.stops import stop_here
from litemail.providers.payments import GatewayError, Gateways
from litemail.subscriptions import Outcome

_AT_ONCE = 1_000

log = structlog.get_logger("subscriptions")


async def renew_due(*, database: Database) -> None:
    """Has everything renewed that is due by the clock of its workspace."""
    async with database.begin_system("due subscriptions") as tx:
        for due in await subscriptions.list_due(tx, limit=_AT_ONCE):
            await tx.enqueue(
                "workflows.renew_subscription",
                lock=f"subscription {due.id}",
                once=f"renew {due.id}",
                subscription_id=due.id,
            )


async def renew_subscription(*, database: Database, gateways: Gateways, subscription_id: str) -> None:
    await step(database, gateways, subscription_id)


async def pay_what_is_owed(
    *,
    database: Database,
    gateways: Gateways,
    workspace_id: str,
    subject: str,  # noqa: ARG001 - every event has one
) -> None:
    """Money came into this wallet: renewals that wait for it are paid at once, the longest due first."""
    async with database.begin_system("owing subscriptions") as tx:
        owing = await subscriptions.list_owing(tx, workspace_id)
    for subscription_id in owing:
        await step(database, gateways, subscription_id, owed=True)


async def step(database: Database, gateways: Gateways, subscription_id: str, *, owed: bool = False) -> Outcome:
    """Renews or ends one subscription, if that is due. A wallet that lacks money is recharged first, if it can be.

    `owed`: it is not the next attempt's time, but money came: nothing is lost if it is not enough.
    """
    try:
        return await _renew(database, subscription_id, owed=owed)
    except wallet.InsufficientFunds as error:
        short = error
    await stop_here("renewal.short")
    if not owed and await _recharged(database, gateways, short):
        await stop_here("renewal.recharged")
        try:
            return await _renew(database, subscription_id, owed=owed)
        except wallet.InsufficientFunds:
            log.info("a recharge was spent before the renewal", subscription=subscription_id)
    if not owed:
        async with database.begin_system("renewal failed") as tx:
            await subscriptions.note_failure(tx, subscription_id)
        await stop_here("renewal.failed")
    return Outcome.NOTHING


async def _renew(database: Database, subscription_id: str, *, owed: bool) -> Outcome:
    """Raises wallet.InsufficientFunds."""
    async with database.begin_system("renew a subscription") as tx:
        outcome = await subscriptions.renew(tx, subscription_id, owed=owed)
    await stop_here("renewal.done")
    return outcome


async def _recharged(database: Database, gateways: Gateways, short: wallet.InsufficientFunds) -> bool:
    try:
        state = await wallet.recharge(
            partial(database.begin_system, "recharge for a renewal"),
            short.workspace_id,
            gateways=gateways,
            needed=short.amount,
        )
    except GatewayError as error:
        log.warning("recharge for a renewal not decided", workspace=short.workspace_id, reason=str(error))
        return False
    return state == "succeeded"


async def run_due(database: Database, gateways: Gateways, workspace_id: str) -> None:
    """Does what is due in one workspace, in the order in which it fell due."""
    async with database.begin_system("due subscriptions") as tx:
        due = await subscriptions.list_due(tx, limit=_AT_ONCE, workspace_id=workspace_id)
    for each in due:
        await step(database, gateways, each.id)
