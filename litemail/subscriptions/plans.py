"""The price list. Each change of a plan is a new version; a running subscription keeps the one that it bought."""

from collections.abc import Sequence

import msgspec

from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.subscriptions import queries
from litemail.subscriptions.queries import PlanVersion
from litemail.subscriptions.terms import Plan


class UnknownPlan(Error):
    kind = Kind.INVALID
    code = "plan.unknown"
    message = "There is no plan {plan!r}."
    action = "Choose one of GET /v1/plans."


async def list_plans(tx: Tx) -> list[Plan]:
    """What is sold now, cheapest first."""
    return await queries.list_plans(tx)


async def get_plan(tx: Tx, plan_id: str) -> Plan:
    """The version that is sold now. Raises UnknownPlan."""
    plan = await queries.find_plan(tx, plan_id)
    if plan is None:
        raise UnknownPlan(plan=plan_id[:50], field="plan")
    return plan


async def list_versions(tx: Tx) -> list[PlanVersion]:
    """Who sold what since when, the newest first."""
    return await queries.list_versions(tx)


async def set_plan(tx: Tx, plan: Plan, *, by: str) -> Plan:
    """Sells this from now on; the version is given here. Nothing changes where it is sold already."""
    await queries.lock_plans(tx)
    sold = await queries.find_plan(tx, plan.id)
    if sold is not None and msgspec.structs.replace(plan, version=sold.version) == sold:
        return sold
    newest = await queries.newest_version(tx, plan.id)
    made = msgspec.structs.replace(plan, version=newest + 1)
    await queries.insert_plan(tx, made, sold=True, by=by)
    return made


async def withdraw_plan(tx: Tx, plan_id: str, *, by: str) -> Plan:
    """Sells this no more; who has it keeps it. Raises UnknownPlan."""
    await queries.lock_plans(tx)
    plan = await get_plan(tx, plan_id)
    gone = msgspec.structs.replace(plan, version=plan.version + 1)
    await queries.insert_plan(tx, gone, sold=False, by=by)
    return gone


async def set_price_list(tx: Tx, plans: Sequence[Plan], *, by: str) -> None:
    """Sells exactly these from now on."""
    await queries.lock_plans(tx)
    for plan in plans:
        await set_plan(tx, plan, by=by)
    kept = {plan.id for plan in plans}
    for plan in await queries.list_plans(tx):
        if plan.id not in kept:
            await withdraw_plan(tx, plan.id, by=by)
