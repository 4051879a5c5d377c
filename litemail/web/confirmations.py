"""GET and POST /forwarding/{token}: where a mailed link leads. Whoever has the mail may agree; only the POST does."""

from html import escape
from http import HTTPStatus
from typing import Any

import structlog
from litestar import MediaType, Request, Response, Router, get, post
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from litemail import domains
from litemail.domains import ForwardingTarget
from litemail.kit import link_page
from litemail.kit.db import Database
from litemail.kit.errors import Error, Kind
from litemail.kit.secrets import Secrets
from litemail.kit.wire import Given

Shown = Response[str]

_REASON = "confirm a forwarding"
_STATUS = {Kind.NOT_FOUND: HTTPStatus.NOT_FOUND, Kind.GONE: HTTPStatus.GONE}
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 32rem; margin: 8vh auto; padding: 0 1.25rem; }
h1 { font-size: 1.25rem; }
button { min-height: 3rem; padding: 0.5rem 1.5rem; font: inherit; font-weight: 600; cursor: pointer; }
"""
_POLICY = (
    f"default-src 'none'; style-src {link_page.source_of(_STYLE)}; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>{style}</style>
</head>
<body><main><h1>{title}</h1>{body}</main></body>
</html>
"""

log = structlog.get_logger("forwarding")


def router(database: Database, secrets: Secrets) -> Router:
    """The pages. They belong at the root of the API's server, outside of its authentication."""
    return Router(
        "/forwarding",
        route_handlers=[show, agree],
        dependencies={
            "database": Provide(lambda: database, sync_to_thread=False),
            "secrets": Provide(lambda: secrets, sync_to_thread=False),
        },
        exception_handlers={Exception: _explain},
        include_in_schema=False,
    )


@get("/{token:str}", media_type=MediaType.HTML)
async def show(token: FromPath[str], database: Given[Database], secrets: Given[Secrets]) -> Shown:
    async with database.begin_system(_REASON) as tx:
        target = await domains.read_target_link(tx, token, secrets=secrets)
    if target.confirmed_at is not None:
        return _confirmed(target)
    body = (
        f"<p>The workspace <strong>{escape(target.workspace_name)}</strong> wants to forward mail to "
        f"<strong>{escape(target.address)}</strong>.</p>"
        "<p>If you do not know about it, close this page: nothing will be forwarded to you.</p>"
        '<form method="post"><button>Yes, forward mail to me</button></form>'
    )
    return _answer("May mail be forwarded to you?", body)


@post("/{token:str}", media_type=MediaType.HTML, status_code=HTTPStatus.OK)
async def agree(token: FromPath[str], database: Given[Database], secrets: Given[Secrets]) -> Shown:
    async with database.begin_system(_REASON) as tx:
        return _confirmed(await domains.confirm_target(tx, token, secrets=secrets))


def _confirmed(target: ForwardingTarget) -> Shown:
    return _answer("Confirmed", f"<p>Mail may be forwarded to <strong>{escape(target.address)}</strong>.</p>")


def _answer(title: str, body: str, status: HTTPStatus = HTTPStatus.OK) -> Shown:
    return link_page.answer(_PAGE.format(title=escape(title), style=_STYLE, body=body), status, policy=_POLICY)


def _explain(_request: Request[Any, Any, Any], error: Exception) -> Shown:
    """Every failure as a page."""
    if isinstance(error, HTTPException):
        return _answer("The request cannot be read", "<p>Load the page again.</p>", HTTPStatus(error.status_code))
    if isinstance(error, Error) and error.kind in _STATUS:
        problem = error.problem()
        return _answer(problem.message, f"<p>{escape(problem.action or '')}</p>", _STATUS[error.kind])
    log.error("unexpected failure of a confirmation page", exc_info=error)
    return _answer("Something went wrong on our side", "<p>Load the page again.</p>", HTTPStatus.INTERNAL_SERVER_ERROR)
