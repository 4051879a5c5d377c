"""SQL of zones and their records."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec

from litemail.kit.db import Tx
from litemail.protocols.record_types import RecordType


class Zone(msgspec.Struct, frozen=True):
    """What our DNS serves for a domain. `served` is set once the domain is its owner's. A zone that is not `hosted` is
    published at its owner's provider; one that is `removed` is that of a removed domain.
    """

    id: str
    workspace_id: str
    domain_id: str
    name: str
    name_servers: list[str]
    serial: int
    served: bool
    hosted: bool
    removed: bool


class ZoneRecord(msgspec.Struct, frozen=True):
    """A record as it is kept. `managed` ones are ours: we made them and may rewrite them."""

    id: str
    domain_id: str
    domain: str
    type: RecordType
    name: str
    content: str
    ttl: int
    priority: int | None
    managed: bool
    created_at: datetime


class NewRecord(msgspec.Struct, frozen=True):
    id: str
    workspace_id: str
    zone_id: str
    type: str
    name: str
    content: str
    ttl: int
    priority: int | None
    managed: bool


class ServedRecord(msgspec.Struct, frozen=True):
    zone_id: str
    type: str
    name: str
    content: str
    ttl: int
    priority: int | None


_ZONE = "id, workspace_id, domain_id, name, name_servers, serial, served, hosted, removed"
_RECORD = "r.id, z.domain_id, z.name AS domain, r.type, r.name, r.content, r.ttl, r.priority, r.managed, r.created_at"
_RECORDS = f"SELECT {_RECORD} FROM records r JOIN zones z ON z.id = r.zone_id"


async def insert_zones(
    tx: Tx,
    *,
    workspace_id: str,
    ids: Sequence[str],
    domain_ids: Sequence[str],
    names: Sequence[str],
    name_servers: Sequence[tuple[str, str]],
) -> None:
    await tx.execute(
        """INSERT INTO zones (id, workspace_id, domain_id, name, name_servers, serial, created_at)
           SELECT id, %(workspace_id)s, domain_id, name, ARRAY[first, second],
                  extract(epoch FROM %(now)s::timestamptz)::bigint, %(now)s
           FROM unnest(%(ids)s::text[], %(domain_ids)s::text[], %(names)s::text[], %(firsts)s::text[],
                       %(seconds)s::text[]) AS given (id, domain_id, name, first, second)""",
        workspace_id=workspace_id,
        ids=ids,
        domain_ids=domain_ids,
        names=names,
        firsts=[pair[0] for pair in name_servers],
        seconds=[pair[1] for pair in name_servers],
        now=tx.now,
    )


async def find_zone(tx: Tx, *, workspace_id: str, domain_id: str | None = None, name: str | None = None) -> Zone | None:
    return await tx.find(
        Zone,
        f"""SELECT {_ZONE} FROM zones
            WHERE workspace_id = %(workspace_id)s AND (domain_id = %(domain_id)s OR name = %(name)s)
                AND NOT removed""",
        workspace_id=workspace_id,
        domain_id=domain_id,
        name=name,
    )


async def lock_zone(tx: Tx, *, domain_id: str) -> Zone | None:
    """Whoever changes a zone or its records holds this lock, so what was checked stays true."""
    return await tx.find(
        Zone, f"SELECT {_ZONE} FROM zones WHERE domain_id = %(domain_id)s FOR UPDATE", domain_id=domain_id
    )


async def bump_serial(tx: Tx, zone_id: str) -> int:
    """The new serial: seconds since 1970, so that a zone made anew goes on where another of its name stopped."""
    serial = await tx.value(
        int,
        """UPDATE zones SET serial = greatest(serial + 1, extract(epoch FROM %(now)s::timestamptz)::bigint)
           WHERE id = %(id)s RETURNING serial""",
        id=zone_id,
        now=tx.now,
    )
    assert serial is not None
    return serial


async def set_served(tx: Tx, zone_id: str, *, served: bool) -> None:
    """A zone that is published elsewhere stays unserved."""
    await tx.execute("UPDATE zones SET served = %(served)s AND hosted WHERE id = %(id)s", id=zone_id, served=served)


async def set_removed(tx: Tx, domain_id: str, *, removed: bool) -> None:
    await tx.execute(
        "UPDATE zones SET removed = %(removed)s, served = served AND NOT %(removed)s WHERE domain_id = %(domain_id)s",
        removed=removed,
        domain_id=domain_id,
    )


async def set_hosted(tx: Tx, domain_ids: Collection[str], *, hosted: bool) -> None:
    await tx.execute(
        "UPDATE zones SET hosted = %(hosted)s WHERE domain_id = ANY (%(ids)s)", ids=list(domain_ids), hosted=hosted
    )


async def insert_records(tx: Tx, records: Sequence[NewRecord]) -> None:
    await tx.execute(
        """INSERT INTO records (id, workspace_id, zone_id, type, name, content, ttl, priority, managed, created_at)
           SELECT id, workspace_id, zone_id, type, name, content, ttl, nullif(priority, -1), managed, %(now)s
           FROM unnest(%(ids)s::text[], %(workspace_ids)s::text[], %(zone_ids)s::text[], %(types)s::text[],
                       %(names)s::text[], %(contents)s::text[], %(ttls)s::int[], %(priorities)s::int[],
                       %(managed)s::bool[])
                AS given (id, workspace_id, zone_id, type, name, content, ttl, priority, managed)""",
        ids=[record.id for record in records],
        workspace_ids=[record.workspace_id for record in records],
        zone_ids=[record.zone_id for record in records],
        types=[record.type for record in records],
        names=[record.name for record in records],
        contents=[record.content for record in records],
        ttls=[record.ttl for record in records],
        priorities=[-1 if record.priority is None else record.priority for record in records],
        managed=[record.managed for record in records],
        now=tx.now,
    )


async def find_record(tx: Tx, record_id: str, *, workspace_id: str) -> ZoneRecord | None:
    return await tx.find(
        ZoneRecord,
        _RECORDS + " WHERE r.id = %(id)s AND r.workspace_id = %(workspace_id)s AND NOT z.removed",
        id=record_id,
        workspace_id=workspace_id,
    )


async def records_of(tx: Tx, zone_id: str) -> list[ZoneRecord]:
    return await tx.all(ZoneRecord, _RECORDS + " WHERE r.zone_id = %(zone_id)s ORDER BY r.id", zone_id=zone_id)


_CHOSEN = """
WHERE r.zone_id = %(zone_id)s AND (%(type)s::text IS NULL OR r.type = %(type)s)
  AND (%(name)s::text IS NULL OR r.name = %(name)s)
"""


async def list_records(
    tx: Tx, zone_id: str, *, record_type: str | None, name: str | None, limit: int, after: str | None
) -> list[ZoneRecord]:
    """Oldest first: the managed ones lead."""
    return await tx.all(
        ZoneRecord,
        _RECORDS + _CHOSEN + " AND (%(after)s::text IS NULL OR r.id > %(after)s) ORDER BY r.id LIMIT %(limit)s",
        zone_id=zone_id,
        type=record_type,
        name=name,
        after=after,
        limit=limit,
    )


async def count_records(tx: Tx, zone_id: str, *, record_type: str | None, name: str | None) -> int:
    count = await tx.value(
        int, "SELECT count(*) FROM records r" + _CHOSEN, zone_id=zone_id, type=record_type, name=name
    )
    return count or 0


async def update_record(
    tx: Tx, record_id: str, *, record_type: str, name: str, content: str, ttl: int, priority: int | None
) -> None:
    """The record is its customer's from now on, also when it was ours."""
    await tx.execute(
        """UPDATE records SET type = %(type)s, name = %(name)s, content = %(content)s, ttl = %(ttl)s,
               priority = %(priority)s, managed = false
           WHERE id = %(id)s""",
        id=record_id,
        type=record_type,
        name=name,
        content=content,
        ttl=ttl,
        priority=priority,
    )


async def delete_records(tx: Tx, record_ids: Sequence[str]) -> None:
    await tx.execute("DELETE FROM records WHERE id = ANY (%(ids)s)", ids=list(record_ids))


async def delete_zones(tx: Tx, domain_ids: Sequence[str]) -> None:
    await tx.execute("DELETE FROM zones WHERE domain_id = ANY (%(ids)s)", ids=list(domain_ids))


async def set_ttls(tx: Tx, ttls: Mapping[str, int]) -> None:
    """By id."""
    await tx.execute(
        """UPDATE records r SET ttl = given.ttl
           FROM unnest(%(ids)s::text[], %(ttls)s::int[]) AS given (id, ttl) WHERE r.id = given.id""",
        ids=list(ttls),
        ttls=list(ttls.values()),
    )


async def served_zones(tx: Tx, names: Collection[str] | None) -> list[Zone]:
    return await tx.all(
        Zone,
        f"SELECT {_ZONE} FROM zones WHERE served AND (%(names)s::text[] IS NULL OR name = ANY (%(names)s))",
        names=None if names is None else list(names),
    )


async def served_records(tx: Tx, names: Collection[str] | None) -> list[ServedRecord]:
    return await tx.all(
        ServedRecord,
        """SELECT r.zone_id, r.type, r.name, r.content, r.ttl, r.priority
           FROM records r JOIN zones z ON z.id = r.zone_id
           WHERE z.served AND (%(names)s::text[] IS NULL OR z.name = ANY (%(names)s))
           ORDER BY r.id""",
        names=None if names is None else list(names),
    )
