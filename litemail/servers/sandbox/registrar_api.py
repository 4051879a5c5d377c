"""The route under /v1/sandbox that plays another registrar."""

from functools import partial
from typing import Annotated, Literal

import msgspec
from litestar import Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from pydantic import Field

from litemail import domains
from litemail.kit.actor import Actor, requires
from litemail.kit.db import Database, Tx
from litemail.kit.idempotency import Call
from litemail.kit.secrets import Secrets
from litemail.kit.two_steps import in_two_steps
from litemail.kit.wire import Given, RequestModel, operation
from litemail.servers.sandbox.registrar import SandboxRegistrar
from litemail.servers.sandbox.registry import LiveWorkspace


class TransferCreate(RequestModel):
    """What somebody enters at another registrar to take a domain there."""

    domain: Annotated[str, Field(min_length=1, max_length=2000)]
    auth_code: Annotated[str, Field(min_length=1, max_length=200)]


class Transfer(msgspec.Struct, frozen=True):
    domain: str
    status: Literal["moved"]


@post(
    "/sandbox/transfers",
    status_code=200,
    **operation(
        "Move a bought domain to another registrar",
        description="Does what the registrar would do that a .test domain is moved to. The domain stays delegated as "
        "it is, and is a connected one here soon after. In live workspaces: 404.",
        group="Sandbox",
        scope=requires("workspaces:write"),
        errors=(
            "sandbox.live_workspace",
            "domain.not_found",
            "sandbox.not_registered",
            "sandbox.wrong_auth_code",
            "sandbox.transfer_locked",
        ),
        example={"domain": "getbrandmerge.test", "status": "moved"},
        request_example={"domain": "getbrandmerge.test", "auth_code": "kX9vQ2mB7tR4"},
    ),
)
async def move_domain(
    data: JSONBody[TransferCreate],
    database: Given[Database],
    actor: Given[Actor],
    secrets: Given[Secrets],
    call: Given[Call | None],
    sandbox_registrar: Given[SandboxRegistrar],
) -> Response[Transfer]:
    begin = partial(database.begin, actor)

    async def prepare(tx: Tx, _request_key: bytes | None) -> domains.Domain:
        if actor.mode != "sandbox":
            raise LiveWorkspace
        return await domains.get(tx, data.domain)

    async def finish(domain: domains.Domain) -> Transfer:
        await sandbox_registrar.move_away(domain.name, auth_code=data.auth_code)
        async with begin() as tx:
            await tx.enqueue("domains.look_whether_moved", once=f"moved {domain.id}", domain_id=domain.id)
        return Transfer(domain.name, "moved")

    return await in_two_steps(begin, call, prepare, finish, Transfer, secrets=secrets, status=200)


ROUTES: list[HTTPRouteHandler] = [move_domain]
