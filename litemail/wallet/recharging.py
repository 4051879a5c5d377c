"""Auto-recharge: charges the saved card where the wallet is low, one attempt at a time, whatever runs at once.

An attempt is a payment, stored before its card is charged; the database allows one pending recharge a wallet. Who
finds one pending repeats its call, which the gateway answers as the first, so a crash or a lost answer is mended by
whoever comes next.
"""

from datetime import datetime, timedelta
from typing import Literal

import msgspec
import structlog

from litemail.kit.db import Tx
from litemail.kit.money import Money
from litemail.kit.stops import stop_here
from litemail.kit.two_steps import Begin
from litemail.providers.payments import Charged, ChargeOutcome, Declined, Failed, Gateways, Paid, Payer, Pending
from litemail.wallet import ledger, payments, posting, recharge_state, settling
from litemail.wallet import payments_queries as payment_queries
from litemail.wallet import recharge_queries as queries
from litemail.wallet.payments_queries import Payment, PaymentMethod
from litemail.wallet.recharge_queries import AutoRecharge

DEFAULT_THRESHOLD = 2_000
DEFAULT_AMOUNT = 5_000
REPEATABLE = timedelta(hours=23)
"""For how long an attempt may be repeated: gateways remember one for 24 hours. Then only an event can settle it."""

RechargeState = Literal["succeeded", "not_needed", "in_progress", "declined", "off"]
"""`in_progress`: a gateway has not decided yet; `declined`: tried and refused, lately or just now."""

log = structlog.get_logger("wallet")


async def recharge(begin: Begin, workspace_id: str, *, gateways: Gateways, needed: int = 0) -> RechargeState:
    """One attempt, where one is due: the wallet is below its threshold, or does not cover what is `needed` now.

    It takes the amount that was set, or as many times that as cover what is needed. Calls the gateway, so no
    transaction may be open. Raises what gateways raise; the attempt is then open and a repetition goes on with it.
    """
    async with begin() as tx:
        decided = await _attempt(tx, workspace_id, needed=needed)
    if not isinstance(decided, _Attempt):
        return decided
    await stop_here("recharge.begun")
    outcome = await gateways.get(decided.payment.gateway).charge_saved(
        decided.payment.id,
        amount=Money(decided.payment.amount),
        method=decided.method.as_saved(),
        payer=decided.payer,
    )
    await stop_here("recharge.charged")
    async with begin() as tx:
        return await _settle(tx, decided.payment, outcome)


async def configure(tx: Tx, *, workspace_id: str, enabled: bool, threshold: int, amount: int) -> AutoRecharge:
    """Sets auto-recharge and forgets earlier declines. Recharges at once where the wallet is low."""
    before = await queries.lock(tx, workspace_id)
    auto = await queries.put(tx, workspace_id=workspace_id, enabled=enabled, threshold=threshold, amount=amount)
    await tx.emit(
        "wallet.auto_recharge_set",
        workspace_id=workspace_id,
        subject=workspace_id,
        before=None if before is None else _told(before),
        data=_told(auto),
    )
    if enabled:
        await posting.enqueue_recharge(tx, workspace_id)
    return auto


async def find_auto_recharge(tx: Tx, workspace_id: str) -> AutoRecharge:
    """As set, or as it is before anybody sets it."""
    found = await queries.find(tx, workspace_id)
    return found or AutoRecharge(workspace_id, False, DEFAULT_THRESHOLD, DEFAULT_AMOUNT, 0, None, None)


async def due_recharges(tx: Tx, *, limit: int = 100) -> list[str]:
    """The wallets whose declined card is due for another attempt, by the time of each workspace."""
    return await queries.list_due(tx, limit=limit)


async def next_recharge_at(tx: Tx, workspace_id: str) -> datetime | None:
    """When the declined card of a wallet is tried again, by its workspace's time; None where nothing is planned."""
    auto = await queries.find(tx, workspace_id)
    return auto.next_attempt_at if auto and auto.enabled else None


class _Attempt(msgspec.Struct, frozen=True):
    payment: Payment
    method: PaymentMethod
    payer: Payer


async def _attempt(tx: Tx, workspace_id: str, *, needed: int) -> _Attempt | RechargeState:
    """The attempt to make, new or found pending; or why there is none."""
    auto = await queries.lock(tx, workspace_id)
    if auto is None:
        return "off"
    payment = await payment_queries.find_open_recharge(tx, workspace_id)
    if payment is None:
        decided = await _begin(tx, auto, needed=needed)
        if not isinstance(decided, Payment):
            return decided
        payment = decided
    elif tx.now - payment.created_at > REPEATABLE:
        await payment_queries.settle(tx, payment.id, status="expired")
        return "in_progress"
    assert payment.method_id is not None
    method = await payment_queries.get_method(tx, payment.method_id)
    return _Attempt(payment, method, await payments.payer_of(tx, payment))


async def _begin(tx: Tx, auto: AutoRecharge, *, needed: int) -> Payment | RechargeState:
    method = await payment_queries.find_method(tx, auto.workspace_id)
    if method is None:
        return "off"
    if not auto.enabled:
        return "off" if auto.failure is None else "declined"
    available = (await ledger.balance(tx, auto.workspace_id)).available
    if available >= max(needed, auto.threshold):
        if auto.declines:
            await recharge_state.note_success(tx, auto.workspace_id)  # the money came another way
        return "not_needed"
    if auto.next_attempt_at is not None and auto.next_attempt_at > await queries.time_of(tx, auto.workspace_id):
        return "declined"
    times = max(1, -(-(needed - available) // auto.amount))
    payment = await payment_queries.insert_payment(
        tx,
        workspace_id=auto.workspace_id,
        purpose="recharge",
        amount=auto.amount * times,
        gateway=method.gateway,
        method_id=method.id,
    )
    return payment or "in_progress"


async def _settle(tx: Tx, payment: Payment, outcome: ChargeOutcome) -> RechargeState:
    match outcome:
        case Charged():
            fact: Paid | Failed = Paid(payment.id, outcome.charge, outcome.amount)
        case Declined():
            fact = Failed(payment.id, outcome, final=True)
        case Pending():
            await payment_queries.store_reference(tx, payment.id, outcome.charge)
            return "in_progress"
    problem = await settling.settle(tx, fact, gateway=payment.gateway)
    if problem is not None:
        log.error("recharge not applied", payment=payment.id, problem=problem)
        return "in_progress"
    return "succeeded" if isinstance(fact, Paid) else "declined"


def _told(auto: AutoRecharge) -> dict[str, object]:
    return {"enabled": auto.enabled, "threshold": auto.threshold, "amount": auto.amount, "currency": "USD"}
