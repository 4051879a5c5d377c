"""Routes of workspaces and API keys."""

from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from litemail.kit.actor import USER_ONLY, Actor, requires
from litemail.kit.db import Tx
from litemail.kit.pagination import Page, PageRequest
from litemail.kit.wire import Given, operation
from litemail.workspaces import keys, service
from litemail.workspaces.schemas import (
    ApiKey,
    ApiKeyCreate,
    NewApiKey,
    Workspace,
    WorkspaceUpdate,
    show_key,
    show_new_key,
    show_workspace,
)

WORKSPACE_EXAMPLE = {
    "id": "ws_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "name": "Acme",
    "mode": "sandbox",
    "role": "owner",
    "billing_workspace_id": None,
    "created_at": "2026-01-29T18:41:56.867Z",
}
KEY_EXAMPLE = {
    "id": "key_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "name": "Back office",
    "prefix": "lm_test_9fQ2",
    "scopes": ["domains:read", "mailboxes:read"],
    "workspace_ids": ["ws_01k5m3v8w0e3t9f7a2b4c6d8ee"],
    "spend_limit": None,
    "expires_at": None,
    "last_used_at": None,
    "created_at": "2026-01-29T18:41:56.867Z",
}


@get(
    "/workspaces/{workspace_id:str}",
    **operation(
        "Get a workspace",
        group="Workspaces",
        scope=requires("workspaces:read"),
        errors=("workspace.not_found",),
        example=WORKSPACE_EXAMPLE,
    ),
)
async def get_workspace(workspace_id: FromPath[str], tx: Given[Tx], actor: Given[Actor]) -> Workspace:
    service.check_key_reaches(actor, workspace_id)
    return show_workspace(await service.get(tx, workspace_id, user_id=actor.user_id))


@put(
    "/workspaces/{workspace_id:str}",
    **operation(
        "Rename a workspace, or set who pays for it",
        description="`billing_workspace_id` left out or null: the workspace pays for itself.",
        group="Workspaces",
        scope=requires("workspaces:write"),
        errors=("workspace.not_found", "workspace.name_taken", "workspace.bad_billing_workspace"),
        example=WORKSPACE_EXAMPLE,
        request_example={"name": "Acme"},
    ),
)
async def update_workspace(
    workspace_id: FromPath[str], data: JSONBody[WorkspaceUpdate], tx: Given[Tx], actor: Given[Actor]
) -> Workspace:
    service.check_key_reaches(actor, workspace_id)
    row = await service.update(tx, workspace_id, name=data.name, billing_workspace_id=data.billing_workspace_id)
    return show_workspace(row)


@post(
    "/api-keys",
    **operation(
        "Create an API key",
        description="The secret, `key`, is in this answer and nowhere else. Without `scopes` a key gets what the "
        "role allows, but neither `billing:spend` nor `mailboxes:credentials`.",
        group="API Keys",
        scope=requires(USER_ONLY),
        errors=("api_key.mixed_modes",),
        example={**KEY_EXAMPLE, "key": "lm_test_9fQ2vV0m3yLqCqhU3mXWc1mQzq7yO0m3bV2uW8kq1nH"},
        request_example={"name": "Back office", "scopes": ["domains:read", "mailboxes:read"]},
    ),
)
async def create_key(data: JSONBody[ApiKeyCreate], tx: Given[Tx]) -> NewApiKey:
    new = await keys.create_key(
        tx,
        name=data.name,
        scopes=data.scopes,
        workspace_ids=data.workspace_ids,
        expires_at=data.expires_at,
        spend_limit=data.spend_limit,
    )
    return show_new_key(new.row, new.secret)


@get(
    "/api-keys",
    **operation(
        "List your API keys",
        group="API Keys",
        scope=requires("workspaces:read"),
        example={"data": [KEY_EXAMPLE], "next_cursor": None},
    ),
)
async def list_keys(tx: Given[Tx], page_request: Given[PageRequest]) -> Page[ApiKey]:
    return (await keys.list_keys(tx, page_request)).map(show_key)


@delete(
    "/api-keys/{key_id:str}",
    **operation(
        "Revoke an API key at once",
        group="API Keys",
        scope=requires("workspaces:write"),
        errors=("api_key.not_found",),
    ),
)
async def revoke_key(key_id: FromPath[str], tx: Given[Tx]) -> None:
    await keys.revoke_key(tx, key_id)


ROUTES: list[HTTPRouteHandler] = [get_workspace, update_workspace, create_key, list_keys, revoke_key]
