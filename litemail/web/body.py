"""What is wrong with a body before anybody looks at its fields. Runs after authentication: 401 comes first."""

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.exceptions import InternalServerException, SerializationException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.handlers import BaseRouteHandler

from litemail.kit.errors import Detail, Error, Invalid, Kind
from litemail.kit.wire import field_path
from litemail.web.errors import MAX_BODY, BodyTooLarge, MalformedJson, UnknownPath, UnsupportedMediaType

_JSON = "application/json"


class BadTarget(Error):
    kind = Kind.INVALID
    code = "request.bad_target"
    message = "The query contains the character U+0000."
    action = "Take %00 out of the address."


async def check_body(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Raises UnknownPath and BadTarget (U+0000), BodyTooLarge, UnsupportedMediaType, MalformedJson, Invalid."""
    assert isinstance(connection, Request)
    request: Request[Any, Any, Any] = connection
    if b"%00" in connection.scope["raw_path"]:
        raise UnknownPath(method=request.method, path=request.url.path)
    if b"%00" in connection.scope["query_string"]:
        raise BadTarget(field="(query)")
    body = await _read(request)
    if not body:
        return
    given = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    taken = handler.opt.get("takes") or (_JSON,)
    if given not in taken:
        raise UnsupportedMediaType(given=given or "(none)", taken=" or ".join(taken))
    if given == _JSON:
        tree = await _decode(connection)
        if b"\\u0000" in body:
            _refuse_nul(tree)


async def _read(request: Request[Any, Any, Any]) -> bytes:
    """The body, whatever the headers say of it: one in HTTP/2 may come without announcement."""
    try:
        return await request.body()
    except RequestEntityTooLarge:
        raise BodyTooLarge(limit=MAX_BODY) from None
    except InternalServerException:
        raise MalformedJson(reason="the connection ended before it did") from None


async def _decode(request: Request[Any, Any, Any]) -> object:
    """The decoded body, which the request keeps for its route."""
    try:
        return await request.json()
    except SerializationException as error:
        raise MalformedJson(reason=str(error)) from None
    except UnicodeDecodeError:
        raise MalformedJson(reason="it is not UTF-8") from None
    except RecursionError:
        raise MalformedJson(reason="it is nested too deeply") from None


def _refuse_nul(tree: object) -> None:
    """PostgreSQL's text cannot hold U+0000. Raises Invalid with the paths of the strings that do."""
    found: list[Detail] = []
    left: list[tuple[object, tuple[str | int, ...]]] = [(tree, ())]  # no recursion: bodies can be nested deeply
    while left:
        node, path = left.pop()
        if isinstance(node, str) and "\x00" in node:
            found.append(Detail(field_path(path), "must not contain the character U+0000"))
        elif isinstance(node, list):
            left += [(item, (*path, index)) for index, item in enumerate(node)]
        elif isinstance(node, dict):
            left += [(name, (*path, "(a field's name)")) for name in node]
            left += [(item, (*path, name)) for name, item in node.items()]
    if found:
        raise Invalid(details=tuple(sorted(found, key=lambda detail: detail.field)))
