"""The sandbox's payment gateway: hosted pages, saved cards, charges, refunds, events to be told.

All times are real ones: links expire like tokens, whatever the clock of a workspace says.
"""

from dataclasses import dataclass

from litemail.kit import ids
from litemail.kit.db import Database, Tx
from litemail.kit.money import Money
from litemail.providers.payments import (
    Charged,
    ChargeOutcome,
    Declined,
    DeclineReason,
    Expired,
    Fact,
    Failed,
    GatewayEvent,
    MethodSaved,
    Paid,
    Payer,
    Refund,
    Refunded,
    RefundRefused,
    RefundStatus,
    SavedMethod,
)
from litemail.providers.payments.sandbox import TITLE, OpenPage, Purpose
from litemail.servers.sandbox import gateway_queries as queries
from litemail.servers.sandbox.gateway_cards import EXP_MONTH, YEARS_LEFT, SandboxCard
from litemail.servers.sandbox.gateway_queries import Card, Charge, Page

"""The job that tells events."""
_REASON = "sandbox gateway"
_RETRYABLE = frozenset({DeclineReason.CARD_DECLINED, DeclineReason.INSUFFICIENT_FUNDS})


@dataclass(frozen=True)
class SqlBooks:
    """`providers.payments.sandbox.Books` in PostgreSQL: any number of processes may share it."""

    database: Database

    async def open_page(
        self, payment_id: str, *, purpose: Purpose, amount: Money, payer: Payer, description: str
    ) -> OpenPage:
        async with self.database.begin_system(_REASON) as tx:
            page = await queries.find_last_page(tx, payment_id) or await queries.insert_page(
                tx,
                payment_id=payment_id,
                workspace_id=payer.workspace_id,
                purpose=purpose,
                amount=amount,
                description=description,
                customer=payer.customer,
            )
        return OpenPage(page.id, page.expires_at)

    async def charge(self, payment_id: str, *, amount: Money, method: SavedMethod, payer: Payer) -> ChargeOutcome:
        async with self.database.begin_system(_REASON) as tx:
            card = await queries.find_card(tx, method.reference, customer=method.customer)
            if card is None:
                return refusal(DeclineReason.METHOD_GONE)
            charge, is_new = await queries.insert_charge(
                tx,
                payment_id=payment_id,
                workspace_id=payer.workspace_id,
                amount=amount,
                declined=card.behaviour.alone,
            )
            if is_new:
                await note(tx, "charge.failed" if charge.declined else "charge.succeeded", _fact(charge))
        if charge.declined is not None:
            return refusal(charge.declined, charge=charge.id)
        return Charged(charge.id, charge.money)

    async def refund(self, key: str, *, charge: str, amount: Money) -> Refund:
        async with self.database.begin_system(_REASON) as tx:
            locked = await queries.lock_charge(tx, charge)
            if locked is None or locked.declined is not None:
                raise RefundRefused(gateway=TITLE, reason="there is no such charge")
            made = await queries.find_refund(tx, key)
            if made is None:
                left = locked.amount - locked.refunded
                if amount.currency != locked.currency or not 0 < amount.amount <= left:
                    reason = f"only {Money(left, locked.currency)} of the charge are left"
                    raise RefundRefused(gateway=TITLE, reason=reason)
                made = await queries.insert_refund(tx, key, charge=charge, amount=amount.amount)
                await note(tx, "refund.succeeded", Refunded(charge, made, amount, key))
        return Refund(made, RefundStatus.SUCCEEDED)

    async def state(self, reference: str) -> Fact | None:
        async with self.database.begin_system(_REASON) as tx:
            page = await queries.find_page(tx, reference)
            if page is None:
                charge = await queries.find_charge(tx, reference)
                return None if charge is None else _fact(charge)
            if (charge := await queries.find_charge_of(tx, page.payment_id)) is not None:
                return _fact(charge)
            if (card := await queries.find_card_of(tx, page.payment_id)) is not None:
                return MethodSaved(page.payment_id, page.workspace_id, card.as_method())
            last = await queries.find_last_page(tx, page.payment_id)
            return Expired(page.payment_id) if last is not None and last.expired(tx.now) else None


async def pay(tx: Tx, page: Page, card: SandboxCard) -> DeclineReason | None:
    """Pays a locked, open page with a card; the reason where it is declined. Each try is told."""
    if card.paying is not None:
        await _tell_decline(tx, page, card.paying)
        return card.paying
    charge, _ = await queries.insert_charge(
        tx, payment_id=page.payment_id, workspace_id=page.workspace_id, amount=page.money, declined=None
    )
    await queries.set_status(tx, page, "done")
    await note(tx, "page.paid", _fact(charge))
    return None


async def save_card(tx: Tx, page: Page, card: SandboxCard) -> DeclineReason | None:
    """Saves a card on a locked, open page; the reason where its bank refuses. Each try is told."""
    if not card.can_be_saved:
        await _tell_decline(tx, page, DeclineReason.CARD_DECLINED)
        return DeclineReason.CARD_DECLINED
    saved = Card(
        id=ids.new_id("card"),
        customer=page.customer or ids.new_id("cus"),
        workspace_id=page.workspace_id,
        payment_id=page.payment_id,
        number=card.number,
        exp_month=EXP_MONTH,
        exp_year=tx.now.year + YEARS_LEFT,
    )
    await queries.insert_card(tx, saved)
    await queries.set_status(tx, page, "done")
    await note(tx, "page.card_saved", MethodSaved(page.payment_id, page.workspace_id, saved.as_method()))
    return None


async def renew(tx: Tx, page: Page) -> Page:
    """Another page for the payment of a locked one that has expired; where there is a newer one, that."""
    last = await queries.find_last_page(tx, page.payment_id)
    assert last is not None
    if not last.expired(tx.now):
        return last
    await expire(tx, last)
    return await queries.insert_page(
        tx,
        payment_id=page.payment_id,
        workspace_id=page.workspace_id,
        purpose=page.purpose,
        amount=page.money,
        description=page.description,
        customer=page.customer,
    )


async def expire(tx: Tx, page: Page) -> None:
    """Closes a page whose time is over, and tells so."""
    if page.status == "open":
        await queries.set_status(tx, page, "expired")
        await note(tx, "page.expired", Expired(page.payment_id))


async def note(tx: Tx, event_type: str, fact: Fact) -> None:
    """Writes an event down; a job delivers it once this transaction is committed."""
    await queries.insert_event(tx, GatewayEvent(ids.new_id("evt"), "sandbox", event_type, tx.now, fact))
    await tx.enqueue("sandbox.deliver_gateway_events", once="deliver gateway events")


def refusal(reason: DeclineReason, *, charge: str | None = None) -> Declined:
    return Declined(reason, may_retry=reason in _RETRYABLE, words="A test card of the sandbox.", charge=charge)


def _fact(charge: Charge) -> Fact:
    if charge.declined is None:
        return Paid(charge.payment_id, charge.id, charge.money)
    return Failed(charge.payment_id, refusal(charge.declined, charge=charge.id), final=True)


async def _tell_decline(tx: Tx, page: Page, reason: DeclineReason) -> None:
    await note(tx, "page.declined", Failed(page.payment_id, refusal(reason), final=False))
