"""Links that sell domains: whoever opens one sees the quote, and paying it buys them, once.

A link is stateless: it holds the quote, signed. Nothing is stored before somebody pays; the payment is found again by
the link itself, so however often it is sent off there is one payment and one order.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal

import msgspec

from litemail import billing, domains, orders, wallet, workspaces
from litemail.domains import Asked, Priced
from litemail.kit.actor import Mode
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Error, Kind
from litemail.orders import Order
from litemail.providers.payments import Gateways
from litemail.wallet import Payment

LIFE = timedelta(hours=24)
_REASON = "purchase link"
_MAC_BYTES = 18


class UnknownLink(Error):
    kind = Kind.NOT_FOUND
    code = "purchase_link.unknown"
    message = "There is no offer at this address."
    action = "Open the whole link that you were given."


class LinkExpired(Error):
    kind = Kind.GONE
    code = "purchase_link.expired"
    message = "This offer has expired."
    action = "Nothing was bought with it. Ask for a new link; prices may have changed."


class PaymentFailed(Error):
    kind = Kind.GONE
    code = "purchase_link.payment_failed"
    message = "The payment of this offer was not completed, so nothing was bought."
    action = "Ask for a new link."


class Offer(msgspec.Struct, frozen=True, array_like=True):
    """What a link offers to a workspace. `expires_at` is in seconds; `nonce` tells two links for the same apart."""

    workspace_id: str
    mode: Mode
    registrar: str
    priced: tuple[Priced, ...]
    expires_at: int
    nonce: str

    @property
    def asked(self) -> Asked:
        return Asked(self.registrar, needs_phone=False, priced=dict(enumerate(self.priced)), refused={})

    @property
    def until(self) -> datetime:
        return datetime.fromtimestamp(self.expires_at, UTC)

    @property
    def total(self) -> int:
        return sum(each.amount for each in self.priced)


@dataclass(frozen=True)
class PurchaseLinks:
    """Makes and reads links. `base` is where people reach us."""

    base: Callable[[], str]
    key: bytes = field(repr=False)

    def link(self, offer: Offer) -> str:
        return f"{self.base()}/purchase/{self.token(offer)}"

    def token(self, offer: Offer) -> str:
        body = msgspec.msgpack.encode(offer)
        return base64.urlsafe_b64encode(self._mac(body) + body).decode().rstrip("=")

    def read(self, token: str) -> Offer:
        """Raises UnknownLink."""
        try:
            raw = base64.urlsafe_b64decode(token.encode("ascii") + b"==")
            mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
            if not hmac.compare_digest(mac, self._mac(body)) or self._again(raw) != token:
                raise UnknownLink
            return msgspec.msgpack.decode(body, type=Offer)
        except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError):
            raise UnknownLink from None

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self.key, body, hashlib.sha256)[:_MAC_BYTES]

    def _again(self, raw: bytes) -> str:
        """The one spelling of a token: base64 has several for the same bytes."""
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Seen(msgspec.Struct, frozen=True):
    """An offer as it is now: still to be paid, being paid, or the order that it became."""

    state: Literal["open", "paying", "ordered", "failed", "expired"]
    offer: Offer
    order: Order | None


async def make(tx: Tx, asked: Asked, *, nonce: str) -> Offer:
    """Changes nothing. Raises billing.DetailsRequired, AllRejected, PhoneMissing."""
    actor = tx.actor
    assert actor is not None
    await billing.require_details(tx)
    await domains.check_asked(tx, asked)
    until = tx.now + LIFE
    priced = tuple(asked.priced.values())
    return Offer(actor.workspace_id, actor.mode, asked.registrar, priced, int(until.timestamp()), nonce)


async def see(database: Database, token: str, *, links: PurchaseLinks) -> Seen:
    """What a link's page shows. Changes nothing. Raises UnknownLink."""
    offer = links.read(token)
    async with database.begin_system(_REASON) as tx:
        payer = await workspaces.payer_of(tx, offer.workspace_id)
        payment = await wallet.find_by_request(tx, _request_key(token), workspace_id=payer)
        if payment is None:
            expired = tx.now >= offer.until
            return Seen("expired" if expired else "open", offer, None)
        order = await orders.find_by_payment(tx, payment.id)
    if order is not None and order.status not in ("awaiting_payment", "cancelled"):
        return Seen("ordered", offer, order)
    return Seen("paying" if payment.status in ("pending", "succeeded") else "failed", offer, order)


async def pay(database: Database, token: str, *, links: PurchaseLinks, gateways: Gateways) -> str | None:
    """Where to pay the offer: a page of the gateway; None where it is paid. The order waits for the payment.

    Raises UnknownLink, LinkExpired, PaymentFailed, billing.DetailsRequired, and what gateways raise.
    """
    seen = await see(database, token, links=links)
    if seen.state == "expired":
        raise LinkExpired
    if seen.state == "failed":
        raise PaymentFailed
    gateway = gateways.of_mode(seen.offer.mode)
    async with database.begin_system(_REASON) as tx:
        payment = await _begin(tx, seen.offer, token, gateway=gateway.name)
    opened = await wallet.open_checkout(partial(database.begin_system, _REASON), payment, gateway=gateway)
    return opened.payment_link if opened.status == "pending" else None


async def _begin(tx: Tx, offer: Offer, token: str, *, gateway: str) -> Payment:
    """The payment of the link, and the order that waits for it; the same ones however often it is asked for."""
    payer = await workspaces.payer_of(tx, offer.workspace_id)
    await billing.require_details(tx, workspace_id=payer)
    payment = await wallet.begin_top_up(
        tx, workspace_id=payer, amount=offer.total, gateway=gateway, request_key=_request_key(token)
    )
    asked = offer.asked
    order = await orders.await_payment(
        tx,
        kind=domains.PURCHASE,
        lines=asked.lines,
        items=domains.new_items(asked.priced, asked.refused),
        payment_id=payment.id,
        ordered_by=offer.workspace_id,
    )
    await domains.note_ordered(tx, order, asked)
    return payment


def _request_key(token: str) -> bytes:
    return hashlib.sha256(b"purchase link\n" + token.encode()).digest()
