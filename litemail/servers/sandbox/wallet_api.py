"""Route of /v1/sandbox/wallet: money to try things with."""

from typing import Annotated

import msgspec
from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from pydantic import Field

from litemail import wallet
from litemail.kit.actor import Actor, requires
from litemail.kit.db import Tx
from litemail.kit.money import Money
from litemail.kit.wire import Given, RequestModel, operation
from litemail.servers.sandbox.registry import LiveWorkspace

MOST = 100_000_000


class SandboxMoney(RequestModel):
    """`amount` in minor units."""

    amount: Annotated[int, Field(ge=1, le=MOST)]


class SandboxWallet(msgspec.Struct, frozen=True):
    balance: Money
    held: Money
    available: Money


@post(
    "/sandbox/wallet",
    status_code=200,
    **operation(
        "Put sandbox money into your wallet",
        description="At most 1,000,000.00 at once. In live workspaces: 404.",
        group="Sandbox",
        scope=requires("workspaces:write"),
        errors=("sandbox.live_workspace",),
        example={
            "balance": {"amount": 110000, "currency": "USD"},
            "held": {"amount": 0, "currency": "USD"},
            "available": {"amount": 110000, "currency": "USD"},
        },
        request_example={"amount": 10000},
    ),
)
async def add_money(data: JSONBody[SandboxMoney], tx: Given[Tx], actor: Given[Actor]) -> SandboxWallet:
    if actor.mode != "sandbox":
        raise LiveWorkspace
    workspace_id = actor.paying_workspace_id
    await wallet.grant(tx, workspace_id=workspace_id, amount=data.amount, reason="Sandbox money")
    row = await wallet.balance(tx, workspace_id)
    return SandboxWallet(Money(row.balance), Money(row.held), Money(row.available))


ROUTES: list[HTTPRouteHandler] = [add_money]
