"""Routes of /v1/sandbox/clock: what time it is in a sandbox workspace, and moving it ahead."""

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from pydantic import Field

from litemail import workspaces
from litemail.kit.actor import Actor, requires
from litemail.kit.calendar import parse_duration
from litemail.kit.clock import rfc3339
from litemail.kit.db import Tx
from litemail.kit.wire import Given, RequestModel, Timestamp, operation
from litemail.servers.sandbox.registry import LiveWorkspace
from litemail.workflows import advance_clock


class ClockAdvance(RequestModel):
    """`advance` is a duration as ISO 8601 writes it: `P1M`, `P7D`, `PT1H`."""

    advance: Annotated[str, Field(min_length=1, max_length=50)]


class Goal(msgspec.Struct, frozen=True):
    """`now` is the time that it will be when everything that falls due until then is done."""

    now: Timestamp


class ClockShown(msgspec.Struct, frozen=True):
    """`now` is the time in the workspace, `goal` where it was told to go; `moving` until all is done there."""

    now: Timestamp
    goal: Timestamp
    moving: bool


@get(
    "/sandbox/clock",
    **operation(
        "See what time it is in the sandbox",
        group="Sandbox",
        scope=requires("workspaces:read"),
        errors=("sandbox.live_workspace",),
        example={"now": "2026-02-28T18:41:56.867Z", "goal": "2026-02-28T18:41:56.867Z", "moving": False},
    ),
)
async def get_clock(tx: Given[Tx], actor: Given[Actor]) -> ClockShown:
    _check(actor)
    clock = await workspaces.get_clock(tx, actor.workspace_id)
    return ClockShown(rfc3339(tx.now + clock.ahead), rfc3339(tx.now + clock.goal), clock.moving)


@post(
    "/sandbox/clock",
    status_code=202,
    **operation(
        "Move the time of the sandbox ahead",
        description="Subscriptions, removals and retries of this workspace go by its time. What falls due on the way "
        "happens in order, within moments; GET /v1/sandbox/clock says when it is done. Tokens and idempotency keys "
        "keep to true time. In live workspaces: 404.",
        group="Sandbox",
        scope=requires("workspaces:write"),
        errors=("sandbox.live_workspace", "request.bad_duration", "sandbox.clock_too_far"),
        example={"now": "2026-02-28T18:41:56.867Z"},
        request_example={"advance": "P1M"},
    ),
)
async def move_clock(data: JSONBody[ClockAdvance], tx: Given[Tx], actor: Given[Actor]) -> Goal:
    _check(actor)
    advance = parse_duration(data.advance, field="advance")
    return Goal(rfc3339(await advance_clock.set_goal(tx, actor.workspace_id, advance)))


def _check(actor: Actor) -> None:
    """Raises LiveWorkspace."""
    if actor.mode != "sandbox":
        raise LiveWorkspace


ROUTES: list[HTTPRouteHandler] = [get_clock, move_clock]
