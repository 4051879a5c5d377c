"""What happens at the Instantly twin before a call is served: who calls, with which rights, and how it misbehaves."""

import base64
import re
from typing import Any, TypeVar

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from litemail.servers.sandbox import behaviour
from litemail.servers.sandbox.behaviour import Caller, Refusal, Sandbox
from litemail.servers.sandbox.door import AnyRequest, Call, Door, Words, is_json
from litemail.servers.sandbox.instantly_models import Uuid, parse, refuse
from litemail.servers.sandbox.store import Settings

PLATFORM = "instantly"
COOKIE = "__session"

Shape = TypeVar("Shape")


class Session(msgspec.Struct, frozen=True):
    """What the web application's cookie says. It is not signed: in a sandbox any password is right anyway."""

    email: str
    paid: bool


def key_of(request: AnyRequest) -> str:
    header = request.headers.get("authorization")
    if header is None:
        raise refuse(401, "Missing Authorization header")
    scheme, _, key = header.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


DOOR = Door(
    PLATFORM,
    key_of,
    refuse,
    Words(
        wrong_key=(401, "Unauthorized"),
        needs_totp=(401, "Two-factor authentication required"),
        no_paid_plan=(402, "Workspace does not have an active paid plan"),
        too_fast=(429, "Rate limit exceeded"),
        broken=(500, "Internal Server Error"),
        nul=(400, "request must not contain NUL"),
    ),
)


def scope(*names: str) -> dict[str, Any]:
    """The scopes of which a key needs one, as a route's `opt`."""
    return {"scopes": frozenset(names)}


async def enter(request: AnyRequest, workspace_id: FromPath[str]) -> Call:
    """Lets a call with an API key in. Raises `Refusal`."""
    settings, caller = await DOOR.identify(request, workspace_id)
    if sub_workspace := request.headers.get("x-as-workspace"):
        caller = await _act_in(request.app.state.sandbox, workspace_id, caller, sub_workspace)
    return _admit(settings, request, caller)


async def enter_by_cookie(request: AnyRequest, workspace_id: FromPath[str]) -> Call:
    """Lets a call of the web application in: a session cookie, and the workspace in a header."""
    sandbox: Sandbox = request.app.state.sandbox
    settings = await settings_of(request, workspace_id)
    session = session_of(request)
    caller = await caller_of_session(sandbox, workspace_id, session)
    if request.headers.get("x-workspace-id") != caller.organisation.id:
        raise _unauthorized()
    return _admit(settings, request, caller)


async def settings_of(request: AnyRequest, workspace_id: str) -> Settings:
    """What a call without an API key begins with. Raises `Refusal`."""
    DOOR.refuse_nul(request)
    sandbox: Sandbox = request.app.state.sandbox
    return await behaviour.settings_of(sandbox, workspace_id=workspace_id, platform_type=PLATFORM)


async def caller_of_session(sandbox: Sandbox, workspace_id: str, session: Session) -> Caller:
    organisation = await behaviour.organisation_of(
        sandbox,
        workspace_id=workspace_id,
        platform_type=PLATFORM,
        login=session.email,
        name=f"{session.email.partition('@')[0]}'s workspace",
    )
    return Caller(organisation, paid=session.paid, scopes=None)


def session_of(request: AnyRequest) -> Session:
    try:
        return parse(base64.urlsafe_b64decode(request.cookies.get(COOKIE, "")), Session)
    except (Refusal, ValueError):
        raise _unauthorized() from None


def cookie_of(session: Session) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(session)).decode()


async def body_of(request: AnyRequest, shape: type[Shape]) -> Shape:
    """The request's body, checked as the vendor does."""
    if not is_json(request):
        raise refuse(415, "Unsupported Media Type")
    return parse(await request.body(), shape)


def json_answer(body: msgspec.Struct | list[Any], headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(msgspec.json.encode(body), status_code=200, media_type="application/json", headers=headers)


def explain(request: AnyRequest, error: Exception) -> Response[bytes]:
    """What no route handled, in the vendor's shape."""
    if isinstance(error, HTTPException):
        if error.status_code in (404, 405):
            path = re.sub(r"^/[^/]+/[^/]+", "", request.scope["path"])
            return refuse(404, f"Route {request.method}:{path} not found").response()
        return refuse(error.status_code, error.detail).response()
    return behaviour.explain(request, error)


async def _act_in(sandbox: Sandbox, workspace_id: str, caller: Caller, sub_workspace: str) -> Caller:
    try:
        wanted = msgspec.convert(sub_workspace, Uuid)
    except msgspec.ValidationError:
        raise _unauthorized() from None
    if wanted == caller.organisation.id:
        return caller
    organisation = await behaviour.organisation_of(
        sandbox,
        workspace_id=workspace_id,
        platform_type=PLATFORM,
        login=f"{caller.organisation.login}/{wanted}",
        name=f"Workspace {wanted[:4]}",
    )
    return Caller(organisation, paid=caller.paid, scopes=caller.scopes)


def _admit(settings: Settings, request: AnyRequest, caller: Caller) -> Call:
    call = DOOR.admit(settings, request, caller)
    needed: frozenset[str] = request.route_handler.opt.get("scopes", frozenset())
    if caller.scopes is not None and needed and not _allows(caller.scopes, needed):
        raise refuse(401, f"Missing scope, one of: {', '.join(sorted(needed))}")
    return call


def _allows(scopes: tuple[str, ...], needed: frozenset[str]) -> bool:
    """`accounts:all` and `all:create` allow `accounts:create`; `all:all` allows everything."""
    granted = set(scopes)
    return any(
        {f"{what}:{action}", f"{what}:all", f"all:{action}", "all:all"} & granted
        for what, action in (name.split(":") for name in needed)
    )


def _unauthorized() -> Refusal:
    return refuse(*DOOR.words.wrong_key)
