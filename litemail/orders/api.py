"""Routes of orders."""

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from litemail.kit.actor import requires
from litemail.kit.db import Tx
from litemail.kit.pagination import Page, PageRequest
from litemail.kit.wire import Given, operation
from litemail.orders import service
from litemail.orders.queries import OrderStatus
from litemail.orders.schemas import ORDER_EXAMPLE, Order, show


@get(
    "/orders",
    **operation(
        "List orders",
        description="Newest first: what this workspace pays for. Where another one pays, what was ordered in this one.",
        group="Orders",
        scope=requires("billing:read"),
        example={"data": [ORDER_EXAMPLE], "next_cursor": None},
    ),
)
async def list_orders(
    tx: Given[Tx],
    page_request: Given[PageRequest],
    kind: FromQuery[str | None] = None,
    status: FromQuery[OrderStatus | None] = None,
) -> Page[Order]:
    return (await service.list_(tx, page_request, kind=kind, status=status)).map(show)


@get(
    "/orders/{order_id:str}",
    **operation(
        "Get an order",
        group="Orders",
        scope=requires("billing:read"),
        errors=("order.not_found",),
        example=ORDER_EXAMPLE,
    ),
)
async def get_order(order_id: FromPath[str], tx: Given[Tx]) -> Order:
    return show(await service.get(tx, order_id))


ROUTES: list[HTTPRouteHandler] = [list_orders, get_order]
