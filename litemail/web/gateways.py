"""Where payment gateways tell us what happened. The authority is their signature, so nobody has to be signed in."""

from typing import Any

import msgspec
import structlog
from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from litemail import wallet
from litemail.kit import clock
from litemail.kit.actor import PUBLIC, requires
from litemail.kit.db import Database
from litemail.kit.wire import Given, operation
from litemail.providers.payments import BadEvent, BadSignature, Gateways

log = structlog.get_logger("payments")


class Received(msgspec.Struct, frozen=True):
    """`new` is false for an event that was told before, which changed nothing this time."""

    received: bool
    new: bool


@post(
    "/gateways/{gateway:str}/events",
    status_code=200,
    **operation(
        "Take an event of a payment gateway",
        description="For the gateway itself: `stripe`, or `sandbox`. Each event is handled once, whatever their order.",
        group="Payment & Wallet",
        scope=requires(PUBLIC),
        errors=(
            "payment.bad_signature",
            "payment.bad_event",
            "payment.unknown_gateway",
            "payment.gateway_unavailable",
            "payment.unexpected_answer",
        ),
        example={"received": True, "new": True},
    ),
)
async def take_gateway_event(
    request: Request[Any, Any, Any], gateway: FromPath[str], gateways: Given[Gateways], database: Given[Database]
) -> Received:
    headers = {name.lower(): value for name, value in request.headers.items()}
    body = await request.body()
    try:
        event = await gateways.get(gateway).parse_webhook(headers, body, now=clock.now())
    except (BadSignature, BadEvent) as error:
        address = request.client.host if request.client else None
        log.warning("a gateway's event was refused", gateway=gateway, address=address, reason=str(error))
        raise
    async with database.begin_system("gateway event") as tx:
        is_new = await wallet.receive_gateway_event(tx, event)
    return Received(received=True, new=is_new)


ROUTES: list[HTTPRouteHandler] = [take_gateway_event]
