"""What is wrong with a body before anybody looks at its fields. Runs after authentication: 401 comes first."""

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from litemail.web.edge import BadTarget
from litemail.web.errors import MAX_BODY, BodyTooLarge, UnsupportedMediaType, refuse_nul

_JSON = "application/json"


async def check_body(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Raises BadTarget, BodyTooLarge, UnsupportedMediaType, Invalid (U+0000 in a string)."""
    if b"%00" in connection.scope["raw_path"] or b"%00" in connection.scope["query_string"]:
        raise BadTarget
    length = connection.headers.get("content-length")
    if length == "0" or (length is None and "transfer-encoding" not in connection.headers):
        return
    if length is not None and length.isdigit() and int(length) > MAX_BODY:
        raise BodyTooLarge(limit=MAX_BODY)
    given = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    taken = handler.opt.get("content_type", _JSON)
    if given != taken:
        raise UnsupportedMediaType(given=given or "(none)", taken=taken)
    if taken == _JSON and isinstance(connection, Request):
        refuse_nul(await connection.body())
