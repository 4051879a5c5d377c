"""The price list. Each change of a plan is a new version; a running subscription keeps the one that it bought."""

from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.subscriptions.queries import Plan as Plan


class UnknownPlan(Error):
    kind = Kind.INVALID
    code = "plan.unknown"
    message = "There is no plan {plan}."
    action = "Choose one of GET /v1/plans."


async def list_plans(tx: Tx) -> list[Plan]:
    """What is sold now, cheapest first."""
    raise NotImplementedError


async def set_plan(tx: Tx, plan: Plan) -> Plan:
    """Makes this the plan that is sold from now on (`version` is given here); nothing changes where it is already."""
    raise NotImplementedError
