from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack

import httpx
import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from litemail.kit.db import Database
from litemail.kit.secrets import Secrets
from litemail.web import api
from litemail.web.auth import KeyUses
from tests.conftest import Unheard

MakeApp = Callable[..., Litestar]
MakeClient = Callable[..., Awaitable[httpx.AsyncClient]]


async def always_ready() -> Mapping[str, str]:
    return {"database": "ok"}


@pytest.fixture(scope="session")
def make_app(database: Database, secrets: Secrets, api_resources: dict[str, object]) -> MakeApp:
    """The API with other settings, or with routes of the test beside its own."""

    def make(
        *,
        more_routes: Sequence[HTTPRouteHandler] = (),
        rate_limit: int = 0,
        key_uses: KeyUses | None = None,
        ready: Callable[[], Awaitable[Mapping[str, str]]] = always_ready,
        database: Database = database,
        **resources: object,
    ) -> Litestar:
        return api.create(
            database=database,
            secrets=secrets,
            rate_limit=rate_limit,
            key_uses=key_uses or Unheard(),
            ready=ready,
            resources={**api_resources, **resources},
            more_routes=more_routes,
        )

    return make


@pytest.fixture
async def make_client(make_app: MakeApp) -> AsyncIterator[MakeClient]:
    async with AsyncExitStack() as stack:

        async def make(**settings: object) -> httpx.AsyncClient:
            transport = httpx.ASGITransport(app=make_app(**settings), raise_app_exceptions=False)  # type: ignore[arg-type]  # other stubs of ASGI
            return await stack.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url="http://litemail.test")
            )

        yield make
