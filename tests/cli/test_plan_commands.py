"""Operator commands about the price list, as they are typed, in a database of their own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from litemail import cli, subscriptions, users, workspaces
from litemail.app import prices
from litemail.cli.options import Options
from litemail.kit import embedded_pg
from litemail.kit.db import Database
from tests.conftest import Databases

SET = ("--name", "Solo", "--included", "3", "--month", "12.00", "--addon-month", "4.50")


@pytest.fixture
async def alone(
    tmp_path: Path, databases: Databases, cluster: embedded_pg.Cluster, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Database]:
    async with databases.fresh(size=4) as database:
        async with database.begin_system("test") as tx:
            name = await tx.value(str, "SELECT current_database()")
        assert name is not None
        monkeypatch.setenv("LITEMAIL_DATA_DIR", str(tmp_path))
        monkeypatch.setenv("LITEMAIL_DATABASE_URL", cluster.url(database=name))
        monkeypatch.setenv("LITEMAIL_DATABASE_APP_URL", database.app_url)
        monkeypatch.setenv("LITEMAIL_DATABASE_SYSTEM_URL", database.system_url)
        yield database


async def run(*arguments: str) -> int:
    def type_it() -> int:
        try:
            cli.main(arguments)
        except SystemExit as ended:
            return int(ended.code or 0)
        return 0

    return await asyncio.to_thread(type_it)


async def sold(database: Database) -> dict[str, tuple[int, int, int, int]]:
    async with database.begin_system("test") as tx:
        return {
            plan.id: (plan.version, plan.month, plan.quarter, plan.year) for plan in await subscriptions.list_plans(tx)
        }


async def test_plans_are_listed(alone: Database, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run("plans", "list") == 0
    shown = capsys.readouterr().out
    for plan, month, year in (
        ("starter", "37.00", "370.00"),
        ("growth", "99.00", "990.00"),
        ("pro", "299.00", "2990.00"),
    ):
        (line,) = [line for line in shown.splitlines() if line.strip().startswith(plan)]
        assert month in line.split()
        assert year in line.split()


async def test_a_plan_is_set_changed_and_withdrawn(
    alone: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("plans", "set", "solo", *SET) == 0
    assert (await sold(alone))["solo"] == (1, 1200, 3240, 12000)
    assert await run("plans", "set", "solo", *SET) == 0
    assert (await sold(alone))["solo"][0] == 1
    assert await run("plans", "set", "solo", *SET, "--year", "99.99") == 0
    assert (await sold(alone))["solo"] == (2, 1200, 3240, 9999)
    assert await run("plans", "withdraw", "solo") == 0
    assert "solo" not in await sold(alone)
    assert await run("plans", "withdraw", "solo") == 1
    assert await run("plans", "set", "solo", *SET) == 0
    assert (await sold(alone))["solo"][0] == 4
    capsys.readouterr()
    monkeypatch.setenv("COLUMNS", "200")
    assert await run("plans", "list", "--history") == 0
    history = capsys.readouterr().out
    assert history.count("solo") == 4
    assert "withdrawn" in history
    assert "the default price list" in history


@pytest.mark.parametrize(
    ("plan_id", "changed"),
    [
        ("Solo", ()),
        ("9", ()),
        ("solo", ("--month", "12")),
        ("solo", ("--month", "12.5")),
        ("solo", ("--month", "-12.00")),
        ("solo", ("--month", "1e3")),
        ("solo", ("--addon-month", "free")),
        ("solo", ("--included", "-1")),
        ("solo", ("--included", "many")),
        ("solo", ("--name", "")),
    ],
)
async def test_bad_input_is_refused(
    alone: Database, plan_id: str, changed: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    given = dict(zip(SET[::2], SET[1::2], strict=True)) | dict(zip(changed[::2], changed[1::2], strict=True))
    assert await run("plans", "set", plan_id, *(f"{name}={value}" for name, value in given.items())) in (1, 2)
    assert list(await sold(alone)) == ["starter", "growth", "pro"]
    assert "Traceback" not in capsys.readouterr().err


async def test_a_price_list_in_the_settings_is_sold_and_not_changed_by_hand(
    alone: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(
        "LITEMAIL_PLANS",
        '{"starter": {"name": "Starter", "included_mailboxes": 5, "month": 1999, "addon_month": 199},'
        ' "team": {"name": "Team", "included_mailboxes": 50, "month": 9999, "quarter": 25000, "addon_month": 150}}',
    )
    for _ in range(2):
        async with alone.begin_system("test") as tx:
            await prices.publish(tx, Options().settings())
        assert await sold(alone) == {"starter": (2, 1999, 5397, 19990), "team": (1, 9999, 25000, 99990)}
    assert await run("plans", "set", "solo", *SET) == 1
    assert "LITEMAIL_PLANS" in capsys.readouterr().err


async def test_a_running_subscription_keeps_its_price(alone: Database) -> None:
    async with alone.begin_system("test") as tx:
        user = await users.create(tx, email="ada@example.com", password_hash="", first_name="Ada", last_name="Lovelace")
        made = await workspaces.create(tx, owner_id=user.id, name="Acme", mode="sandbox")
        granted = await subscriptions.grant(tx, made.id, plan="starter")
    assert (
        await run("plans", "set", "starter", "--name=Starter", "--included=5", "--month=50.00", "--addon-month=5.00")
        == 0
    )
    async with alone.begin_system("test") as tx:
        kept = await subscriptions.get(tx, granted.id)
        later = await subscriptions.grant(tx, made.id, plan="starter")
    assert (kept.terms.price, kept.renewed_terms.price, kept.quantity) == (3700, 3700, 10)
    assert (later.terms.price, later.quantity) == (5000, 5)
