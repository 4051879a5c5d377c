"""Wire shapes of the wallet."""

from datetime import datetime
from typing import Annotated

import msgspec
from pydantic import Field

from litemail.kit.clock import rfc3339
from litemail.kit.errors import Problem
from litemail.kit.money import Money
from litemail.kit.wire import RequestModel, Timestamp
from litemail.wallet import payments
from litemail.wallet.ledger_queries import Balance as BalanceRow
from litemail.wallet.ledger_queries import Kind, Line
from litemail.wallet.payments_queries import Payment as PaymentRow
from litemail.wallet.payments_queries import PaymentMethod as MethodRow
from litemail.wallet.payments_queries import Purpose, Status
from litemail.wallet.recharge_queries import AutoRecharge as AutoRechargeRow
from litemail.wallet.recharging import DEFAULT_AMOUNT, DEFAULT_THRESHOLD

TopUpAmount = Annotated[int, Field(ge=payments.LEAST, le=payments.MOST)]


class TopUp(RequestModel):
    amount: TopUpAmount


class AutoRechargeUpdate(RequestModel):
    enabled: bool
    threshold: Annotated[int, Field(ge=0, le=payments.MOST)] = DEFAULT_THRESHOLD
    amount: TopUpAmount = DEFAULT_AMOUNT


class PaymentMethod(msgspec.Struct, frozen=True):
    brand: str
    last4: str
    exp_month: int | None
    exp_year: int | None


class AutoRecharge(msgspec.Struct, frozen=True):
    """`failure`: why the card was declined. It is tried again at `next_attempt_at`; where that is null, it is not."""

    enabled: bool
    threshold: Money
    amount: Money
    payment_method: PaymentMethod | None
    failure: Problem | None
    next_attempt_at: Timestamp | None


class AutoRechargeSet(AutoRecharge, frozen=True):
    """`payment_link` where a card has to be saved first, or another one."""

    payment_link: str | None = None


class Wallet(msgspec.Struct, frozen=True):
    """`balance` is all the money, `held` what open orders reserve of it, `available` the rest."""

    balance: Money
    held: Money
    available: Money
    auto_recharge: AutoRecharge


class Payment(msgspec.Struct, frozen=True):
    id: str
    purpose: Purpose
    status: Status
    amount: Money
    payment_link: str | None
    expires_at: Timestamp | None
    failure: Problem | None
    created_at: Timestamp


class Transaction(msgspec.Struct, frozen=True):
    """`amount` is what it changed in the balance, `held` what it changed in the part that orders reserve."""

    id: str
    kind: Kind
    amount: Money
    balance_after: Money
    held: Money
    held_after: Money
    order_id: str | None
    payment_id: str | None
    description: str
    created_at: Timestamp


def show_wallet(row: BalanceRow, auto: AutoRechargeRow, method: MethodRow | None) -> Wallet:
    return Wallet(Money(row.balance), Money(row.held), Money(row.available), show_auto_recharge(auto, method))


def show_auto_recharge(auto: AutoRechargeRow, method: MethodRow | None) -> AutoRecharge:
    card = None if method is None else PaymentMethod(method.brand, method.last4, method.exp_month, method.exp_year)
    return AutoRecharge(
        enabled=auto.enabled,
        threshold=Money(auto.threshold),
        amount=Money(auto.amount),
        payment_method=card,
        failure=auto.failure,
        next_attempt_at=_time(auto.next_attempt_at),
    )


def show_payment(row: PaymentRow) -> Payment:
    return Payment(
        id=row.id,
        purpose=row.purpose,
        status=row.status,
        amount=Money(row.amount),
        payment_link=row.payment_link,
        expires_at=_time(row.expires_at),
        failure=row.failure,
        created_at=rfc3339(row.created_at),
    )


def show_line(row: Line) -> Transaction:
    return Transaction(
        id=row.id,
        kind=row.kind,
        amount=Money(row.amount),
        balance_after=Money(row.balance_after),
        held=Money(row.held),
        held_after=Money(row.held_after),
        order_id=row.order_id,
        payment_id=row.payment_id,
        description=row.description,
        created_at=rfc3339(row.created_at),
    )


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
