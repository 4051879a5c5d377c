"""Use cases of workspaces, and whom a credential makes of a caller."""

from typing import Literal

from litemail.kit import ids
from litemail.kit.actor import Actor, Mode
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.secrets import token_hash
from litemail.workspaces import queries
from litemail.workspaces.queries import Identity, Workspace
from litemail.workspaces.roles import ROLE_SCOPES, effective

LivePolicy = Literal["operator", "open"]
"""Who may create live workspaces: those whom the operator approved, or everybody."""


class WorkspaceNotFound(Error):
    kind = Kind.NOT_FOUND
    code = "workspace.not_found"
    message = "There is no workspace {workspace_id} that you belong to."
    action = "List your workspaces with GET /v1/workspaces and use one of their ids."


class NameTaken(Error):
    kind = Kind.CONFLICT
    code = "workspace.name_taken"
    message = "You already have a workspace named {name}."
    action = "Choose another name."


class RoleMissing(Error):
    kind = Kind.FORBIDDEN
    code = "workspace.role_missing"
    message = "Your role in that workspace, {role}, may not change it."
    action = "Ask an owner or admin of the workspace."


class LiveNotAllowed(Error):
    kind = Kind.FORBIDDEN
    code = "workspace.live_not_allowed"
    message = "Live workspaces have to be allowed by the operator of this server."
    action = "Create a sandbox workspace, or ask the operator to run: litemail workspace approve {email}"


class BadBillingWorkspace(Error):
    kind = Kind.INVALID
    code = "workspace.bad_billing_workspace"
    message = "{workspace_id} cannot pay for this workspace: it must have the same owner and the same mode."
    action = "Name another workspace, or leave billing_workspace_id out so that the workspace pays for itself."


async def create(
    tx: Tx,
    *,
    owner_id: str,
    name: str,
    mode: Mode,
    billing_workspace_id: str | None = None,
) -> Workspace:
    """A new workspace with its owner as first member. The caller has checked that `mode` is allowed.

    Raises NameTaken, BadBillingWorkspace.
    """
    workspace_id = ids.new_id("ws")
    if billing_workspace_id is not None:
        await _check_billing_workspace(tx, billing_workspace_id, owner_id=owner_id, mode=mode)
    await tx.enter(workspace_id)
    inserted = await queries.insert_workspace(
        tx,
        workspace_id=workspace_id,
        owner_id=owner_id,
        name=name,
        mode=mode,
        billing_workspace_id=billing_workspace_id,
    )
    if not inserted:
        raise NameTaken(name=name, field="name")
    await queries.insert_member(tx, workspace_id=workspace_id, user_id=owner_id, role="owner")
    await tx.emit(
        "workspace.created", workspace_id=workspace_id, subject=workspace_id, data={"name": name, "mode": mode}
    )
    return await get(tx, workspace_id, user_id=owner_id)


async def get(tx: Tx, workspace_id: str, *, user_id: str) -> Workspace:
    """Raises WorkspaceNotFound, also where the user is no member."""
    workspace = await queries.find_workspace(tx, workspace_id, user_id=user_id)
    if workspace is None:
        raise WorkspaceNotFound(workspace_id=workspace_id)
    return workspace


async def update(tx: Tx, workspace_id: str, *, name: str, billing_workspace_id: str | None) -> Workspace:
    """Renames, and sets who pays (None: itself). Raises WorkspaceNotFound, NameTaken, BadBillingWorkspace."""
    assert tx.actor is not None
    before = await get(tx, workspace_id, user_id=tx.actor.user_id)
    if "workspaces:write" not in ROLE_SCOPES[before.role]:
        raise RoleMissing(role=before.role)
    await tx.enter(workspace_id)
    owner_id = await queries.owner_of(tx, workspace_id)
    assert owner_id is not None
    if await queries.name_is_taken(tx, name, owner_id=owner_id, besides=workspace_id):
        raise NameTaken(name=name, field="name")
    if billing_workspace_id == workspace_id:
        billing_workspace_id = None
    if billing_workspace_id is not None and billing_workspace_id != before.billing_workspace_id:
        _check_key_reaches_payer(tx.actor, billing_workspace_id)
        await _check_billing_workspace(tx, billing_workspace_id, owner_id=owner_id, mode=before.mode)
    await queries.update_workspace(tx, workspace_id, name=name, billing_workspace_id=billing_workspace_id)
    await tx.emit(
        "workspace.updated",
        workspace_id=workspace_id,
        subject=workspace_id,
        before={"name": before.name, "billing_workspace_id": before.billing_workspace_id},
        data={"name": name, "billing_workspace_id": billing_workspace_id},
    )
    return await get(tx, workspace_id, user_id=tx.actor.user_id)


def check_key_reaches(actor: Actor, workspace_id: str) -> None:
    """A key sees only its own workspaces, whatever its user belongs to. Raises WorkspaceNotFound."""
    if actor.key_workspace_ids is not None and workspace_id not in actor.key_workspace_ids:
        raise WorkspaceNotFound(workspace_id=workspace_id)


def _check_key_reaches_payer(actor: Actor, workspace_id: str) -> None:
    """Else a key could spend from the wallet of a workspace that it was not made for. Raises BadBillingWorkspace."""
    if actor.key_workspace_ids is not None and workspace_id not in actor.key_workspace_ids:
        raise BadBillingWorkspace(workspace_id=workspace_id, field="billing_workspace_id")


async def _check_billing_workspace(tx: Tx, workspace_id: str, *, owner_id: str, mode: Mode) -> None:
    payer = await queries.find_workspace(tx, workspace_id, user_id=owner_id)
    if payer is None or payer.mode != mode or await queries.owner_of(tx, workspace_id) != owner_id:
        raise BadBillingWorkspace(workspace_id=workspace_id, field="billing_workspace_id")


async def actor_by_key(
    tx: Tx, key: str, *, workspace_id: str | None, address: str | None, request_id: str | None
) -> Actor | None:
    """Who acts with this API key; None when there is no such key. Raises WorkspaceNotFound."""
    identity = await queries.identify_key(tx, token_hash(key), workspace_id=workspace_id)
    return _actor(identity, workspace_id, address=address, request_id=request_id)


async def actor_by_session(
    tx: Tx, session_id: str, user_id: str, *, workspace_id: str | None, address: str | None, request_id: str | None
) -> Actor | None:
    """Who acts with an access token of this session; None when it was revoked. Raises WorkspaceNotFound."""
    identity = await queries.identify_session(tx, session_id, user_id, workspace_id=workspace_id)
    return _actor(identity, workspace_id, address=address, request_id=request_id)


def _actor(
    identity: Identity | None, asked_for: str | None, *, address: str | None, request_id: str | None
) -> Actor | None:
    if identity is None:
        return None
    if identity.workspace_id is None or identity.role is None or identity.mode is None:
        raise WorkspaceNotFound(workspace_id=asked_for or "(default)")
    return Actor(
        user_id=identity.user_id,
        workspace_id=identity.workspace_id,
        paying_workspace_id=identity.billing_workspace_id or identity.workspace_id,
        mode=identity.mode,
        role=identity.role,
        scopes=effective(identity.role, None if identity.key_scopes is None else frozenset(identity.key_scopes)),
        key_id=identity.key_id,
        key_workspace_ids=None if identity.key_workspace_ids is None else tuple(identity.key_workspace_ids),
        address=address,
        request_id=request_id,
    )
