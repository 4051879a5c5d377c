"""Routes of sending platforms, and of the logins there that customers store. Deleting one is with exports, which take
back what was handed to it.
"""

from functools import partial

from litestar import Response, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from litemail.kit.actor import SIGNED_IN, Actor, requires
from litemail.kit.db import Database, Tx
from litemail.kit.idempotency import Call
from litemail.kit.pagination import Page, PageRequest
from litemail.kit.secrets import Secrets
from litemail.kit.two_steps import ask_then_act
from litemail.kit.wire import Given, operation
from litemail.platforms import accounts
from litemail.platforms.accounts import Verified
from litemail.platforms.doors import Doors
from litemail.platforms.schemas import Account, AccountCreate, AccountUpdate, Platform, show_account, show_platforms
from litemail.providers.platform import Registry

_GROUP = "Platforms"
PLATFORM_EXAMPLE = {
    "platform_type": "instantly",
    "name": "Instantly",
    "connects": "api",
    "credentials": [{"field": "api_key", "label": "API key", "where": "Settings → Integrations → API Keys"}],
    "limits": {"requests_per_second": 50.0, "requests_per_minute": 3000.0, "concurrency": 50},
    "sandbox_twin": True,
    "verified_live": False,
}
ACCOUNT_EXAMPLE = {
    "id": "pfa_01k5m3v8w0e3t9f7a2b4c6d8eg",
    "platform_type": "instantly",
    "label": "Agency",
    "platform_email": "support@litemail.ai",
    "url": None,
    "workspace": "Outreach",
    "workspaces": [{"id": "0199a1b2-0000-7000-8000-000000000001", "name": "Outreach"}],
    "status": "verified",
    "problem": None,
    "verified_at": "2026-01-29T18:41:56.867Z",
    "created_at": "2026-01-29T18:41:56.867Z",
}
_REFUSALS = (
    "platform.unknown",
    "platform.file_only",
    "platform.login_not_offered",
    "sandbox.no_twin",
    "platform.bad_credentials",
    "platform.totp_required",
    "platform.no_paid_plan",
    "platform.workspace_required",
    "platform.workspace_not_found",
    "platform.unavailable",
    "platform.rate_limited",
    "platform.unexpected_answer",
    "outbound.address_not_allowed",
    "outbound.host_not_found",
    "platform_account.exists",
)


@get(
    "/platforms",
    **operation(
        "List the sending platforms that mailboxes can be handed to",
        description="Those with `connects: api` take inboxes by themselves; for those with `file`, export a file and "
        "upload it there. `verified_live` says whether Litemail's own calls were ever used against the real platform; "
        "`sandbox_twin` whether sandbox workspaces have one to try.",
        group=_GROUP,
        scope=requires(SIGNED_IN),
        example={"data": [PLATFORM_EXAMPLE], "next_cursor": None},
    ),
)
async def list_platforms(platforms: Given[Registry]) -> Page[Platform]:
    return Page(show_platforms(platforms), None)


@post(
    "/exports/accounts",
    **operation(
        "Store a login at a sending platform",
        description="Litemail signs in before it answers; what the platform refuses is not stored. A password is "
        "exchanged for an API key and not kept. Several logins at one platform are fine.",
        group=_GROUP,
        scope=requires("exports:write"),
        errors=_REFUSALS,
        example=ACCOUNT_EXAMPLE,
        request_example={
            "platform_type": "instantly",
            "platform_email": "support@litemail.ai",
            "platform_pass": "Lite@Mail2024!",
            "label": "Agency",
        },
    ),
)
async def create_account(
    data: JSONBody[AccountCreate],
    actor: Given[Actor],
    database: Given[Database],
    platforms: Given[Registry],
    doors: Given[Doors],
    secrets: Given[Secrets],
    call: Given[Call | None],
) -> Response[Account]:
    async def ask() -> Verified:
        async with begin() as tx:
            draft = await accounts.prepare_create(
                tx, data.given(data.platform_type), platforms=platforms, secrets=secrets
            )
        return await accounts.verify(draft, doors=doors, mode=actor.mode, workspace_id=actor.workspace_id)

    async def act(tx: Tx, verified: Verified) -> Account:
        return show_account(await accounts.store_new(tx, verified, secrets=secrets))

    begin = partial(database.begin, actor)

    return await ask_then_act(begin, call, ask, act, Account, secrets=secrets, status=201)


@put(
    "/exports/accounts/{account_id:str}",
    status_code=200,
    **operation(
        "Change a stored login",
        description="Fields left out stay as they are. Litemail signs in again; if the platform refuses, nothing "
        "changes.",
        group=_GROUP,
        scope=requires("exports:write"),
        errors=("platform_account.not_found", *_REFUSALS),
        example=ACCOUNT_EXAMPLE,
        request_example={"api_key": "Zm9vYmFyYmF6cXV4", "label": "Agency"},
    ),
)
async def update_account(
    account_id: FromPath[str],
    data: JSONBody[AccountUpdate],
    actor: Given[Actor],
    database: Given[Database],
    platforms: Given[Registry],
    doors: Given[Doors],
    secrets: Given[Secrets],
    call: Given[Call | None],
) -> Response[Account]:
    async def ask() -> Verified:
        async with begin() as tx:
            draft = await accounts.prepare_update(tx, account_id, data.given(""), platforms=platforms, secrets=secrets)
        return await accounts.verify(draft, doors=doors, mode=actor.mode, workspace_id=actor.workspace_id)

    async def act(tx: Tx, verified: Verified) -> Account:
        return show_account(await accounts.store(tx, verified, secrets=secrets))

    begin = partial(database.begin, actor)

    return await ask_then_act(begin, call, ask, act, Account, secrets=secrets, status=200)


@get(
    "/exports/accounts",
    **operation(
        "List the stored logins at sending platforms",
        description="Newest first; also those that `POST /v1/connect-inbox` has stored. Each is checked once a day.",
        group=_GROUP,
        scope=requires("exports:read"),
        errors=("request.bad_cursor",),
        example={"data": [ACCOUNT_EXAMPLE], "next_cursor": None},
    ),
)
async def list_accounts(
    tx: Given[Tx], page_request: Given[PageRequest], platform_type: FromQuery[str | None] = None
) -> Page[Account]:
    return (await accounts.list_(tx, page_request, platform_type=platform_type)).map(show_account)


@get(
    "/exports/accounts/{account_id:str}",
    **operation(
        "Get a stored login",
        group=_GROUP,
        scope=requires("exports:read"),
        errors=("platform_account.not_found",),
        example=ACCOUNT_EXAMPLE,
    ),
)
async def get_account(account_id: FromPath[str], tx: Given[Tx]) -> Account:
    return show_account(await accounts.get(tx, account_id))


ROUTES: list[HTTPRouteHandler] = [list_platforms, create_account, update_account, list_accounts, get_account]
