"""Routes that start a workflow."""

import msgspec
from litestar import patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from litemail.kit.actor import PUBLIC, USER_ONLY, Actor, requires
from litemail.kit.db import Database, Tx
from litemail.kit.secrets import Secrets
from litemail.kit.wire import Given, operation
from litemail.users.api import TOKENS_EXAMPLE
from litemail.users.schemas import Register, User, UserUpdate
from litemail.users.schemas import show as show_user
from litemail.workflows import sign_up
from litemail.workspaces import LivePolicy
from litemail.workspaces.api import WORKSPACE_EXAMPLE
from litemail.workspaces.schemas import Workspace, WorkspaceCreate, show_workspace

USER_EXAMPLE = {
    "id": "user_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "email": "ada@example.com",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "default_workspace_id": "ws_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "created_at": "2026-01-29T18:41:56.867Z",
}


class Registered(msgspec.Struct, frozen=True):
    user: User
    workspace: Workspace
    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int


@post(
    "/auth/register",
    **operation(
        "Register",
        description="Makes an account with a sandbox workspace, and signs in.",
        group="Sign-in",
        scope=requires(PUBLIC),
        errors=("user.email_taken", "auth.registration_closed"),
        example={"user": USER_EXAMPLE, "workspace": WORKSPACE_EXAMPLE, **TOKENS_EXAMPLE},
        request_example={
            "email": "ada@example.com",
            "password": "correct horse battery",
            "first_name": "Ada",
            "last_name": "Lovelace",
        },
    ),
)
async def register(
    data: JSONBody[Register], database: Given[Database], secrets: Given[Secrets], registration_open: Given[bool]
) -> Registered:
    if not registration_open:
        raise sign_up.RegistrationClosed
    done = await sign_up.register(
        database,
        email=data.email,
        password=data.password,
        first_name=data.first_name,
        last_name=data.last_name,
        workspace_name=data.workspace_name,
        secrets=secrets,
    )
    return Registered(
        user=show_user(done.user), workspace=show_workspace(done.workspace), **msgspec.structs.asdict(done.tokens)
    )


@post(
    "/workspaces",
    **operation(
        "Create a workspace",
        description="Sandbox workspaces are free to make; live ones must be allowed by the operator of the server.",
        group="Workspaces",
        scope=requires("workspaces:write"),
        errors=("workspace.name_taken", "workspace.live_not_allowed", "workspace.bad_billing_workspace"),
        example=WORKSPACE_EXAMPLE,
        request_example={"name": "Acme", "mode": "sandbox"},
    ),
)
async def create_workspace(
    data: JSONBody[WorkspaceCreate], tx: Given[Tx], actor: Given[Actor], live_policy: Given[LivePolicy]
) -> Workspace:
    row = await sign_up.create_workspace(
        tx,
        actor=actor,
        name=data.name,
        mode=data.mode,
        billing_workspace_id=data.billing_workspace_id,
        live_policy=live_policy,
    )
    return show_workspace(row)


@patch(
    "/users",
    **operation(
        "Change your names or your default workspace",
        description="Fields left out stay as they are.",
        group="Users",
        scope=requires(USER_ONLY),
        errors=("user.unknown_default_workspace",),
        example=USER_EXAMPLE,
        request_example={"first_name": "Ada"},
    ),
)
async def update_user(data: JSONBody[UserUpdate], tx: Given[Tx], actor: Given[Actor]) -> User:
    row = await sign_up.update_user(
        tx,
        actor=actor,
        first_name=data.first_name,
        last_name=data.last_name,
        default_workspace_id=data.default_workspace_id,
    )
    return show_user(row)


ROUTES: list[HTTPRouteHandler] = [register, create_workspace, update_user]
