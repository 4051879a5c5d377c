"""SQL of platform accounts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
from psycopg import errors
from psycopg.types.json import Jsonb

from litemail.kit.actor import Mode
from litemail.kit.db import Tx
from litemail.kit.errors import Problem

Status = Literal["unverified", "verified", "refused"]
"""Whether the platform let us in the last time: never asked, yes, no."""


class Workspace(msgspec.Struct, frozen=True):
    """A workspace at the platform."""

    id: str
    name: str


class PlatformAccount(msgspec.Struct, frozen=True):
    """A customer's stored login at a sending platform. Its secrets are read with `read_secrets` only.

    `workspaces` are those that the login has at the platform; `problem` is why the platform refused it the last time.
    """

    id: str
    workspace_id: str
    platform_type: str
    platform_email: str | None
    url: str | None
    label: str | None
    wanted_workspace: str
    external_workspace_id: str | None
    external_workspace_name: str | None
    client_id: str | None
    has_api_key: bool
    status: Status
    workspaces: tuple[Workspace, ...]
    problem: Problem | None
    verified_at: datetime | None
    created_at: datetime


class Sealed(msgspec.Struct, frozen=True):
    """The secrets of an account, sealed with its id as row."""

    api_key: bytes | None
    client_secret: bytes | None


class Due(msgspec.Struct, frozen=True):
    id: str
    workspace_id: str


_ACCOUNT = """id, workspace_id, platform_type, platform_email, url, label, wanted_workspace, external_workspace_id,
    external_workspace_name, client_id, api_key IS NOT NULL AS has_api_key, status, workspaces, problem, verified_at,
    created_at"""


async def find(tx: Tx, account_id: str, *, workspace_id: str) -> PlatformAccount | None:
    return await tx.find(
        PlatformAccount,
        f"""SELECT {_ACCOUNT} FROM platform_accounts
            WHERE id = %(id)s AND workspace_id = %(workspace_id)s AND deleted_at IS NULL""",
        id=account_id,
        workspace_id=workspace_id,
    )


async def hold(tx: Tx, account_id: str, *, workspace_id: str) -> bool:
    return bool(
        await tx.value(
            bool,
            """SELECT true FROM platform_accounts
               WHERE id = %(id)s AND workspace_id = %(workspace_id)s AND deleted_at IS NULL FOR SHARE""",
            id=account_id,
            workspace_id=workspace_id,
        )
    )


async def list_(
    tx: Tx, *, workspace_id: str, platform_type: str | None, limit: int, after: str | None
) -> list[PlatformAccount]:
    """Newest first."""
    return await tx.all(
        PlatformAccount,
        f"""SELECT {_ACCOUNT} FROM platform_accounts
            WHERE workspace_id = %(workspace_id)s AND deleted_at IS NULL
              AND (%(platform_type)s::text IS NULL OR platform_type = %(platform_type)s)
              AND (%(after)s::text IS NULL OR id < %(after)s)
            ORDER BY id DESC LIMIT %(limit)s""",
        workspace_id=workspace_id,
        platform_type=platform_type,
        limit=limit,
        after=after,
    )


async def count(tx: Tx, *, workspace_id: str, platform_type: str | None) -> int:
    return (
        await tx.value(
            int,
            """SELECT count(*) FROM platform_accounts
               WHERE workspace_id = %(workspace_id)s AND deleted_at IS NULL
                 AND (%(platform_type)s::text IS NULL OR platform_type = %(platform_type)s)""",
            workspace_id=workspace_id,
            platform_type=platform_type,
        )
        or 0
    )


async def find_by_identity(
    tx: Tx, *, workspace_id: str, platform_type: str, identity: str, wanted_workspace: str | None
) -> PlatformAccount | None:
    """The account of that identity. With several, None for the workspace means the one made without, else the oldest.

    A workspace is told by what was asked for then, and by the name and the id that the platform gave since.
    """
    return await tx.find(
        PlatformAccount,
        f"""SELECT {_ACCOUNT} FROM platform_accounts
            WHERE workspace_id = %(workspace_id)s AND platform_type = %(platform_type)s AND identity = %(identity)s
              AND deleted_at IS NULL
              AND (%(wanted)s::text IS NULL OR wanted_workspace = %(wanted)s OR external_workspace_id = %(wanted)s
                   OR lower(external_workspace_name) = lower(%(wanted)s))
            ORDER BY wanted_workspace <> coalesce(%(wanted)s, ''), id LIMIT 1""",
        workspace_id=workspace_id,
        platform_type=platform_type,
        identity=identity,
        wanted=wanted_workspace,
    )


async def insert(
    tx: Tx,
    *,
    account_id: str,
    workspace_id: str,
    platform_type: str,
    identity: str,
    wanted_workspace: str,
    platform_email: str | None,
    url: str | None,
    api_key: bytes | None,
    label: str | None = None,
) -> bool:
    """False when there is one of that identity."""
    return bool(
        await tx.execute(
            """INSERT INTO platform_accounts (id, workspace_id, platform_type, identity, wanted_workspace,
                                              platform_email, url, api_key, label, status, check_at, created_at)
               VALUES (%(id)s, %(workspace_id)s, %(platform_type)s, %(identity)s, %(wanted)s, %(platform_email)s,
                       %(url)s, %(api_key)s, %(label)s, 'unverified', %(now)s + interval '1 day', %(now)s)
               ON CONFLICT (workspace_id, platform_type, identity, wanted_workspace) WHERE deleted_at IS NULL
               DO NOTHING""",
            id=account_id,
            workspace_id=workspace_id,
            platform_type=platform_type,
            identity=identity,
            wanted=wanted_workspace,
            platform_email=platform_email,
            url=url,
            api_key=api_key,
            label=label,
            now=tx.now,
        )
    )


async def read_secrets(tx: Tx, account_id: str, *, workspace_id: str) -> Sealed:
    found = await tx.find(
        Sealed,
        """SELECT api_key, client_secret FROM platform_accounts
           WHERE id = %(id)s AND workspace_id = %(workspace_id)s""",
        id=account_id,
        workspace_id=workspace_id,
    )
    return found or Sealed(None, None)


async def store_api_key(
    tx: Tx, account_id: str, *, workspace_id: str, api_key: bytes, external_id: str, external_name: str
) -> None:
    await tx.execute(
        """UPDATE platform_accounts
           SET api_key = %(api_key)s, external_workspace_id = %(external_id)s,
               external_workspace_name = %(external_name)s
           WHERE id = %(id)s AND workspace_id = %(workspace_id)s""",
        id=account_id,
        workspace_id=workspace_id,
        api_key=api_key,
        external_id=external_id,
        external_name=external_name,
    )


async def claim_exchange(tx: Tx, account_id: str, *, seconds: float) -> bool:
    """Whether the caller may be the one that makes a key, for so many seconds."""
    return bool(
        await tx.execute(
            """UPDATE platform_accounts SET exchange_until = clock_timestamp() + make_interval(secs => %(seconds)s)
               WHERE id = %(id)s AND (exchange_until IS NULL OR exchange_until < clock_timestamp())""",
            id=account_id,
            seconds=seconds,
        )
    )


async def release_exchange(tx: Tx, account_id: str) -> None:
    await tx.execute("UPDATE platform_accounts SET exchange_until = NULL WHERE id = %(id)s", id=account_id)


async def update(
    tx: Tx,
    account_id: str,
    *,
    workspace_id: str,
    identity: str,
    wanted_workspace: str,
    platform_email: str | None,
    url: str | None,
    label: str | None,
    client_id: str | None,
    api_key: bytes | None,
    client_secret: bytes | None,
    external: Workspace | None,
) -> bool:
    """False when another account has that identity now."""
    try:
        # In a savepoint, since two that become the same at once see each other only here.
        async with tx.connection.transaction():
            await tx.execute(
                """UPDATE platform_accounts
                   SET identity = %(identity)s, wanted_workspace = %(wanted)s, platform_email = %(platform_email)s,
                       url = %(url)s, label = %(label)s, client_id = %(client_id)s, api_key = %(api_key)s,
                       client_secret = %(client_secret)s, external_workspace_id = %(external_id)s,
                       external_workspace_name = %(external_name)s
                   WHERE id = %(id)s AND workspace_id = %(workspace_id)s AND deleted_at IS NULL""",
                id=account_id,
                workspace_id=workspace_id,
                identity=identity,
                wanted=wanted_workspace,
                platform_email=platform_email,
                url=url,
                label=label,
                client_id=client_id,
                api_key=api_key,
                client_secret=client_secret,
                external_id=external.id if external else None,
                external_name=external.name if external else None,
            )
    except errors.UniqueViolation:
        return False
    return True


async def delete(tx: Tx, account_id: str, *, workspace_id: str) -> bool:
    """Erases the secrets; the rest stays as what connections and exports point to."""
    return bool(
        await tx.execute(
            """UPDATE platform_accounts SET deleted_at = %(now)s, api_key = NULL, client_secret = NULL
               WHERE id = %(id)s AND workspace_id = %(workspace_id)s AND deleted_at IS NULL""",
            id=account_id,
            workspace_id=workspace_id,
            now=tx.now,
        )
    )


async def mark(
    tx: Tx,
    account_id: str,
    *,
    workspace_id: str,
    status: Status,
    problem: Problem | None = None,
    workspaces: Sequence[Workspace] | None = None,
) -> bool:
    """Notes whether the platform let us in, and puts off the next check by about a day; whether that is news."""
    previous = await tx.value(
        str,
        "SELECT status FROM platform_accounts WHERE id = %(id)s AND workspace_id = %(workspace_id)s FOR UPDATE",
        id=account_id,
        workspace_id=workspace_id,
    )
    await tx.execute(
        """UPDATE platform_accounts
           SET status = %(status)s, problem = %(problem)s, workspaces = coalesce(%(workspaces)s, workspaces),
               verified_at = CASE WHEN %(status)s = 'verified' THEN %(now)s ELSE verified_at END,
               check_at = %(now)s + interval '1 day' * (0.9 + random() * 0.2)
           WHERE id = %(id)s AND workspace_id = %(workspace_id)s""",
        id=account_id,
        workspace_id=workspace_id,
        status=status,
        problem=None if problem is None else Jsonb(msgspec.to_builtins(problem)),
        workspaces=None if workspaces is None else Jsonb(msgspec.to_builtins(workspaces)),
        now=tx.now,
    )
    return previous is not None and previous != status


async def claim_due(tx: Tx, *, retry_in: float, limit: int) -> list[Due]:
    """Accounts whose login is to be checked; nobody else gets them for `retry_in` seconds."""
    return await tx.all(
        Due,
        """UPDATE platform_accounts SET check_at = %(now)s + make_interval(secs => %(retry_in)s)
           WHERE id IN (
               SELECT id FROM platform_accounts
               WHERE check_at <= %(now)s AND deleted_at IS NULL AND api_key IS NOT NULL
               ORDER BY check_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
           RETURNING id, workspace_id""",
        now=tx.now,
        retry_in=retry_in,
        limit=limit,
    )


async def mode_of(tx: Tx, workspace_id: str) -> Mode:
    mode = await tx.value(str, "SELECT mode FROM workspaces WHERE id = %(id)s", id=workspace_id)
    return "live" if mode == "live" else "sandbox"
