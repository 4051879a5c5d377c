"""Money that leaves a wallet through its gateway again: refunds to the card, and disputes.

What the wallet no longer has is borne by the operator (account `grants`), since a wallet never goes below zero.
"""

from collections.abc import Mapping

from litemail.kit.db import Tx
from litemail.providers.payments import Disputed, Refunded, RefundFailed
from litemail.wallet import ledger, ledger_queries
from litemail.wallet import payments_queries as queries
from litemail.wallet.ledger_queries import Account
from litemail.wallet.payments_queries import Payment
from litemail.wallet.posting import post


async def take_back(tx: Tx, fact: Refunded, *, gateway: str) -> str | None:
    """A refund reached the card: the money is no longer in the wallet. Why it was not applied, or None."""
    payment = await queries.lock_payment_of_charge(tx, fact.charge, gateway=gateway)
    if payment is None:
        return f"the charge {fact.charge} is not known: waits for the payment that names it"
    if await queries.refund_is_void(tx, fact, gateway=gateway):
        return None
    await ledger_queries.lock(tx, payment.workspace_id)
    available = (await ledger.balance(tx, payment.workspace_id)).available
    taken = min(available, fact.amount.amount)
    new = await _book(
        tx,
        workspace_id=payment.workspace_id,
        amount=fact.amount.amount,
        borne=fact.amount.amount - taken,
        payment_id=payment.id,
        reference=f"{gateway}:{fact.reference}",
    )
    if new:
        await tx.emit(
            "payment.refunded",
            workspace_id=payment.workspace_id,
            subject=payment.id,
            data={"amount": fact.amount.amount, "currency": fact.amount.currency, "from_wallet": taken},
        )
    return None


async def catch_up(tx: Tx, payment: Payment) -> None:
    """Refunds that were told before the payment was: they count now that it is there."""
    for waiting in await queries.refunds_waiting(tx, payment):
        problem = await take_back(tx, waiting.fact, gateway=payment.gateway)
        await queries.note_problem(tx, waiting.id, problem, gateway=payment.gateway)


async def give_again(tx: Tx, fact: RefundFailed, *, gateway: str) -> str | None:
    """A refund that was told did not reach the card: the money is in the wallet again."""
    payment = await queries.lock_payment_of_charge(tx, fact.charge, gateway=gateway)
    if payment is None:
        return f"the charge {fact.charge} is not known"
    undone = await _unbook(
        tx, workspace_id=payment.workspace_id, payment_id=payment.id, reference=f"{gateway}:{fact.reference}"
    )
    if undone:
        await tx.emit(
            "payment.refund_failed",
            workspace_id=payment.workspace_id,
            subject=payment.id,
            data={"amount": fact.amount.amount, "currency": fact.amount.currency},
        )
    return None


async def report_dispute(tx: Tx, fact: Disputed, *, gateway: str) -> str | None:
    """The operator answers at the gateway; the ledger waits for what comes of it."""
    payment = await queries.lock_payment_of_charge(tx, fact.charge, gateway=gateway)
    if payment is None:
        return f"the charge {fact.charge} is not known"
    await tx.emit(
        "payment.disputed",
        workspace_id=payment.workspace_id,
        subject=payment.id,
        audience="audit",
        data={"amount": fact.amount.amount, "currency": fact.amount.currency, "words": fact.words},
    )
    return None


async def _book(tx: Tx, *, workspace_id: str, amount: int, borne: int, payment_id: str, reference: str) -> bool:
    """Books money that a gateway gave back to a card, `borne` of it by the operator. False where it is booked."""
    key = f"returned:{reference}"
    if await ledger_queries.entries_of(tx, workspace_id=workspace_id, key=key):
        return False
    posted = await post(
        tx,
        _nonzero({"gateway": amount, "wallet": borne - amount, "grants": -borne}),
        workspace_id=workspace_id,
        amount=amount,
        kind="refund",
        key=key,
        payment_id=payment_id,
        description="Refunded to the card",
    )
    return posted.new


async def _unbook(tx: Tx, *, workspace_id: str, payment_id: str, reference: str) -> bool:
    """Books that a refund to a card failed after all. False where none was booked, or its failure is."""
    entries = await ledger_queries.entries_of(tx, workspace_id=workspace_id, key=f"returned:{reference}")
    if not entries:
        return False
    posted = await post(
        tx,
        {entry.account: -entry.amount for entry in entries},
        workspace_id=workspace_id,
        amount=max(abs(entry.amount) for entry in entries),
        kind="refund",
        key=f"returned-again:{reference}",
        payment_id=payment_id,
        description="Refund to the card failed",
    )
    return posted.new


def _nonzero(entries: Mapping[Account, int]) -> Mapping[Account, int]:
    return {account: amount for account, amount in entries.items() if amount}
