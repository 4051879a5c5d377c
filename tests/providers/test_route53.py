"""The adapter of Amazon's registrar: each request as Amazon's own model wants it, and what each answer means."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from litemail.kit.errors import Error
from litemail.kit.money import Money
from litemail.kit.outbound import Guard, ListedOnly, own_routes
from litemail.providers.registrar import (
    Availability,
    Contact,
    NotAvailable,
    NotHeld,
    OperationStatus,
    OutcomeUnknown,
    PriceChanged,
    Refused,
    RegistrarMisconfigured,
    RegistrarUnavailable,
    SuffixNotSold,
    UnexpectedAnswer,
    route53,
)
from litemail.providers.registrar.route53 import Route53
from tests.contracts import route53_twin

if TYPE_CHECKING:
    from types_boto3_route53domains import Route53DomainsClient

NAME = "hopper.com"
ADA = Contact(
    first_name="Ada",
    last_name="Lovelace",
    email="ada@example.com",
    address_line_1="12 St James's Square",
    address_line_2="First floor",
    city="London",
    country="GB",
    postal_code="SW1Y 4JH",
    state="London",
    company="Engines Ltd",
    phone="+442079460018",
)
ADA_AT_AMAZON = {
    "FirstName": "Ada",
    "LastName": "Lovelace",
    "ContactType": "COMPANY",
    "OrganizationName": "Engines Ltd",
    "AddressLine1": "12 St James's Square",
    "AddressLine2": "First floor",
    "City": "London",
    "State": "London",
    "CountryCode": "GB",
    "ZipCode": "SW1Y 4JH",
    "Email": "ada@example.com",
    "PhoneNumber": "+44.2079460018",
}
TWELVE = {"Price": 12.0, "Currency": "USD", "PriceType": "STANDARD"}


@pytest.fixture
def client() -> "Route53DomainsClient":
    made: Route53DomainsClient = route53_twin.session().client("route53domains")
    return made


@pytest.fixture
def amazon(client: "Route53DomainsClient") -> Iterator[Stubber]:
    """Checks each request and answer against Amazon's model; what was queued has to be asked for, in that order."""
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def registrar(client: "Route53DomainsClient") -> Route53:
    return Route53(client)


def says(amazon: Stubber, availability: str, price: dict[str, Any] | None = None) -> None:
    answer = {"Availability": availability} | ({"Price": price} if price else {})
    amazon.add_response("check_domain_availability", answer, {"DomainName": NAME})


def lists(amazon: Stubber, name: str = "com", **more: object) -> None:
    prices = {"Name": name, "RegistrationPrice": TWELVE, "RenewalPrice": TWELVE, **more}
    amazon.add_response("list_prices", {"Prices": [prices]}, {"Tld": "com"})


def holds(amazon: Stubber, *, expires_at: datetime | None = None, locked: bool = True) -> None:
    condition = {"Name": "DomainName", "Operator": "BEGINS_WITH", "Values": [NAME]}
    summary = {"DomainName": NAME, "TransferLock": locked}
    amazon.add_response(
        "list_domains",
        {"Domains": [{"DomainName": "hopper.com.co"}, summary] if expires_at else []},
        {"FilterConditions": [condition]},
    )
    if expires_at:
        detail = {"ExpirationDate": expires_at, "Nameservers": [{"Name": "NS-1.awsdns-01.ORG."}]}
        amazon.add_response("get_domain_detail", detail, {"DomainName": NAME})


async def test_prices_come_with_the_answer_and_lists_are_read_once(registrar: Route53, amazon: Stubber) -> None:
    says(amazon, "AVAILABLE", {"Price": 12.999, "Currency": "USD", "PriceType": "STANDARD"})
    lists(amazon, TransferPrice={"Price": 9.0, "Currency": "USD"})
    says(amazon, "AVAILABLE")
    for expected in (Money(1300), Money(1200)):
        offer = await registrar.check(NAME)
        assert offer.prices is not None
        assert (offer.prices.registration, offer.prices.renewal) == (expected, Money(1200))
        assert offer.prices.transfer == Money(900)


@pytest.mark.parametrize(
    ("said", "availability"),
    [
        ("AVAILABLE_RESERVED", Availability.RESERVED),
        ("AVAILABLE_PREORDER", Availability.RESERVED),
        ("UNAVAILABLE", Availability.TAKEN),
        ("UNAVAILABLE_PREMIUM", Availability.TAKEN),
        ("UNAVAILABLE_RESTRICTED", Availability.RESERVED),
        ("RESERVED", Availability.RESERVED),
        ("DONT_KNOW", Availability.UNKNOWN),
        ("INVALID_NAME_FOR_TLD", Availability.NOT_SOLD),
    ],
)
async def test_what_amazon_says_of_a_name(
    registrar: Route53, amazon: Stubber, said: str, availability: Availability
) -> None:
    says(amazon, said)
    offer = await registrar.check(NAME)
    assert (offer.availability, offer.prices) == (availability, None)
    assert offer.words


async def test_every_word_of_amazons_model_is_known(client: "Route53DomainsClient") -> None:
    shape = client.meta.service_model.shape_for("DomainAvailability")
    assert set(shape.enum) == set(route53.wire.AVAILABILITY)  # type: ignore[attr-defined]  # a string shape has it


async def test_a_pending_answer_is_asked_for_again_at_once(registrar: Route53, amazon: Stubber) -> None:
    for said in ("PENDING", "PENDING", "PENDING"):
        says(amazon, said)
    assert (await registrar.check(NAME)).availability is Availability.UNKNOWN
    says(amazon, "PENDING")
    says(amazon, "UNAVAILABLE")
    assert (await registrar.check(NAME)).availability is Availability.TAKEN


async def test_a_word_that_is_new_is_no_success(registrar: Route53, amazon: Stubber) -> None:
    says(amazon, "PERHAPS")
    with pytest.raises(UnexpectedAnswer):
        await registrar.check(NAME)


async def test_another_currency_is_no_price(registrar: Route53, amazon: Stubber) -> None:
    says(amazon, "AVAILABLE", {"Price": 12.0, "Currency": "EUR"})
    with pytest.raises(UnexpectedAnswer):
        await registrar.check(NAME)


async def test_a_registration_as_amazon_wants_it(registrar: Route53, amazon: Stubber) -> None:
    amazon.add_response(
        "register_domain",
        {"OperationId": "op-1"},
        {
            "DomainName": NAME,
            "DurationInYears": 2,
            "AutoRenew": False,
            "AdminContact": ADA_AT_AMAZON,
            "RegistrantContact": ADA_AT_AMAZON,
            "TechContact": ADA_AT_AMAZON,
            "PrivacyProtectAdminContact": True,
            "PrivacyProtectRegistrantContact": True,
            "PrivacyProtectTechContact": True,
            "Consent": {"MaxPrice": 24.0, "Currency": "USD"},
        },
    )
    operation = await registrar.register(NAME, years=2, contact=ADA, most=Money(2400))
    assert (operation.id, operation.status) == ("op-1", OperationStatus.PENDING)


@pytest.mark.parametrize(
    ("status", "flag", "expected"),
    [
        ("SUBMITTED", None, OperationStatus.PENDING),
        ("IN_PROGRESS", "PENDING_CUSTOMER_ACTION", OperationStatus.PENDING),
        ("SUCCESSFUL", None, OperationStatus.DONE),
        ("ERROR", None, OperationStatus.FAILED),
        ("FAILED", None, OperationStatus.FAILED),
    ],
)
async def test_how_far_an_operation_is(
    registrar: Route53, amazon: Stubber, status: str, flag: str | None, expected: OperationStatus
) -> None:
    answer = {"OperationId": "op-1", "Status": status, "Message": "Words."} | ({"StatusFlag": flag} if flag else {})
    amazon.add_response("get_operation_detail", answer, {"OperationId": "op-1"})
    operation = await registrar.operation("op-1")
    assert operation.status is expected
    assert operation.words
    assert ("mail" in operation.words) == (flag is not None)


async def test_a_status_that_is_new_is_no_success(registrar: Route53, amazon: Stubber) -> None:
    amazon.add_response("get_operation_detail", {"OperationId": "op-1", "Status": "MOSTLY"}, None)
    with pytest.raises(UnexpectedAnswer):
        await registrar.operation("op-1")


async def test_a_repeated_request_finds_the_one_under_way(registrar: Route53, amazon: Stubber) -> None:
    amazon.add_client_error(
        "register_domain", "DuplicateRequest", "In progress.", modeled_fields={"requestId": "op-7", "message": "x"}
    )
    operation = await registrar.register(NAME, years=1, contact=ADA, most=Money(1200))
    assert (operation.id, operation.status) == ("op-7", OperationStatus.PENDING)


@pytest.mark.parametrize(
    ("code", "words", "meaning"),
    [
        ("ThrottlingException", "Rate exceeded", RegistrarUnavailable),
        ("OperationLimitExceeded", "Too many", RegistrarUnavailable),
        ("DuplicateRequest", "In progress, and nobody says which", RegistrarUnavailable),
        ("DomainLimitExceeded", "20 names are enough", RegistrarMisconfigured),
        ("UnrecognizedClientException", "The security token is invalid", RegistrarMisconfigured),
        ("AccessDeniedException", "not authorized", RegistrarMisconfigured),
        ("UnsupportedTLD", "no", SuffixNotSold),
        ("TLDRulesViolation", "It wants a VAT number", Refused),
        ("InvalidInput", "The contact's phone number is wrong", Refused),
        ("InvalidInput", "hopper.com is not available", NotAvailable),
        ("InvalidInput", "The price is over the consent", PriceChanged),
        ("TeapotException", "I am a teapot", UnexpectedAnswer),
    ],
)
async def test_what_an_error_means(
    registrar: Route53, amazon: Stubber, code: str, words: str, meaning: type[Error]
) -> None:
    amazon.add_client_error("register_domain", code, words)
    with pytest.raises(Error) as error:
        await registrar.register(NAME, years=1, contact=ADA, most=Money(1200))
    assert type(error.value) is meaning
    assert error.value.problem().action


async def test_what_the_account_holds(registrar: Route53, amazon: Stubber) -> None:
    expires_at = datetime(2027, 3, 1, 12, tzinfo=UTC)
    holds(amazon, expires_at=expires_at, locked=False)
    held = await registrar.find(NAME)
    assert held is not None
    assert (held.expires_at, held.name_servers, held.locked) == (expires_at, frozenset({"ns-1.awsdns-01.org"}), False)
    holds(amazon)
    assert await registrar.find(NAME) is None


async def test_a_renewal_names_the_year_that_it_adds_to(registrar: Route53, amazon: Stubber) -> None:
    expires_at = datetime(2027, 3, 1, 12, tzinfo=UTC)
    holds(amazon, expires_at=expires_at)
    amazon.add_response(
        "renew_domain",
        {"OperationId": "op-2"},
        {
            "DomainName": NAME,
            "DurationInYears": 1,
            "CurrentExpiryYear": 2027,
            "Consent": {"MaxPrice": 12.0, "Currency": "USD"},
        },
    )
    operation = await registrar.renew(NAME, years=1, expires_at=expires_at, most=Money(1200))
    assert operation.status is OperationStatus.PENDING
    holds(amazon, expires_at=expires_at.replace(year=2028))
    again = await registrar.renew(NAME, years=1, expires_at=expires_at, most=Money(1200))
    assert (await registrar.operation(again.id)).status is OperationStatus.DONE


async def test_what_cannot_be_taken_over(registrar: Route53, amazon: Stubber) -> None:
    for said, meaning in (
        ("UNTRANSFERABLE", NotAvailable),
        ("PREMIUM_DOMAIN", NotAvailable),
        ("DONT_KNOW", RegistrarUnavailable),
        ("SOMETIMES", UnexpectedAnswer),
    ):
        amazon.add_response("check_domain_transferability", {"Transferability": {"Transferable": said}})
        with pytest.raises(meaning):
            await registrar.transfer(NAME, auth_code="x", contact=ADA, name_servers=("a.org",), most=Money(1200))


class TestMoto:
    """Another double of Amazon's, not of our making, for the calls that it has."""

    @pytest.fixture
    def registrar(self) -> Iterator[Route53]:
        with mock_aws():
            yield Route53(boto3.session.Session(region_name="us-east-1").client("route53domains"))

    async def test_a_name_is_registered_found_and_delegated(self, registrar: Route53) -> None:
        assert await registrar.find(NAME) is None
        operation = await registrar.register(NAME, years=2, contact=ADA, most=Money(2400))
        assert (await registrar.operation(operation.id)).status is OperationStatus.DONE
        held = await registrar.find(NAME)
        assert held is not None
        assert held.expires_at.year >= datetime.now(UTC).year + 1
        await registrar.set_name_servers(NAME, ("ns1.example.com", "ns2.example.com"))
        held = await registrar.find(NAME)
        assert held is not None
        assert held.name_servers == {"ns1.example.com", "ns2.example.com"}

    async def test_a_name_that_the_account_does_not_hold(self, registrar: Route53) -> None:
        with pytest.raises(NotHeld):
            await registrar.set_name_servers(NAME, ("ns1.example.com", "ns2.example.com"))

    async def test_an_operation_that_it_does_not_know(self, registrar: Route53) -> None:
        with pytest.raises(Refused):
            await registrar.operation("op-nothing")


@asynccontextmanager
async def answering(status: int, body: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that gives the same answer to every request; its port, and what it was asked. Status 0 hangs up."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE)[1])  # type: ignore[index]  # boto3 sends it
        asked.append(head + await reader.readexactly(length))
        if status:
            writer.write(
                b"HTTP/1.1 %d OK\r\ncontent-type: application/x-amz-json-1.1\r\nconnection: close\r\n"
                b"content-length: %d\r\n\r\n%s" % (status, len(body), body)
            )
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


def connect(port: int, *, reachable: bool = True) -> Route53:
    routes = own_routes(hosts=["127.0.0.1"], ports={port} if reachable else set())
    return route53.connect(
        access_key_id="AKIATEST",
        secret_access_key="very-secret",
        guard=Guard(policy=ListedOnly(routes)),
        endpoint_url=f"http://127.0.0.1:{port}",
    )


async def test_requests_are_signed_and_sent_through_the_guard() -> None:
    async with answering(200, b'{"Availability": "UNAVAILABLE"}') as (port, asked):
        assert (await connect(port).check(NAME)).availability is Availability.TAKEN
    [request] = asked
    assert b"Credential=AKIATEST/" in request
    assert b"hopper.com" in request
    assert b"very-secret" not in request


async def test_the_guard_decides_where_requests_go() -> None:
    async with answering(200, b"{}") as (port, asked):
        with pytest.raises(RegistrarUnavailable):
            await connect(port, reachable=False).find(NAME)
    assert asked == []


async def test_a_call_that_was_sent_and_not_answered_may_have_been_done() -> None:
    async with answering(0, b"") as (port, _):
        with pytest.raises(OutcomeUnknown):
            await connect(port).register(NAME, years=1, contact=ADA, most=Money(1200))
        with pytest.raises(RegistrarUnavailable) as asking:
            await connect(port).find(NAME)
        assert not isinstance(asking.value, OutcomeUnknown)
