"""Routes for machines: health, metrics, the contract."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from litemail.web import openapi

Ready = Callable[[], Awaitable[Mapping[str, str]]]
"""Asks each part whether it can serve: `{"database": "ok", ...}`; anything but "ok" says what is wrong."""


class Health(msgspec.Struct, frozen=True):
    status: str


class Readiness(msgspec.Struct, frozen=True):
    status: str
    parts: dict[str, str]


def health_app(ready: Ready) -> Litestar:
    """An application of only these routes, for processes without an API."""
    return Litestar(routes(ready), openapi_config=None, logging_config=None)


def routes(ready: Ready) -> list[HTTPRouteHandler]:
    """The routes outside /v1, which need no key."""

    @get("/healthz", summary="Whether the process is alive", tags=["System"])
    async def healthz() -> Health:
        return Health("ok")

    @get("/readyz", summary="Whether the process can serve", tags=["System"])
    async def readyz() -> Response[Readiness]:
        parts = dict(await ready())
        well = all(state == "ok" for state in parts.values())
        return Response(Readiness("ok" if well else "unavailable", parts), status_code=200 if well else 503)

    @get("/metrics", include_in_schema=False, media_type="text/plain")
    async def metrics() -> Response[bytes]:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @get("/openapi.json", include_in_schema=False)
    async def contract(request: Request[Any, Any, Any]) -> Response[bytes]:
        return Response(openapi.document(request.app), media_type="application/json")

    return [healthz, readyz, metrics, contract]
