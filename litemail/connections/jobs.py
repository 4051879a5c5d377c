"""Jobs of connections: one for each, and what looks after them."""

from collections.abc import Mapping

from litemail.connections import run_queries, servers
from litemail.connections.run import run as run_connection
from litemail.connections.servers import FindServers
from litemail.connections.service import enqueue
from litemail.connections.steps import SignIn
from litemail.kit.db import Database
from litemail.kit.jobs import Job
from litemail.kit.secrets import Secrets
from litemail.mailboxes import MailAccess
from litemail.platforms import Doors, Means, Pace
from litemail.providers import mailhost
from litemail.providers.platform import Registry

_PACE = Pace()
_FORGOTTEN = 30.0
_HOUR = 3600.0
_WEEK = 7 * 24 * _HOUR
_AT_ONCE = 5000


async def run(
    *,
    database: Database,
    secrets: Secrets,
    platforms: Registry,
    doors: Doors,
    mail_access: MailAccess,
    connection_id: str,
    pace: Pace = _PACE,
    inbox_sign_in: SignIn = mailhost.sign_in,
    find_servers: FindServers = servers.find_servers,
) -> None:
    """Connects what is left of a connection, and lets others go on that waited for its place."""
    means = Means(database=database, secrets=secrets, registry=platforms, doors=doors, pace=pace)
    await run_connection(
        means, connection_id, mail_access=mail_access, inbox_sign_in=inbox_sign_in, find_servers=find_servers
    )
    async with database.begin_system("look for connections that wait") as tx:
        for waiting in await run_queries.list_waiting(tx, after=connection_id, limit=run_queries.AT_ONCE):
            await enqueue(tx, waiting)


async def resume(*, database: Database) -> None:
    """Enqueues connections again whose job was lost: all of its tries failed, or somebody deleted it."""
    async with database.begin_system("look for forgotten connections") as tx:
        for connection_id in await run_queries.list_forgotten(tx, seconds=_FORGOTTEN):
            await enqueue(tx, connection_id)


async def erase_secrets(*, database: Database) -> None:
    """Platform passwords after an hour, inbox passwords a week after the end."""
    async with database.begin_system("erase platform passwords") as tx:
        await run_queries.erase_platform_passwords(tx, seconds=_HOUR)
    erased = _AT_ONCE
    while erased == _AT_ONCE:
        async with database.begin_system("erase inbox passwords") as tx:
            erased = await run_queries.erase_inbox_passwords(tx, seconds=_WEEK, limit=_AT_ONCE)


JOBS: Mapping[str, Job] = {
    "connections.run": run,
    "connections.resume": resume,
    "connections.erase_secrets": erase_secrets,
}
HANDLERS: Mapping[str, str] = {}
SCHEDULES: Mapping[str, str] = {
    "connections.resume": "*/1 * * * *",
    "connections.erase_secrets": "*/5 * * * *",
}
