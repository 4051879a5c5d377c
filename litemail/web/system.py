"""Routes for machines: health, metrics, the contract."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from litemail.web import openapi
from litemail.web.edge import Edge
from litemail.web.errors import render_error

Ready = Callable[[], Awaitable[Mapping[str, str]]]
"""Asks each part whether it can serve: `{"database": "ok", ...}`; anything but "ok" says what is wrong."""


class Health(msgspec.Struct, frozen=True):
    status: str


class Readiness(msgspec.Struct, frozen=True):
    status: str
    parts: dict[str, str]


def health_app(ready: Ready) -> Litestar:
    """An application of only these routes, for processes without an API."""
    app = Litestar(
        probes(ready), openapi_config=None, logging_config=None, exception_handlers={Exception: render_error}
    )
    app.asgi_handler = Edge(app.asgi_handler)
    return app


def probes(ready: Ready) -> list[HTTPRouteHandler]:
    """What supervisors and monitors ask every process."""

    @get("/healthz", summary="Whether the process is alive", tags=["System"], opt={"example": {"status": "ok"}})
    async def healthz() -> Health:
        return Health("ok")

    @get(
        "/readyz",
        summary="Whether the process can serve",
        tags=["System"],
        opt={"example": {"status": "ok", "parts": {"database": "ok"}}},
    )
    async def readyz() -> Response[Readiness]:
        parts = dict(await ready())
        well = all(state == "ok" for state in parts.values())
        return Response(Readiness("ok" if well else "unavailable", parts), status_code=200 if well else 503)

    @get("/metrics", include_in_schema=False, media_type="text/plain")
    async def metrics() -> Response[bytes]:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [healthz, readyz, metrics]


@get("/openapi.json", include_in_schema=False)
async def contract(request: Request[Any, Any, Any]) -> Response[bytes]:
    return Response(openapi.document(request.app), media_type="application/json")
