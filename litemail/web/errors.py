"""Every failure as the contract's error body, whatever went wrong and wherever."""

import re
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.types import Receive, Scope, Send

from litemail.kit import clock
from litemail.kit.errors import Detail, Error, Invalid, Kind
from litemail.web.paths import logged

STATUS: Mapping[Kind, int] = {
    Kind.MALFORMED: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.PAYMENT_REQUIRED: 402,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.METHOD_NOT_ALLOWED: 405,
    Kind.CONFLICT: 409,
    Kind.GONE: 410,
    Kind.TOO_LARGE: 413,
    Kind.UNSUPPORTED: 415,
    Kind.INVALID: 422,
    Kind.RATE_LIMITED: 429,
    Kind.BUG: 500,
    Kind.UNAVAILABLE: 503,
}

log = structlog.get_logger("web")


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every answer with a status of 400 or more."""

    error: str
    message: str
    path: str
    timestamp: str
    code: str
    request_id: str
    docs_url: str
    retryable: bool = msgspec.field(default_factory=bool)
    action: str | None = None
    details: list[Detail] = msgspec.field(default_factory=lambda: [])  # noqa: PIE807 - `list` would be left out
    stage: str | None = None


class AuthenticationRequired(Error):
    kind = Kind.UNAUTHENTICATED
    code = "auth.required"
    message = "Authentication required. Provide x-api-key header or valid JWT token."
    action = "Send x-api-key with an API key, or Authorization: Bearer with an access token that has not expired."


class UnknownPath(Error):
    kind = Kind.NOT_FOUND
    code = "request.unknown_path"
    message = "There is nothing at {method} {path}."
    action = "Compare method and path with /openapi.json."


class MethodNotAllowed(Error):
    kind = Kind.METHOD_NOT_ALLOWED
    code = "request.method_not_allowed"
    message = "{path} does not take {method}."
    action = "Compare method and path with /openapi.json; the allow header lists what it takes."


class BodyTooLarge(Error):
    kind = Kind.TOO_LARGE
    code = "request.too_large"
    message = "The request body is larger than {limit} bytes."
    action = "Send less at once: split the list into several calls."


class MalformedJson(Error):
    kind = Kind.MALFORMED
    code = "request.malformed_json"
    message = "The request body is not JSON: {reason}"
    action = "Send a JSON object in UTF-8."


class MalformedRequest(Error):
    kind = Kind.MALFORMED
    code = "request.malformed"
    message = "The request cannot be read: {reason}"
    action = "Send a request as RFC 9110 has it."


class UnsupportedMediaType(Error):
    kind = Kind.UNSUPPORTED
    code = "request.unsupported_media_type"
    message = "The request body has content-type {given}; this call takes {taken}."
    action = "Send the header content-type: {taken}."


class Bug(Error):
    kind = Kind.BUG
    code = "internal"
    message = "Something went wrong on our side; nothing was changed."
    action = "Try again. If it lasts, report the request_id."
    retryable = True


MAX_BODY = 5 * 1024 * 1024


def render_error(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, object]]:
    """The one exception handler of the API."""
    known = _as_error(request, error)
    status = STATUS[known.kind]
    if known.kind is Kind.BUG:
        log.error("unexpected failure", exc_info=error, method=request.method, path=logged(request.url.path))
    problem = known.problem()
    body = ErrorBody(
        error=HTTPStatus(status).phrase,
        message=problem.message,
        path=request.url.path,
        timestamp=clock.rfc3339(clock.now()),
        code=problem.code,
        details=list(known.details),
        request_id=request_id(request),
        docs_url=f"/docs/errors/{problem.code}",
        action=problem.action,
        stage=problem.stage,
        retryable=problem.retryable,
    )
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if known.retry_after is not None or status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = str(max(1, round(known.retry_after or 5)))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    content = {**msgspec.to_builtins(body), **known.extra}
    return Response(content, status_code=status, headers=headers, media_type="application/json")


async def send_error(scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
    """Answers a failure where Litestar does not: around its router, and after its routes."""
    request: Request[Any, Any, Any] = Request(scope, receive, send)
    answer = render_error(request, error).to_asgi_response(app=None, request=request)
    await answer(scope, receive, send)


def status_of(code: str) -> int:
    """The status that an error code is answered with."""
    return STATUS[_kinds()[code]]


@cache
def _kinds() -> dict[str, Kind]:
    found: dict[str, Kind] = {}
    classes = [Error]
    while classes:
        each = classes.pop()
        found[each.code] = each.kind
        classes += each.__subclasses__()
    return found


def request_id(request: Request[Any, Any, Any]) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))


def _as_error(request: Request[Any, Any, Any], error: Exception) -> Error:
    if isinstance(error, Error):
        return error
    if isinstance(error, MethodNotAllowedException):
        return MethodNotAllowed(method=request.method, path=request.url.path)
    if isinstance(error, NotFoundException):
        return UnknownPath(method=request.method, path=request.url.path)
    if isinstance(error, RequestEntityTooLarge):
        return BodyTooLarge(limit=MAX_BODY)
    if isinstance(error, ValidationException):
        return Invalid(details=tuple(_detail(each) for each in _faults(error)))
    if isinstance(error, ClientException):
        return MalformedRequest(reason=error.detail)
    return Bug()


_MISSING = re.compile(r"Missing required \w+ parameter '([^']+)'")


def _faults(error: ValidationException) -> list[dict[str, Any]]:
    if isinstance(error.extra, list):
        return error.extra
    missing = _MISSING.search(error.detail)
    return [{"key": missing[1], "message": "is required"} if missing else {"message": error.detail}]


def _detail(fault: dict[str, Any]) -> Detail:
    """Litestar writes a path as `items.0.email`; a body that is missing altogether is the key `data`."""
    key = str(fault.get("key", ""))
    if key in ("", "data"):
        return Detail(field="", message="a JSON object is needed as body")
    message = str(fault.get("message", "")).removeprefix("Value error, ")
    return Detail(field=re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", key), message=message)
