"""Use cases of zones for what manages them: made with a domain, served once it is its owner's."""

from collections.abc import Collection, Sequence

import msgspec

from litemail.kit import ids
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.protocols import names
from litemail.protocols.record_types import AliasTarget, Record, RecordType
from litemail.zones import alias_queries, queries
from litemail.zones.queries import NewRecord, Zone, ZoneRecord


class ZoneNotFound(Error):
    kind = Kind.NOT_FOUND
    code = "dns.zone_not_found"
    message = "There is no zone of {domain} in this workspace."
    action = "List your domains with GET /v1/domains, or connect this one with POST /v1/domains/connect."


class UnknownDomain(Error):
    kind = Kind.INVALID
    code = "dns.unknown_domain"
    message = "{domain} is not a domain of this workspace."
    action = "List your domains with GET /v1/domains, or connect this one with POST /v1/domains/connect."


class NewZone(msgspec.Struct, frozen=True):
    """A zone to be made, with the records that are managed for it."""

    domain_id: str
    name: str
    name_servers: tuple[str, str]
    records: tuple[Record, ...]


class ServedZone(msgspec.Struct, frozen=True):
    """A zone with all that a DNS server needs of it. `alias_targets` are those that were looked up."""

    name: str
    serial: int
    name_servers: tuple[str, ...]
    records: tuple[Record, ...]
    alias_targets: tuple[AliasTarget, ...] = ()


async def create_many(tx: Tx, new: Sequence[NewZone], *, workspace_id: str) -> None:
    """Zones with their managed records, not served yet."""
    zone_ids = [ids.new_id("zone") for _ in new]
    await queries.insert_zones(
        tx,
        workspace_id=workspace_id,
        ids=zone_ids,
        domain_ids=[zone.domain_id for zone in new],
        names=[zone.name for zone in new],
        name_servers=[zone.name_servers for zone in new],
    )
    records = [
        new_record(record, zone_id=zone_id, workspace_id=workspace_id, managed=True)
        for zone, zone_id in zip(new, zone_ids, strict=True)
        for record in zone.records
    ]
    await queries.insert_records(tx, records)


async def publish(tx: Tx, domain_id: str, records: Sequence[Record]) -> Zone:
    """Serves the zone from now on, with these managed records too. Doing it again changes nothing."""
    zone = await queries.lock_zone(tx, domain_id=domain_id)
    assert zone is not None, "every domain has a zone"
    held = {(record.type, record.name, record.content) for record in await queries.records_of(tx, zone.id)}
    missing = [record for record in records if (record.type, record.name, record.content) not in held]
    if zone.served and not missing:
        return zone
    await queries.insert_records(
        tx, [new_record(record, zone_id=zone.id, workspace_id=zone.workspace_id, managed=True) for record in missing]
    )
    await queries.set_served(tx, zone.id, served=True)
    return msgspec.structs.replace(zone, served=True, serial=await queries.bump_serial(tx, zone.id))


async def withdraw(tx: Tx, domain_id: str) -> None:
    """Serves the zone no longer; its records are kept."""
    zone = await queries.lock_zone(tx, domain_id=domain_id)
    if zone is not None and zone.served:
        await queries.set_served(tx, zone.id, served=False)


async def remove(tx: Tx, domain_id: str) -> None:
    """Serves the zone no longer, and keeps it where nobody finds it."""
    await queries.set_removed(tx, domain_id, removed=True)


async def restore(tx: Tx, domain_id: str) -> None:
    """Brings a removed zone back; it is not served yet."""
    await queries.set_removed(tx, domain_id, removed=False)


async def get(tx: Tx, domain: str) -> Zone:
    """The zone of a domain of the acting workspace, by id or name. Raises ZoneNotFound."""
    zone = await find(tx, domain)
    if zone is None:
        raise ZoneNotFound(domain=names.shown(domain))
    return zone


async def lock(tx: Tx, domain: str) -> Zone:
    """The same, and nobody changes it until the transaction ends. Raises ZoneNotFound."""
    zone = await queries.lock_zone(tx, domain_id=(await get(tx, domain)).domain_id)
    if zone is None or zone.removed:
        raise ZoneNotFound(domain=names.shown(domain))
    return zone


async def find(tx: Tx, domain: str) -> Zone | None:
    assert tx.actor is not None
    if ids.is_id(domain, "dom"):
        return await queries.find_zone(tx, workspace_id=tx.actor.workspace_id, domain_id=domain)
    name = plain_name(domain)
    return None if name is None else await queries.find_zone(tx, workspace_id=tx.actor.workspace_id, name=name)


async def served(tx: Tx, chosen: Collection[str] | None = None) -> list[ServedZone]:
    """Every zone that is served, or those of the given names; for DNS servers, as the system."""
    zones = await queries.served_zones(tx, chosen)
    records: dict[str, list[Record]] = {zone.id: [] for zone in zones}
    types = dict(RecordType.__members__)
    for row in await queries.served_records(tx, chosen):
        if row.zone_id in records:  # not so when the zone came between the two queries; its notice is on the way
            records[row.zone_id].append(Record(types[row.type], row.name, row.content, row.ttl, row.priority))
    targets = await alias_queries.of_zones(tx, chosen)
    return [
        ServedZone(
            zone.name,
            zone.serial,
            tuple(zone.name_servers),
            tuple(records[zone.id]),
            tuple(targets.get(zone.id, ())),
        )
        for zone in zones
    ]


def new_record(record: Record, *, zone_id: str, workspace_id: str, managed: bool) -> NewRecord:
    return NewRecord(
        id=ids.new_id("rec"),
        workspace_id=workspace_id,
        zone_id=zone_id,
        type=record.type.value,
        name=record.name,
        content=record.content,
        ttl=record.ttl,
        priority=record.priority,
        managed=managed,
    )


def as_record(row: ZoneRecord) -> Record:
    return Record(row.type, row.name, row.content, row.ttl, row.priority)


def plain_name(text: str) -> str | None:
    """A name as it is kept, from what somebody typed; None for what is no name at all."""
    try:
        return names.to_ascii(text.strip())
    except names.Unfit:
        return None
