"""A person registers, and has a sandbox workspace to try things in; later perhaps more workspaces."""

import msgspec

from litemail import subscriptions, users, wallet, workspaces
from litemail.kit.actor import Actor, Mode
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.passwords import hash_chosen
from litemail.kit.secrets import Secrets
from litemail.workspaces import LivePolicy, Workspace

SANDBOX_MONEY = 100_000
"""What a sandbox's wallet starts with, in minor units."""
SANDBOX_PLAN = "pro"


class RegistrationClosed(Error):
    kind = Kind.FORBIDDEN
    code = "auth.registration_closed"
    message = "This server takes no new registrations."
    action = "Ask its operator for an account."


class UnknownDefaultWorkspace(Error):
    kind = Kind.INVALID
    code = "user.unknown_default_workspace"
    message = "There is no workspace {workspace_id} that you belong to."
    action = "List your workspaces with GET /v1/workspaces and use one of their ids."


class SignUp(msgspec.Struct, frozen=True):
    user: users.User
    workspace: Workspace
    tokens: users.Tokens


async def register(
    database: Database,
    *,
    email: str,
    password: str,
    first_name: str,
    last_name: str,
    workspace_name: str | None,
    secrets: Secrets,
) -> SignUp:
    """A user with a sandbox workspace, signed in. Raises users.EmailTaken."""
    password_hash = await hash_chosen(password)  # before the transaction: it takes 0.1 s
    async with database.begin_system("register") as tx:
        user = await users.create(
            tx, email=email, password_hash=password_hash, first_name=first_name, last_name=last_name
        )
        workspace = await workspaces.create(
            tx, owner_id=user.id, name=workspace_name or f"{first_name}'s sandbox", mode="sandbox"
        )
        await equip(tx, workspace)
        user = await users.set_default_workspace(tx, user.id, workspace.id)
        await tx.emit(
            "user.registered", workspace_id=workspace.id, subject=user.id, data={"email": email}, audience="audit"
        )
        return SignUp(user, workspace, await users.issue_tokens(tx, user.id, secrets=secrets))


async def create_workspace(
    tx: Tx, *, actor: Actor, name: str, mode: Mode, billing_workspace_id: str | None, live_policy: LivePolicy
) -> Workspace:
    """Another workspace of the acting user. Raises LiveNotAllowed and what `workspaces.create` raises."""
    if mode == "live" and live_policy == "operator" and not await users.live_is_allowed(tx, actor.user_id):
        user = await users.get(tx, actor.user_id)
        raise workspaces.LiveNotAllowed(email=user.email)
    workspace = await workspaces.create(
        tx, owner_id=actor.user_id, name=name, mode=mode, billing_workspace_id=billing_workspace_id
    )
    await equip(tx, workspace)
    return workspace


async def equip(tx: Tx, workspace: Workspace) -> None:
    """A new workspace has a wallet; a sandbox has money in it, and a plan to try everything with."""
    await wallet.open_(tx, workspace.id)
    if workspace.mode != "sandbox":
        return
    await wallet.grant(
        tx, workspace_id=workspace.id, amount=SANDBOX_MONEY, reason="Sandbox money to start with", key="start"
    )
    sold = [plan.id for plan in await subscriptions.list_plans(tx)]
    if sold:
        plan = SANDBOX_PLAN if SANDBOX_PLAN in sold else sold[-1]
        await subscriptions.grant(tx, workspace.id, plan=plan)


async def update_user(
    tx: Tx, *, actor: Actor, first_name: str | None, last_name: str | None, default_workspace_id: str | None
) -> users.User:
    """None leaves a field as it is. Raises UnknownDefaultWorkspace."""
    if default_workspace_id is not None:
        try:
            await workspaces.get(tx, default_workspace_id, user_id=actor.user_id)
        except workspaces.WorkspaceNotFound:
            raise UnknownDefaultWorkspace(workspace_id=default_workspace_id, field="default_workspace_id") from None
        await users.set_default_workspace(tx, actor.user_id, default_workspace_id)
    return await users.update(tx, actor.user_id, first_name=first_name, last_name=last_name)
