"""Use cases of the ledger: each posts one transaction, once, whatever is repeated.

Every transaction has a key, unique in its wallet. Posting again with the same key and the same content does nothing;
with other content it raises KeyReused, which is a mistake of the caller.
"""

from datetime import datetime

from litemail.kit import ids
from litemail.kit.db import Tx
from litemail.kit.pagination import BadCursor, Page, PageRequest, page
from litemail.wallet import ledger_queries as queries
from litemail.wallet.ledger_queries import Balance, Kind, Line, OrderSums
from litemail.wallet.posting import BadAmount, NothingHeld, Posted, WalletMissing, post


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
    return await post(
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
    return await post(
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
    return await post(
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
        await post(
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
    posted = await post(
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
    posted = await post(
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
    posted = await post(
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


async def _tell(tx: Tx, event: str, posted: Posted, *, workspace_id: str, amount: int, about: str) -> None:
    await tx.emit(
        event,
        workspace_id=workspace_id,
        subject=posted.id,
        data={"amount": amount, "currency": "USD", "available": posted.available, "about": about},
    )
