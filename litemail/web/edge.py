"""What every answer has, whatever it answers: a request id, rate limit headers, a log line, a count."""

import asyncio
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import cast

import structlog
from litestar import Litestar
from litestar.enums import HttpMethod, ScopeType
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, HTTPReceiveMessage, HTTPScope, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from litemail.kit.ids import new_id
from litemail.web.errors import MAX_BODY, send_error
from litemail.web.limits import Limit
from litemail.web.paths import logged

REQUESTS = Counter("litemail_http_requests", "Requests by route, method and status.", ["route", "method", "status"])
SECONDS = Histogram(
    "litemail_http_seconds",
    "Time to the last byte by route.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"expect"})
_READ_ON = 4 * MAX_BODY
_READ_ON_FOR = 10.0
_READ_ON_WAIT = 1.0
_CLIENT_LEFT = 499
"""For log and count only: nobody was there to hear the answer."""

log = structlog.get_logger("http")


class Edge:
    """The outermost layer, around the router: paths that nobody serves pass through it too.

    HEAD is GET without the body (RFC 9110 section 9.3.2).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        method, path = str(scope["method"]), scope["path"]
        if method == "HEAD":
            scope["method"] = HttpMethod.GET
        request_id = scope["state"]["request_id"] = _request_id(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        answer = _Answer(scope, receive, send, bodiless=method == "HEAD")
        try:
            try:
                await self._app(scope, answer.receive, answer.send)
            except Exception as error:
                if answer.status is not None:  # too late to say so; the server cuts the connection
                    log.exception("failed in the middle of an answer")
                    raise
                await send_error(scope, receive, answer.send, error)
        finally:
            seconds = time.perf_counter() - started
            status = answer.status or _CLIENT_LEFT
            route = str(scope.get("path_template") or "unknown")
            REQUESTS.labels(route, method if method in _METHODS else "other", status).inc()
            SECONDS.labels(route).observe(seconds)
            log.info("request", method=method, path=logged(path), status=status, ms=round(seconds * 1000, 1))


class _Answer:
    """One answer on its way out."""

    def __init__(self, scope: HTTPScope, receive: Receive, send: Send, *, bodiless: bool) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._bodiless = bodiless
        self._unread = _unread_length(scope)
        self.status: int | None = None

    async def receive(self) -> HTTPReceiveMessage:
        if self._bodiless and self.status is not None:
            return {"type": "http.disconnect"}  # ends a stream that nobody reads
        message = cast("HTTPReceiveMessage", await self._receive())
        if message["type"] == "http.disconnect" or not message["more_body"]:
            self._unread = 0
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self._unread:
                await self._read_on()
            self.status = message["status"]
            message["headers"] = [
                *((name, self._allow(value) if name == b"allow" else value) for name, value in message["headers"]),
                (b"x-request-id", self._scope["state"]["request_id"].encode()),
                *_limit_headers(self._scope["state"].get("limit")),
            ]
            await self._send(message)
            if self._bodiless:
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        elif not self._bodiless:
            await self._send(message)

    async def _read_on(self) -> None:
        """Most clients send all of their body before they read. On a connection that is closed in the middle of it,
        the answer that was to tell them what is wrong would be lost (RFC 9112 section 9.6).
        """
        length = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_READ_ON_FOR):
                while 0 < self._unread <= _READ_ON and length < _READ_ON:
                    message = await asyncio.wait_for(self.receive(), _READ_ON_WAIT)
                    length += len(message["body"]) if message["type"] == "http.request" else 0

    def _allow(self, given: bytes) -> bytes:
        """What the path takes. Litestar's answer to OPTIONS leaves out what other handlers of the path take."""
        methods = _methods(self._scope["litestar_app"]).get(str(self._scope.get("path_template")), set())
        methods = methods | set(given.decode().split(", "))
        return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods)).encode()


@lru_cache(maxsize=4)
def _methods(app: Litestar) -> Mapping[str, set[str]]:
    methods: dict[str, set[str]] = {}
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            methods.setdefault(route.path_format, set()).update(map(str, route.methods))
    return methods


def _unread_length(scope: HTTPScope) -> int:
    """The length of the request's body; 1 where there is one of unknown length."""
    headers = {name: value for name, value in scope["headers"] if name in _FRAMING}
    length = headers.get(b"content-length", b"")
    if headers.get(b"expect", b"").lower() == b"100-continue":
        return 0  # the client waits to be asked for it
    return int(length) if length.isdigit() else int(b"transfer-encoding" in headers)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given = value.decode("latin-1")
            if _REQUEST_ID.fullmatch(given):
                return given
    return new_id("req")


def _limit_headers(limit: Limit | None) -> list[tuple[bytes, bytes]]:
    if limit is None:
        return []
    return [
        (b"ratelimit-limit", str(limit.burst).encode()),
        (b"ratelimit-remaining", str(limit.remaining).encode()),
        (b"ratelimit-reset", str(limit.reset).encode()),
    ]
