"""The HTTP server of all twins: each platform under `/{workspace id}/{platform type}/...`, as if it were the vendor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Litestar, Request, Response, Router
from litestar.datastructures import State

from litemail.servers.sandbox.behaviour import Sandbox, explain

Explain = Callable[[Request[Any, Any, Any], Exception], Response[bytes]]


@dataclass(frozen=True)
class Twin:
    """One platform's twin: its routes, and how it answers what no route handled."""

    platform_type: str
    router: Router
    explain: Explain


def create_app(sandbox: Sandbox, *, twins: Sequence[Twin]) -> Litestar:
    """The ASGI application. Set `sandbox.closing` before the server stops, so that what never answers ends."""
    by_type = {twin.platform_type: twin for twin in twins}

    def explain_as_vendor(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        _, _, platform_type, *_ = *request.scope["path"].split("/"), "", "", ""
        twin = by_type.get(platform_type)
        return twin.explain(request, error) if twin else explain(request, error)

    return Litestar(
        route_handlers=[twin.router for twin in twins],
        state=State({"sandbox": sandbox}),
        exception_handlers={Exception: explain_as_vendor},
        openapi_config=None,
        logging_config=None,
    )
