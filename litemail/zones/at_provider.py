"""Zones that we do not serve ourselves: what they are to hold, for those who publish it elsewhere."""

from collections.abc import Collection, Sequence

import msgspec

from litemail.kit.db import Tx
from litemail.protocols.record_types import Record
from litemail.zones import queries
from litemail.zones.service import as_record, new_record


class ManagedRecords(msgspec.Struct, frozen=True):
    """The managed records of a zone, and the serial that they belong to."""

    serial: int
    records: tuple[Record, ...]


async def keep_elsewhere(tx: Tx, domain_ids: Collection[str]) -> None:
    """These zones are never served by our DNS: their records are published at their owners' providers."""
    await queries.set_hosted(tx, domain_ids, hosted=False)


async def managed(tx: Tx, domain_id: str) -> ManagedRecords:
    """Locks the zone: the serial is that of the records."""
    zone = await queries.lock_zone(tx, domain_id=domain_id)
    assert zone is not None, "every domain has a zone"
    rows = await queries.records_of(tx, zone.id)
    return ManagedRecords(zone.serial, tuple(as_record(row) for row in rows if row.managed))


async def add_managed(tx: Tx, domain_id: str, records: Sequence[Record]) -> None:
    """Adds managed records without serving the zone. Those that are there already are left as they are."""
    zone = await queries.lock_zone(tx, domain_id=domain_id)
    assert zone is not None, "every domain has a zone"
    held = {(row.type, row.name, row.content) for row in await queries.records_of(tx, zone.id)}
    missing = [record for record in records if (record.type, record.name, record.content) not in held]
    if missing:
        await queries.insert_records(
            tx, [new_record(one, zone_id=zone.id, workspace_id=zone.workspace_id, managed=True) for one in missing]
        )
        await queries.bump_serial(tx, zone.id)
