"""What is served of the reference: /docs and below, and /llms.txt. Everybody may read it."""

import html
import re
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, Router, get
from litestar.params import FromPath, FromQuery

from litemail.kit.errors import Error, Kind
from litemail.web import openapi
from litemail.web.reference import machines, pages
from litemail.web.reference.pages import BASE, BASE_HOST, Page, Reference
from litemail.web.reference.search import Index

_FOLDER = Path(__file__).parent
_STATIC = {
    "docs.css": "text/css; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_LONGEST_SEARCH = 200
_MARKDOWN = "text/markdown; charset=utf-8"
_JSON = "application/json"


class NoSuchPage(Error):
    kind = Kind.NOT_FOUND
    code = "docs.no_such_page"
    message = "There is no page {path} in the reference."
    action = "Begin at /docs, or search there."


def router(public_url: str | None = None) -> Router:
    """`public_url` is where customers reach this installation; without it, what each request names."""
    return Router(
        "/",
        route_handlers=[front, searched, searched_by_programs, static, read, llms],
        opt={"public_url": public_url},
    )


@get("/docs", include_in_schema=False, media_type=MediaType.HTML)
async def front(request: Request[Any, Any, Any]) -> Response[str]:
    return _html(request, _found(_reference(request.app), "introduction").html)


@get("/docs/search", include_in_schema=False, media_type=MediaType.HTML)
async def searched(request: Request[Any, Any, Any], q: FromQuery[str] = "") -> Response[str]:
    q = q[:_LONGEST_SEARCH]
    found = _index(request.app).find(q)
    return _html(request, _reference(request.app).search_page(q=q, found=found))


@get("/docs/search.json", include_in_schema=False)
async def searched_by_programs(request: Request[Any, Any, Any], q: FromQuery[str] = "") -> Response[bytes]:
    found = _index(request.app).find(q[:_LONGEST_SEARCH])
    return Response(msgspec.json.encode({"data": found}), media_type=_JSON, headers=_HEADERS)


@get("/docs/static/{name:str}", include_in_schema=False)
async def static(name: FromPath[str]) -> Response[bytes]:
    if name not in _STATIC:
        raise NoSuchPage(path=f"/docs/static/{name}")
    return Response(_file(name), media_type=_STATIC[name], headers={**_HEADERS, "cache-control": "public, max-age=300"})


@get("/docs/{path:path}", include_in_schema=False)
async def read(request: Request[Any, Any, Any], path: FromPath[Path]) -> Response[Any]:
    wanted = str(path).strip("/")
    reference = _reference(request.app)
    if wanted == "postman.json":
        return Response(_based(request, machines.postman(reference).decode()), media_type=_JSON, headers=_HEADERS)
    if wanted.endswith(".md"):
        return Response(
            _based(request, _found(reference, wanted.removesuffix(".md")).markdown),
            media_type=_MARKDOWN,
            headers=_HEADERS,
        )
    return _html(request, _found(reference, wanted).html)


@get("/llms.txt", include_in_schema=False)
async def llms(request: Request[Any, Any, Any]) -> Response[str]:
    text = _based(request, machines.llms(_reference(request.app)))
    return Response(text, media_type="text/plain; charset=utf-8", headers=_HEADERS)


def _found(reference: Reference, path: str) -> Page:
    """Raises NoSuchPage."""
    page = reference.page(path)
    if page is None:
        raise NoSuchPage(path=f"/docs/{path}"[:200])
    return page


def _html(request: Request[Any, Any, Any], document: str) -> Response[str]:
    return Response(
        _based(request, document, quote=True),
        media_type="text/html; charset=utf-8",
        status_code=HTTPStatus.OK,
        headers=_HEADERS,
    )


def _based(request: Request[Any, Any, Any], text: str, *, quote: bool = False) -> str:
    """With the address that the reader reaches us by."""
    base = request.route_handler.opt.get("public_url")
    if base is None:
        host = request.headers.get("host", "")
        base = f"{request.url.scheme}://{host if _HOST.fullmatch(host) else 'localhost'}"
    base = html.escape(base.rstrip("/")) if quote else base.rstrip("/")
    return text.replace(BASE, base).replace(BASE_HOST, base.partition("://")[2])


@lru_cache(maxsize=4)
def _reference(app: Litestar) -> Reference:
    return Reference(msgspec.json.decode(openapi.document(app)), pages.changelog())


@lru_cache(maxsize=4)
def _index(app: Litestar) -> Index:
    return Index(_reference(app))


@lru_cache(maxsize=len(_STATIC))
def _file(name: str) -> bytes:
    return (_FOLDER / "static" / name).read_bytes()
