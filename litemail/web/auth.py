"""Who is calling: turns a credential into an Actor and checks what the route needs."""

from typing import Any, Protocol

import structlog
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from litemail import users, workspaces
from litemail.kit.actor import PUBLIC, SIGNED_IN, USER_ONLY, Actor
from litemail.kit.db import Database
from litemail.kit.errors import Error, Kind
from litemail.kit.secrets import Secrets
from litemail.web.errors import AuthenticationRequired
from litemail.web.limits import RateLimiter

Connection = ASGIConnection[Any, Any, Any, Any]


class ScopeMissing(Error):
    kind = Kind.FORBIDDEN
    code = "auth.scope_missing"
    message = "This call needs the scope {scope}, which {who} does not have."
    action = "Use an API key with that scope, or ask an owner of the workspace for a role that has it."


class UserOnly(Error):
    kind = Kind.FORBIDDEN
    code = "auth.user_only"
    message = "This call is for people: it takes an access token, not an API key."
    action = "Sign in with POST /v1/auth/login and send its access_token as Authorization: Bearer."


class KeyUses(Protocol):
    """Remembers when keys were used, to be written down now and then."""

    def used(self, key_id: str) -> None: ...


class Authenticator:
    """The guard of every route: authenticates, counts against the rate limit, checks scopes."""

    def __init__(self, *, database: Database, secrets: Secrets, limiter: RateLimiter, key_uses: KeyUses) -> None:
        self._database = database
        self._secrets = secrets
        self._limiter = limiter
        self._key_uses = key_uses

    async def check(self, connection: Connection, handler: BaseRouteHandler) -> None:
        scopes: tuple[str, ...] = handler.opt.get("scopes", ())
        if PUBLIC in scopes or connection.scope.get("method") == "OPTIONS":  # tells methods, which are no secret
            return
        actor = await self.authenticate(connection)
        connection.scope["state"]["actor"] = actor
        structlog.contextvars.bind_contextvars(workspace_id=actor.workspace_id, caller=actor.caller)
        limit = connection.scope["state"]["limit"] = self._limiter.admit(actor.caller)
        if limit is not None:
            limit.check()
        if USER_ONLY in scopes and actor.key_id is not None:
            raise UserOnly
        for scope in scopes:
            if scope not in (SIGNED_IN, USER_ONLY) and not actor.may(scope):
                who = "this API key" if actor.key_id else f"the role {actor.role}"
                raise ScopeMissing(scope=scope, who=who)

    async def authenticate(self, connection: Connection) -> Actor:
        """Raises AuthenticationRequired, WorkspaceNotFound."""
        key = connection.headers.get("x-api-key")
        scheme, _, bearer = connection.headers.get("authorization", "").partition(" ")
        workspace_id = connection.headers.get("x-workspace-id")
        client = connection.client
        about = {
            "workspace_id": workspace_id,
            "address": client.host if client else None,
            "request_id": connection.scope["state"]["request_id"],
        }
        actor = None
        if key is not None:
            async with self._database.system_statement() as tx:
                actor = await workspaces.actor_by_key(tx, key, **about)
            if actor is not None and actor.key_id is not None:
                self._key_uses.used(actor.key_id)
        elif scheme.lower() == "bearer":
            claims = users.read_access_token(bearer.strip(), secrets=self._secrets)
            if claims is not None:
                async with self._database.system_statement() as tx:
                    actor = await workspaces.actor_by_session(tx, claims.sid, claims.sub, **about)
        if actor is None:
            raise AuthenticationRequired
        return actor
