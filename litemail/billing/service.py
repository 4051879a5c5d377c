"""Use cases of billing details, and reading invoices."""

from collections.abc import Mapping

import msgspec

from litemail.billing import queries
from litemail.billing.queries import Address, Details, Invoice
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.pagination import Page, PageRequest, page


class DetailsRequired(Error):
    kind = Kind.CONFLICT
    code = "billing.details_required"
    message = "The workspace that pays has no billing details yet, and nothing is sold without them."
    action = "Enter them with POST /v1/billings, then repeat this request."


class DetailsExist(Error):
    kind = Kind.CONFLICT
    code = "billing.details_exist"
    message = "This workspace has billing details already."
    action = "Change them with PUT /v1/billings."


class DetailsNotFound(Error):
    kind = Kind.NOT_FOUND
    code = "billing.details_not_found"
    message = "This workspace has no billing details yet."
    action = "Enter them with POST /v1/billings."


class InvoiceNotFound(Error):
    kind = Kind.NOT_FOUND
    code = "billing.invoice_not_found"
    message = "There is no invoice {invoice_id} in this workspace."
    action = "List the invoices with GET /v1/billings/invoices and use one of their ids."


async def require_details(tx: Tx, *, workspace_id: str | None = None) -> None:
    """What every purchase asks first. `workspace_id` is the one that pays; left out, the actor's.

    Raises DetailsRequired.
    """
    if await queries.find_details(tx, workspace_id=workspace_id or _payer(tx)) is None:
        raise DetailsRequired


async def create_details(tx: Tx, details: Address) -> Details:
    """Raises DetailsExist."""
    created = await queries.insert_details(tx, details, workspace_id=_payer(tx))
    if created is None:
        raise DetailsExist
    await tx.emit(
        "billing.details_created", workspace_id=_payer(tx), subject=_payer(tx), data=details, audience="audit"
    )
    return created


async def update_details(tx: Tx, changes: Mapping[str, str | None]) -> Details:
    """Changes the named fields. Raises DetailsNotFound."""
    before = await queries.lock_details(tx, workspace_id=_payer(tx))
    if before is None:
        raise DetailsNotFound
    known = before.address
    wanted = msgspec.structs.replace(known, **changes)
    if wanted == known:
        return before
    after = await queries.update_details(tx, wanted, workspace_id=_payer(tx))
    await tx.emit(
        "billing.details_updated",
        workspace_id=_payer(tx),
        subject=_payer(tx),
        before=known,
        data=wanted,
        audience="audit",
    )
    return after


async def get_details(tx: Tx) -> Details:
    """Raises DetailsNotFound."""
    details = await queries.find_details(tx, workspace_id=_payer(tx))
    if details is None:
        raise DetailsNotFound
    return details


async def get_invoice(tx: Tx, invoice_id: str) -> Invoice:
    """Raises InvoiceNotFound."""
    invoice = await queries.find_invoice(tx, invoice_id, workspace_id=_payer(tx))
    if invoice is None:
        raise InvoiceNotFound(invoice_id=invoice_id)
    return invoice


async def list_invoices(tx: Tx, request: PageRequest) -> Page[Invoice]:
    """Newest first."""
    rows = await queries.list_invoices(tx, workspace_id=_payer(tx), limit=request.limit + 1, after=request.after)
    total = await queries.count_invoices(tx, workspace_id=_payer(tx)) if request.count else None
    return page(rows, request, key=lambda row: row.id, total=total)


def _payer(tx: Tx) -> str:
    assert tx.actor is not None
    return tx.actor.paying_workspace_id
