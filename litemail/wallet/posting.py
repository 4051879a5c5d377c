"""Posting: one transaction with its entries, once, or the reason why the database refused it."""

from collections.abc import Mapping
from typing import Self

import msgspec

from litemail.kit.db import Tx
from litemail.kit.errors import Error
from litemail.kit.errors import Kind as ErrorKind
from litemail.kit.money import Money
from litemail.wallet import ledger_queries as queries
from litemail.wallet.ledger_queries import Account, Kind

MOST = 10**15
"""More than anybody has; far from what a bigint holds."""


class PaymentRequired(Error):
    """Something costs money. `shortfall`, in minor units, is what the wallet lacks of it; 0 where it lacks nothing."""

    kind = ErrorKind.PAYMENT_REQUIRED
    shortfall = 0

    def lacking(self, shortfall: int, **shown: object) -> Self:
        """The same error with what is missing, and what else is shown with it."""
        self.shortfall = shortfall
        self.extra = {"shortfall": Money(shortfall), **shown}
        return self


class InsufficientFunds(PaymentRequired):
    code = "wallet.insufficient_funds"
    message = "The wallet has {available} available; this needs {amount}."
    action = "Top up the wallet with POST /v1/wallet/balance, or open payment_link, and send the request again."

    def __init__(self, *, amount: int, available: int, workspace_id: str) -> None:
        super().__init__(amount=Money(amount), available=Money(available))
        self.lacking(amount - available)
        self.amount = amount
        self.available = available
        self.workspace_id = workspace_id


class HoldExceeded(Error):
    kind = ErrorKind.CONFLICT
    code = "wallet.hold_exceeded"
    message = "{amount} cannot be captured: order {order_id} holds {held}."


class RefundExceeded(Error):
    kind = ErrorKind.CONFLICT
    code = "wallet.refund_exceeded"
    message = "{amount} cannot be refunded: {left} of order {order_id} is left to refund."


class NothingHeld(Error):
    kind = ErrorKind.NOT_FOUND
    code = "wallet.order_unknown"
    message = "The ledger knows nothing of order {order_id}."


class WalletMissing(Error):
    kind = ErrorKind.NOT_FOUND
    code = "wallet.not_open"
    message = "Workspace {workspace_id} has no wallet that this caller may use."


class BadAmount(Error):
    kind = ErrorKind.INVALID
    code = "wallet.bad_amount"
    message = "{amount} is not an amount that can be moved."
    action = "Use a positive whole number of minor units."


class KeyReused(Error):
    """Somebody asks for another transaction under the key of one that was posted: a bug, or a double spending."""

    code = "wallet.key_reused"
    message = "The ledger's key {key} stands for another transaction."


class Refused(Error):
    code = "wallet.refused"
    message = "The database refused transaction {key}: {constraint}."


class Posted(msgspec.Struct, frozen=True):
    """The transaction, and whether this call posted it; `available` is the wallet now."""

    id: str
    new: bool
    available: int


async def post(
    tx: Tx,
    entries: Mapping[Account, int],
    *,
    workspace_id: str,
    amount: int,
    kind: Kind,
    key: str,
    description: str,
    order_id: str | None = None,
    payment_id: str | None = None,
) -> Posted:
    """Posts a transaction, unless its key was used for the same before. `amount`, for messages, is what it moves.

    Raises InsufficientFunds, HoldExceeded, RefundExceeded, WalletMissing, BadAmount, KeyReused.
    """
    if not 0 < amount <= MOST:
        raise BadAmount(amount=amount, field="amount")
    while True:
        row = await queries.post(
            tx,
            entries,
            workspace_id=workspace_id,
            kind=kind,
            key=key,
            order_id=order_id,
            payment_id=payment_id,
            description=description,
        )
        available = row.available
        if available is None:
            raise WalletMissing(workspace_id=workspace_id)
        # Who was refused let go of the wallet, so it may hold enough by now.
        if row.refused != "wallet_not_below_zero" or available < amount:
            break
    if row.refused is not None:
        raise await _refusal(
            tx,
            row.refused,
            amount=amount,
            available=available,
            key=key,
            order_id=order_id,
            workspace_id=workspace_id,
        )
    if row.id is None or not row.same:
        raise KeyReused(key=key)
    if row.posted and row.recharge and kind in ("hold", "charge"):
        await enqueue_recharge(tx, workspace_id)
    return Posted(row.id, row.posted, available)


async def _refusal(
    tx: Tx, constraint: str, *, amount: int, available: int, key: str, order_id: str | None, workspace_id: str
) -> Error:
    """The constraint that refused, as the error that it stands for."""
    order = None if order_id is None else await queries.find_order(tx, order_id)
    if constraint == "wallet_not_below_zero":
        return InsufficientFunds(amount=amount, available=available, workspace_id=workspace_id)
    if order is not None and constraint in ("order_hold_not_below_zero", "hold_not_below_zero"):
        return HoldExceeded(amount=Money(amount), held=Money(order.held), order_id=order_id)
    if order is not None and constraint == "order_refund_within_capture":
        left = order.captured - order.refunded
        return RefundExceeded(amount=Money(amount), left=Money(left), order_id=order_id)
    return Refused(key=key, constraint=constraint)


async def enqueue_recharge(tx: Tx, workspace_id: str) -> None:
    """Has somebody look whether the wallet wants recharging."""
    await tx.enqueue("wallet.recharge", once=f"recharge {workspace_id}", workspace_id=workspace_id)
