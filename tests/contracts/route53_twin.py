"""A double of Amazon's registrar that keeps an account. botocore's own model judges every request and every answer.

It answers where botocore would send (`before-call`), as botocore's Stubber does, so requests are checked and
serialised by botocore; each answer is then checked against the shape that Amazon documents for it.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import msgspec
from botocore.awsrequest import AWSResponse
from botocore.model import OperationModel, StructureShape
from botocore.validate import validate_parameters

from litemail.kit.calendar import add_months

if TYPE_CHECKING:
    from types_boto3_route53domains import Route53DomainsClient

Parameters = dict[str, Any]
OTHERS_CODE = "right-code"


class Fault(Exception):
    """One of the errors that Amazon's model has."""

    def __init__(self, code: str, message: str, **members: str) -> None:
        super().__init__(code)
        self.code, self.message, self.members = code, message, members


@dataclass
class Name:
    expires_at: datetime
    locked: bool = True
    contact: Parameters = field(default_factory=dict)
    name_servers: list[str] = field(default_factory=lambda: ["ns-1.awsdns-01.org", "ns-2.awsdns-02.net"])
    auth_code: str = "aws-code"


@dataclass
class Route53Twin:
    """Behaves by what stands before a name's first hyphen, as the sandbox's registrar does."""

    names: dict[str, Name] = field(default_factory=dict)
    operations: dict[str, tuple[str, str, str | None]] = field(default_factory=dict)
    """Type, name, and why it failed."""
    calls: list[tuple[str, Parameters]] = field(default_factory=list)
    slow: set[str] = field(default_factory=set)
    """Operations that are still under way."""
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def client(self) -> "Route53DomainsClient":
        client: Route53DomainsClient = session().client("route53domains")
        client.meta.events.register("before-call.route-53-domains", self._answer)  # type: ignore[arg-type]  # the stubs have no answer of a handler
        return client

    def finish(self) -> None:
        """What took its time is done."""
        self.slow.clear()

    def _answer(self, model: OperationModel, params: Parameters, **_: object) -> tuple[AWSResponse, Parameters]:
        asked = msgspec.json.decode(params["body"])
        self.calls.append((model.name, asked))
        method: Callable[[Parameters], Parameters] = getattr(self, model.name)
        try:
            answer = method(asked)
        except Fault as fault:
            return _response(400), _checked(fault, model)
        assert model.output_shape is not None
        validate_parameters(answer, model.output_shape)
        return _response(200), answer

    def CheckDomainAvailability(self, asked: Parameters) -> Parameters:  # noqa: N802  named as Amazon's
        name = self._sold(asked["DomainName"])
        if name in self.names or name.startswith("taken-"):
            return {"Availability": "UNAVAILABLE"}
        price = {"Price": self._price(name), "Currency": "USD", "PriceType": self._price_type(name)}
        return {"Availability": "AVAILABLE", "Price": price}

    def ListPrices(self, asked: Parameters) -> Parameters:  # noqa: N802
        return {"Prices": [self._prices(asked["Tld"], 12.0, "STANDARD")]}

    def GetDomainPrices(self, asked: Parameters) -> Parameters:  # noqa: N802
        name = self._sold(asked["DomainName"])
        return {"DomainPrice": self._prices(name, self._price(name), self._price_type(name))}

    def RegisterDomain(self, asked: Parameters) -> Parameters:  # noqa: N802
        name = self._sold(asked["DomainName"])
        if under_way := self._under_way("REGISTER_DOMAIN", name):
            raise Fault("DuplicateRequest", "The request is already in progress for the domain.", requestId=under_way)
        price = self._price(name) * asked["DurationInYears"] + (3 if name.startswith("raised-") else 0)
        self._check_consent(asked, price)
        if name in self.names or name.startswith(("taken-", "lost-")):
            raise Fault("InvalidInput", f"{name} is not available for registration.")
        if name.startswith("fails-"):
            return self._begin("REGISTER_DOMAIN", name, failure="The registry refused the registration.")
        assert asked["AutoRenew"] is False
        now = datetime.now(UTC)
        expires_at = add_months(now, 12 * asked["DurationInYears"], anchor_day=now.day)
        self.names[name] = Name(expires_at, contact=asked["RegistrantContact"])
        return self._begin("REGISTER_DOMAIN", name)

    def ListDomains(self, asked: Parameters) -> Parameters:  # noqa: N802
        [condition] = asked["FilterConditions"]
        assert (condition["Name"], condition["Operator"]) == ("DomainName", "BEGINS_WITH")
        hidden = {name for op, (kind, name, _) in self.operations.items() if op in self.slow and kind.startswith("REG")}
        return {
            "Domains": [
                {"DomainName": name, "AutoRenew": False, "TransferLock": held.locked, "Expiry": held.expires_at}
                for name, held in self.names.items()
                if name.startswith(condition["Values"][0]) and name not in hidden
            ]
        }

    def GetDomainDetail(self, asked: Parameters) -> Parameters:  # noqa: N802
        held = self._held(asked["DomainName"])
        return {
            "DomainName": asked["DomainName"],
            "Nameservers": [{"Name": host} for host in held.name_servers],
            "ExpirationDate": held.expires_at,
        }

    def RenewDomain(self, asked: Parameters) -> Parameters:  # noqa: N802
        held = self._held(asked["DomainName"])
        if asked["CurrentExpiryYear"] != held.expires_at.year:
            raise Fault("InvalidInput", "CurrentExpiryYear doesn't match.")
        self._check_consent(asked, self._price(asked["DomainName"]) * asked["DurationInYears"])
        held.expires_at = add_months(held.expires_at, 12 * asked["DurationInYears"], anchor_day=held.expires_at.day)
        return self._begin("RENEW_DOMAIN", asked["DomainName"])

    def UpdateDomainNameservers(self, asked: Parameters) -> Parameters:  # noqa: N802
        self._held(asked["DomainName"]).name_servers = [host["Name"] for host in asked["Nameservers"]]
        return self._begin("UPDATE_NAMESERVER", asked["DomainName"])

    def UpdateDomainContact(self, asked: Parameters) -> Parameters:  # noqa: N802
        self._held(asked["DomainName"]).contact = asked["RegistrantContact"]
        return self._begin("UPDATE_DOMAIN_CONTACT", asked["DomainName"])

    def EnableDomainTransferLock(self, asked: Parameters) -> Parameters:  # noqa: N802
        self._held(asked["DomainName"]).locked = True
        return self._begin("DOMAIN_LOCK", asked["DomainName"])

    def DisableDomainTransferLock(self, asked: Parameters) -> Parameters:  # noqa: N802
        self._held(asked["DomainName"]).locked = False
        return self._begin("DOMAIN_LOCK", asked["DomainName"])

    def RetrieveDomainAuthCode(self, asked: Parameters) -> Parameters:  # noqa: N802
        return {"AuthCode": self._held(asked["DomainName"]).auth_code}

    def CheckDomainTransferability(self, asked: Parameters) -> Parameters:  # noqa: N802
        registered = asked["DomainName"].startswith("taken-")
        return {"Transferability": {"Transferable": "TRANSFERABLE" if registered else "UNTRANSFERABLE"}}

    def TransferDomain(self, asked: Parameters) -> Parameters:  # noqa: N802
        name = self._sold(asked["DomainName"])
        if asked["AuthCode"] != OTHERS_CODE:
            raise Fault("InvalidInput", "The auth code is wrong.")
        now = datetime.now(UTC)
        servers = [host["Name"] for host in asked["Nameservers"]]
        self.names[name] = Name(add_months(now, 12, anchor_day=now.day), name_servers=servers)
        return self._begin("TRANSFER_IN_DOMAIN", name)

    def GetOperationDetail(self, asked: Parameters) -> Parameters:  # noqa: N802
        operation_id = asked["OperationId"]
        if operation_id not in self.operations:
            raise Fault("InvalidInput", f"Operation with id {operation_id} doesn't exist")
        kind, name, failure = self.operations[operation_id]
        answer = {"OperationId": operation_id, "DomainName": name, "Type": kind}
        if operation_id in self.slow:
            return {**answer, "Status": "IN_PROGRESS", "StatusFlag": "PENDING_CUSTOMER_ACTION"}
        return {**answer, "Status": "FAILED", "Message": failure} if failure else {**answer, "Status": "SUCCESSFUL"}

    def _begin(self, kind: str, name: str, *, failure: str | None = None) -> Parameters:
        operation_id = f"op-{next(self._numbers)}"
        self.operations[operation_id] = (kind, name, failure)
        if name.startswith("slow-"):
            self.slow.add(operation_id)
        return {"OperationId": operation_id}

    def _under_way(self, kind: str, name: str) -> str | None:
        return next((op for op in self.slow if self.operations[op][:2] == (kind, name)), None)

    def _held(self, name: str) -> Name:
        if name not in self.names:
            raise Fault("InvalidInput", f"Domain {name} not found in this account.")
        return self.names[name]

    def _sold(self, name: str) -> str:
        if name.endswith(".invalid"):
            raise Fault("UnsupportedTLD", "Amazon Route 53 does not support this top-level domain.")
        return name

    def _check_consent(self, asked: Parameters, price: float) -> None:
        if asked["Consent"]["MaxPrice"] < price:
            raise Fault("InvalidInput", "The price is more than the MaxPrice of the consent.")

    def _price(self, name: str) -> float:
        return 250.0 if name.startswith("premium-") else 12.0

    def _price_type(self, name: str) -> str:
        return "REGISTRY_PREMIUM" if name.startswith("premium-") else "STANDARD"

    def _prices(self, name: str, price: float, price_type: str) -> Parameters:
        each = {"Price": price, "Currency": "USD", "PriceType": price_type}
        return {"Name": name, "RegistrationPrice": each, "RenewalPrice": each, "TransferPrice": each}


@cache
def session() -> boto3.session.Session:
    return boto3.session.Session(aws_access_key_id="AKIATEST", aws_secret_access_key="secret", region_name="us-east-1")


def _checked(fault: Fault, model: OperationModel) -> Parameters:
    """The error as botocore reads it; Amazon's model has to say that this operation can answer it."""
    [shape] = [shape for shape in model.error_shapes if shape.name == fault.code]
    assert isinstance(shape, StructureShape)
    assert set(fault.members) <= set(shape.members)
    return {"Error": {"Code": fault.code, "Message": fault.message}, **fault.members}


def _response(status: int) -> AWSResponse:
    return AWSResponse("", status, {}, None)  # type: ignore[arg-type]  # nobody reads headers
