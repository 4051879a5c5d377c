"""Amazon's shapes and ours: money, contacts, operations, and what each of its errors means."""

from collections.abc import Mapping
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING, Any

import botocore.exceptions

from litemail.kit.errors import Error
from litemail.kit.money import Money
from litemail.providers.registrar.base import Availability, Contact, Operation, OperationStatus, Prices
from litemail.providers.registrar.errors import (
    NotAvailable,
    OutcomeUnknown,
    PriceChanged,
    Refused,
    RegistrarMisconfigured,
    RegistrarUnavailable,
    SuffixNotSold,
    UnexpectedAnswer,
)

if TYPE_CHECKING:
    from types_boto3_route53domains.type_defs import (
        ConsentTypeDef,
        ContactDetailTypeDef,
        DomainPriceTypeDef,
        GetOperationDetailResponseTypeDef,
        PriceWithCurrencyTypeDef,
    )

TITLE = "Amazon Route 53"
_CURRENCY = "USD"

AVAILABILITY: Mapping[str, tuple[Availability, str | None]] = {
    "AVAILABLE": (Availability.AVAILABLE, None),
    "AVAILABLE_RESERVED": (Availability.RESERVED, "it is reserved under conditions of its registry"),
    "AVAILABLE_PREORDER": (Availability.RESERVED, "it can only be ordered in advance"),
    "UNAVAILABLE": (Availability.TAKEN, "it is registered already"),
    "UNAVAILABLE_PREMIUM": (Availability.TAKEN, "it is a premium name that is not for sale"),
    "UNAVAILABLE_RESTRICTED": (Availability.RESERVED, "its registry forbids it"),
    "RESERVED": (Availability.RESERVED, "it is reserved for somebody else"),
    "INVALID_NAME_FOR_TLD": (Availability.NOT_SOLD, "its registry does not allow such a name"),
    "PENDING": (Availability.UNKNOWN, "its registry did not answer in time"),
    "DONT_KNOW": (Availability.UNKNOWN, "its registry gives no answer"),
}
"""What `CheckDomainAvailability` can say. A word that is not here is an unexpected answer."""

_STATUS: Mapping[str, OperationStatus] = {
    "SUBMITTED": OperationStatus.PENDING,
    "IN_PROGRESS": OperationStatus.PENDING,
    "SUCCESSFUL": OperationStatus.DONE,
    "ERROR": OperationStatus.FAILED,
    "FAILED": OperationStatus.FAILED,
}
_WAITS_FOR: Mapping[str, str] = {
    "PENDING_ACCEPTANCE": "it waits for the other account to accept",
    "PENDING_CUSTOMER_ACTION": "it waits for a click in a mail that was sent to the owner of the name",
    "PENDING_AUTHORIZATION": "it waits for the owner's authorization",
    "PENDING_PAYMENT_VERIFICATION": "it waits until Amazon has checked the payment",
    "PENDING_SUPPORT_CASE": "it waits for Amazon's support",
}
_BUSY = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "OperationLimitExceeded",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TLDInMaintenance",
    }
)
_OPERATOR = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "DomainLimitExceeded",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_NOTHING_SENT = (botocore.exceptions.EndpointConnectionError, botocore.exceptions.ConnectTimeoutError)


def money(price: "PriceWithCurrencyTypeDef", *, call: str) -> Money:
    """Dollars as a float, in cents; fractions of a cent count as one. Raises UnexpectedAnswer for other currencies."""
    if price["Currency"] != _CURRENCY:
        raise UnexpectedAnswer(registrar=TITLE, call=call, reason=f"a price in {price['Currency']}")
    return Money(int((Decimal(str(price["Price"])) * 100).to_integral_value(ROUND_UP)), _CURRENCY)


def prices(row: "DomainPriceTypeDef", *, call: str) -> Prices:
    """Raises UnexpectedAnswer where a price is missing."""
    if "RegistrationPrice" not in row or "RenewalPrice" not in row:
        raise UnexpectedAnswer(registrar=TITLE, call=call, reason="no price of a registration or a renewal")
    transfer = row.get("TransferPrice")
    return Prices(
        registration=money(row["RegistrationPrice"], call=call),
        renewal=money(row["RenewalPrice"], call=call),
        transfer=money(transfer, call=call) if transfer else None,
        premium=is_premium(row["RegistrationPrice"]),
    )


def price_told(answer: Mapping[str, Any]) -> "PriceWithCurrencyTypeDef | None":
    """Amazon leaves the price out where it has none, which the types of its answers do not say."""
    return answer.get("Price")


def is_premium(price: "PriceWithCurrencyTypeDef") -> bool:
    return price.get("PriceType") == "REGISTRY_PREMIUM"


def consent(most: Money) -> "ConsentTypeDef":
    """The most that we agree to pay; the call fails where it would be more."""
    return {"MaxPrice": most.amount / 100, "Currency": most.currency}


def contact_detail(contact: Contact) -> "ContactDetailTypeDef":
    detail: ContactDetailTypeDef = {
        "FirstName": contact.first_name,
        "LastName": contact.last_name,
        "ContactType": "COMPANY" if contact.company else "PERSON",
        "AddressLine1": contact.address_line_1,
        "City": contact.city,
        # Amazon takes any of ISO 3166-1's codes that it knows and says so of others.
        "CountryCode": contact.country,  # type: ignore[typeddict-item]  # a text to us, one of many literals to it
        "ZipCode": contact.postal_code,
        "Email": contact.email,
    }
    if contact.company:
        detail["OrganizationName"] = contact.company
    if contact.address_line_2:
        detail["AddressLine2"] = contact.address_line_2
    if contact.state:
        detail["State"] = contact.state
    if contact.phone:
        detail["PhoneNumber"] = phone_number(contact.phone)
    return detail


def phone_number(e164: str) -> str:
    """`+442079460018` as Amazon writes it: `+44.2079460018`."""
    import phonenumbers  # noqa: PLC0415 - large tables, needed only when something is bought

    parsed = phonenumbers.parse(e164)
    return f"+{parsed.country_code}.{phonenumbers.national_significant_number(parsed)}"


def operation(detail: "GetOperationDetailResponseTypeDef") -> Operation:
    """Raises UnexpectedAnswer."""
    status = _STATUS.get(detail["Status"])
    if status is None:
        raise UnexpectedAnswer(registrar=TITLE, call="GetOperationDetail", reason=f"status {detail['Status']}")
    words = _WAITS_FOR.get(detail.get("StatusFlag", ""), detail.get("Message"))
    return Operation(detail["OperationId"], status, words or None)


def request_under_way(error: botocore.exceptions.ClientError) -> str | None:
    """The operation that a repeated request found under way; None when it is another error or names none."""
    if error.response.get("Error", {}).get("Code") != "DuplicateRequest":
        return None
    request_id = error.response.get("requestId")
    return request_id if isinstance(request_id, str) else None


def as_ours(error: Exception, *, call: str, name: str, changes: bool) -> Error:
    """What an exception of botocore means. `changes`: whether the call changes something, should it have arrived."""
    if isinstance(error, botocore.exceptions.ClientError):
        return _answered(error, call=call, name=name)
    if isinstance(error, botocore.exceptions.NoCredentialsError | botocore.exceptions.PartialCredentialsError):
        return RegistrarMisconfigured(registrar=TITLE, reason="its keys are not set")
    if isinstance(error, botocore.exceptions.ParamValidationError):
        return Refused(registrar=TITLE, name=name, reason=str(error))
    lost = OutcomeUnknown if changes and not isinstance(error, _NOTHING_SENT) else RegistrarUnavailable
    return lost(registrar=TITLE, reason=type(error).__name__)


def _answered(error: botocore.exceptions.ClientError, *, call: str, name: str) -> Error:
    code = error.response.get("Error", {}).get("Code", "")
    words = " ".join(error.response.get("Error", {}).get("Message", "").split())
    if code in _BUSY or code == "DuplicateRequest":
        return RegistrarUnavailable(registrar=TITLE, reason=words.rstrip(".") or code)
    if code in _OPERATOR:
        return RegistrarMisconfigured(registrar=TITLE, reason=words.rstrip(".") or code)
    if code == "UnsupportedTLD":
        return SuffixNotSold(registrar=TITLE, suffix=name.partition(".")[2])
    if code in {"InvalidInput", "TLDRulesViolation"}:
        return _refusal(words, call=call, name=name)
    return UnexpectedAnswer(registrar=TITLE, call=call, reason=f"{code} {words}".strip())


def _refusal(words: str, *, call: str, name: str) -> Error:
    """Amazon has one code for every wrong request; its words tell a price or a lost name from the rest."""
    lower = words.lower()
    if "price" in lower and "consent" in lower:
        return PriceChanged(name=name)
    if call == "RegisterDomain" and ("not available" in lower or "already registered" in lower):
        return NotAvailable(name=name, reason="it is registered already")
    return Refused(registrar=TITLE, name=name, reason=words)
