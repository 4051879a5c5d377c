"""Routes of sending platforms."""

from litestar import get
from litestar.handlers import HTTPRouteHandler

from litemail.kit.actor import SIGNED_IN, requires
from litemail.kit.pagination import Page
from litemail.kit.wire import Given, operation
from litemail.platforms.schemas import Platform, show_platform
from litemail.providers.platform import Registry

PLATFORM_EXAMPLE = {
    "platform_type": "instantly",
    "name": "Instantly",
    "connects": "api",
    "credentials": [{"field": "api_key", "label": "API key", "where": "Settings → Integrations → API Keys"}],
    "limits": {"requests_per_second": 50.0, "requests_per_minute": 3000.0, "concurrency": 50},
    "sandbox_twin": True,
    "verified_live": False,
}


@get(
    "/platforms",
    **operation(
        "List the sending platforms that inboxes can be connected to",
        description="`verified_live` says whether Litemail's own calls were ever used against the real platform; "
        "`sandbox_twin` whether sandbox workspaces have one to try.",
        group="Platforms",
        scope=requires(SIGNED_IN),
        example={"data": [PLATFORM_EXAMPLE], "next_cursor": None},
    ),
)
async def list_platforms(platforms: Given[Registry]) -> Page[Platform]:
    return Page([show_platform(adapter.declaration) for adapter in platforms.adapters.values()], None)


ROUTES: list[HTTPRouteHandler] = [list_platforms]
