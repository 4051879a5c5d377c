"""Operator commands about wallets, as they are typed."""

import asyncio
from pathlib import Path

import pytest

from litemail import cli
from litemail.kit import embedded_pg, ids
from litemail.kit.db import Database
from tests.conftest import Person


@pytest.fixture
async def installation(
    tmp_path: Path, database: Database, cluster: embedded_pg.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.begin_system("test") as tx:
        name = await tx.value(str, "SELECT current_database()")
    assert name is not None
    monkeypatch.setenv("LITEMAIL_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LITEMAIL_DATABASE_URL", cluster.url(database=name))
    monkeypatch.setenv("LITEMAIL_DATABASE_APP_URL", database.app_url)
    monkeypatch.setenv("LITEMAIL_DATABASE_SYSTEM_URL", database.system_url)
    monkeypatch.setenv("COLUMNS", "200")


async def run(*arguments: str) -> int:
    def type_it() -> int:
        try:
            cli.main(arguments)
        except SystemExit as ended:
            return int(ended.code or 0)
        return 0

    return await asyncio.to_thread(type_it)


async def audited(database: Database, person: Person) -> list[str]:
    async with database.begin_system("test") as tx:
        return await tx.values(
            str,
            """SELECT type FROM events WHERE workspace_id = %(id)s AND audience = 'audit' AND type LIKE 'operator.%%'
               ORDER BY number""",
            id=person.workspace_id,
        )


async def test_money_is_granted_shown_and_audited(
    installation: None, database: Database, person: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("wallet", "grant", person.workspace_id, "25.50", "--reason", "An apology") == 0
    assert await run("wallet", "grant", person.workspace_id, "-0.25", "--reason", "Too much") == 0
    assert await run("wallet", "show", person.workspace_id) == 0
    shown = capsys.readouterr().out
    assert "1025.25 USD available, 0.00 USD are held." in shown
    assert "An apology" in shown
    assert "-0.25 USD" in shown
    assert "auto-recharge: off" in shown
    assert await audited(database, person) == [
        "operator.wallet_granted",
        "operator.wallet_granted",
        "operator.wallet_shown",
    ]


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("0", "is not an amount that can be moved"),
        ("1.005", "is not an amount of money"),
        ("1e12", "is not an amount of money"),
        ("-5000", "The wallet has 1000.00 USD available; this needs 5000.00 USD."),
    ],
)
async def test_what_cannot_be_granted_is_refused(
    installation: None, database: Database, person: Person, capsys: pytest.CaptureFixture[str], amount: str, said: str
) -> None:
    assert await run("wallet", "grant", person.workspace_id, amount, "--reason", "test") == 1
    assert said in capsys.readouterr().err
    assert await audited(database, person) == []


async def test_an_unknown_workspace_is_named(installation: None, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (ids.new_id("ws"), "nonsense"):
        assert await run("wallet", "show", name) == 1
        assert await run("wallet", "grant", name, "1", "--reason", "test") == 1
        assert f"Workspace {name} has no wallet" in capsys.readouterr().err


async def test_the_doctor_proves_the_ledger(installation: None, capsys: pytest.CaptureFixture[str]) -> None:
    await run("doctor")
    assert "✓ the ledger, recomputed from its entries, is as it was kept" in capsys.readouterr().out
