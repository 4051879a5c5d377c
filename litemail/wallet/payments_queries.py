"""SQL of payments, saved payment methods and what gateways told us."""

from datetime import datetime
from typing import Literal

import msgspec
from psycopg.types.json import Jsonb

from litemail.kit import ids
from litemail.kit.db import Tx
from litemail.kit.errors import Problem
from litemail.providers.payments import Checkout, GatewayEvent, Refunded, SavedMethod

Purpose = Literal["top_up", "recharge", "save_card"]
Status = Literal["pending", "succeeded", "failed", "expired"]


class Payment(msgspec.Struct, frozen=True):
    """Money on its way in, or a card being saved (`amount` 0). `failure` is of the last try."""

    id: str
    workspace_id: str
    purpose: Purpose
    amount: int
    status: Status
    gateway: str
    method_id: str | None
    reference: str | None
    charge: str | None
    payment_link: str | None
    expires_at: datetime | None
    failure: Problem | None
    settled_at: datetime | None
    created_at: datetime


class PaymentMethod(msgspec.Struct, frozen=True):
    """The card that a wallet recharges itself with; the gateway keeps it."""

    id: str
    workspace_id: str
    gateway: str
    customer: str
    reference: str
    brand: str
    last4: str
    exp_month: int | None
    exp_year: int | None
    created_at: datetime

    def as_saved(self) -> SavedMethod:
        return SavedMethod(
            customer=self.customer,
            reference=self.reference,
            brand=self.brand,
            last4=self.last4,
            exp_month=self.exp_month,
            exp_year=self.exp_year,
        )


class WaitingRefund(msgspec.Struct, frozen=True):
    id: str
    fact: Refunded


_PAYMENT = """id, workspace_id, purpose, amount, status, gateway, method_id, reference, charge, payment_link,
              expires_at, failure, settled_at, created_at"""
_METHOD = "id, workspace_id, gateway, customer, reference, brand, last4, exp_month, exp_year, created_at"


async def insert_payment(
    tx: Tx,
    *,
    workspace_id: str,
    purpose: Purpose,
    amount: int,
    gateway: str,
    method_id: str | None = None,
    request_key: bytes | None = None,
    offered: bool = False,
) -> Payment | None:
    """None where the request has made one, or a recharge is under way."""
    return await tx.find(
        Payment,
        f"""INSERT INTO payments (id, workspace_id, purpose, amount, gateway, method_id, request_key, offered,
                                  created_at)
            VALUES (%(id)s, %(workspace_id)s, %(purpose)s, %(amount)s, %(gateway)s, %(method_id)s, %(request_key)s,
                    %(offered)s, %(now)s)
            ON CONFLICT DO NOTHING RETURNING {_PAYMENT}""",
        id=ids.new_id("pay"),
        workspace_id=workspace_id,
        purpose=purpose,
        amount=amount,
        gateway=gateway,
        method_id=method_id,
        request_key=request_key,
        offered=offered,
        now=tx.now,
    )


async def find_payment(tx: Tx, payment_id: str) -> Payment | None:
    return await tx.find(Payment, f"SELECT {_PAYMENT} FROM payments WHERE id = %(id)s", id=payment_id)


async def lock_payment(tx: Tx, payment_id: str) -> Payment | None:
    return await tx.find(Payment, f"SELECT {_PAYMENT} FROM payments WHERE id = %(id)s FOR UPDATE", id=payment_id)


async def lock_payment_of_charge(tx: Tx, charge: str, *, gateway: str) -> Payment | None:
    return await tx.find(
        Payment,
        f"SELECT {_PAYMENT} FROM payments WHERE gateway = %(gateway)s AND charge = %(charge)s FOR UPDATE",
        gateway=gateway,
        charge=charge,
    )


async def find_by_request(tx: Tx, request_key: bytes, *, workspace_id: str) -> Payment | None:
    return await tx.find(
        Payment,
        f"SELECT {_PAYMENT} FROM payments WHERE workspace_id = %(workspace_id)s AND request_key = %(request_key)s",
        workspace_id=workspace_id,
        request_key=request_key,
    )


async def find_open_recharge(tx: Tx, workspace_id: str) -> Payment | None:
    return await tx.find(
        Payment,
        f"""SELECT {_PAYMENT} FROM payments
            WHERE workspace_id = %(workspace_id)s AND purpose = 'recharge' AND status = 'pending'""",
        workspace_id=workspace_id,
    )


async def find_open_page(
    tx: Tx, *, workspace_id: str, purpose: Purpose, amount: int, gateway: str, open_until: datetime
) -> Payment | None:
    """A hosted page made before for the same, still open at that time. Customers' own top-ups are not taken."""
    return await tx.find(
        Payment,
        f"""SELECT {_PAYMENT} FROM payments
            WHERE workspace_id = %(workspace_id)s AND purpose = %(purpose)s AND amount = %(amount)s
              AND gateway = %(gateway)s AND status = 'pending' AND payment_link IS NOT NULL
              AND expires_at > %(open_until)s AND (offered OR purpose = 'save_card')
            ORDER BY id DESC LIMIT 1""",
        workspace_id=workspace_id,
        purpose=purpose,
        amount=amount,
        gateway=gateway,
        open_until=open_until,
    )


async def store_checkout(tx: Tx, payment_id: str, checkout: Checkout) -> Payment:
    """Keeps the page of a payment. An event may have settled it meanwhile, which stays as it is."""
    return await tx.one(
        Payment,
        f"""UPDATE payments SET reference = %(reference)s, payment_link = %(link)s, expires_at = %(expires_at)s
            WHERE id = %(id)s RETURNING {_PAYMENT}""",
        id=payment_id,
        reference=checkout.reference,
        link=checkout.link,
        expires_at=checkout.expires_at,
    )


async def store_reference(tx: Tx, payment_id: str, reference: str) -> None:
    await tx.execute(
        "UPDATE payments SET reference = %(reference)s WHERE id = %(id)s", id=payment_id, reference=reference
    )


async def settle(
    tx: Tx, payment_id: str, *, status: Status, charge: str | None = None, failure: Problem | None = None
) -> Payment:
    return await tx.one(
        Payment,
        f"""UPDATE payments SET status = %(status)s, charge = coalesce(%(charge)s, charge), failure = %(failure)s,
                                settled_at = %(now)s
            WHERE id = %(id)s RETURNING {_PAYMENT}""",
        id=payment_id,
        status=status,
        charge=charge,
        failure=None if failure is None else Jsonb(msgspec.to_builtins(failure)),
        now=tx.now,
    )


async def note_failure(tx: Tx, payment_id: str, failure: Problem) -> None:
    """A try failed, but the page is still open."""
    await tx.execute(
        "UPDATE payments SET failure = %(failure)s WHERE id = %(id)s AND status = 'pending'",
        id=payment_id,
        failure=Jsonb(msgspec.to_builtins(failure)),
    )


async def claim_unheard_of(tx: Tx, *, older_than: datetime, limit: int) -> list[Payment]:
    """Pending payments that nobody told anything about for long, each claimed for one look."""
    return await tx.all(
        Payment,
        f"""UPDATE payments SET checked_at = %(now)s
            WHERE id IN (SELECT id FROM payments
                         WHERE status = 'pending' AND coalesce(checked_at, created_at) < %(older_than)s
                         ORDER BY coalesce(checked_at, created_at) LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
            RETURNING {_PAYMENT}""",
        older_than=older_than,
        limit=limit,
        now=tx.now,
    )


async def find_method(tx: Tx, workspace_id: str) -> PaymentMethod | None:
    return await tx.find(
        PaymentMethod,
        f"SELECT {_METHOD} FROM payment_methods WHERE workspace_id = %(workspace_id)s AND replaced_at IS NULL",
        workspace_id=workspace_id,
    )


async def get_method(tx: Tx, method_id: str) -> PaymentMethod:
    """Also one that was replaced meanwhile."""
    return await tx.one(PaymentMethod, f"SELECT {_METHOD} FROM payment_methods WHERE id = %(id)s", id=method_id)


async def replace_method(tx: Tx, method: SavedMethod, *, payment: Payment) -> None:
    await tx.execute(
        """UPDATE payment_methods SET replaced_at = %(now)s
           WHERE workspace_id = %(workspace_id)s AND replaced_at IS NULL""",
        workspace_id=payment.workspace_id,
        now=tx.now,
    )
    await tx.execute(
        """INSERT INTO payment_methods (id, workspace_id, gateway, customer, reference, brand, last4, exp_month,
                                        exp_year, payment_id, created_at)
           VALUES (%(id)s, %(workspace_id)s, %(gateway)s, %(customer)s, %(reference)s, %(brand)s, %(last4)s,
                   %(exp_month)s, %(exp_year)s, %(payment_id)s, %(now)s)""",
        id=ids.new_id("pmt"),
        workspace_id=payment.workspace_id,
        gateway=payment.gateway,
        customer=method.customer,
        reference=method.reference,
        brand=method.brand,
        last4=method.last4,
        exp_month=method.exp_month,
        exp_year=method.exp_year,
        payment_id=payment.id,
        now=tx.now,
    )


async def find_owner_email(tx: Tx, workspace_id: str) -> str | None:
    """None where the caller may not see it."""
    return await tx.value(
        str,
        "SELECT u.email FROM workspaces w JOIN users u ON u.id = w.owner_id WHERE w.id = %(workspace_id)s",
        workspace_id=workspace_id,
    )


async def insert_event(tx: Tx, event: GatewayEvent) -> bool:
    """False where this event is known."""
    return bool(
        await tx.execute(
            """INSERT INTO gateway_events (gateway, id, type, fact, occurred_at, received_at)
               VALUES (%(gateway)s, %(id)s, %(type)s, %(fact)s, %(occurred_at)s, %(now)s)
               ON CONFLICT (gateway, id) DO NOTHING""",
            gateway=event.gateway,
            id=event.id,
            type=event.type,
            fact=Jsonb(msgspec.to_builtins(event.fact)),
            occurred_at=event.occurred_at,
            now=tx.now,
        )
    )


async def note_problem(tx: Tx, event_id: str, problem: str | None, *, gateway: str) -> None:
    """Why an event was not applied; None: it was."""
    await tx.execute(
        "UPDATE gateway_events SET problem = %(problem)s WHERE gateway = %(gateway)s AND id = %(id)s",
        gateway=gateway,
        id=event_id,
        problem=problem,
    )


async def count_unapplied_events(tx: Tx) -> int:
    """Events that did not fit what we know, of all gateways."""
    return await tx.value(int, "SELECT count(*) FROM gateway_events WHERE problem IS NOT NULL") or 0


async def refunds_waiting(tx: Tx, payment: Payment) -> list[WaitingRefund]:
    """Refunds of a payment that were told before it, in the order of their coming."""
    return await tx.all(
        WaitingRefund,
        """SELECT id, fact FROM gateway_events
           WHERE gateway = %(gateway)s AND fact->>'type' = 'refunded' AND fact->>'charge' = %(charge)s
             AND problem IS NOT NULL
           ORDER BY received_at, id""",
        gateway=payment.gateway,
        charge=payment.charge,
    )


async def refund_is_void(tx: Tx, refund: Refunded, *, gateway: str) -> bool:
    """Whether the gateway has said that this refund failed."""
    found = await tx.value(
        int,
        """SELECT 1 FROM gateway_events
           WHERE gateway = %(gateway)s AND fact->>'type' = 'refund_failed' AND fact->>'charge' = %(charge)s
             AND fact->>'reference' = %(reference)s
           LIMIT 1""",
        gateway=gateway,
        charge=refund.charge,
        reference=refund.reference,
    )
    return found is not None
