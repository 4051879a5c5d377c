"""Use cases of the ledger: each posts one transaction, once, whatever is repeated.

Every transaction has a key, unique in its wallet. Posting again with the same key and the same content does nothing;
with other content it raises KeyReused, which is a mistake of the caller.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from litemail.kit import ids
from litemail.kit.db import Tx
from litemail.kit.errors import Error
from litemail.kit.errors import Kind as ErrorKind
from litemail.kit.money import Money
from litemail.kit.pagination import BadCursor, Page, PageRequest, page
from litemail.wallet import ledger_queries as queries
from litemail.wallet.ledger_queries import Account, Balance, Kind, Line, OrderSums

RECHARGE_JOB = "wallet.recharge"
MOST = 10**15
"""More than anybody has; far from what a bigint holds."""
_TRIES = 5


class InsufficientFunds(Error):
    """`shortfall`, in minor units, is what is missing."""

    kind = ErrorKind.PAYMENT_REQUIRED
    code = "wallet.insufficient_funds"
    message = "The wallet has {available} available; this needs {amount}."
    action = "Top up the wallet with POST /v1/wallet/balance, or open payment_link, and send the request again."

    def __init__(self, *, amount: int, available: int, workspace_id: str) -> None:
        super().__init__(amount=Money(amount), available=Money(available))
        self.amount = amount
        self.available = available
        self.shortfall = amount - available
        self.workspace_id = workspace_id
        self.extra = {"shortfall": {"amount": self.shortfall, "currency": "USD"}}


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


async def open_(tx: Tx, workspace_id: str) -> None:
    """Opens the accounts of a workspace; nothing where they are open."""
    await queries.open_accounts(tx, workspace_id)


async def balance(tx: Tx, workspace_id: str) -> Balance:
    """Raises WalletMissing."""
    found = await queries.find_balance(tx, workspace_id)
    if found is None:
        raise WalletMissing(workspace_id=workspace_id)
    return found


async def find_order(tx: Tx, order_id: str) -> OrderSums | None:
    """What an order holds, took and gave back; None where it never touched the ledger."""
    return await queries.find_order(tx, order_id)


async def hold(
    tx: Tx, *, workspace_id: str, amount: int, order_id: str, description: str, key: str | None = None
) -> Posted:
    """Reserves money for an order. An order that holds more than once names each hold by its `key`.

    Raises InsufficientFunds, WalletMissing, BadAmount, KeyReused.
    """
    return await _post(
        tx,
        {"wallet": -amount, "hold": amount},
        workspace_id=workspace_id,
        amount=amount,
        kind="hold",
        key=key or f"hold:{order_id}",
        order_id=order_id,
        description=description,
    )


async def charge(
    tx: Tx, *, workspace_id: str, amount: int, order_id: str, description: str, key: str | None = None
) -> Posted:
    """Takes money for an order at once, without a hold. Raises as `hold` does."""
    return await _post(
        tx,
        {"wallet": -amount, "revenue": amount},
        workspace_id=workspace_id,
        amount=amount,
        kind="charge",
        key=key or f"charge:{order_id}",
        order_id=order_id,
        description=description,
    )


async def capture(tx: Tx, *, order_id: str, amount: int, description: str, key: str | None = None) -> Posted:
    """Takes what an order holds, or part of it. An order captured in parts names each by its `key`.

    Raises HoldExceeded, NothingHeld, BadAmount, KeyReused.
    """
    order = await _order(tx, order_id)
    return await _post(
        tx,
        {"hold": -amount, "revenue": amount},
        workspace_id=order.workspace_id,
        amount=amount,
        kind="capture",
        key=key or f"capture:{order_id}",
        order_id=order_id,
        description=description,
    )


async def release(tx: Tx, *, order_id: str, description: str = "Released", key: str | None = None) -> int:
    """Gives back to the wallet whatever an order still holds; how much that was. Raises NothingHeld."""
    order = await _order(tx, order_id)
    await queries.lock(tx, order.workspace_id)
    order = await _order(tx, order_id)
    if order.held:
        await _post(
            tx,
            {"hold": -order.held, "wallet": order.held},
            workspace_id=order.workspace_id,
            amount=order.held,
            kind="release",
            key=key or f"release:{order_id}",
            order_id=order_id,
            description=description,
        )
    return order.held


async def refund(tx: Tx, *, order_id: str, amount: int, reason: str, key: str) -> Posted:
    """Gives captured money back to the wallet. `key` names this refund among those of the order.

    Raises RefundExceeded, NothingHeld, BadAmount, KeyReused.
    """
    order = await _order(tx, order_id)
    posted = await _post(
        tx,
        {"revenue": -amount, "wallet": amount},
        workspace_id=order.workspace_id,
        amount=amount,
        kind="refund",
        key=f"refund:{order_id}:{key}",
        order_id=order_id,
        description=reason,
    )
    if posted.new:
        await _tell(tx, "wallet.refunded", posted, workspace_id=order.workspace_id, amount=amount, about=order_id)
    return posted


async def top_up(tx: Tx, *, workspace_id: str, amount: int, payment_id: str, description: str = "Top-up") -> Posted:
    """Credits a payment that a gateway says has arrived, once. Raises WalletMissing, BadAmount, KeyReused."""
    posted = await _post(
        tx,
        {"gateway": -amount, "wallet": amount},
        workspace_id=workspace_id,
        amount=amount,
        kind="top_up",
        key=f"top_up:{payment_id}",
        payment_id=payment_id,
        description=description,
    )
    if posted.new:
        await _tell(tx, "wallet.topped_up", posted, workspace_id=workspace_id, amount=amount, about=payment_id)
    return posted


async def grant(tx: Tx, *, workspace_id: str, amount: int, reason: str, key: str | None = None) -> Posted:
    """Money that nobody paid: sandbox money, an operator's gift. Raises WalletMissing, BadAmount, KeyReused."""
    if amount <= 0:
        raise BadAmount(amount=amount, field="amount")
    return await adjust(tx, workspace_id=workspace_id, amount=amount, reason=reason, key=key)


async def adjust(tx: Tx, *, workspace_id: str, amount: int, reason: str, key: str | None = None) -> Posted:
    """Corrects a wallet, up or down. Without a `key` each call is another correction.

    Raises InsufficientFunds, WalletMissing, BadAmount, KeyReused.
    """
    posted = await _post(
        tx,
        {"grants": -amount, "wallet": amount},
        workspace_id=workspace_id,
        amount=abs(amount),
        kind="adjustment",
        key=f"adjustment:{key or ids.new_id('adj')}",
        description=reason,
    )
    if posted.new:
        await _tell(tx, "wallet.adjusted", posted, workspace_id=workspace_id, amount=amount, about=reason)
    return posted


async def return_payment(
    tx: Tx, *, workspace_id: str, amount: int, borne: int, payment_id: str, reference: str
) -> bool:
    """Books money that a gateway gave back to a card, `borne` of it by the operator. False where it is booked."""
    key = f"returned:{reference}"
    if await queries.entries_of(tx, workspace_id=workspace_id, key=key):
        return False
    posted = await _post(
        tx,
        _nonzero({"gateway": amount, "wallet": borne - amount, "grants": -borne}),
        workspace_id=workspace_id,
        amount=amount,
        kind="refund",
        key=key,
        payment_id=payment_id,
        description="Refunded to the card",
    )
    return posted.new


async def undo_return(tx: Tx, *, workspace_id: str, payment_id: str, reference: str) -> bool:
    """Books that a refund to a card failed after all. False where none was booked, or its failure is."""
    entries = await queries.entries_of(tx, workspace_id=workspace_id, key=f"returned:{reference}")
    if not entries:
        return False
    posted = await _post(
        tx,
        {entry.account: -entry.amount for entry in entries},
        workspace_id=workspace_id,
        amount=max(abs(entry.amount) for entry in entries),
        kind="refund",
        key=f"returned-again:{reference}",
        payment_id=payment_id,
        description="Refund to the card failed",
    )
    return posted.new


async def enqueue_recharge(tx: Tx, workspace_id: str) -> None:
    """Has somebody look whether the wallet wants recharging."""
    await tx.enqueue(RECHARGE_JOB, once=f"recharge {workspace_id}", workspace_id=workspace_id)


def _nonzero(entries: Mapping[Account, int]) -> Mapping[Account, int]:
    return {account: amount for account, amount in entries.items() if amount}


async def list_transactions(
    tx: Tx,
    request: PageRequest,
    *,
    workspace_id: str,
    kind: Kind | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Page[Line]:
    """The newest first; from `since` on and before `until`. Raises BadCursor."""
    if request.after is not None and not (request.after.isdecimal() and len(request.after) < 19):  # noqa: PLR2004 - bigint
        raise BadCursor(field="cursor")
    rows = await queries.list_lines(
        tx,
        workspace_id=workspace_id,
        kind=kind,
        since=since,
        until=until,
        limit=request.limit + 1,
        before=None if request.after is None else int(request.after),
    )
    total = None
    if request.count:
        total = await queries.count_lines(tx, workspace_id=workspace_id, kind=kind, since=since, until=until)
    return page(rows, request, key=lambda row: str(row.number), total=total)


async def _order(tx: Tx, order_id: str) -> OrderSums:
    order = await queries.find_order(tx, order_id)
    if order is None:
        raise NothingHeld(order_id=order_id)
    return order


async def _post(
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
    if not 0 < amount <= MOST:
        raise BadAmount(amount=amount, field="amount")
    for _ in range(_TRIES):
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


async def _tell(tx: Tx, event: str, posted: Posted, *, workspace_id: str, amount: int, about: str) -> None:
    await tx.emit(
        event,
        workspace_id=workspace_id,
        subject=posted.id,
        data={"amount": amount, "currency": "USD", "available": posted.available, "about": about},
    )
