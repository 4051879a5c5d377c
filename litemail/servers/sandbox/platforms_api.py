"""Routes under /v1/sandbox/platforms: how a workspace's twins misbehave, and what they hold."""

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from pydantic import Field

from litemail.kit.actor import Actor, requires
from litemail.kit.clock import rfc3339
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.wire import Given, RequestModel, Timestamp, operation
from litemail.providers.platform import Registry
from litemail.servers.sandbox.backend import SqlStore
from litemail.servers.sandbox.registry import LiveWorkspace
from litemail.servers.sandbox.store import Account, Settings

EXAMPLE: dict[str, object] = {
    "accounts": [
        {"email": "caroline@getbrandmerge.com", "added_at": "2026-01-29T18:41:56.867Z", "signed_in": True},
    ],
    "settings": {"latency_ms": 50, "error_rate": 0.0, "rate_limit": None, "account_limit": None, "down": False},
}


class NoTwin(Error):
    kind = Kind.INVALID
    code = "sandbox.no_twin"
    message = "The sandbox has no twin of {platform_type}; it has: {known}."
    action = "Try one of these, or connect to the platform itself from a live workspace."


class TwinSettings(RequestModel):
    """Fields left out go back to good behaviour. `rate_limit` is in requests a second."""

    latency_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    error_rate: Annotated[float, Field(ge=0, le=1, strict=False)] = 0.0
    rate_limit: Annotated[int, Field(ge=1, le=10_000)] | None = None
    account_limit: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    down: bool = False


class TwinAccount(msgspec.Struct, frozen=True):
    email: str
    added_at: Timestamp
    signed_in: bool


class Twin(msgspec.Struct, frozen=True):
    accounts: list[TwinAccount]
    settings: Settings


@get(
    "/sandbox/platforms/{platform_type:str}",
    **operation(
        "See what your twin of a platform holds",
        group="Sandbox",
        scope=requires("workspaces:read"),
        errors=("sandbox.live_workspace", "sandbox.no_twin"),
        example=EXAMPLE,
    ),
)
async def get_twin(
    platform_type: FromPath[str], actor: Given[Actor], platforms: Given[Registry], twins: Given[SqlStore]
) -> Twin:
    _check(actor, platform_type, platforms)
    return await _show(twins, actor.workspace_id, platform_type)


@post(
    "/sandbox/platforms/{platform_type:str}",
    status_code=200,
    **operation(
        "Tell your twin of a platform to misbehave",
        description="Holds for this workspace from the next request on. An empty object makes it behave again.",
        group="Sandbox",
        scope=requires("workspaces:write"),
        errors=("sandbox.live_workspace", "sandbox.no_twin"),
        example=EXAMPLE,
        request_example={"latency_ms": 50},
    ),
)
async def set_twin(
    platform_type: FromPath[str],
    data: JSONBody[TwinSettings],
    actor: Given[Actor],
    platforms: Given[Registry],
    twins: Given[SqlStore],
    tx: Given[Tx],
) -> Twin:
    _check(actor, platform_type, platforms)
    await tx.emit(
        "sandbox.platform_set",
        workspace_id=actor.workspace_id,
        subject=platform_type,
        data=data.model_dump(),
        audience="audit",
    )
    await twins.put_settings(actor.workspace_id, platform_type, Settings(**data.model_dump()))
    return await _show(twins, actor.workspace_id, platform_type)


def _check(actor: Actor, platform_type: str, platforms: Registry) -> None:
    """Raises LiveWorkspace, NoTwin."""
    if actor.mode != "sandbox":
        raise LiveWorkspace
    known = [name for name, adapter in platforms.adapters.items() if adapter.declaration.sandbox_twin]
    if platform_type not in known:
        raise NoTwin(platform_type=platform_type[:50], known=", ".join(known), field="platform_type")


async def _show(twins: SqlStore, workspace_id: str, platform_type: str) -> Twin:
    settings = await twins.settings(workspace_id, platform_type)
    accounts = await twins.held(workspace_id, platform_type)
    return Twin([_account(account) for account in accounts], settings or Settings())


def _account(account: Account) -> TwinAccount:
    return TwinAccount(account.email, rfc3339(account.created_at), account.signed_in)


ROUTES: list[HTTPRouteHandler] = [get_twin, set_twin]
