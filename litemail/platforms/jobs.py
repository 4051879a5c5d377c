"""Jobs of platform accounts: whether each login still works is asked about once a day."""

from collections.abc import Mapping
from contextlib import suppress

from litemail.kit.db import Database
from litemail.kit.jobs import Job
from litemail.kit.outbound import OutboundError
from litemail.kit.secrets import Secrets
from litemail.platforms import claims, queries
from litemail.platforms.doors import Doors
from litemail.platforms.service import AccountDeleted, reach_account, sign_in
from litemail.providers.platform import PlatformError, Registry

_AT_ONCE = 500
_HOUR = 3600.0
_DAY = 24 * _HOUR


async def check_due(*, database: Database) -> None:
    """Enqueues the checks that are due. One that comes to nothing, because a platform is down, is due in an hour."""
    async with database.begin_system("look for logins to check") as tx:
        for due in await queries.claim_due(tx, retry_in=_HOUR, limit=_AT_ONCE):
            await tx.enqueue(
                "platforms.check",
                lock=f"platform_account:{due.id}",
                once=f"platforms.check:{due.id}",
                account_id=due.id,
                workspace_id=due.workspace_id,
            )


async def check(
    *,
    database: Database,
    secrets: Secrets,
    platforms: Registry,
    doors: Doors,
    account_id: str,
    workspace_id: str,
) -> None:
    """Signs in; `sign_in` notes what the platform says, and tells of it when that has changed."""
    async with database.begin_system("read a platform account") as tx:
        account = await queries.find(tx, account_id, workspace_id=workspace_id)
        mode = await queries.mode_of(tx, workspace_id)
    if account is None:
        return
    adapter = platforms.get(account.platform_type)
    with suppress(AccountDeleted, PlatformError, OutboundError):
        async with reach_account(database, doors, adapter, account_id, workspace_id=workspace_id, mode=mode) as (
            reach,
            _,
        ):
            await sign_in(
                database,
                account_id,
                workspace_id=workspace_id,
                password=None,
                adapter=adapter,
                reach=reach,
                secrets=secrets,
            )


async def forget_claims(*, database: Database) -> None:
    """Inboxes that a batch claimed a day ago are anybody's."""
    async with database.begin_system("forget old claims") as tx:
        await claims.forget_old(tx, seconds=_DAY)


JOBS: Mapping[str, Job] = {
    "platforms.check_due": check_due,
    "platforms.check": check,
    "platforms.forget_claims": forget_claims,
}
HANDLERS: Mapping[str, str] = {}
SCHEDULES: Mapping[str, str] = {"platforms.check_due": "*/5 * * * *", "platforms.forget_claims": "23 * * * *"}
