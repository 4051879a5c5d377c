"""The twin of Instantly's sign-in and API keys: the web application's own calls, and the key calls of both doors."""

import uuid
from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.params import FromPath

from litemail.kit import clock, secrets
from litemail.servers.sandbox import behaviour
from litemail.servers.sandbox import instantly_models as wire
from litemail.servers.sandbox.behaviour import Sandbox
from litemail.servers.sandbox.door import Served
from litemail.servers.sandbox.instantly_door import (
    COOKIE,
    Session,
    body_of,
    caller_of_session,
    cookie_of,
    json_answer,
    scope,
    session_of,
    settings_of,
)
from litemail.servers.sandbox.instantly_models import refuse
from litemail.servers.sandbox.store import ApiKey


@post("/api/auth/login", status_code=200)
async def log_in(request: Request[Any, Any, Any], workspace_id: FromPath[str]) -> Response[bytes]:
    sandbox: Sandbox = request.app.state.sandbox
    settings = await settings_of(request, workspace_id)
    given = await body_of(request, wire.SignIn)
    if behaviour.comes_too_fast(sandbox, settings, who=f"{workspace_id} {given.email.lower()}"):
        raise refuse(429, "Rate limit exceeded")
    if behaviour.is_unlucky(settings):
        raise refuse(500, "Internal Server Error")
    if given.password == behaviour.TIMEOUT:
        raise await behaviour.never_answer(request, sandbox)
    if given.password in (behaviour.WRONG, "") or "@" not in given.email:
        return _refused("Invalid credentials")
    if given.password == behaviour.NEEDS_TOTP:
        return _refused("Two-factor authentication code required")
    cookie = cookie_of(Session(given.email.lower(), paid=given.password != behaviour.NO_PAID_PLAN))
    return json_answer(wire.LoggedIn(True), {"set-cookie": f"{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Lax"})


@get("/api/organization/user")
async def organisations(request: Request[Any, Any, Any], workspace_id: FromPath[str]) -> Response[bytes]:
    sandbox: Sandbox = request.app.state.sandbox
    await settings_of(request, workspace_id)
    organisation = (await caller_of_session(sandbox, workspace_id, session_of(request))).organisation
    return json_answer([wire.Organisation(organisation.id, organisation.name)])


@post("/api/organization/auth_workspace", status_code=200)
async def choose_organisation(request: Request[Any, Any, Any], workspace_id: FromPath[str]) -> Response[bytes]:
    sandbox: Sandbox = request.app.state.sandbox
    await settings_of(request, workspace_id)
    organisation = (await caller_of_session(sandbox, workspace_id, session_of(request))).organisation
    if (await body_of(request, wire.ChooseOrganisation)).orgID != organisation.id:
        raise refuse(404, "Organization not found")
    return json_answer(wire.Chosen(secrets.token()))


@post("/api-keys", status_code=200, opt=scope("api_keys:create"))
async def create_key(call: Served) -> Response[bytes]:
    wanted = await body_of(call.request, wire.CreateKey)
    key = secrets.token()
    kept = ApiKey(
        id=str(uuid.uuid4()),
        organisation_id=call.organisation_id,
        name=wanted.name,
        scopes=tuple(wanted.scopes),
        hash=behaviour.key_hash(key),
        paid=call.caller.paid,
        created_at=clock.now(),
    )
    await call.sandbox.store.add_key(kept)
    return call.answer(_shown(kept, key))


@get("/api-keys", opt=scope("api_keys:read"))
async def list_keys(call: Served) -> Response[bytes]:
    keys = await call.sandbox.store.list_keys(call.organisation_id)
    return call.answer(wire.Keys([_shown(key) for key in keys]))


@delete("/api-keys/{key_id:str}", status_code=200, opt=scope("api_keys:delete"))
async def revoke_key(call: Served, key_id: FromPath[str]) -> Response[bytes]:
    revoked = await call.sandbox.store.revoke_key(call.organisation_id, key_id, now=clock.now())
    if revoked is None:
        raise refuse(404, "API key not found")
    return call.answer(_shown(revoked))


def _refused(words: str) -> Response[bytes]:
    answer = json_answer(wire.LoginFailure(words))
    answer.status_code = 401
    return answer


def _shown(key: ApiKey, secret: str = "") -> wire.Key:
    created = clock.rfc3339(key.created_at)
    return wire.Key(key.id, key.name, key.scopes, secret, key.organisation_id, created, created)
