"""Jobs of exports: one for each, what looks after them, and what follows activations."""

from collections.abc import Mapping, Sequence

from litemail.exports import automatic, run_queries
from litemail.exports.run import run as run_export
from litemail.exports.service import enqueue
from litemail.kit.db import Database
from litemail.kit.jobs import Job
from litemail.kit.secrets import Secrets
from litemail.mailboxes import MailAccess
from litemail.platforms import Doors, Means, Pace
from litemail.providers.platform import Registry

_PACE = Pace()
_FORGOTTEN = 30.0


async def run(
    *,
    database: Database,
    secrets: Secrets,
    platforms: Registry,
    doors: Doors,
    mail_access: MailAccess,
    export_id: str,
    pace: Pace = _PACE,
) -> None:
    """Exports what is left of an export. One at a time for each platform account, by the job's lock."""
    means = Means(database=database, secrets=secrets, registry=platforms, doors=doors, pace=pace)
    await run_export(means, export_id, mail_access=mail_access)


async def resume(*, database: Database) -> None:
    """Enqueues exports again whose job was lost: all of its tries failed, or somebody deleted it."""
    async with database.begin_system("look for forgotten exports") as tx:
        for row in await run_queries.list_forgotten(tx, seconds=_FORGOTTEN):
            await enqueue(tx, row.id, platform_account_id=row.platform_account_id)


async def follow(*, database: Database) -> None:
    """Exports what became active where a rule says so."""
    while await automatic.follow(database):
        pass


JOBS: Mapping[str, Job] = {"exports.run": run, "exports.resume": resume, "exports.follow": follow}
HANDLERS: Mapping[str, str] = {}
FOLLOWERS: Mapping[str, Sequence[str]] = {automatic.ACTIVATED: ("exports.follow",)}
SCHEDULES: Mapping[str, str] = {"exports.resume": "*/1 * * * *"}
