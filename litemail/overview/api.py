"""Routes of the views over many slices. They read as the system: a list of workspaces crosses tenants by nature."""

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler

from litemail.kit.actor import Actor, Mode, Role, requires
from litemail.kit.clock import rfc3339
from litemail.kit.db import Database, Tx
from litemail.kit.money import Money
from litemail.kit.pagination import Page, PageRequest, page
from litemail.kit.wire import Given, Timestamp, operation
from litemail.overview import queries


class User(msgspec.Struct, frozen=True):
    """You and your workspace: `purchased_mailboxes` are its slots, `wallet_balance` is what it can spend."""

    id: str
    email: str
    first_name: str
    last_name: str
    default_workspace_id: str | None
    plan: str | None
    purchased_mailboxes: int
    assigned_mailboxes: int
    domains: int
    wallet_balance: Money
    created_at: Timestamp


class Workspace(msgspec.Struct, frozen=True):
    id: str
    name: str
    mode: Mode
    role: Role
    domain_count: int
    mailbox_count: int
    billing_workspace_id: str | None
    created_at: Timestamp


@get(
    "/users",
    **operation(
        "Get your user and what your workspace holds",
        group="Users",
        scope=requires("users:read"),
        example={
            "id": "user_01k5m3v8w0e3t9f7a2b4c6d8ee",
            "email": "ada@example.com",
            "first_name": "Ada",
            "last_name": "Lovelace",
            "default_workspace_id": "ws_01k5m3v8w0e3t9f7a2b4c6d8ee",
            "plan": "growth",
            "purchased_mailboxes": 30,
            "assigned_mailboxes": 12,
            "domains": 4,
            "wallet_balance": {"amount": 90100, "currency": "USD"},
            "created_at": "2026-01-29T18:41:56.867Z",
        },
    ),
)
async def get_user(tx: Given[Tx], actor: Given[Actor]) -> User:
    row = await queries.get_user(tx, actor.user_id, workspace_id=actor.workspace_id, payer=actor.paying_workspace_id)
    return User(
        id=row.id,
        email=row.email,
        first_name=row.first_name,
        last_name=row.last_name,
        default_workspace_id=row.default_workspace_id,
        plan=row.plan,
        purchased_mailboxes=row.purchased_mailboxes,
        assigned_mailboxes=row.assigned_mailboxes,
        domains=row.domains,
        wallet_balance=Money(row.wallet_balance),
        created_at=rfc3339(row.created_at),
    )


@get(
    "/workspaces",
    **operation(
        "List your workspaces",
        group="Workspaces",
        scope=requires("workspaces:read"),
        example={
            "data": [
                {
                    "id": "ws_01k5m3v8w0e3t9f7a2b4c6d8ee",
                    "name": "Acme",
                    "mode": "sandbox",
                    "role": "owner",
                    "domain_count": 4,
                    "mailbox_count": 12,
                    "billing_workspace_id": None,
                    "created_at": "2026-01-29T18:41:56.867Z",
                }
            ],
            "next_cursor": None,
        },
    ),
)
async def list_workspaces(
    database: Given[Database], actor: Given[Actor], page_request: Given[PageRequest]
) -> Page[Workspace]:
    only = actor.key_workspace_ids
    async with database.begin_system("list workspaces") as tx:
        rows = await queries.list_workspaces(
            tx, user_id=actor.user_id, only=only, limit=page_request.limit + 1, after=page_request.after
        )
        total = await queries.count_workspaces(tx, user_id=actor.user_id, only=only) if page_request.count else None
    return page(rows, page_request, key=lambda row: row.id, total=total).map(_show)


def _show(row: queries.WorkspaceRow) -> Workspace:
    return Workspace(
        id=row.id,
        name=row.name,
        mode=row.mode,
        role=row.role,
        domain_count=row.domain_count,
        mailbox_count=row.mailbox_count,
        billing_workspace_id=row.billing_workspace_id,
        created_at=rfc3339(row.created_at),
    )


ROUTES: list[HTTPRouteHandler] = [get_user, list_workspaces]
