"""Use cases of records for their owners: list, create, change, delete."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from litemail.kit import ids
from litemail.kit.db import Tx
from litemail.kit.errors import Detail, Error, Invalid, Kind
from litemail.kit.pagination import Page, PageRequest, page
from litemail.protocols import records as protocol
from litemail.protocols.record_sets import SetConflict, check_set
from litemail.protocols.record_types import DEFAULT_TTL, Record, RecordType
from litemail.zones import queries
from litemail.zones.queries import NewRecord, Zone, ZoneRecord
from litemail.zones.service import UnknownDomain, as_record, find, get, new_record

MAX_RECORDS = 1_000


class RecordNotFound(Error):
    kind = Kind.NOT_FOUND
    code = "dns.record_not_found"
    message = "There is no DNS record {record_id} in this workspace."
    action = "List the records of a domain with GET /v1/dns?domain= and use one of their ids."


class ManagedRecord(Error):
    kind = Kind.CONFLICT
    code = "dns.managed_record"
    message = "The {type} record at {name} is managed for you: mail of this domain depends on it."
    action = "Repeat the call with ?force=true to take it into your own hands."


class NotHosted(Error):
    kind = Kind.CONFLICT
    code = "dns.not_hosted"
    message = "The DNS of {domain} is at your own provider: a record of yours made here would not be published there."
    action = "Make the record at your provider. Ours are published and kept there by themselves."


class TooManyRecords(Error):
    kind = Kind.CONFLICT
    code = "dns.too_many_records"
    message = "A zone holds at most {limit} records; with these, {domain} would have {count}."
    action = "Delete records that are no longer needed."


class Conflicts(SetConflict):
    message = "{count} of these records cannot stand beside those that are there; details names them."
    action = "Correct the records that details names; nothing was changed."


class Wanted(msgspec.Struct, frozen=True):
    """A record as it was asked for."""

    type: str
    name: str
    content: str
    ttl: int = DEFAULT_TTL
    priority: int | None = None


class Changes(msgspec.Struct, frozen=True):
    """What to change; UNSET leaves a field as it is."""

    type: str | msgspec.UnsetType = msgspec.UNSET
    name: str | msgspec.UnsetType = msgspec.UNSET
    content: str | msgspec.UnsetType = msgspec.UNSET
    ttl: int | msgspec.UnsetType = msgspec.UNSET
    priority: int | msgspec.UnsetType | None = msgspec.UNSET


async def list_(
    tx: Tx, domain: str, request: PageRequest, *, record_type: RecordType | None = None, name: str | None = None
) -> Page[ZoneRecord]:
    """The records of one domain (id or name), the managed ones first. Raises ZoneNotFound."""
    zone = await get(tx, domain)
    chosen = None if record_type is None else record_type.value
    if name is not None:
        name = _relative(name, zone.name)
    rows = await queries.list_records(
        tx, zone.id, record_type=chosen, name=name, limit=request.limit + 1, after=request.after
    )
    total = await queries.count_records(tx, zone.id, record_type=chosen, name=name) if request.count else None
    return page(rows, request, key=lambda row: row.id, total=total)


async def create(tx: Tx, domain: str, wanted: Wanted) -> ZoneRecord:
    """One record. Raises UnknownDomain, BadRecord and its like, NotHosted, SetConflict and its like, TooManyRecords."""
    return (await _create(tx, domain, [wanted], paths=[""]))[0]


async def create_many(tx: Tx, domain: str, wanted: Sequence[Wanted]) -> list[ZoneRecord]:
    """All of them or none. Raises like `create`; Invalid or Conflicts when several are wrong."""
    return await _create(tx, domain, wanted, paths=[f"records[{index}]" for index in range(len(wanted))])


async def update(tx: Tx, record_id: str, changes: Changes, *, force: bool) -> ZoneRecord:
    """Changes a record; a managed one, with `force`, becomes the customer's own.

    Raises RecordNotFound, NotHosted, ManagedRecord, BadRecord and its like, SetConflict and its like.
    """
    zone, before = await _lock_record(tx, record_id)
    refuse_elsewhere(zone)
    _refuse_managed(before, force=force)
    wanted = _merged(before, changes)
    record = _normalised(wanted, zone.name, path="")
    others = [row for row in await queries.records_of(tx, zone.id) if row.id != record_id]
    check_set([as_record(row) for row in others], record, field=_conflict_field(""))
    await queries.update_record(
        tx,
        record_id,
        record_type=record.type.value,
        name=record.name,
        content=record.content,
        ttl=record.ttl,
        priority=record.priority,
    )
    after = await queries.find_record(tx, record_id, workspace_id=zone.workspace_id)
    assert after is not None
    if after != before:
        await queries.bump_serial(tx, zone.id)
        await tx.emit(
            "dns.record_updated",
            workspace_id=zone.workspace_id,
            subject=record_id,
            before=told(before),
            data=told(after),
        )
    return after


async def delete(tx: Tx, record_id: str, *, force: bool) -> None:
    """Raises RecordNotFound, ManagedRecord."""
    zone, record = await _lock_record(tx, record_id)
    _refuse_managed(record, force=force)
    await queries.delete_records(tx, [record_id])
    await queries.bump_serial(tx, zone.id)
    await tx.emit("dns.record_deleted", workspace_id=zone.workspace_id, subject=record_id, data=told(record))


def told(row: ZoneRecord) -> dict[str, object]:
    """What events say of a record."""
    fields = ("domain", "type", "name", "content", "ttl", "priority", "managed")
    return {field: getattr(row, field) for field in fields}


async def _create(tx: Tx, domain: str, wanted: Sequence[Wanted], *, paths: Sequence[str]) -> list[ZoneRecord]:
    found = await find(tx, domain)
    zone = None if found is None else await queries.lock_zone(tx, domain_id=found.domain_id)
    if zone is None or zone.removed:
        raise UnknownDomain(domain=domain, field="domain")
    fresh = _normalise_all(wanted, zone.name, paths)
    refuse_elsewhere(zone)
    held = await queries.records_of(tx, zone.id)
    _check_sets(held, fresh, paths)
    if len(held) + len(fresh) > MAX_RECORDS:
        raise TooManyRecords(limit=MAX_RECORDS, domain=zone.name, count=len(held) + len(fresh))
    new = [new_record(record, zone_id=zone.id, workspace_id=zone.workspace_id, managed=False) for record in fresh]
    await queries.insert_records(tx, new)
    await queries.bump_serial(tx, zone.id)
    rows = [row_of(record, zone, tx) for record in new]
    await tx.emit_many(
        "dns.record_created", workspace_id=zone.workspace_id, data_by_subject={row.id: told(row) for row in rows}
    )
    return rows


def _normalise_all(wanted: Sequence[Wanted], zone: str, paths: Sequence[str]) -> list[Record]:
    fresh: list[Record] = []
    problems: list[Error] = []
    for one, path in zip(wanted, paths, strict=True):
        try:
            fresh.append(_normalised(one, zone, path=path))
        except (protocol.BadRecord, Invalid) as problem:
            problems.append(problem)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise Invalid(details=_details(problems))
    return fresh


def _check_sets(held: Sequence[ZoneRecord], fresh: Sequence[Record], paths: Sequence[str]) -> None:
    beside: dict[str, list[Record]] = defaultdict(list)
    for row in held:
        beside[row.name].append(as_record(row))
    problems: list[Error] = []
    for record, path in zip(fresh, paths, strict=True):
        try:
            check_set(beside[record.name], record, field=_conflict_field(path))
        except SetConflict as problem:
            problems.append(problem)
        else:
            beside[record.name].append(record)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise Conflicts(count=len(problems), details=_details(problems))


def _details(problems: Sequence[Error]) -> tuple[Detail, ...]:
    return tuple(detail for problem in problems for detail in problem.details)


def _normalised(wanted: Wanted, zone: str, *, path: str) -> Record:
    return protocol.normalise_record(
        zone=zone,
        type=wanted.type,
        name=wanted.name,
        content=wanted.content,
        ttl=wanted.ttl,
        priority=wanted.priority,
        path=path,
    )


def _conflict_field(path: str) -> str:
    return f"{path}.name" if path else "name"


def _merged(before: ZoneRecord, changes: Changes) -> Wanted:
    same_type = changes.type is msgspec.UNSET or changes.type.strip().upper() == before.type
    priority = before.priority if same_type else None
    return Wanted(
        type=before.type if changes.type is msgspec.UNSET else changes.type,
        name=before.name if changes.name is msgspec.UNSET else changes.name,
        content=before.content if changes.content is msgspec.UNSET else changes.content,
        ttl=before.ttl if changes.ttl is msgspec.UNSET else changes.ttl,
        priority=priority if changes.priority is msgspec.UNSET else changes.priority,
    )


async def _lock_record(tx: Tx, record_id: str) -> tuple[Zone, ZoneRecord]:
    """The record as it is while nobody else changes its zone. Raises RecordNotFound."""
    assert tx.actor is not None
    workspace_id = tx.actor.workspace_id
    seen = await queries.find_record(tx, record_id, workspace_id=workspace_id) if _is_id(record_id) else None
    zone = None if seen is None else await queries.lock_zone(tx, domain_id=seen.domain_id)
    record = None if zone is None else await queries.find_record(tx, record_id, workspace_id=workspace_id)
    if zone is None or record is None:
        raise RecordNotFound(record_id=record_id)
    return zone, record


def _is_id(record_id: str) -> bool:
    return ids.is_id(record_id, "rec")


def refuse_elsewhere(zone: Zone) -> None:
    """Only managed records are published at a customer's own provider. Raises NotHosted."""
    if not zone.hosted:
        raise NotHosted(domain=zone.name)


def _refuse_managed(record: ZoneRecord, *, force: bool) -> None:
    if record.managed and not force:
        raise ManagedRecord(type=record.type.value, name=record.name)


def row_of(record: NewRecord, zone: Zone, tx: Tx) -> ZoneRecord:
    """A record that was just made, as a query would show it."""
    return ZoneRecord(
        id=record.id,
        domain_id=zone.domain_id,
        domain=zone.name,
        type=RecordType(record.type),
        name=record.name,
        content=record.content,
        ttl=record.ttl,
        priority=record.priority,
        managed=record.managed,
        created_at=tx.now,
    )


def _relative(name: str, zone: str) -> str:
    """The relative name that a filter means; what it cannot mean finds nothing."""
    typed = name.strip().lower().removesuffix(".")
    return "@" if typed == zone else typed.removesuffix("." + zone)
