"""The API as an ASGI application: routes under /v1, one guard, one transaction a request, one shape of errors."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from litestar import Litestar, Request, Router
from litestar.di import Provide
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.params import Parameter
from litestar.plugins.pydantic import PydanticPlugin

from litemail.billing import api as billing_api
from litemail.connections import api as connections_api
from litemail.domains import api as domains_api
from litemail.exports import api as exports_api
from litemail.kit.actor import Actor
from litemail.kit.db import Database
from litemail.kit.pagination import MAX_LIMIT, PageRequest, decode_cursor
from litemail.kit.secrets import Secrets
from litemail.mailboxes import api as mailboxes_api
from litemail.orders import api as orders_api
from litemail.overview import api as overview_api
from litemail.platforms import api as platforms_api
from litemail.providers.payments import Gateways
from litemail.subscriptions import api as subscriptions_api
from litemail.users import api as users_api
from litemail.wallet import PaymentRequired, rescue
from litemail.wallet import api as wallet_api
from litemail.web import auth, gateways, openapi, reference, system
from litemail.web.body import check_body
from litemail.web.edge import Edge
from litemail.web.errors import MAX_BODY, render_error
from litemail.web.limits import RateLimiter
from litemail.web.query import check_query
from litemail.web.unit import Replay, Rescuer, UnitOfWork, provide_call, provide_tx, render_missing, render_replay
from litemail.workflows import api as workflows_api
from litemail.workflows import purchase_api
from litemail.workspaces import api as workspaces_api
from litemail.zones import api as zones_api

ROUTES: Sequence[HTTPRouteHandler] = (
    *users_api.ROUTES,
    *workspaces_api.ROUTES,
    *billing_api.ROUTES,
    *domains_api.ROUTES,
    *zones_api.ROUTES,
    *mailboxes_api.ROUTES,
    *platforms_api.ROUTES,
    *exports_api.ROUTES,
    *connections_api.ROUTES,
    *subscriptions_api.ROUTES,
    *orders_api.ROUTES,
    *wallet_api.ROUTES,
    *purchase_api.ROUTES,
    *workflows_api.ROUTES,
    *overview_api.ROUTES,
    *gateways.ROUTES,
)


def create(
    *,
    database: Database,
    secrets: Secrets,
    rate_limit: int,
    key_uses: auth.KeyUses,
    ready: system.Ready,
    resources: Mapping[str, object],
    more_routes: Sequence[HTTPRouteHandler] = (),
    pages: Sequence[Router] = (),
    public_url: str | None = None,
) -> Litestar:
    """The API. `resources` are handed to routes by name, `more_routes` are those of parts that `web` may not import.

    `pages` are at the root, outside of /v1 and of authentication: their links are their authority.
    `public_url` is where customers reach all this, for the pages of the reference.
    """
    authenticator = auth.Authenticator(
        database=database, secrets=secrets, limiter=RateLimiter(rate_limit), key_uses=key_uses
    )

    async def guard(connection: auth.Connection, handler: BaseRouteHandler) -> None:
        # One function: Litestar copies the handler for each guard, and guards deeply, which only a function survives.
        await authenticator.check(connection, handler)
        await check_body(connection, handler)
        check_query(connection)

    given: Mapping[str, object] = {"database": database, "secrets": secrets, **resources}
    v1 = Router(
        "/v1",
        route_handlers=[*ROUTES, *more_routes],
        guards=[guard],
        dependencies={
            **{name: _provide(value) for name, value in given.items()},
            "actor": Provide(_provide_actor, sync_to_thread=False),
            "tx": Provide(provide_tx),
            "call": Provide(provide_call),
            "page_request": Provide(_provide_page_request, sync_to_thread=False),
        },
    )
    app = Litestar(
        route_handlers=[v1, *pages, reference.router(public_url), *system.probes(ready), system.contract],
        middleware=[UnitOfWork(database, secrets, _rescuer(database, resources.get("gateways")))],
        exception_handlers={
            Replay: render_replay,
            PaymentRequired: render_missing,
            Exception: render_error,
        },
        plugins=[PydanticPlugin(validate_strict=True)],
        openapi_config=openapi.CONFIG,
        request_max_body_size=MAX_BODY,
        logging_config=None,
        debug=False,
    )
    app.asgi_handler = Edge(app.asgi_handler)  # its middlewares run inside of routes only
    return app


def _rescuer(database: Database, gateways: object) -> Rescuer | None:
    """An API without payment gateways has nothing to rescue a request with."""
    return partial(rescue, database, gateways=gateways) if isinstance(gateways, Gateways) else None


def _provide(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False, use_cache=True)


def _provide_actor(request: Request[Any, Any, Any]) -> Actor:
    actor: Actor = request.scope["state"]["actor"]
    return actor


def _provide_page_request(
    limit: Annotated[int, Parameter(ge=1, le=MAX_LIMIT, description="How many at the most.")] = 50,
    cursor: Annotated[str | None, Parameter(description="next_cursor of the page before.")] = None,
    count: Annotated[bool, Parameter(description="Adds total, the number of all.")] = False,
) -> PageRequest:
    return PageRequest(limit=limit, after=None if cursor is None else decode_cursor(cursor), count=count)
