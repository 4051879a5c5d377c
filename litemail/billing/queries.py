"""SQL of billing details and invoices. The workspace is the one that pays."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
from psycopg.types.json import Jsonb

from litemail.kit.actor import Mode
from litemail.kit.db import Tx

Kind = Literal["invoice", "refund"]


class Address(msgspec.Struct, frozen=True):
    """Who is billed, where. `country` is ISO 3166-1 alpha-2, `phone` E.164."""

    first_name: str
    last_name: str
    company: str | None
    address_line_1: str
    address_line_2: str | None
    city: str
    state: str | None
    country: str
    postal_code: str
    phone: str | None
    tax_id: str | None


class Details(Address, frozen=True):
    created_at: datetime
    updated_at: datetime

    @property
    def address(self) -> Address:
        return Address(*(getattr(self, name) for name in Address.__struct_fields__))


class Line(msgspec.Struct, frozen=True):
    """What was delivered. Prices are minor units and contain the tax."""

    description: str
    quantity: int
    unit_price: int
    amount: int


class Terms(msgspec.Struct, frozen=True):
    """What the operator says of invoices. `tax_rate` is in hundredths of a percent."""

    tax_rate: int
    seller: str


class Invoice(msgspec.Struct, frozen=True):
    """`number` is None only in the transaction that issues it: it is given at the commit."""

    id: str
    workspace_id: str
    mode: Mode
    number: int | None
    kind: Kind
    order_id: str
    refund_of: str | None
    lines: list[Line]
    tax_rate: int
    tax: int
    total: int
    currency: str
    seller: str
    bill_to: Address | None
    issued_at: datetime


class Sum(msgspec.Struct, frozen=True):
    """What the invoices of an order add up to, refunds taken off."""

    total: int
    tax: int


class _Workspace(msgspec.Struct, frozen=True):
    mode: Mode


_DETAILS = """first_name, last_name, company, address_line_1, address_line_2, city, state, country, postal_code, phone,
    tax_id, created_at, updated_at"""
_INVOICE = """id, workspace_id, mode, number, kind, order_id, refund_of, lines, tax_rate, tax, total, currency, seller,
    bill_to, issued_at"""


async def find_details(tx: Tx, *, workspace_id: str) -> Details | None:
    return await tx.find(
        Details, f"SELECT {_DETAILS} FROM billing_details WHERE workspace_id = %(id)s", id=workspace_id
    )


async def lock_details(tx: Tx, *, workspace_id: str) -> Details | None:
    return await tx.find(
        Details, f"SELECT {_DETAILS} FROM billing_details WHERE workspace_id = %(id)s FOR UPDATE", id=workspace_id
    )


async def insert_details(tx: Tx, details: Address, *, workspace_id: str) -> Details | None:
    """None when the workspace has some."""
    return await tx.find(
        Details,
        f"""INSERT INTO billing_details (workspace_id, {_DETAILS})
            VALUES (%(workspace_id)s, %(first_name)s, %(last_name)s, %(company)s, %(address_line_1)s,
                    %(address_line_2)s, %(city)s, %(state)s, %(country)s, %(postal_code)s, %(phone)s, %(tax_id)s,
                    %(now)s, %(now)s)
            ON CONFLICT (workspace_id) DO NOTHING RETURNING {_DETAILS}""",
        workspace_id=workspace_id,
        now=tx.now,
        **msgspec.structs.asdict(details),
    )


async def update_details(tx: Tx, details: Address, *, workspace_id: str) -> Details:
    return await tx.one(
        Details,
        f"""UPDATE billing_details
            SET first_name = %(first_name)s, last_name = %(last_name)s, company = %(company)s,
                address_line_1 = %(address_line_1)s, address_line_2 = %(address_line_2)s, city = %(city)s,
                state = %(state)s, country = %(country)s, postal_code = %(postal_code)s, phone = %(phone)s,
                tax_id = %(tax_id)s, updated_at = %(now)s
            WHERE workspace_id = %(workspace_id)s RETURNING {_DETAILS}""",
        workspace_id=workspace_id,
        now=tx.now,
        **msgspec.structs.asdict(details),
    )


async def find_terms(tx: Tx) -> Terms | None:
    return await tx.find(Terms, "SELECT tax_rate, seller FROM billing_terms ORDER BY number DESC LIMIT 1")


async def insert_terms(tx: Tx, terms: Terms) -> None:
    await tx.execute(
        "INSERT INTO billing_terms (tax_rate, seller, valid_from) VALUES (%(tax_rate)s, %(seller)s, %(now)s)",
        tax_rate=terms.tax_rate,
        seller=terms.seller,
        now=tx.now,
    )


async def mode_of(tx: Tx, workspace_id: str) -> Mode:
    return (await tx.one(_Workspace, "SELECT mode FROM workspaces WHERE id = %(id)s", id=workspace_id)).mode


async def insert_invoice(
    tx: Tx,
    *,
    invoice_id: str,
    workspace_id: str,
    mode: Mode,
    kind: Kind,
    order_id: str,
    refund_key: str,
    refund_of: str | None,
    lines: Sequence[Line],
    tax: int,
    total: int,
    terms: Terms,
    bill_to: Address | None,
    issued_at: datetime,
) -> bool:
    """False when this order, or this refund, has its invoice already."""
    return bool(
        await tx.execute(
            """INSERT INTO invoices (id, workspace_id, mode, kind, order_id, refund_key, refund_of, lines, tax_rate,
                                     tax, total, seller, bill_to, issued_at, created_at)
               VALUES (%(id)s, %(workspace_id)s, %(mode)s, %(kind)s, %(order_id)s, %(refund_key)s, %(refund_of)s,
                       %(lines)s, %(tax_rate)s, %(tax)s, %(total)s, %(seller)s, %(bill_to)s, %(issued_at)s, %(now)s)
               ON CONFLICT (order_id, refund_key) DO NOTHING""",
            id=invoice_id,
            workspace_id=workspace_id,
            mode=mode,
            kind=kind,
            order_id=order_id,
            refund_key=refund_key,
            refund_of=refund_of,
            lines=Jsonb(msgspec.to_builtins(lines)),
            tax_rate=terms.tax_rate,
            tax=tax,
            total=total,
            seller=terms.seller,
            bill_to=None if bill_to is None else Jsonb(msgspec.to_builtins(bill_to)),
            issued_at=issued_at,
            now=tx.now,
        )
    )


async def find_invoice(tx: Tx, invoice_id: str, *, workspace_id: str) -> Invoice | None:
    return await tx.find(
        Invoice,
        f"SELECT {_INVOICE} FROM invoices WHERE id = %(id)s AND workspace_id = %(workspace_id)s",
        id=invoice_id,
        workspace_id=workspace_id,
    )


async def lock_invoice_of_order(tx: Tx, order_id: str) -> Invoice | None:
    return await tx.find(
        Invoice, f"SELECT {_INVOICE} FROM invoices WHERE order_id = %(id)s AND refund_key = '' FOR UPDATE", id=order_id
    )


async def find_by_key(tx: Tx, order_id: str, *, refund_key: str) -> str | None:
    return await tx.value(
        str,
        "SELECT id FROM invoices WHERE order_id = %(order_id)s AND refund_key = %(key)s",
        order_id=order_id,
        key=refund_key,
    )


async def invoiced(tx: Tx, order_id: str) -> Sum:
    return await tx.one(
        Sum,
        """SELECT coalesce(sum(total), 0)::bigint AS total, coalesce(sum(tax), 0)::bigint AS tax
           FROM invoices WHERE order_id = %(id)s""",
        id=order_id,
    )


async def list_invoices(tx: Tx, *, workspace_id: str, limit: int, after: str | None) -> list[Invoice]:
    return await tx.all(
        Invoice,
        f"""SELECT {_INVOICE} FROM invoices
            WHERE workspace_id = %(workspace_id)s AND (%(after)s::text IS NULL OR id < %(after)s)
            ORDER BY id DESC LIMIT %(limit)s""",
        workspace_id=workspace_id,
        after=after,
        limit=limit,
    )


async def count_invoices(tx: Tx, *, workspace_id: str) -> int:
    counted = await tx.value(
        int, "SELECT count(*) FROM invoices WHERE workspace_id = %(workspace_id)s", workspace_id=workspace_id
    )
    return counted or 0


async def find_gap(tx: Tx) -> str | None:
    return await tx.value(
        str,
        """SELECT format('%%s %%s', n.mode, g.number)
           FROM invoice_numbers n CROSS JOIN LATERAL generate_series(1, n.last) AS g (number)
           WHERE NOT EXISTS (SELECT FROM invoices i WHERE i.mode = n.mode AND i.number = g.number)
           ORDER BY n.mode, g.number LIMIT 1""",
    )
