"""Jobs of the wallet. Each is safe to run twice, and at once with itself."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial

import structlog

from litemail.kit.db import Database
from litemail.kit.jobs import Job
from litemail.providers.payments import GatewayError, Gateways
from litemail.wallet import payments_queries, posting, recharging, settling

UNHEARD_OF = timedelta(minutes=5)
"""A pending payment is asked about when nobody has told anything of it for so long."""
_AT_ONCE = 50

log = structlog.get_logger("wallet")


async def recharge(*, database: Database, gateways: Gateways, workspace_id: str) -> None:
    """Charges the saved card of a wallet that is low. Raises what gateways raise, so that it is tried again."""
    begin = partial(database.begin_system, "recharge a wallet")
    state = await recharging.recharge(begin, workspace_id, gateways=gateways)
    log.info("auto-recharge", workspace=workspace_id, state=state)


async def retry_declined(*, database: Database) -> None:
    """Enqueues the next attempts of declined cards that are due."""
    async with database.begin_system("declined recharges") as tx:
        for workspace_id in await recharging.due_recharges(tx):
            await posting.enqueue_recharge(tx, workspace_id)


async def check_payments(*, database: Database, gateways: Gateways) -> None:
    """Asks gateways about pending payments whose events were lost; begun recharges go on."""
    async with database.begin_system("pending payments") as tx:
        waiting = await payments_queries.claim_unheard_of(tx, older_than=tx.now - UNHEARD_OF, limit=_AT_ONCE)
    for payment in waiting:
        try:
            if payment.purpose == "recharge" and payment.reference is None:
                await recharge(database=database, gateways=gateways, workspace_id=payment.workspace_id)
                continue
            if payment.reference is None:
                continue
            fact = await gateways.get(payment.gateway).check(payment.reference)
        except GatewayError as error:
            log.warning("payment cannot be checked", payment=payment.id, reason=str(error))
            continue
        if fact is not None:
            async with database.begin_system("settle a payment") as tx:
                problem = await settling.settle(tx, fact, gateway=payment.gateway)
            if problem is not None:
                log.error("payment not settled", payment=payment.id, problem=problem)


JOBS: Mapping[str, Job] = {
    "wallet.recharge": recharge,
    "wallet.retry_declined": retry_declined,
    "wallet.check_payments": check_payments,
}
HANDLERS: Mapping[str, str] = {}
SCHEDULES: Mapping[str, str] = {
    "wallet.retry_declined": "* * * * * 20",
    "wallet.check_payments": "* * * * * 50",
}
