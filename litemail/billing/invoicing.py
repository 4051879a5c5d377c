"""Use cases of those who sell: one invoice for each captured order, one for each refund of it."""

from collections.abc import Sequence
from datetime import datetime

from litemail.billing import queries
from litemail.billing.queries import Address, Line, Terms
from litemail.kit import ids
from litemail.kit.actor import Mode
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind

_WHOLE = 10_000
"""A hundred percent in hundredths of a percent."""
_NOTHING_SAID = Terms(tax_rate=0, seller="Litemail")


class NothingInvoiced(Error):
    kind = Kind.CONFLICT
    code = "billing.nothing_invoiced"
    message = "Order {order_id} has no invoice that could be refunded."
    action = "Check the order with GET /v1/orders/{order_id}: only what was captured is refunded."


class RefundTooLarge(Error):
    kind = Kind.CONFLICT
    code = "billing.refund_too_large"
    message = "Only {left} of order {order_id} is left to be refunded, in minor units."
    action = "Refund that much or less."


async def invoice_order(
    tx: Tx, order_id: str, *, workspace_id: str, lines: Sequence[Line], issued_at: datetime | None = None
) -> str | None:
    """The invoice of what was captured: its id, also when the order has one already; None where it would be of nothing.

    `workspace_id` is the one that pays. The lines' amounts are what was taken from the wallet, tax contained. The
    number is given at the commit. `issued_at` is for workspaces whose time is not ours.
    """
    total = sum(line.amount for line in lines)
    if total == 0:
        return None
    terms = await queries.find_terms(tx) or _NOTHING_SAID
    return await _issue(
        tx,
        order_id,
        workspace_id=workspace_id,
        lines=lines,
        tax=tax_in(total, terms.tax_rate),
        terms=terms,
        bill_to=details.address if (details := await queries.find_details(tx, workspace_id=workspace_id)) else None,
        issued_at=issued_at,
    )


async def credit_order(
    tx: Tx, order_id: str, *, amount: int, reason: str, key: str, issued_at: datetime | None = None
) -> str:
    """The invoice of a refund, with negative lines; its id. Repeated with the same `key` it is the same one.

    `amount`, above zero, went back to the wallet. Rate and names are those of the order's invoice.

    Raises NothingInvoiced, RefundTooLarge.
    """
    invoice = await queries.lock_invoice_of_order(tx, order_id)
    if invoice is None:
        raise NothingInvoiced(order_id=order_id)
    known = await queries.find_by_key(tx, order_id, refund_key=key)
    if known is not None:
        return known
    left = await queries.invoiced(tx, order_id)
    if not 0 < amount <= left.total:
        raise RefundTooLarge(order_id=order_id, left=left.total)
    return await _issue(
        tx,
        order_id,
        workspace_id=invoice.workspace_id,
        lines=[Line(f"Refund: {reason}", 1, -amount, -amount)],
        tax=-left.tax if amount == left.total else tax_in(-amount, invoice.tax_rate),  # no cent stays behind
        terms=Terms(invoice.tax_rate, invoice.seller),
        bill_to=invoice.bill_to,
        issued_at=issued_at,
        refund_of=invoice.id,
        key=key,
    )


async def set_terms(tx: Tx, *, tax_rate: int, seller: str) -> None:
    """What invoices say from now on: the tax contained in prices, in hundredths of a percent, and who sells."""
    terms = Terms(tax_rate, seller)
    if await queries.find_terms(tx) != terms:
        await queries.insert_terms(tx, terms)


async def find_gap(tx: Tx) -> str | None:
    """The first number that no invoice has, after its mode; None when all are there."""
    return await queries.find_gap(tx)


def tax_in(total: int, rate: int) -> int:
    """The tax contained in a total, rounded half away from zero. `rate` is in hundredths of a percent."""
    tax, rest = divmod(abs(total) * rate, _WHOLE + rate)
    tax += 2 * rest >= _WHOLE + rate
    return tax if total >= 0 else -tax


async def _issue(
    tx: Tx,
    order_id: str,
    *,
    workspace_id: str,
    lines: Sequence[Line],
    tax: int,
    terms: Terms,
    bill_to: Address | None,
    issued_at: datetime | None,
    refund_of: str | None = None,
    key: str = "",
) -> str:
    invoice_id = ids.new_id("inv")
    total = sum(line.amount for line in lines)
    issued = await queries.insert_invoice(
        tx,
        invoice_id=invoice_id,
        workspace_id=workspace_id,
        mode=await _mode(tx, workspace_id),
        kind="refund" if refund_of else "invoice",
        order_id=order_id,
        refund_key=key,
        refund_of=refund_of,
        lines=lines,
        tax=tax,
        total=total,
        terms=terms,
        bill_to=bill_to,
        issued_at=issued_at or tx.now,
    )
    if not issued:
        known = await queries.find_by_key(tx, order_id, refund_key=key)
        assert known is not None
        return known
    await tx.emit(
        "invoice.issued", workspace_id=workspace_id, subject=invoice_id, data={"order_id": order_id, "total": total}
    )
    return invoice_id


async def _mode(tx: Tx, workspace_id: str) -> Mode:
    """Who pays has the mode of whom it pays for, and may be a workspace that the actor cannot see."""
    return tx.actor.mode if tx.actor is not None else await queries.mode_of(tx, workspace_id)
