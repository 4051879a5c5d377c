"""Operator commands about wallets."""

import asyncio
from decimal import Decimal
from typing import Annotated

from cyclopts import App, Parameter
from rich import box
from rich.console import Console
from rich.table import Table

from litemail import app as composition
from litemail.app import WalletView
from litemail.cli.options import Given, settings_of
from litemail.kit.clock import rfc3339
from litemail.kit.errors import Error, Kind
from litemail.kit.money import Money

app = App(name="wallet", help="Operator commands about wallets.")

Workspace = Annotated[str, Parameter(help="Id of the workspace that the wallet belongs to: ws_...")]
_CENTS = 100
_MOST = Decimal(10) ** 9


class NotAnAmount(Error):
    kind = Kind.INVALID
    code = "wallet.not_an_amount"
    message = "{amount} is not an amount of money."
    action = "Write it like 25.00."


@app.command
def grant(
    workspace_id: Workspace,
    amount: Annotated[Decimal, Parameter(help="Like 25.00; below zero takes money out.", allow_leading_hyphen=True)],
    *,
    reason: Annotated[str, Parameter(help="What for; the wallet's owner sees it.")],
    options: Given = None,
) -> None:
    """Put money into a wallet without a payment."""
    balance = asyncio.run(
        composition.grant_money(settings_of(options), workspace_id, amount=_minor_units(amount), reason=reason)
    )
    print(f"{workspace_id} has {Money(balance.available)} available, {Money(balance.held)} are held.")


@app.command
def show(
    workspace_id: Workspace,
    *,
    limit: Annotated[int, Parameter(help="How many transactions.")] = 20,
    options: Given = None,
) -> None:
    """Show a wallet and its newest transactions."""
    _print(workspace_id, asyncio.run(composition.show_wallet(settings_of(options), workspace_id, limit=limit)))


def _minor_units(amount: Decimal) -> int:
    """Raises NotAnAmount."""
    if abs(amount) >= _MOST or amount * _CENTS % 1:
        raise NotAnAmount(amount=amount)
    return int(amount * _CENTS)


def _print(workspace_id: str, view: WalletView) -> None:
    balance, auto = view.balance, view.auto_recharge
    print(f"{workspace_id}: {Money(balance.balance)}; {Money(balance.held)} held, {Money(balance.available)} available")
    if auto.enabled:
        print(f"auto-recharge: {Money(auto.amount)} below {Money(auto.threshold)}")
    else:
        print(f"auto-recharge: off{f', {auto.failure.message}' if auto.failure else ''}")
    table = Table(box=box.SIMPLE)
    for column in ("time", "kind", "amount", "balance", "held", "about", "description"):
        table.add_column(column, justify="right" if column in ("amount", "balance", "held") else "left")
    for line in view.lines:
        table.add_row(
            rfc3339(line.created_at),
            line.kind,
            str(Money(line.amount)),
            str(Money(line.balance_after)),
            str(Money(line.held_after)),
            line.order_id or line.payment_id or "",
            line.description,
        )
    Console(highlight=False, width=None).print(table)
