"""Routes of billing details and invoices."""

from typing import Any

from litestar import Request, Response, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from litemail.billing import printing, service
from litemail.billing.schemas import Billing, BillingCreate, BillingUpdate, Invoice, show_details, show_invoice
from litemail.kit.actor import requires
from litemail.kit.db import Tx
from litemail.kit.pagination import Page, PageRequest
from litemail.kit.wire import Given, operation

ADDRESS_EXAMPLE: dict[str, object] = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "company": "Analytical Engines Ltd",
    "address_line_1": "12 St James's Square",
    "address_line_2": None,
    "city": "London",
    "state": None,
    "country": "GB",
    "postal_code": "SW1Y 4JH",
    "phone": "+442079460958",
    "tax_id": None,
}
DETAILS_EXAMPLE: dict[str, object] = {
    **ADDRESS_EXAMPLE,
    "created_at": "2026-01-29T18:41:56.867Z",
    "updated_at": "2026-01-29T18:41:56.867Z",
}
INVOICE_EXAMPLE: dict[str, object] = {
    "id": "inv_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "number": 17,
    "kind": "invoice",
    "order_id": "ord_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "refund_of": None,
    "lines": [
        {
            "description": "Plan Starter, 10 mailboxes, month",
            "quantity": 1,
            "unit_price": {"amount": 3700, "currency": "USD"},
            "amount": {"amount": 3700, "currency": "USD"},
        }
    ],
    "subtotal": {"amount": 3700, "currency": "USD"},
    "tax": {"rate": "0", "amount": {"amount": 0, "currency": "USD"}},
    "total": {"amount": 3700, "currency": "USD"},
    "seller": "Litemail",
    "bill_to": ADDRESS_EXAMPLE,
    "issued_at": "2026-01-29T18:41:56.867Z",
}


@get(
    "/billings",
    **operation(
        "Get the billing details",
        description="Those of the workspace that pays.",
        group="Billings",
        scope=requires("billing:read"),
        errors=("billing.details_not_found",),
        example=DETAILS_EXAMPLE,
    ),
)
async def get_billing(tx: Given[Tx]) -> Billing:
    return show_details(await service.get_details(tx))


@post(
    "/billings",
    **operation(
        "Enter the billing details",
        description="Needed before any purchase, in sandbox workspaces too. Invoices show them.",
        group="Billings",
        scope=requires("billing:write"),
        errors=("billing.details_exist",),
        example=DETAILS_EXAMPLE,
        request_example={name: value for name, value in ADDRESS_EXAMPLE.items() if value is not None},
    ),
)
async def create_billing(data: JSONBody[BillingCreate], tx: Given[Tx]) -> Billing:
    return show_details(await service.create_details(tx, data.details()))


@put(
    "/billings",
    **operation(
        "Change the billing details",
        description="Fields left out stay as they are; null takes away what is optional. Invoices that exist keep "
        "what they say.",
        group="Billings",
        scope=requires("billing:write"),
        errors=("billing.details_not_found",),
        example=DETAILS_EXAMPLE,
        request_example={"company": "Analytical Engines Ltd", "tax_id": None},
    ),
)
async def update_billing(data: JSONBody[BillingUpdate], tx: Given[Tx]) -> Billing:
    return show_details(await service.update_details(tx, data.changes()))


@get(
    "/billings/invoices",
    **operation(
        "List invoices",
        description="Newest first: one for each order that was paid out of the wallet, one for each refund.",
        group="Billings",
        scope=requires("billing:read"),
        errors=("request.bad_cursor",),
        example={"data": [INVOICE_EXAMPLE], "next_cursor": None},
    ),
)
async def list_invoices(tx: Given[Tx], page_request: Given[PageRequest]) -> Page[Invoice]:
    return (await service.list_invoices(tx, page_request)).map(show_invoice)


@get(
    "/billings/invoices/{invoice_id:str}",
    **operation(
        "Get an invoice",
        description="As JSON, or with `accept: text/html` as a page to print.",
        group="Billings",
        scope=requires("billing:read"),
        errors=("billing.invoice_not_found",),
        example=INVOICE_EXAMPLE,
        also="text/html",
    ),
)
async def get_invoice(invoice_id: FromPath[str], request: Request[Any, Any, Any], tx: Given[Tx]) -> Response[Invoice]:
    invoice = await service.get_invoice(tx, invoice_id)
    if not _wants_page(request.headers.get("accept", "")):
        return Response(show_invoice(invoice), headers={"vary": "accept"})
    corrected = await service.get_invoice(tx, invoice.refund_of) if invoice.refund_of else None
    page: Response[Any] = Response(
        printing.page(invoice, corrected=corrected),
        media_type="text/html",
        headers={
            "vary": "accept",
            "content-security-policy": printing.policy(),
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cache-control": "private, no-store",
        },
    )
    return page


def _wants_page(accept: str) -> bool:
    """Whether a page is asked for rather than JSON (RFC 9110 section 12.5.1); browsers name it, programs do not."""
    best: dict[str, float] = {}
    for each in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in each.split(";"))
        weight = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        try:
            best[media_type] = float(weight)
        except ValueError:
            continue
    return best.get("text/html", 0) > best.get("application/json", 0)


ROUTES: list[HTTPRouteHandler] = [get_billing, create_billing, update_billing, list_invoices, get_invoice]
