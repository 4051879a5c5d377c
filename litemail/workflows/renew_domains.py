"""Domains whose term ends: their owners are warned, and those that renew by themselves are renewed in time.

Each look is safe to repeat: it goes by the time that was written down at the last one, and no term is prolonged twice.
"""

from functools import partial

import structlog

from litemail import domains, wallet
from litemail.domains import AskedToRenew, Market, TermLook
from litemail.kit.db import Database
from litemail.kit.errors import Error, Problem
from litemail.kit.stops import stop_here
from litemail.providers.payments import GatewayError, Gateways
from litemail.workflows import fulfil_order

_AT_ONCE = 1_000

log = structlog.get_logger("domains")


async def look_at_terms(*, database: Database) -> None:
    """Has every domain looked at whose term asks for it, by the clock of its workspace."""
    async with database.begin_system("domains whose term ends") as tx:
        for due in await domains.list_due(tx, limit=_AT_ONCE):
            await tx.enqueue("workflows.look_at_term", lock=f"term {due.id}", once=f"term {due.id}", domain_id=due.id)


async def look_at_term(*, database: Database, gateways: Gateways, market: Market, domain_id: str) -> None:
    """Warns, renews or ends the term of one domain, if that is due."""
    async with database.begin_system("look at a term") as tx:
        look = await domains.look_at_term(tx, domain_id)
    if look is None:
        return
    failure = None
    if look.due.renew and look.held.auto_renew:
        failure = await _renew(database, gateways, market, look)
        await stop_here("term.renewal")
    async with database.begin_system("looked at a term") as tx:
        await domains.looked_after(tx, look, failure=failure)


async def run_due(database: Database, gateways: Gateways, market: Market, workspace_id: str) -> None:
    """Looks at the terms of one workspace, in the order in which they fell due."""
    async with database.begin_system("domains whose term ends") as tx:
        due = await domains.list_due(tx, limit=_AT_ONCE, workspace_id=workspace_id)
    for each in due:
        await look_at_term(database=database, gateways=gateways, market=market, domain_id=each.id)


async def _renew(database: Database, gateways: Gateways, market: Market, look: TermLook) -> Problem | None:
    """Orders a further year; why that was not possible. An order that is under way already is none of its business."""
    try:
        asked = await domains.ask_for_one(look, market=market)
        try:
            await _order(database, asked, look)
        except wallet.InsufficientFunds as short:
            if not await _recharged(database, gateways, short):
                raise
            await _order(database, asked, look)
    except domains.AlreadyRenewed:
        return None
    except Error as error:
        log.warning("a domain is not renewed", domain=look.held.name, reason=str(error))
        return error.problem()
    return None


async def _order(database: Database, asked: AskedToRenew, look: TermLook) -> None:
    """Raises wallet.InsufficientFunds, AlreadyRenewed."""
    async with database.begin_system("order a renewal") as tx:
        order = await domains.place_renewal(tx, asked, ordered_by=look.held.workspace_id)
        await fulfil_order.begin(tx, order)


async def _recharged(database: Database, gateways: Gateways, short: wallet.InsufficientFunds) -> bool:
    begin = partial(database.begin_system, "recharge for a domain")
    try:
        state = await wallet.recharge(begin, short.workspace_id, gateways=gateways, needed=short.amount)
    except GatewayError as error:
        log.warning("recharge for a domain not decided", workspace=short.workspace_id, reason=str(error))
        return False
    return state == "succeeded"
