"""What is done for a request that has to be paid for, before it is answered with 402."""

import asyncio
from functools import partial
from typing import Literal

import msgspec
import structlog

from litemail.kit.actor import Actor
from litemail.kit.db import Database
from litemail.kit.two_steps import Begin
from litemail.providers.payments import GatewayError, Gateways
from litemail.wallet import ledger, payments
from litemail.wallet.posting import InsufficientFunds, PaymentRequired, enqueue_recharge
from litemail.wallet.recharging import RechargeState, recharge

PATIENCE = 10.0
"""Seconds that a request waits for gateways in all."""

log = structlog.get_logger("wallet")


class Rescue(msgspec.Struct, frozen=True):
    """What a 402 says beside the quote and the shortfall."""

    recharge: Literal["in_progress", "declined", "off"]
    payment_link: str | None


async def rescue(
    database: Database, missing: PaymentRequired, *, actor: Actor, gateways: Gateways, patience: float = PATIENCE
) -> Rescue | None:
    """Tries auto-recharge for what is missing. None: the wallet covers it now, make the request again (once).

    Else a link that tops the wallet up. A request that did not offer to pay recharges nothing. Calls gateways, so no
    transaction may be open: the one that lacked money has been undone. It ends within `patience` seconds with what it
    has by then; the job finishes an attempt still open.
    """
    begin = partial(database.begin, actor)
    deadline = asyncio.get_running_loop().time() + patience
    if not isinstance(missing, InsufficientFunds):
        if missing.shortfall <= 0:
            return Rescue("off", None)
        return Rescue("off", await _link(begin, actor, missing.shortfall, gateways=gateways, deadline=deadline))
    # What a gateway says is settled as its webhook is: the actor may not even see the workspace that pays.
    settling = partial(database.begin_system, "recharge for a request")
    state = await _recharge(settling, missing, gateways=gateways, deadline=deadline)
    async with begin() as tx:
        available = (await ledger.balance(tx, missing.workspace_id)).available
        if state == "in_progress":
            await enqueue_recharge(tx, missing.workspace_id)
    shortfall = missing.amount - available
    if shortfall <= 0:
        return None
    link = await _link(begin, actor, shortfall, gateways=gateways, deadline=deadline)
    return Rescue(state if state in ("declined", "off") else "in_progress", link)


async def _recharge(begin: Begin, missing: InsufficientFunds, *, gateways: Gateways, deadline: float) -> RechargeState:
    try:
        async with asyncio.timeout_at(deadline):
            return await recharge(begin, missing.workspace_id, gateways=gateways, needed=missing.amount)
    except (GatewayError, TimeoutError) as error:
        log.warning("recharge not decided in time", workspace=missing.workspace_id, reason=str(error))
        return "in_progress"


async def _link(begin: Begin, actor: Actor, shortfall: int, *, gateways: Gateways, deadline: float) -> str | None:
    """None where the gateway gives none just now; POST /v1/wallet/balance is there for later."""
    try:
        async with asyncio.timeout_at(deadline):
            gateway = gateways.of_mode(actor.mode)
            async with begin() as tx:
                payment = await payments.begin_offer(
                    tx, workspace_id=actor.paying_workspace_id, shortfall=shortfall, gateway=gateway.name
                )
            return (await payments.open_checkout(begin, payment, gateway=gateway)).payment_link
    except (GatewayError, TimeoutError) as error:
        log.warning("no payment link in time", workspace=actor.paying_workspace_id, reason=str(error))
        return None
