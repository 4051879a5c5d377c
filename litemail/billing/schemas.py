"""Wire shapes of billing details and invoices."""

import re
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator, ConfigDict, Field

from litemail.billing.countries import COUNTRIES
from litemail.billing.queries import Address, Kind
from litemail.billing.queries import Details as DetailsRow
from litemail.billing.queries import Invoice as InvoiceRow
from litemail.billing.queries import Line as LineRow
from litemail.kit.clock import rfc3339
from litemail.kit.money import Money
from litemail.kit.wire import RequestModel, Timestamp

_PHONE = re.compile(r"\+[0-9][0-9 ()./-]{3,40}")


def _country(text: str) -> str:
    if text.upper() not in COUNTRIES:
        raise ValueError("must be an ISO 3166-1 alpha-2 country code, such as US or DE")
    return text.upper()


def _phone(text: str) -> str:
    """The number in E.164. Spaces and the like may stand between its digits.

    Numbers of the right length pass though nobody was given them: those that are meant for examples are such.
    """
    import phonenumbers  # noqa: PLC0415 - its tables take longer to load than all our routes, and few calls need them

    wrong = ValueError("must be a phone number in E.164, such as +14155550100")
    if not _PHONE.fullmatch(text):
        raise wrong
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        raise wrong from None
    if not phonenumbers.is_possible_number(number):
        raise wrong
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


Text = Annotated[str, Field(min_length=1, max_length=100)]
AddressLine = Annotated[str, Field(min_length=1, max_length=200)]
PostalCode = Annotated[str, Field(min_length=1, max_length=20)]
TaxId = Annotated[str, Field(min_length=1, max_length=50)]
Country = Annotated[str, Field(min_length=2, max_length=2), AfterValidator(_country)]
Phone = Annotated[str, AfterValidator(_phone)]


class BillingCreate(RequestModel):
    """`country` is ISO 3166-1 alpha-2, `phone` E.164."""

    first_name: Text
    last_name: Text
    company: AddressLine | None = None
    address_line_1: AddressLine
    address_line_2: AddressLine | None = None
    city: Text
    state: Text | None = None
    country: Country
    postal_code: PostalCode
    phone: Phone | None = None
    tax_id: TaxId | None = None

    def details(self) -> Address:
        return Address(**self.model_dump())


def _drop_defaults(schema: dict[str, Any]) -> None:
    """Those of fields that may be left out but not be empty are never seen."""
    for field in schema["properties"].values():
        field.pop("default", None)


class BillingUpdate(RequestModel):
    """Fields left out stay as they are; null takes away what is optional."""

    model_config = ConfigDict(json_schema_extra=_drop_defaults)

    first_name: Text = ""
    last_name: Text = ""
    company: AddressLine | None = None
    address_line_1: AddressLine = ""
    address_line_2: AddressLine | None = None
    city: Text = ""
    state: Text | None = None
    country: Country = ""
    postal_code: PostalCode = ""
    phone: Phone | None = None
    tax_id: TaxId | None = None

    def changes(self) -> dict[str, str | None]:
        return self.model_dump(exclude_unset=True)


class Billing(Address, frozen=True):
    created_at: Timestamp
    updated_at: Timestamp


class Line(msgspec.Struct, frozen=True):
    description: str
    quantity: int
    unit_price: Money
    amount: Money


class Tax(msgspec.Struct, frozen=True):
    """The tax that the total contains; `rate` is percent."""

    rate: str
    amount: Money


class Invoice(msgspec.Struct, frozen=True):
    """`subtotal` is the total without its tax. A refund names the invoice it takes back from in `refund_of`."""

    id: str
    number: int | None
    kind: Kind
    order_id: str
    refund_of: str | None
    lines: list[Line]
    subtotal: Money
    tax: Tax
    total: Money
    seller: str
    bill_to: Address | None
    issued_at: Timestamp


def show_details(row: DetailsRow) -> Billing:
    return Billing(
        **msgspec.structs.asdict(row.address), created_at=rfc3339(row.created_at), updated_at=rfc3339(row.updated_at)
    )


def show_invoice(row: InvoiceRow) -> Invoice:
    return Invoice(
        id=row.id,
        number=row.number,
        kind=row.kind,
        order_id=row.order_id,
        refund_of=row.refund_of,
        lines=[_show_line(line, row.currency) for line in row.lines],
        subtotal=Money(row.total - row.tax, row.currency),
        tax=Tax(percent(row.tax_rate), Money(row.tax, row.currency)),
        total=Money(row.total, row.currency),
        seller=row.seller,
        bill_to=row.bill_to,
        issued_at=rfc3339(row.issued_at),
    )


def percent(rate: int) -> str:
    """`1900` is `19`, `775` is `7.75`."""
    whole, hundredths = divmod(rate, 100)
    return f"{whole}.{hundredths:02}".rstrip("0").rstrip(".") if hundredths else str(whole)


def _show_line(line: LineRow, currency: str) -> Line:
    return Line(line.description, line.quantity, Money(line.unit_price, currency), Money(line.amount, currency))
