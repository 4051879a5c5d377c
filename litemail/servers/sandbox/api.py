"""Routes under /v1/sandbox: they tell the twins what to be."""

from typing import Annotated

import msgspec
from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from pydantic import Field

from litemail.kit.actor import requires
from litemail.kit.clock import rfc3339
from litemail.kit.db import Tx
from litemail.kit.wire import Given, RequestModel, Timestamp, operation
from litemail.servers.sandbox import registry

Host = Annotated[str, Field(min_length=1, max_length=1000)]


class DelegationCreate(RequestModel):
    """`challenge` is the value of the TXT record that proves who owns the name. `ds`: DS records that an earlier host
    left behind. `expired`: nobody renewed the name, so it is in its registry's zone no longer.
    """

    domain: Annotated[str, Field(min_length=1, max_length=2000)]
    name_servers: Annotated[list[Host], Field(max_length=13)]
    challenge: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[ -~]+$")] | None = None
    ds: Annotated[list[Annotated[str, Field(max_length=500)]], Field(max_length=10)] = Field(default_factory=list)
    expired: bool = False


class Delegation(msgspec.Struct, frozen=True):
    domain: str
    name_servers: list[str]
    challenge: str | None
    ds: list[str]
    expired: bool
    updated_at: Timestamp


@post(
    "/sandbox/delegations",
    status_code=200,
    **operation(
        "Set what a registrar would set for a .test name",
        description="The registry answers on our DNS port within 100 ms; the domain of that name is checked at once. "
        "The first workspace to use a name owns it. In live workspaces: 404.",
        group="Sandbox",
        scope=requires("workspaces:write"),
        errors=("sandbox.live_workspace", "sandbox.name_not_test", "domain.reserved", "domain.taken"),
        example={
            "domain": "getbrandmerge.test",
            "name_servers": ["ns04.litemail.test", "ns11.litemail.test"],
            "challenge": None,
            "ds": [],
            "expired": False,
            "updated_at": "2026-01-29T18:41:56.867Z",
        },
        request_example={
            "domain": "getbrandmerge.test",
            "name_servers": ["ns04.litemail.test", "ns11.litemail.test"],
        },
    ),
)
async def set_delegation(
    data: JSONBody[DelegationCreate],
    tx: Given[Tx],
    name_server_pool: Given[tuple[str, ...]],
    mail_hostname: Given[str],
) -> Delegation:
    row = await registry.delegate(
        tx,
        data.domain,
        registry.Wanted(name_servers=data.name_servers, challenge=data.challenge, ds=data.ds, expired=data.expired),
        ours=(*name_server_pool, mail_hostname),
    )
    return Delegation(row.name, row.name_servers, row.challenge, row.ds, row.expired, rfc3339(row.updated_at))


ROUTES: list[HTTPRouteHandler] = [set_delegation]
