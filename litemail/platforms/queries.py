"""SQL of platform accounts."""

from datetime import datetime
from typing import Literal

import msgspec

from litemail.kit.db import Tx

Status = Literal["unverified", "verified", "refused"]
"""Whether the platform let us in the last time: never asked, yes, no."""


class PlatformAccount(msgspec.Struct, frozen=True):
    """A customer's stored login at a sending platform. Its secrets are read with `read_api_key` only."""

    id: str
    workspace_id: str
    platform_type: str
    platform_email: str | None
    url: str | None
    label: str | None
    wanted_workspace: str
    external_workspace_id: str | None
    external_workspace_name: str | None
    has_api_key: bool
    status: Status
    verified_at: datetime | None
    created_at: datetime


_ACCOUNT = """id, workspace_id, platform_type, platform_email, url, label, wanted_workspace, external_workspace_id,
    external_workspace_name, api_key IS NOT NULL AS has_api_key, status, verified_at, created_at"""


async def find(tx: Tx, account_id: str, *, workspace_id: str) -> PlatformAccount | None:
    return await tx.find(
        PlatformAccount,
        f"SELECT {_ACCOUNT} FROM platform_accounts WHERE id = %(id)s AND workspace_id = %(workspace_id)s",
        id=account_id,
        workspace_id=workspace_id,
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
) -> bool:
    """False when there is one of that identity."""
    return bool(
        await tx.execute(
            """INSERT INTO platform_accounts (id, workspace_id, platform_type, identity, wanted_workspace,
                                              platform_email, url, api_key, status, created_at)
               VALUES (%(id)s, %(workspace_id)s, %(platform_type)s, %(identity)s, %(wanted)s, %(platform_email)s,
                       %(url)s, %(api_key)s, 'unverified', %(now)s)
               ON CONFLICT (workspace_id, platform_type, identity, wanted_workspace) DO NOTHING""",
            id=account_id,
            workspace_id=workspace_id,
            platform_type=platform_type,
            identity=identity,
            wanted=wanted_workspace,
            platform_email=platform_email,
            url=url,
            api_key=api_key,
            now=tx.now,
        )
    )


async def read_api_key(tx: Tx, account_id: str, *, workspace_id: str) -> bytes | None:
    """Sealed, with the account's id as row."""
    return await tx.value(
        bytes,
        "SELECT api_key FROM platform_accounts WHERE id = %(id)s AND workspace_id = %(workspace_id)s",
        id=account_id,
        workspace_id=workspace_id,
    )


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


async def mark(tx: Tx, account_id: str, *, workspace_id: str, status: Status) -> bool:
    """Notes whether the platform let us in; whether that is news."""
    previous = await tx.value(
        str,
        "SELECT status FROM platform_accounts WHERE id = %(id)s AND workspace_id = %(workspace_id)s FOR UPDATE",
        id=account_id,
        workspace_id=workspace_id,
    )
    await tx.execute(
        """UPDATE platform_accounts
           SET status = %(status)s,
               verified_at = CASE WHEN %(status)s = 'verified' THEN %(now)s ELSE verified_at END
           WHERE id = %(id)s AND workspace_id = %(workspace_id)s""",
        id=account_id,
        workspace_id=workspace_id,
        status=status,
        now=tx.now,
    )
    return previous != status
