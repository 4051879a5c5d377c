"""Routes of the wallet."""

from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from litemail.kit.actor import Actor, requires
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Detail, Invalid
from litemail.kit.idempotency import Call
from litemail.kit.pagination import Page, PageRequest
from litemail.kit.secrets import Secrets
from litemail.kit.two_steps import in_two_steps
from litemail.kit.wire import Given, operation
from litemail.providers.payments import Gateways
from litemail.wallet import ledger, payments, payments_queries, recharging
from litemail.wallet.ledger_queries import Kind
from litemail.wallet.payments_queries import Payment as PaymentRow
from litemail.wallet.schemas import (
    AutoRechargeSet,
    AutoRechargeUpdate,
    Payment,
    TopUp,
    Transaction,
    Wallet,
    show_auto_recharge,
    show_line,
    show_payment,
    show_wallet,
)

_USD = "USD"
AUTO_RECHARGE_EXAMPLE: dict[str, object] = {
    "enabled": True,
    "threshold": {"amount": 2000, "currency": _USD},
    "amount": {"amount": 5000, "currency": _USD},
    "payment_method": {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030},
    "failure": None,
    "next_attempt_at": None,
}
PAYMENT_EXAMPLE: dict[str, object] = {
    "id": "pay_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "purpose": "top_up",
    "status": "pending",
    "amount": {"amount": 5000, "currency": _USD},
    "payment_link": "http://127.0.0.1:8080/pay/01k5m3v8w0e3t9f7a2b4c6d8eeq0Zb7c5rP1nW8yKf2uXv",
    "expires_at": "2026-01-30T18:41:56.867Z",
    "failure": None,
    "created_at": "2026-01-29T18:41:56.867Z",
}
TRANSACTION_EXAMPLE: dict[str, object] = {
    "id": "txn_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "kind": "capture",
    "amount": {"amount": -3700, "currency": _USD},
    "balance_after": {"amount": 96300, "currency": _USD},
    "held": {"amount": -3700, "currency": _USD},
    "held_after": {"amount": 0, "currency": _USD},
    "order_id": "ord_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "payment_id": None,
    "description": "Starter, monthly",
    "created_at": "2026-01-29T18:41:56.867Z",
}
_GATEWAY_ERRORS = (
    "payment.gateway_unavailable",
    "payment.gateway_misconfigured",
    "payment.no_gateway",
    "payment.unexpected_answer",
)


@get(
    "/wallet/balance",
    **operation(
        "Get the balance of your wallet",
        description="The wallet of the workspace that pays. `available` is what can be spent: the balance without what "
        "open orders hold.",
        group="Payment & Wallet",
        scope=requires("billing:read"),
        example={
            "balance": {"amount": 100000, "currency": _USD},
            "held": {"amount": 3700, "currency": _USD},
            "available": {"amount": 96300, "currency": _USD},
            "auto_recharge": AUTO_RECHARGE_EXAMPLE,
        },
    ),
)
async def get_balance(tx: Given[Tx], actor: Given[Actor]) -> Wallet:
    workspace_id = actor.paying_workspace_id
    return show_wallet(
        await ledger.balance(tx, workspace_id),
        await recharging.find_auto_recharge(tx, workspace_id),
        await payments_queries.find_method(tx, workspace_id),
    )


@post(
    "/wallet/balance",
    **operation(
        "Top up your wallet",
        description="Gives a link to a page of the payment gateway. The wallet is credited when the gateway says that "
        "the money came, once. `amount` is in minor units, 5.00 to 10,000.00.",
        group="Payment & Wallet",
        scope=requires("billing:spend"),
        errors=_GATEWAY_ERRORS,
        example=PAYMENT_EXAMPLE,
        request_example={"amount": 5000},
    ),
)
async def top_up(
    data: JSONBody[TopUp],
    actor: Given[Actor],
    database: Given[Database],
    gateways: Given[Gateways],
    secrets: Given[Secrets],
    call: Given[Call | None],
) -> Response[Payment]:
    gateway = gateways.of_mode(actor.mode)
    begin = partial(database.begin, actor)

    async def prepare(tx: Tx, request_key: bytes | None) -> PaymentRow:
        return await payments.begin_top_up(
            tx,
            workspace_id=actor.paying_workspace_id,
            amount=data.amount,
            gateway=gateway.name,
            request_key=request_key,
        )

    async def finish(payment: PaymentRow) -> Payment:
        return show_payment(await payments.open_checkout(begin, payment, gateway=gateway))

    return await in_two_steps(begin, call, prepare, finish, Payment, secrets=secrets, status=201)


@get(
    "/wallet/payments/{payment_id:str}",
    **operation(
        "Get a payment",
        description="What became of a top-up, a recharge, or a card being saved.",
        group="Payment & Wallet",
        scope=requires("billing:read"),
        errors=("payment.not_found",),
        example={**PAYMENT_EXAMPLE, "status": "succeeded"},
    ),
)
async def get_payment(payment_id: FromPath[str], tx: Given[Tx]) -> Payment:
    return show_payment(await payments.get_payment(tx, payment_id))


@post(
    "/wallet/auto-recharge",
    status_code=200,
    **operation(
        "Set auto-recharge",
        description="When a charge leaves less than `threshold`, the saved card is charged `amount`; as many times "
        "that as an order needs, where one needs more. A declined card is tried again after an hour, a day and three "
        "days; then auto-recharge is switched off. `payment_link` is there while no card is saved, or the last one "
        "was declined: open it to save one.",
        group="Payment & Wallet",
        scope=requires("billing:spend"),
        errors=_GATEWAY_ERRORS,
        example={**AUTO_RECHARGE_EXAMPLE, "payment_link": None},
        request_example={"enabled": True, "threshold": 2000, "amount": 5000},
    ),
)
async def set_auto_recharge(
    data: JSONBody[AutoRechargeUpdate],
    actor: Given[Actor],
    database: Given[Database],
    gateways: Given[Gateways],
    secrets: Given[Secrets],
    call: Given[Call | None],
) -> Response[AutoRechargeSet]:
    begin = partial(database.begin, actor)
    workspace_id = actor.paying_workspace_id

    async def prepare(tx: Tx, _request_key: bytes | None) -> tuple[AutoRechargeSet, PaymentRow | None]:
        before = await recharging.find_auto_recharge(tx, workspace_id)
        auto = await recharging.configure(
            tx, workspace_id=workspace_id, enabled=data.enabled, threshold=data.threshold, amount=data.amount
        )
        method = await payments_queries.find_method(tx, workspace_id)
        payment = None
        if data.enabled and (method is None or before.failure is not None):
            gateway = gateways.of_mode(actor.mode)
            payment = await payments.begin_save_card(tx, workspace_id=workspace_id, gateway=gateway.name)
        return AutoRechargeSet(**msgspec.structs.asdict(show_auto_recharge(auto, method))), payment

    async def finish(prepared: tuple[AutoRechargeSet, PaymentRow | None]) -> AutoRechargeSet:
        shown, payment = prepared
        if payment is None:
            return shown
        opened = await payments.open_checkout(begin, payment, gateway=gateways.get(payment.gateway))
        return msgspec.structs.replace(shown, payment_link=opened.payment_link)

    return await in_two_steps(begin, call, prepare, finish, AutoRechargeSet, secrets=secrets, status=200)


@get(
    "/wallet/transactions",
    **operation(
        "List the transactions of your wallet",
        description="Newest first. `from` and `to` are dates or times (RFC 3339); a date stands for the whole day in "
        "UTC, and `to` includes its day.",
        group="Payment & Wallet",
        scope=requires("billing:read"),
        example={"data": [TRANSACTION_EXAMPLE], "next_cursor": None},
    ),
)
async def list_transactions(
    tx: Given[Tx],
    actor: Given[Actor],
    page_request: Given[PageRequest],
    kind: FromQuery[Kind | None] = None,
    since: Annotated[str | None, QueryParameter(name="from", description="The first day or moment.")] = None,
    until: Annotated[str | None, QueryParameter(name="to", description="The last day, or the moment after.")] = None,
) -> Page[Transaction]:
    page = await ledger.list_transactions(
        tx,
        page_request,
        workspace_id=actor.paying_workspace_id,
        kind=kind,
        since=_moment(since, "from"),
        until=_moment(until, "to", whole_day=timedelta(days=1)),
    )
    return page.map(show_line)


def _moment(text: str | None, field: str, *, whole_day: timedelta = timedelta()) -> datetime | None:
    """A time, or a date, which is its midnight plus `whole_day`. Raises Invalid."""
    if text is None:
        return None
    try:
        if len(text) == len("2026-01-29"):
            return datetime.combine(date.fromisoformat(text), time(tzinfo=UTC)) + whole_day
        moment = msgspec.convert(text.replace(" ", "+"), datetime)  # a + in a query stands for a space
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        message = "write a date like 2026-01-29 or a time like 2026-01-29T18:41:56Z"
        raise Invalid(details=(Detail(field, message),)) from None


ROUTES: list[HTTPRouteHandler] = [get_balance, top_up, get_payment, set_auto_recharge, list_transactions]
