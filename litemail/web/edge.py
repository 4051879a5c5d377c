"""What every answer has: a request id, rate limit headers, a log line, a count."""

import re
import time

import structlog
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from litemail.kit.errors import Error, Kind
from litemail.kit.ids import new_id
from litemail.web.limits import Limit

REQUESTS = Counter("litemail_http_requests", "Requests by route, method and status.", ["route", "method", "status"])
SECONDS = Histogram(
    "litemail_http_seconds",
    "Time to the last byte by route.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")

log = structlog.get_logger("http")


class BadTarget(Error):
    kind = Kind.INVALID
    code = "request.bad_target"
    message = "The path or query contains the character U+0000."
    action = "Take %00 out of the address."


class Edge(ASGIMiddleware):
    """The outermost layer of our own."""

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        started = time.perf_counter()
        state = scope["state"]
        request_id = state["request_id"] = _request_id(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    *_limit_headers(state.get("limit")),
                ]
            await send(message)

        try:
            await next_app(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - started
            route = str(scope.get("path_template") or "unknown")
            method = str(scope.get("method", ""))
            REQUESTS.labels(route, method, status).inc()
            SECONDS.labels(route).observe(seconds)
            log.info("request", method=method, path=scope["path"], status=status, ms=round(seconds * 1000, 1))


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
