"""The price list: from the settings, or as the operator sets it, plan by plan. Each version says who made it."""

import getpass
from collections.abc import Sequence

from litemail import subscriptions
from litemail.app.house import visited
from litemail.config import PlanSetting, Settings
from litemail.kit import logging
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.subscriptions import Plan, PlanVersion

_BY_SETTINGS = "LITEMAIL_PLANS"
_QUARTER, _YEAR = (27, 10), (10, 1)
"""Months that a quarter and a year cost, as fractions."""


class PricesInSettings(Error):
    kind = Kind.CONFLICT
    code = "plans.in_settings"
    message = "The price list is in the settings (LITEMAIL_PLANS), which would undo this at the next start."
    action = "Change it there, or take it out of the settings."


async def publish(tx: Tx, settings: Settings) -> None:
    """Sells exactly the price list of the settings, if they have one."""
    if settings.plans is not None:
        plans = [plan_of(plan_id, setting) for plan_id, setting in settings.plans.items()]
        await subscriptions.set_price_list(tx, plans, by=_BY_SETTINGS)


async def list_plans(settings: Settings) -> Sequence[Plan]:
    """What is sold now."""
    logging.configure("warning")
    async with visited(settings) as house, house.database.begin_system("list plans") as tx:
        return await subscriptions.list_plans(tx)


async def list_plan_versions(settings: Settings) -> Sequence[PlanVersion]:
    """What was sold since when, and who said so, the newest first."""
    logging.configure("warning")
    async with visited(settings) as house, house.database.begin_system("list plans") as tx:
        return await subscriptions.list_versions(tx)


async def set_plan(settings: Settings, plan_id: str, setting: PlanSetting) -> Plan:
    """Sells this from now on. Raises PricesInSettings."""
    _check_not_in_settings(settings)
    logging.configure("warning")
    async with visited(settings) as house, house.database.begin_system("set a plan") as tx:
        return await subscriptions.set_plan(tx, plan_of(plan_id, setting), by=getpass.getuser())


async def withdraw_plan(settings: Settings, plan_id: str) -> Plan:
    """Sells this no more. Raises PricesInSettings, subscriptions.UnknownPlan."""
    _check_not_in_settings(settings)
    logging.configure("warning")
    async with visited(settings) as house, house.database.begin_system("withdraw a plan") as tx:
        return await subscriptions.withdraw_plan(tx, plan_id, by=getpass.getuser())


def plan_of(plan_id: str, setting: PlanSetting) -> Plan:
    """The version is the database's to give."""
    return Plan(
        id=plan_id,
        version=0,
        name=setting.name,
        included_mailboxes=setting.included_mailboxes,
        month=setting.month,
        quarter=_or_months(setting.quarter, setting.month, _QUARTER),
        year=_or_months(setting.year, setting.month, _YEAR),
        addon_month=setting.addon_month,
        addon_quarter=_or_months(setting.addon_quarter, setting.addon_month, _QUARTER),
        addon_year=_or_months(setting.addon_year, setting.addon_month, _YEAR),
    )


def _or_months(given: int | None, month: int, months: tuple[int, int]) -> int:
    """A price that was left out, rounded half up."""
    times, by = months
    return given if given is not None else (2 * month * times + by) // (2 * by)


def _check_not_in_settings(settings: Settings) -> None:
    if settings.plans is not None:
        raise PricesInSettings
