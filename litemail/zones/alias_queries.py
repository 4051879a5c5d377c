"""SQL of ALIAS targets that are looked up in the DNS."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from litemail.kit.db import Tx
from litemail.protocols.names import SANDBOX_SUFFIX
from litemail.protocols.record_types import AliasTarget


class _OfZone(msgspec.Struct, frozen=True):
    zone_id: str
    name: str
    addresses: list[str]
    ttl: int


# What sandbox workspaces name is never asked for outside.
_WANTED = f"""
SELECT r.content FROM records r JOIN zones z ON z.id = r.zone_id
WHERE r.type = 'ALIAS' AND z.served
  AND z.name NOT LIKE '%%.{SANDBOX_SUFFIX}' AND r.content NOT LIKE '%%.{SANDBOX_SUFFIX}'
"""


async def of_zones(tx: Tx, names: Collection[str] | None) -> dict[str, list[AliasTarget]]:
    """What is known of the targets in served zones, or in those of the given names; by the zone's id."""
    found: dict[str, list[AliasTarget]] = defaultdict(list)
    for row in await tx.all(
        _OfZone,
        """SELECT DISTINCT r.zone_id, t.name, t.addresses, t.ttl
           FROM records r JOIN zones z ON z.id = r.zone_id JOIN alias_targets t ON t.name = r.content
           WHERE r.type = 'ALIAS' AND z.served AND t.addresses <> '{}'
             AND (%(names)s::text[] IS NULL OR z.name = ANY (%(names)s))
           ORDER BY r.zone_id, t.name""",
        names=None if names is None else list(names),
    ):
        found[row.zone_id].append(AliasTarget(row.name, tuple(row.addresses), row.ttl))
    return found


async def follow_records(tx: Tx) -> None:
    """Makes the list of targets that of the records: new ones are due at once, those that nobody names any more go."""
    await tx.execute(
        f"""INSERT INTO alias_targets (name, next_look_at)
            SELECT DISTINCT content, %(now)s::timestamptz FROM ({_WANTED}) AS wanted ORDER BY content
            ON CONFLICT (name) DO NOTHING""",
        now=tx.now,
    )
    await tx.execute(f"DELETE FROM alias_targets WHERE name NOT IN ({_WANTED})")


async def take_due(tx: Tx, *, limit: int, again_at: datetime) -> list[str]:
    """Targets whose look is due; due again at `again_at` in case that nothing comes of it."""
    return await tx.values(
        str,
        """UPDATE alias_targets SET next_look_at = %(again_at)s
           WHERE name IN (SELECT name FROM alias_targets WHERE next_look_at <= %(now)s
                          ORDER BY next_look_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
           RETURNING name""",
        now=tx.now,
        again_at=again_at,
        limit=limit,
    )


async def keep(tx: Tx, found: AliasTarget, *, next_look_at: datetime) -> bool:
    """Keeps what was found; whether it differs from what was known."""
    changed = await tx.value(
        bool,
        """UPDATE alias_targets t SET addresses = %(addresses)s, ttl = %(ttl)s, looked_up_at = %(now)s,
               next_look_at = %(next_look_at)s
           FROM alias_targets old WHERE old.name = t.name AND t.name = %(name)s
           RETURNING old.addresses <> t.addresses""",
        name=found.name,
        addresses=list(found.addresses),
        ttl=found.ttl,
        next_look_at=next_look_at,
        now=tx.now,
    )
    return bool(changed)


async def zones_naming(tx: Tx, targets: Sequence[str]) -> list[str]:
    """The ids of the served zones with an ALIAS to one of these."""
    return await tx.values(
        str,
        """SELECT z.id FROM zones z
           WHERE z.served AND z.id IN (SELECT zone_id FROM records WHERE type = 'ALIAS' AND content = ANY (%(names)s))
           ORDER BY z.id FOR UPDATE""",
        names=list(targets),
    )
