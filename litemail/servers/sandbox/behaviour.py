"""How every twin behaves and misbehaves: latency, faults, limits, calls that are never answered."""

import asyncio
import hashlib
import secrets
import uuid
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from litemail.kit import clock
from litemail.servers.sandbox.store import Entry, Organisation, Settings, SignIn, Store

log = structlog.get_logger("sandbox")

WRONG = "wrong-password"
NEEDS_TOTP = "needs-totp"
NO_PAID_PLAN = "no-paid-plan"
TIMEOUT = "timeout"

_PATIENCE = 600.0
_PARTS = 1_000_000


@dataclass(frozen=True)
class Sandbox:
    """What the twins share."""

    store: Store
    sign_in: SignIn
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server is about to stop."""
    windows: dict[str, tuple[int, int]] = field(default_factory=dict)


class Refusal(Exception):
    """The twin answers this instead: status, headers and body are the vendor's."""

    def __init__(
        self, status: int, body: bytes, *, media_type: str = "application/json", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.media_type = media_type
        self.headers = headers or {}

    def response(self) -> Response[bytes]:
        return Response(self.body, status_code=self.status, media_type=self.media_type, headers=self.headers)


def explain(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer to a request that no twin handled, or that a twin failed on."""
    if isinstance(error, Refusal):
        return error.response()
    if isinstance(error, HTTPException):
        return Response(error.detail.encode(), status_code=error.status_code, media_type="text/plain")
    log.error("a twin failed", path=request.url.path, exc_info=error)
    return Response(b"Internal Server Error", status_code=500, media_type="text/plain")


def holds_nul(request: Request[Any, Any, Any]) -> bool:
    """Whether the request's path or query holds a NUL, which PostgreSQL keeps in no text."""
    return "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]


async def settings_of(sandbox: Sandbox, *, workspace_id: str, platform_type: str) -> Settings:
    """The settings of now, after the delay they ask for. Raises `Refusal` when the twin is down or does not exist."""
    settings = await sandbox.store.settings(workspace_id, platform_type)
    if settings is None:
        raise _no_twin()
    await _hold_up(sandbox, settings)
    return settings


async def entry_of(sandbox: Sandbox, *, workspace_id: str, platform_type: str, key: str) -> Entry:
    """`settings_of`, and who comes with that API key."""
    digest = key_hash(key)
    entry = await sandbox.store.enter(workspace_id, platform_type, key_hash=digest, login=_login_of_key(digest))
    if entry is None:
        raise _no_twin()
    await _hold_up(sandbox, entry.settings)
    return entry


def _no_twin() -> Refusal:
    return Refusal(404, b"Not Found", media_type="text/plain")


async def _hold_up(sandbox: Sandbox, settings: Settings) -> None:
    if settings.down:
        raise Refusal(503, b"<html><body>Service Unavailable</body></html>", media_type="text/html")
    if settings.latency_ms:
        await unless_closing(sandbox, asyncio.sleep(settings.latency_ms / 1000))


def is_unlucky(settings: Settings) -> bool:
    """Whether this request is one of the share that fails. A true chance: no client may learn the pattern."""
    return settings.error_rate > 0 and secrets.randbelow(_PARTS) < settings.error_rate * _PARTS


def comes_too_fast(sandbox: Sandbox, settings: Settings, *, who: str) -> bool:
    """Counts the request; whether it is one too many in this second. Each process of the sandbox counts for itself."""
    if settings.rate_limit is None:
        return False
    second = int(asyncio.get_running_loop().time())
    for key in [key for key, (begun, _) in sandbox.windows.items() if begun != second]:
        del sandbox.windows[key]
    _, count = sandbox.windows.get(who, (second, 0))
    sandbox.windows[who] = (second, count + 1)
    return count >= settings.rate_limit


async def never_answer(request: Request[Any, Any, Any], sandbox: Sandbox) -> Refusal:
    """Returns only when the client is gone or the server stops; what it returns is then heard by nobody."""
    await request.body()
    await unless_closing(sandbox, asyncio.wait_for(_gone(request), _PATIENCE))
    return Refusal(503, b"", media_type="text/plain")


async def unless_closing(sandbox: Sandbox, work: Awaitable[object]) -> None:
    """Waits for the work, but no longer than until the server is about to stop; then the work is cancelled."""
    task, closing = asyncio.ensure_future(work), asyncio.ensure_future(sandbox.closing.wait())
    try:
        await asyncio.wait((task, closing), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in (task, closing):
            one.cancel()
        await asyncio.gather(task, closing, return_exceptions=True)


async def _gone(request: Request[Any, Any, Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def organisation_of(
    sandbox: Sandbox, *, workspace_id: str, platform_type: str, login: str, name: str
) -> Organisation:
    """The organisation of a login, made at its first use."""
    fresh = Organisation(str(uuid.uuid4()), workspace_id, platform_type, login, name, clock.now())
    return await sandbox.store.organisation(fresh)


@dataclass(frozen=True)
class Caller:
    """Whom an API key stands for. `scopes` is None for a key that the twin did not make: it may do everything."""

    organisation: Organisation
    paid: bool
    scopes: tuple[str, ...] | None


async def caller_of(
    sandbox: Sandbox, entry: Entry, *, workspace_id: str, platform_type: str, key: str
) -> Caller | None:
    """Whom the key stands for. Any key is right; None for one that the twin made and that was revoked since."""
    organisation, made = entry.organisation, entry.key
    if made is not None and organisation is not None:
        return None if made.revoked_at else Caller(organisation, paid=made.paid, scopes=made.scopes)
    if organisation is None:
        login = _login_of_key(key_hash(key))
        organisation = await organisation_of(
            sandbox,
            workspace_id=workspace_id,
            platform_type=platform_type,
            login=login,
            name=f"Workspace {login.removeprefix('key:')[:4]}",
        )
    return Caller(organisation, paid=key != NO_PAID_PLAN, scopes=None)


def _login_of_key(digest: bytes) -> str:
    return f"key:{digest.hex()[:16]}"


def key_hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
