"""The route that lets a domain go to another registrar."""

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from litemail.domains import moving
from litemail.domains.availability import Market
from litemail.kit.actor import Actor, requires
from litemail.kit.clock import rfc3339
from litemail.kit.db import Database
from litemail.kit.wire import Given, Timestamp, operation


class AuthCode(msgspec.Struct, frozen=True):
    """`locked` is false: the domain can be moved with this code."""

    domain: str
    auth_code: str
    locked: bool
    expires_at: Timestamp


@get(
    "/domains/{domain:str}/auth-code",
    **operation(
        "Get the code that moves a domain to another registrar",
        description="Of a domain that was bought here. It is unlocked at its registrar, and the audit log says who "
        "asked. Once another registrar has taken it over it is a connected domain: it goes on as before, and is "
        "renewed there.",
        group="Domains",
        scope=requires("domains:read", "billing:spend"),
        errors=("domain.not_found", "domain.not_purchased", "registrar.unavailable", "registrar.under_way"),
        example={
            "domain": "getbrandmerge.test",
            "auth_code": "kX9vQ2mB7tR4",
            "locked": False,
            "expires_at": "2027-01-29T18:41:56.867Z",
        },
    ),
)
async def get_auth_code(
    domain: FromPath[str], database: Given[Database], actor: Given[Actor], market: Given[Market]
) -> AuthCode:
    code = await moving.unlock(database, actor, domain, market=market)
    return AuthCode(code.domain, code.auth_code, locked=False, expires_at=rfc3339(code.expires_at))


ROUTES: list[HTTPRouteHandler] = [get_auth_code]
