"""Operator commands about the price list."""

import asyncio
import re
from typing import Annotated

from cyclopts import App, Parameter
from rich import box
from rich.console import Console
from rich.table import Table

from litemail import app as composition
from litemail.cli.options import Given, settings_of
from litemail.config import PlanSetting
from litemail.kit.clock import rfc3339
from litemail.kit.errors import Error, Kind
from litemail.subscriptions import Plan

app = App(name="plans", help="Operator commands about the price list.")

PlanId = Annotated[str, Parameter(help="Id of the plan, such as starter.")]
Price = Annotated[str, Parameter(help="In dollars and cents: 37.00.")]
MaybePrice = Annotated[str | None, Parameter(help="In dollars and cents; left out: 2.7 months, or 10.")]
_PLAN_ID = re.compile(r"[a-z][a-z0-9_-]{0,39}", re.ASCII)
_PRICE = re.compile(r"(\d{1,10})\.(\d\d)", re.ASCII)


class BadPrice(Error):
    kind = Kind.INVALID
    code = "plans.bad_price"
    message = "{text!r} is not a price."
    action = "Write dollars and cents, both: 37.00."


class BadPlanId(Error):
    kind = Kind.INVALID
    code = "plans.bad_id"
    message = "{text!r} cannot be the id of a plan."
    action = "Use lower-case letters, digits, - and _, at most 40, a letter first."


@app.command(name="list")
def list_(
    *,
    history: Annotated[bool, Parameter(help="All versions, and who set them.")] = False,
    options: Given = None,
) -> None:
    """Show what is sold now."""
    table = Table(box=box.SIMPLE)
    columns = ("plan", "included", "month", "quarter", "year", "add-on", "quarter", "year")
    for column in columns + (("version", "since", "set by") if history else ()):
        table.add_column(column, justify="left" if column in ("plan", "since", "set by") else "right")
    if history:
        for row in asyncio.run(composition.list_plan_versions(settings_of(options))):
            by = row.set_by if row.sold else f"{row.set_by} (withdrawn)"
            table.add_row(*_cells(row.plan), str(row.plan.version), rfc3339(row.created_at), by)
    else:
        for plan in asyncio.run(composition.list_plans(settings_of(options))):
            table.add_row(*_cells(plan))
    Console(highlight=False, soft_wrap=True).print(table)


@app.command(name="set")
def set_(
    plan_id: PlanId,
    *,
    name: Annotated[str, Parameter(help="As customers see it.")],
    included: Annotated[int, Parameter(help="Mailboxes that the price includes.")],
    month: Price,
    addon_month: Price,
    quarter: MaybePrice = None,
    year: MaybePrice = None,
    addon_quarter: MaybePrice = None,
    addon_year: MaybePrice = None,
    options: Given = None,
) -> None:
    """Sell a plan at these prices from now on. Running subscriptions keep theirs."""
    if not _PLAN_ID.fullmatch(plan_id):
        raise BadPlanId(text=plan_id)
    setting = PlanSetting(
        name=name,
        included_mailboxes=included,
        month=_cents(month),
        quarter=_maybe_cents(quarter),
        year=_maybe_cents(year),
        addon_month=_cents(addon_month),
        addon_quarter=_maybe_cents(addon_quarter),
        addon_year=_maybe_cents(addon_year),
    )
    plan = asyncio.run(composition.set_plan(settings_of(options), plan_id, setting))
    print(f"{plan.name} is sold for {_money(plan.month)} a month (version {plan.version}).")


@app.command
def withdraw(plan_id: PlanId, *, options: Given = None) -> None:
    """Sell a plan no more. Running subscriptions keep it."""
    plan = asyncio.run(composition.withdraw_plan(settings_of(options), plan_id))
    print(f"{plan.name} is not sold any more.")


def _cells(plan: Plan) -> list[str]:
    prices = (plan.month, plan.quarter, plan.year, plan.addon_month, plan.addon_quarter, plan.addon_year)
    return [plan.id, str(plan.included_mailboxes), *map(_money, prices)]


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def _cents(text: str) -> int:
    """Raises BadPrice."""
    match = _PRICE.fullmatch(text)
    if match is None:
        raise BadPrice(text=text)
    return int(match[1]) * 100 + int(match[2])


def _maybe_cents(text: str | None) -> int | None:
    return None if text is None else _cents(text)
