"""What happens at the Smartlead twin before a call is served, and its sign-in with e-mail and password."""

import hashlib
import uuid
from typing import TypeVar

import msgspec
from litestar import Response, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from litemail.kit import clock, secrets
from litemail.servers.sandbox import behaviour, by_id
from litemail.servers.sandbox import smartlead_models as wire
from litemail.servers.sandbox.behaviour import Sandbox
from litemail.servers.sandbox.door import AnyRequest, Call, Door, Words, is_json
from litemail.servers.sandbox.smartlead_models import parse, refuse
from litemail.servers.sandbox.store import ApiKey, Organisation

PLATFORM = "smartlead"

Shape = TypeVar("Shape")


def key_of(request: AnyRequest) -> str:
    key: str = request.query_params.get("api_key", "")
    return key


DOOR = Door(
    PLATFORM,
    key_of,
    refuse,
    Words(
        wrong_key=(401, "Invalid API Key"),
        needs_totp=(401, "Two-factor authentication required"),
        no_paid_plan=(402, "Your plan has no access to the API"),
        too_fast=(wire.RATE_LIMITED, "Rate limit exceeded"),
        broken=(500, "Internal server error occurred"),
        nul=(422, "a text must not contain NUL"),
    ),
)


async def enter(request: AnyRequest, workspace_id: FromPath[str]) -> Call:
    return await DOOR.enter(request, workspace_id)


async def body_of(request: AnyRequest, shape: type[Shape]) -> Shape:
    """The request's body, checked as the vendor does."""
    if not is_json(request):
        raise refuse(422, "the body must be JSON")
    return parse(await request.body(), shape)


@post("/api/auth/login", status_code=200)
async def log_in(request: AnyRequest, workspace_id: FromPath[str]) -> Response[bytes]:
    """The web application's own call: its answer holds the user's one API key."""
    sandbox: Sandbox = request.app.state.sandbox
    DOOR.refuse_nul(request)
    settings = await behaviour.settings_of(sandbox, workspace_id=workspace_id, platform_type=PLATFORM)
    given = await body_of(request, wire.SignIn)
    if behaviour.comes_too_fast(sandbox, settings, who=f"{workspace_id} {PLATFORM} {given.email.lower()}"):
        raise refuse(*DOOR.words.too_fast)
    if behaviour.is_unlucky(settings):
        raise refuse(*DOOR.words.broken)
    if given.password == behaviour.TIMEOUT:
        raise await behaviour.never_answer(request, sandbox)
    if given.password in (behaviour.WRONG, "") or "@" not in given.email:
        raise refuse(401, "Invalid email or password")
    if given.password == behaviour.NEEDS_TOTP:
        raise refuse(*DOOR.words.needs_totp)
    if given.password == behaviour.NO_PAID_PLAN:
        raise refuse(*DOOR.words.no_paid_plan)
    organisation = await behaviour.organisation_of(
        sandbox,
        workspace_id=workspace_id,
        platform_type=PLATFORM,
        login=given.email.lower(),
        name=given.email.partition("@")[0],
    )
    user = wire.User(
        id=user_id(organisation.id),
        uuid=organisation.id,
        email=organisation.login,
        name=organisation.name,
        role="user",
        api_key=await _key(sandbox, organisation),
    )
    answer = msgspec.json.encode(wire.SignedIn(user, token=secrets.token()))
    return Response(answer, status_code=200, media_type="application/json")


def user_id(organisation_id: str) -> int:
    return by_id.number_of(organisation_id, "user")


def explain(request: AnyRequest, error: Exception) -> Response[bytes]:
    """What no route handled: the vendor answers as Express does."""
    if isinstance(error, HTTPException) and error.status_code in (404, 405):
        page = f"<!DOCTYPE html><pre>Cannot {request.method} this path</pre>"
        return Response(page.encode(), status_code=404, media_type="text/html")
    if isinstance(error, HTTPException):
        return refuse(error.status_code, error.detail).response()
    return behaviour.explain(request, error)


async def _key(sandbox: Sandbox, organisation: Organisation) -> str:
    """Always the same for a user, so that only its hash is to be kept."""
    key = f"{organisation.id}_{hashlib.sha256(organisation.id.encode()).hexdigest()[:7]}"
    await sandbox.store.add_key(
        ApiKey(
            id=str(uuid.uuid5(uuid.UUID(organisation.id), "api key")),
            organisation_id=organisation.id,
            name="API key",
            scopes=(),
            hash=behaviour.key_hash(key),
            paid=True,
            created_at=clock.now(),
        )
    )
    return key
