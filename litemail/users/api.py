"""Routes of signing in. They have no actor yet: their authority is the password or token they carry."""

from typing import Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from litemail.kit.actor import PUBLIC, requires
from litemail.kit.db import Database
from litemail.kit.secrets import Secrets
from litemail.kit.wire import Given, operation
from litemail.users import service
from litemail.users.schemas import LogIn, RefreshToken
from litemail.users.service import Tokens

TOKENS_EXAMPLE = {
    "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyXzAxIn0.c2lnbmF0dXJl",
    "refresh_token": "rt_3yLqCq0mV9sYhU3mXWc1mQzq7yO0m3bV2uW8kq1nH4s",
    "expires_in": 900,
    "token_type": "Bearer",
}


@post(
    "/auth/login",
    status_code=200,
    **operation(
        "Sign in with e-mail address and password",
        group="Sign-in",
        scope=requires(PUBLIC),
        errors=("auth.bad_credentials", "auth.too_many_attempts"),
        example=TOKENS_EXAMPLE,
        request_example={"email": "ada@example.com", "password": "correct horse battery"},
    ),
)
async def log_in(
    data: JSONBody[LogIn], database: Given[Database], secrets: Given[Secrets], request: Request[Any, Any, Any]
) -> Tokens:
    user_id = await service.log_in(
        database,
        email=data.email,
        password=data.password,
        address=request.client.host if request.client else None,
        secrets=secrets,
    )
    async with database.begin_system("sign-in") as tx:
        return await service.issue_tokens(tx, user_id, secrets=secrets)


@post(
    "/auth/refresh",
    status_code=200,
    **operation(
        "Exchange a refresh token for new tokens",
        description="A refresh token works once. One that comes a second time ends its session.",
        group="Sign-in",
        scope=requires(PUBLIC),
        errors=("auth.refresh_token_refused",),
        example=TOKENS_EXAMPLE,
        request_example={"refresh_token": TOKENS_EXAMPLE["refresh_token"]},
    ),
)
async def refresh(data: JSONBody[RefreshToken], database: Given[Database], secrets: Given[Secrets]) -> Tokens:
    async with database.begin_system("refresh") as tx:
        tokens = await service.refresh(tx, data.refresh_token, secrets=secrets)
    if tokens is None:
        raise service.RefreshTokenRefused
    return tokens


@post(
    "/auth/logout",
    status_code=204,
    **operation(
        "End the session of a refresh token",
        group="Sign-in",
        scope=requires(PUBLIC),
        request_example={"refresh_token": TOKENS_EXAMPLE["refresh_token"]},
    ),
)
async def log_out(data: JSONBody[RefreshToken], database: Given[Database]) -> None:
    async with database.begin_system("sign-out") as tx:
        await service.log_out(tx, data.refresh_token)


ROUTES: list[HTTPRouteHandler] = [log_in, refresh, log_out]
