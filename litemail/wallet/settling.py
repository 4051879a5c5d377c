"""What gateways say, written down: each event once, whatever their order, also before our own call has returned.

Money that arrived wins over everything: `Paid` after `Failed` or `Expired` is credited. Nothing undoes `succeeded`.
"""

from typing import assert_never

import structlog

from litemail.kit.db import Tx
from litemail.kit.errors import Problem
from litemail.kit.money import Money
from litemail.providers.payments import (
    Disputed,
    Expired,
    Fact,
    Failed,
    GatewayEvent,
    Irrelevant,
    MethodSaved,
    Paid,
    Refunded,
    RefundFailed,
)
from litemail.wallet import ledger, recharge_state, reversals
from litemail.wallet import payments_queries as queries
from litemail.wallet.payments_queries import Payment

log = structlog.get_logger("payments")


async def receive_gateway_event(tx: Tx, event: GatewayEvent) -> bool:
    """Stores and handles an event whose signature was checked; False where it is known, and nothing is done.

    What does not fit (an unknown payment, another gateway's, another amount) changes nothing; the event is kept with
    the problem, and the operator finds it in the log.
    """
    if not await queries.insert_event(tx, event):
        return False
    problem = await settle(tx, event.fact, gateway=event.gateway)
    if problem is not None:
        await queries.note_problem(tx, event.id, problem, gateway=event.gateway)
        log.error("gateway event not applied", gateway=event.gateway, event_id=event.id, problem=problem)
    return True


async def settle(tx: Tx, fact: Fact, *, gateway: str) -> str | None:
    """Applies a fact; safe to repeat. Returns why it was not applied, or None."""
    match fact:
        case Paid() | MethodSaved() | Failed() | Expired():
            payment = await queries.lock_payment(tx, fact.payment_id)
            if payment is None:
                return f"payment {fact.payment_id} is not known"
            if payment.gateway != gateway:
                return f"payment {payment.id} belongs to the gateway {payment.gateway}"
            return await _settle_payment(tx, payment, fact)
        case Refunded():
            return await reversals.take_back(tx, fact, gateway=gateway)
        case RefundFailed():
            return await reversals.give_again(tx, fact, gateway=gateway)
        case Disputed():
            return await reversals.report_dispute(tx, fact, gateway=gateway)
        case Irrelevant():
            return None
        case _:
            assert_never(fact)


async def _settle_payment(tx: Tx, payment: Payment, fact: Paid | MethodSaved | Failed | Expired) -> str | None:
    if payment.status == "succeeded":
        return None
    match fact:
        case Paid():
            if payment.purpose == "save_card" or fact.amount != Money(payment.amount):
                return f"{fact.amount} was paid for payment {payment.id} of {Money(payment.amount)}"
            await _credit(tx, payment, charge=fact.charge)
        case MethodSaved():
            if payment.purpose != "save_card" or payment.workspace_id != fact.workspace_id:
                return f"payment {payment.id} did not ask for a card of {fact.workspace_id}"
            await _keep_card(tx, payment, fact)
        case Failed():
            await _fail(tx, payment, fact)
        case Expired():
            if payment.status == "pending":
                await queries.settle(tx, payment.id, status="expired", failure=payment.failure)
                await _tell(tx, "payment.expired", payment)
    return None


async def _credit(tx: Tx, payment: Payment, *, charge: str) -> None:
    paid = await queries.settle(tx, payment.id, status="succeeded", charge=charge)
    await ledger.top_up(
        tx,
        workspace_id=payment.workspace_id,
        amount=payment.amount,
        payment_id=payment.id,
        description="Auto-recharge" if payment.purpose == "recharge" else "Top-up",
    )
    if payment.purpose == "recharge":
        await recharge_state.note_success(tx, payment.workspace_id)
    await _tell(tx, "payment.succeeded", payment)
    await reversals.catch_up(tx, paid)


async def _keep_card(tx: Tx, payment: Payment, fact: MethodSaved) -> None:
    await queries.settle(tx, payment.id, status="succeeded")
    await queries.replace_method(tx, fact.method, payment=payment)
    await tx.emit(
        "payment_method.saved",
        workspace_id=payment.workspace_id,
        subject=payment.id,
        data={"brand": fact.method.brand, "last4": fact.method.last4},
    )
    await recharge_state.start_afresh(tx, payment.workspace_id)


async def _fail(tx: Tx, payment: Payment, fact: Failed) -> None:
    if payment.status != "pending":
        return
    problem = fact.decline.problem()
    if not fact.final:
        await queries.note_failure(tx, payment.id, problem)
        return
    await queries.settle(tx, payment.id, status="failed", charge=fact.decline.charge, failure=problem)
    if payment.purpose == "recharge":
        await recharge_state.note_decline(tx, payment.workspace_id, problem, may_retry=fact.decline.may_retry)
    await _tell(tx, "payment.failed", payment, problem)


async def _tell(tx: Tx, event: str, payment: Payment, problem: Problem | None = None) -> None:
    await tx.emit(
        event,
        workspace_id=payment.workspace_id,
        subject=payment.id,
        data={
            "purpose": payment.purpose,
            "amount": payment.amount,
            "currency": "USD",
            "code": problem.code if problem else None,
            "message": problem.message if problem else None,
        },
    )
