"""Quotes: what something would cost, and whether the wallet covers it."""

from collections.abc import Sequence

import msgspec

from litemail import wallet, workspaces
from litemail.billing import Line
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.money import Money


class MaxChargeExceeded(Error):
    kind = Kind.CONFLICT
    code = "order.max_charge_exceeded"
    message = "This would cost {total}, which is more than max_charge allows: {max_charge}."
    action = "Look at the quote with ?dry_run=true and raise max_charge, or order less. Nothing was charged."


class Quote(msgspec.Struct, frozen=True):
    """Amounts are minor units; `wallet_balance` is what is available, holds taken off."""

    lines: list[Line]
    total: int
    wallet_balance: int
    covered: bool


class QuotedLine(msgspec.Struct, frozen=True):
    description: str
    quantity: int
    unit_price: Money
    amount: Money


class ShownQuote(msgspec.Struct, frozen=True):
    lines: list[QuotedLine]
    total: Money
    wallet_balance: Money
    covered: bool


class Quoted(msgspec.Struct, frozen=True):
    """The answer to `?dry_run=true`."""

    quote: ShownQuote


async def quote(tx: Tx, lines: Sequence[Line], *, payer: str | None = None) -> Quote:
    """The quote for the actor's paying workspace, or for `payer`. Changes nothing."""
    if payer is None:
        assert tx.actor is not None
        payer = tx.actor.paying_workspace_id
    available = (await wallet.balance(tx, payer)).available
    total = sum(line.amount for line in lines)
    return Quote(list(lines), total, available, covered=total <= available)


async def payer_of(tx: Tx, workspace_id: str) -> str:
    """Who pays for what is ordered in that workspace."""
    if tx.actor is not None and tx.actor.workspace_id == workspace_id:
        return tx.actor.paying_workspace_id
    return await workspaces.payer_of(tx, workspace_id)


def show_line(line: Line) -> QuotedLine:
    return QuotedLine(line.description, line.quantity, Money(line.unit_price), Money(line.amount))


def show_quote(quote: Quote) -> ShownQuote:
    """What `?dry_run=true` and a 402 show."""
    return ShownQuote(
        [show_line(line) for line in quote.lines], Money(quote.total), Money(quote.wallet_balance), quote.covered
    )
