"""Wire shapes of workspaces and API keys."""

from datetime import datetime
from typing import Annotated

import msgspec
from pydantic import Field

from litemail.kit.actor import Mode, Role
from litemail.kit.clock import rfc3339
from litemail.kit.money import Money
from litemail.kit.wire import Moment, Name, RequestModel, Timestamp
from litemail.workspaces.queries import ApiKey as ApiKeyRow
from litemail.workspaces.queries import Workspace as WorkspaceRow


class WorkspaceCreate(RequestModel):
    name: Name
    mode: Mode = "sandbox"
    billing_workspace_id: str | None = None


class WorkspaceUpdate(RequestModel):
    name: Name
    billing_workspace_id: str | None = None


class ApiKeyCreate(RequestModel):
    name: Name
    scopes: Annotated[list[str], Field(min_length=1, max_length=50)] | None = None
    workspace_ids: Annotated[list[str], Field(min_length=1, max_length=100)] | None = None
    expires_at: Moment | None = None
    spend_limit: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None


class Workspace(msgspec.Struct, frozen=True):
    id: str
    name: str
    mode: Mode
    role: Role
    billing_workspace_id: str | None
    created_at: Timestamp


class ApiKey(msgspec.Struct, frozen=True):
    id: str
    name: str
    prefix: str
    scopes: list[str]
    workspace_ids: list[str]
    spend_limit: Money | None
    expires_at: Timestamp | None
    last_used_at: Timestamp | None
    created_at: Timestamp


class NewApiKey(ApiKey, frozen=True):
    """The only answer that holds the secret, `key`."""

    key: str = ""


def show_workspace(row: WorkspaceRow) -> Workspace:
    return Workspace(
        id=row.id,
        name=row.name,
        mode=row.mode,
        role=row.role,
        billing_workspace_id=row.billing_workspace_id,
        created_at=rfc3339(row.created_at),
    )


def show_key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        scopes=row.scopes,
        workspace_ids=row.workspace_ids,
        spend_limit=None if row.spend_limit is None else Money(row.spend_limit),
        expires_at=_time(row.expires_at),
        last_used_at=_time(row.last_used_at),
        created_at=rfc3339(row.created_at),
    )


def show_new_key(row: ApiKeyRow, secret: str) -> NewApiKey:
    return NewApiKey(**msgspec.structs.asdict(show_key(row)), key=secret)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
