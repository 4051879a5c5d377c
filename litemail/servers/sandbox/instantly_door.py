"""What happens at the Instantly twin before a call is served: who calls, with which rights, and how it misbehaves."""

import base64
import re
import secrets
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.params import FromPath, SkipValidation

from litemail.servers.sandbox import behaviour
from litemail.servers.sandbox.behaviour import Caller, Refusal, Sandbox
from litemail.servers.sandbox.instantly_models import Uuid, parse, refuse
from litemail.servers.sandbox.store import Settings

PLATFORM = "instantly"
COOKIE = "__session"

Shape = TypeVar("Shape")
AnyRequest = Request[Any, Any, Any]


class Session(msgspec.Struct, frozen=True):
    """What the web application's cookie says. It is not signed: in a sandbox any password is right anyway."""

    email: str
    paid: bool


@dataclass(frozen=True)
class Call:
    """One call that may be served."""

    sandbox: Sandbox
    settings: Settings
    request: AnyRequest
    caller: Caller
    spoiled: bool
    """The effect happens and the answer is lost, as when a server fails on its way back."""

    @property
    def organisation_id(self) -> str:
        return self.caller.organisation.id

    async def body(self, shape: type[Shape]) -> Shape:
        """The request's body, checked as the vendor does."""
        return parse(await json_body(self.request), shape)

    def answer(self, body: msgspec.Struct) -> Response[bytes]:
        if self.spoiled:
            raise refuse(500, "Internal Server Error")
        return json_answer(body)


Served = NamedDependency[SkipValidation[Call]]


def scope(*names: str) -> dict[str, Any]:
    """The scopes of which a key needs one, as a route's `opt`."""
    return {"scopes": frozenset(names)}


async def enter(request: AnyRequest, workspace_id: FromPath[str]) -> Call:
    """Lets a call with an API key in. Raises `Refusal` in the order that a vendor's layers would."""
    sandbox: Sandbox = request.app.state.sandbox
    _refuse_nul(request)
    key = request.headers.get("authorization", "").partition(" ")[2].strip()
    entry = await behaviour.entry_of(sandbox, workspace_id=workspace_id, platform_type=PLATFORM, key=key)
    _check_bearer(request, key)
    if key == behaviour.NEEDS_TOTP:
        raise refuse(401, "Two-factor authentication required")
    if key == behaviour.TIMEOUT:
        raise await behaviour.never_answer(request, sandbox)
    caller = await behaviour.caller_of(sandbox, entry, workspace_id=workspace_id, platform_type=PLATFORM, key=key)
    if caller is None:
        raise _unauthorized()
    if sub_workspace := request.headers.get("x-as-workspace"):
        caller = await _act_in(sandbox, workspace_id, caller, sub_workspace)
    return _admit(sandbox, entry.settings, request, caller)


async def enter_by_cookie(request: AnyRequest, workspace_id: FromPath[str]) -> Call:
    """Lets a call of the web application in: a session cookie, and the workspace in a header."""
    sandbox: Sandbox = request.app.state.sandbox
    settings = await settings_of(request, workspace_id)
    session = session_of(request)
    caller = await caller_of_session(sandbox, workspace_id, session)
    if request.headers.get("x-workspace-id") != caller.organisation.id:
        raise _unauthorized()
    return _admit(sandbox, settings, request, caller)


async def settings_of(request: AnyRequest, workspace_id: str) -> Settings:
    """What a call without an API key begins with. Raises `Refusal`."""
    _refuse_nul(request)
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


async def json_body(request: AnyRequest) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise refuse(415, "Unsupported Media Type")
    return await request.body()


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


def _check_bearer(request: AnyRequest, key: str) -> None:
    header = request.headers.get("authorization")
    if header is None:
        raise refuse(401, "Missing Authorization header")
    if header.partition(" ")[0].lower() != "bearer" or key in ("", behaviour.WRONG):
        raise _unauthorized()


def _refuse_nul(request: AnyRequest) -> None:
    if behaviour.holds_nul(request):
        raise refuse(400, "request must not contain NUL")


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


def _admit(sandbox: Sandbox, settings: Settings, request: AnyRequest, caller: Caller) -> Call:
    if behaviour.comes_too_fast(sandbox, settings, who=caller.organisation.id):
        raise refuse(429, "Rate limit exceeded")
    if not caller.paid:
        raise refuse(402, "Workspace does not have an active paid plan")
    needed: frozenset[str] = request.route_handler.opt.get("scopes", frozenset())
    if caller.scopes is not None and needed and not _allows(caller.scopes, needed):
        raise refuse(401, f"Missing scope, one of: {', '.join(sorted(needed))}")
    unlucky = behaviour.is_unlucky(settings)
    if unlucky and secrets.randbelow(2):
        raise refuse(500, "Internal Server Error")
    return Call(sandbox, settings, request, caller, spoiled=unlucky)


def _allows(scopes: tuple[str, ...], needed: frozenset[str]) -> bool:
    """`accounts:all` and `all:create` allow `accounts:create`; `all:all` allows everything."""
    granted = set(scopes)
    return any(
        {f"{what}:{action}", f"{what}:all", f"all:{action}", "all:all"} & granted
        for what, action in (name.split(":") for name in needed)
    )


def _unauthorized() -> Refusal:
    return refuse(401, "Unauthorized")
