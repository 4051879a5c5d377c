"""Jobs of zones: keep looking up the targets of ALIAS records that no zone of ours has."""

import asyncio
from datetime import timedelta

from litemail.kit.db import Database
from litemail.kit.jobs import Job
from litemail.protocols.record_types import AliasTarget
from litemail.providers.dns import Resolvers
from litemail.providers.dns.resolvers import addresses
from litemail.zones import alias_queries, queries

_AT_ONCE = 50
_CHUNK = 500
_PATIENCE = 3.0
_LOST_AFTER = timedelta(minutes=1)
_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(hours=1)


async def look_up_aliases(*, database: Database, resolvers: Resolvers) -> None:
    """Asks for the targets that are due, each when the TTL of its last answer is over, and serves what changed.

    While nobody answers, what was found last goes on being served.
    """
    if not resolvers.servers:
        return
    async with database.begin_system("due ALIAS targets") as tx:
        await alias_queries.follow_records(tx)
        due = await alias_queries.take_due(tx, limit=_CHUNK, again_at=tx.now + _LOST_AFTER)
    slots = asyncio.Semaphore(_AT_ONCE)

    async def look(name: str) -> AliasTarget | None:
        async with slots:
            return await addresses(name, resolvers, seconds=_PATIENCE)

    found = [each for each in await asyncio.gather(*map(look, due)) if each is not None]
    if not found:
        return
    async with database.begin_system("keep ALIAS targets") as tx:
        changed = [
            target.name
            for target in sorted(found, key=lambda each: each.name)
            if await alias_queries.keep(tx, target, next_look_at=tx.now + _wait(target))
        ]
        for zone_id in await alias_queries.zones_naming(tx, changed):
            await queries.bump_serial(tx, zone_id)


def _wait(target: AliasTarget) -> timedelta:
    return min(max(timedelta(seconds=target.ttl), _SHORTEST), _LONGEST)


JOBS: dict[str, Job] = {"zones.look_up_aliases": look_up_aliases}
HANDLERS: dict[str, str] = {}
SCHEDULES = {"zones.look_up_aliases": "* * * * * */5"}
