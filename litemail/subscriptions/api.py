"""Routes of plans and subscriptions."""

from typing import Literal

from litestar import Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from litemail.kit.actor import requires
from litemail.kit.db import Tx
from litemail.kit.pagination import Page, PageRequest
from litemail.kit.wire import Given, operation
from litemail.orders import Quoted, show_quote
from litemail.subscriptions import changing, plans, purchasing, reading
from litemail.subscriptions.schemas import (
    ChangedSubscription,
    Plans,
    Subscription,
    SubscriptionCreate,
    SubscriptionUpdate,
    show,
    show_changed,
    show_plan,
)

PLAN_EXAMPLE = {
    "id": "starter",
    "name": "Starter",
    "prices": {
        "month": {"amount": 3700, "currency": "USD"},
        "quarter": {"amount": 9990, "currency": "USD"},
        "year": {"amount": 37000, "currency": "USD"},
    },
    "included_mailboxes": 10,
    "addon_price": {
        "month": {"amount": 370, "currency": "USD"},
        "quarter": {"amount": 999, "currency": "USD"},
        "year": {"amount": 3700, "currency": "USD"},
    },
}
EXAMPLE: dict[str, object] = {
    "id": "sub_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "plan": "starter",
    "interval": "month",
    "included_mailboxes": 10,
    "addon_mailboxes": 2,
    "quantity": 12,
    "used": 11,
    "removals_at_renewal": 0,
    "status": "active",
    "current_period_start": "2026-01-31T18:41:56.867Z",
    "current_period_end": "2026-02-28T18:41:56.867Z",
    "cancel_at_period_end": False,
    "price": {"amount": 4440, "currency": "USD"},
    "next_renewal": {"amount": {"amount": 4440, "currency": "USD"}, "date": "2026-02-28T18:41:56.867Z"},
    "pending_change": None,
    "created_at": "2026-01-31T18:41:56.867Z",
}
SPENDING_ERRORS = (
    "billing.details_required",
    "order.max_charge_exceeded",
    "api_key.spend_limit_reached",
    "wallet.insufficient_funds",
)


@get(
    "/plans",
    **operation(
        "List the plans and their prices",
        description="Prices are for a whole interval and contain the tax. A running subscription keeps the price that "
        "it was bought for until it changes to another plan.",
        group="Subscriptions",
        scope=requires("billing:read"),
        example={"data": [PLAN_EXAMPLE], "next_cursor": None},
    ),
)
async def list_plans(tx: Given[Tx]) -> Plans:
    return Plans([show_plan(plan) for plan in await plans.list_plans(tx)])


@get(
    "/subscriptions",
    **operation(
        "List the subscriptions of the workspace",
        group="Subscriptions",
        scope=requires("billing:read"),
        example={"data": [EXAMPLE], "next_cursor": None},
    ),
)
async def list_subscriptions(tx: Given[Tx], page_request: Given[PageRequest]) -> Page[Subscription]:
    return (await reading.list_(tx, page_request)).map(show)


@get(
    "/subscriptions/{subscription_id:str}",
    **operation(
        "Get a subscription",
        group="Subscriptions",
        scope=requires("billing:read"),
        errors=("subscription.not_found",),
        example=EXAMPLE,
    ),
)
async def get_subscription(subscription_id: FromPath[str], tx: Given[Tx]) -> Subscription:
    return show(await reading.get(tx, subscription_id))


@post(
    "/subscriptions",
    **operation(
        "Buy a subscription",
        description="Its first period is paid from the wallet at once. With `?dry_run=true` the answer is 200 with the "
        "quote, and nothing is bought.",
        group="Subscriptions",
        scope=requires("billing:spend"),
        errors=("plan.unknown", *SPENDING_ERRORS),
        example=EXAMPLE,
        request_example={"plan": "starter", "interval": "month", "addon_mailboxes": 2, "max_charge": 5000},
    ),
)
async def create_subscription(
    data: JSONBody[SubscriptionCreate], tx: Given[Tx], dry_run: FromQuery[bool] = False
) -> Response[Subscription | Quoted]:
    if dry_run:
        quote = await purchasing.quote_purchase(
            tx, plan=data.plan, interval=data.interval, addon_mailboxes=data.addon_mailboxes
        )
        return Response(Quoted(show_quote(quote)), status_code=200)
    bought = await purchasing.purchase(
        tx,
        plan=data.plan,
        interval=data.interval,
        addon_mailboxes=data.addon_mailboxes,
        max_charge=data.max_charge,
    )
    return Response(show(bought), status_code=201)


@put(
    "/subscriptions/{subscription_id:str}",
    **operation(
        "Change a subscription",
        description="More mailboxes, a higher price or a longer interval is charged now, for the rest of the period, "
        "counted in seconds; a longer interval starts a new period. Fewer, lower or shorter waits for the renewal, as "
        "`pending_change`; asking for what the subscription is already takes it back. With `?dry_run=true` the answer "
        "is the quote.",
        group="Subscriptions",
        scope=requires("billing:spend"),
        errors=(
            "subscription.not_found",
            "subscription.cancelled",
            "subscription.payment_due",
            "subscription.nothing_to_change",
            "subscription.change_missing",
            "subscription.slots_in_use",
            "plan.unknown",
            *SPENDING_ERRORS,
        ),
        example={
            **EXAMPLE,
            "proration": {
                "credit": {"amount": 1850, "currency": "USD"},
                "charge": {"amount": 4950, "currency": "USD"},
                "amount": {"amount": 3100, "currency": "USD"},
            },
        },
        request_example={"plan": "growth", "max_charge": 9900},
    ),
)
async def update_subscription(
    subscription_id: FromPath[str], data: JSONBody[SubscriptionUpdate], tx: Given[Tx], dry_run: FromQuery[bool] = False
) -> Response[ChangedSubscription | Quoted]:
    take_back = data.cancel_at_period_end is False
    if dry_run:
        quote = await changing.quote_change(
            tx,
            subscription_id,
            plan=data.plan,
            interval=data.interval,
            addon_mailboxes=data.addon_mailboxes,
            take_back=take_back,
        )
        return Response(Quoted(show_quote(quote)), status_code=200)
    changed, proration = await changing.change(
        tx,
        subscription_id,
        plan=data.plan,
        interval=data.interval,
        addon_mailboxes=data.addon_mailboxes,
        take_back=take_back,
        max_charge=data.max_charge,
    )
    return Response(show_changed(changed, proration), status_code=200)


@delete(
    "/subscriptions/{subscription_id:str}",
    status_code=200,
    **operation(
        "Cancel a subscription",
        description="At the end of the period that is paid, or at once with `?at=now`. Nothing is refunded; its "
        "mailboxes are removed then and can be restored for 30 days.",
        group="Subscriptions",
        scope=requires("billing:spend"),
        errors=("subscription.not_found", "subscription.cancelled"),
        example={**EXAMPLE, "cancel_at_period_end": True, "next_renewal": None},
    ),
)
async def cancel_subscription(
    subscription_id: FromPath[str], tx: Given[Tx], at: FromQuery[Literal["now"] | None] = None
) -> Subscription:
    return show(await changing.cancel(tx, subscription_id, at_once=at == "now"))


ROUTES: list[HTTPRouteHandler] = [
    list_plans,
    list_subscriptions,
    get_subscription,
    create_subscription,
    update_subscription,
    cancel_subscription,
]
