"""Amazon Route 53 as registrar, through boto3, which is loaded with this module: import it only where it is set up.

What was tried against Amazon itself and what was not stands in docs/how-to/connect-route53.md.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import boto3
import botocore.config
import botocore.exceptions

from litemail.kit.money import Money
from litemail.kit.outbound import Guard
from litemail.providers.registrar import route53_wire as wire
from litemail.providers.registrar.base import (
    Availability,
    Contact,
    Offer,
    Operation,
    OperationStatus,
    Prices,
    Registration,
)
from litemail.providers.registrar.errors import (
    NotAvailable,
    NotHeld,
    RegistrarUnavailable,
    SuffixNotSold,
    UnexpectedAnswer,
)
from litemail.providers.registrar.route53_http import GuardedSender
from litemail.providers.registrar.route53_wire import TITLE

if TYPE_CHECKING:
    from types_boto3_route53domains import Route53DomainsClient

REGION = "us-east-1"
"""The only one where Route 53 registers names."""
SECONDS = 9.0
"""How long one request may take."""
_TRIES = 2
_AT_ONCE = 10
_PENDING_ASKED = 3
_LIST_KEPT = 3600.0  # seconds that a price list is believed

Answer = TypeVar("Answer")


def connect(*, access_key_id: str, secret_access_key: str, guard: Guard, endpoint_url: str | None = None) -> "Route53":
    """The registrar of an account. Call it where the loop runs that its requests are to be sent on."""
    client = boto3.session.Session(
        aws_access_key_id=access_key_id, aws_secret_access_key=secret_access_key, region_name=REGION
    ).client(
        "route53domains",
        endpoint_url=endpoint_url,
        config=botocore.config.Config(retries={"mode": "standard", "total_max_attempts": _TRIES}),
    )
    sender = GuardedSender(guard, asyncio.get_running_loop(), seconds=SECONDS)
    client.meta.events.register("before-send.route-53-domains", sender)
    return Route53(client)


class Route53:
    """Implements `base.Registrar`. boto3 blocks, so its calls run in threads of their own."""

    name = "route53"
    at_once = _AT_ONCE
    needs_phone = True

    def __init__(self, client: "Route53DomainsClient") -> None:
        self._client = client
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="route53")
        self._listed: dict[str, tuple[float, Prices]] = {}

    async def check(self, name: str) -> Offer:
        try:
            said, price, premium = await self._availability(name)
        except SuffixNotSold as error:
            return Offer(name, Availability.NOT_SOLD, words=str(error).rstrip("."))
        except RegistrarUnavailable as error:
            return Offer(name, Availability.UNKNOWN, words=str(error).rstrip("."))
        availability, words = wire.AVAILABILITY.get(said, (None, None))
        if availability is None:
            raise UnexpectedAnswer(registrar=TITLE, call="CheckDomainAvailability", reason=said)
        if availability is not Availability.AVAILABLE:
            return Offer(name, availability, words=words)
        known = await (self.prices(name) if premium else self._listed_prices(name))
        return Offer(name, availability, Prices(price or known.registration, known.renewal, known.transfer, premium))

    async def prices(self, name: str) -> Prices:
        row = await self._call(
            "GetDomainPrices", name, lambda: self._client.get_domain_prices(DomainName=name)["DomainPrice"]
        )
        return wire.prices(row, call="GetDomainPrices")

    async def register(self, name: str, *, years: int, contact: Contact, most: Money) -> Operation:
        detail = wire.contact_detail(contact)
        return await self._begin(
            "RegisterDomain",
            name,
            lambda: self._client.register_domain(
                DomainName=name,
                DurationInYears=years,
                AutoRenew=False,
                AdminContact=detail,
                RegistrantContact=detail,
                TechContact=detail,
                PrivacyProtectAdminContact=True,
                PrivacyProtectRegistrantContact=True,
                PrivacyProtectTechContact=True,
                Consent=wire.consent(most),
            )["OperationId"],
        )

    async def find(self, name: str) -> Registration | None:
        listed = await self._call(
            "ListDomains",
            name,
            lambda: self._client.list_domains(
                FilterConditions=[{"Name": "DomainName", "Operator": "BEGINS_WITH", "Values": [name]}]
            )["Domains"],
        )
        summary = next((one for one in listed if one["DomainName"] == name), None)
        if summary is None:
            return None
        detail = await self._call("GetDomainDetail", name, lambda: self._client.get_domain_detail(DomainName=name))
        return Registration(
            name=name,
            expires_at=detail["ExpirationDate"].astimezone(UTC),
            name_servers=frozenset(host["Name"].lower().rstrip(".") for host in detail.get("Nameservers", [])),
            locked=summary.get("TransferLock", False),
        )

    async def renew(self, name: str, *, years: int, expires_at: datetime, most: Money) -> Operation:
        held = await self._held(name)
        if held.expires_at.date() != expires_at.astimezone(UTC).date():
            return Operation("", OperationStatus.DONE)
        return await self._begin(
            "RenewDomain",
            name,
            lambda: self._client.renew_domain(
                DomainName=name,
                DurationInYears=years,
                CurrentExpiryYear=held.expires_at.year,
                Consent=wire.consent(most),
            )["OperationId"],
        )

    async def set_name_servers(self, name: str, hosts: tuple[str, ...]) -> Operation:
        await self._held(name)
        return await self._begin(
            "UpdateDomainNameservers",
            name,
            lambda: self._client.update_domain_nameservers(
                DomainName=name, Nameservers=[{"Name": host} for host in hosts]
            )["OperationId"],
        )

    async def set_contact(self, name: str, contact: Contact) -> Operation:
        await self._held(name)
        detail = wire.contact_detail(contact)
        return await self._begin(
            "UpdateDomainContact",
            name,
            lambda: self._client.update_domain_contact(
                DomainName=name, AdminContact=detail, RegistrantContact=detail, TechContact=detail
            )["OperationId"],
        )

    async def set_lock(self, name: str, *, locked: bool) -> Operation:
        if (await self._held(name)).locked == locked:
            return Operation("", OperationStatus.DONE)
        if locked:
            return await self._begin(
                "EnableDomainTransferLock",
                name,
                lambda: self._client.enable_domain_transfer_lock(DomainName=name)["OperationId"],
            )
        return await self._begin(
            "DisableDomainTransferLock",
            name,
            lambda: self._client.disable_domain_transfer_lock(DomainName=name)["OperationId"],
        )

    async def auth_code(self, name: str) -> str:
        await self._held(name)
        return await self._call(
            "RetrieveDomainAuthCode",
            name,
            lambda: self._client.retrieve_domain_auth_code(DomainName=name)["AuthCode"],
        )

    async def transfer(
        self, name: str, *, auth_code: str, contact: Contact, name_servers: tuple[str, ...], most: Money
    ) -> Operation:
        said = await self._call(
            "CheckDomainTransferability",
            name,
            lambda: self._client.check_domain_transferability(DomainName=name, AuthCode=auth_code)["Transferability"],
        )
        match said.get("Transferable"):
            case "TRANSFERABLE":
                pass
            case "DONT_KNOW" | "PENDING":
                raise RegistrarUnavailable(registrar=TITLE, reason="the registry gives no answer")
            case "UNTRANSFERABLE" | "DOMAIN_IN_OWN_ACCOUNT" | "DOMAIN_IN_ANOTHER_ACCOUNT" | "PREMIUM_DOMAIN" as why:
                raise NotAvailable(name=name, reason=f"it cannot be moved here ({why.lower().replace('_', ' ')})")
            case _:
                raise UnexpectedAnswer(registrar=TITLE, call="CheckDomainTransferability", reason=str(said))
        detail = wire.contact_detail(contact)
        return await self._begin(
            "TransferDomain",
            name,
            lambda: self._client.transfer_domain(
                DomainName=name,
                DurationInYears=1,
                Nameservers=[{"Name": host} for host in name_servers],
                AuthCode=auth_code,
                AutoRenew=False,
                AdminContact=detail,
                RegistrantContact=detail,
                TechContact=detail,
                PrivacyProtectAdminContact=True,
                PrivacyProtectRegistrantContact=True,
                PrivacyProtectTechContact=True,
                Consent=wire.consent(most),
            )["OperationId"],
        )

    async def operation(self, operation_id: str) -> Operation:
        if not operation_id:  # nothing had to be done
            return Operation("", OperationStatus.DONE)
        return wire.operation(
            await self._call(
                "GetOperationDetail",
                operation_id,
                lambda: self._client.get_operation_detail(OperationId=operation_id),
            )
        )

    async def _availability(self, name: str) -> tuple[str, Money | None, bool]:
        """What Amazon says, the price of the first year where it is told, and whether that is a premium one."""
        for _ in range(_PENDING_ASKED):
            answer = await self._call(
                "CheckDomainAvailability", name, lambda: self._client.check_domain_availability(DomainName=name)
            )
            if answer["Availability"] != "PENDING":
                break
        price = wire.price_told(answer)
        if price is None:
            return answer["Availability"], None, False
        return answer["Availability"], wire.money(price, call="CheckDomainAvailability"), wire.is_premium(price)

    async def _listed_prices(self, name: str) -> Prices:
        """Those of its suffix, kept for an hour: a hundred suggestions ask for a handful. Raises SuffixNotSold."""
        suffix = name.partition(".")[2]
        read_at, prices = self._listed.get(suffix, (float("-inf"), None))
        if prices is not None and time.monotonic() - read_at < _LIST_KEPT:
            return prices
        listed = await self._call("ListPrices", name, lambda: self._client.list_prices(Tld=suffix)["Prices"])
        row = next((one for one in listed if one.get("Name") == suffix), None)
        if row is None:
            raise SuffixNotSold(registrar=TITLE, suffix=suffix)
        prices = wire.prices(row, call="ListPrices")
        self._listed[suffix] = (time.monotonic(), prices)
        return prices

    async def _held(self, name: str) -> Registration:
        held = await self.find(name)
        if held is None:
            raise NotHeld(name=name)
        return held

    async def _begin(self, call: str, name: str, request: Callable[[], str]) -> Operation:
        """Asks for a change; the operation that is under way where it was asked for before."""
        try:
            return Operation(await self._in_thread(request), OperationStatus.PENDING)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            if isinstance(error, botocore.exceptions.ClientError):
                under_way = wire.request_under_way(error)
                if under_way is not None:
                    return Operation(under_way, OperationStatus.PENDING)
            raise wire.as_ours(error, call=call, name=name, changes=True) from error

    async def _call(self, call: str, name: str, request: Callable[[], Answer]) -> Answer:
        try:
            return await self._in_thread(request)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise wire.as_ours(error, call=call, name=name, changes=False) from error

    async def _in_thread(self, request: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, request)
