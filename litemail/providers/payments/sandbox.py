"""The sandbox's gateway: no money moves, everything else is as with a real one.

Its state is kept by `Books`, its hosted pages are at `/pay/{token}` of our own API, and its events are signed and sent
to our own webhook over HTTP.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from litemail.kit import standard_webhooks
from litemail.kit.ids import is_id
from litemail.kit.money import Money
from litemail.providers.payments.base import (
    ChargeOutcome,
    Checkout,
    Fact,
    GatewayEvent,
    Payer,
    Refund,
    SavedMethod,
)
from litemail.providers.payments.errors import BadEvent, BadSignature

TITLE = "Litemail's sandbox gateway"
Purpose = Literal["top_up", "save_card"]

_PAGE = "page"
_ID_LENGTH = 26
_MAC_BYTES = 18


class OpenPage(msgspec.Struct, frozen=True):
    """A hosted page that was made. `expires_at` in real time, whatever the workspace's clock says."""

    id: str
    expires_at: datetime


class Books(Protocol):
    """What a gateway keeps: pages, cards, charges, refunds. Each call is one transaction of its own."""

    async def open_page(
        self, payment_id: str, *, purpose: Purpose, amount: Money, payer: Payer, description: str
    ) -> OpenPage: ...

    async def charge(self, payment_id: str, *, amount: Money, method: SavedMethod, payer: Payer) -> ChargeOutcome: ...

    async def refund(self, key: str, *, charge: str, amount: Money) -> Refund: ...

    async def state(self, reference: str) -> Fact | None: ...


@dataclass(frozen=True)
class PayLinks:
    """Links to hosted pages. A token is the page's id, signed: nobody can guess another's, and none is stored."""

    base: Callable[[], str]
    key: bytes = field(repr=False)

    def link(self, page_id: str) -> str:
        return f"{self.base()}/pay/{self.token(page_id)}"

    def token(self, page_id: str) -> str:
        return page_id.removeprefix(f"{_PAGE}_") + self._mac(page_id)

    def page_id(self, token: str) -> str | None:
        """The page that a token is for; None when it is not ours."""
        page_id = f"{_PAGE}_{token[:_ID_LENGTH]}"
        if not (token.isascii() and is_id(page_id, _PAGE)):
            return None
        return page_id if hmac.compare_digest(token[_ID_LENGTH:], self._mac(page_id)) else None

    def _mac(self, page_id: str) -> str:
        mac = hmac.digest(self.key, page_id.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(mac[:_MAC_BYTES]).decode()


@dataclass(frozen=True)
class SandboxGateway:
    """Implements `base.Gateway`."""

    books: Books
    links: PayLinks
    webhook_secret: bytes = field(repr=False)

    @property
    def name(self) -> str:
        return "sandbox"

    async def create_top_up(self, payment_id: str, *, amount: Money, payer: Payer, description: str) -> Checkout:
        page = await self.books.open_page(
            payment_id, purpose="top_up", amount=amount, payer=payer, description=description
        )
        return self._checkout(page)

    async def create_save_card(self, payment_id: str, *, payer: Payer) -> Checkout:
        page = await self.books.open_page(
            payment_id, purpose="save_card", amount=Money(0), payer=payer, description="Card for automatic recharges"
        )
        return self._checkout(page)

    async def charge_saved(self, payment_id: str, *, amount: Money, method: SavedMethod, payer: Payer) -> ChargeOutcome:
        return await self.books.charge(payment_id, amount=amount, method=method, payer=payer)

    async def refund(self, key: str, *, charge: str, amount: Money) -> Refund:
        return await self.books.refund(key, charge=charge, amount=amount)

    async def check(self, reference: str) -> Fact | None:
        return await self.books.state(reference)

    async def parse_webhook(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> GatewayEvent:
        fault = standard_webhooks.fault(headers, body, secret=self.webhook_secret, now=now)
        if fault is not None:
            raise BadSignature(gateway=TITLE, reason=fault)
        try:
            event = msgspec.json.decode(body, type=GatewayEvent)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadEvent(gateway=TITLE, reason=str(error)) from error
        if event.id != headers["webhook-id"] or event.gateway != self.name:
            raise BadEvent(gateway=TITLE, reason="its body and its headers name different events")
        return event

    def _checkout(self, page: OpenPage) -> Checkout:
        return Checkout(self.links.link(page.id), page.id, page.expires_at)
