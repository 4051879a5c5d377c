"""Use cases of zone files: a zone's records as one text, and a text's records into a zone."""

import asyncio
from collections.abc import Sequence

import msgspec

from litemail.kit.db import Tx
from litemail.kit.errors import Detail, Error, Invalid, Kind
from litemail.protocols import records as protocol
from litemail.protocols import zone_file
from litemail.protocols.record_sets import SetConflict, check_set
from litemail.protocols.record_types import Record
from litemail.protocols.zone_file import Header, Line, Skipped
from litemail.zones import editing, queries
from litemail.zones.editing import MAX_RECORDS, TooManyRecords, told
from litemail.zones.queries import Zone, ZoneRecord
from litemail.zones.service import as_record, get, lock, new_record


class BadZoneFile(Error):
    kind = Kind.INVALID
    code = "dns.bad_zone_file"
    message = "{count} lines of this zone file cannot be taken over; details names each with the reason."
    action = "Correct these lines and send the file again; nothing was changed."


class NotText(Error):
    kind = Kind.INVALID
    code = "dns.zone_file_not_text"
    message = "A zone file is UTF-8 text; byte {position} of this one is none."
    action = "Send the file as it is in its editor, encoded in UTF-8."


class TtlChange(msgspec.Struct, frozen=True):
    """A record that is there, but with another TTL."""

    record: ZoneRecord
    ttl: int


class Plan(msgspec.Struct, frozen=True):
    """What a zone file changes. Records that are there already are counted only."""

    zone: Zone
    create: list[Record]
    change: list[TtlChange]
    delete: list[ZoneRecord]
    unchanged: int
    skipped: list[Skipped]


async def export(tx: Tx, domain: str) -> str:
    """The zone of a domain (id or name) as a file, the managed records too. Raises ZoneNotFound."""
    zone = await get(tx, domain)
    rows = await queries.records_of(tx, zone.id)
    header = Header(zone.name, zone.serial, zone.name_servers, _hostmaster(zone))
    return zone_file.write(header, [as_record(row) for row in rows])


async def plan(tx: Tx, domain: str, text: bytes, *, replace: bool) -> Plan:
    """What taking over a zone file would change; with `replace` records of yours that it does not have would go.

    Managed records stay as they are. Nobody changes the zone until the transaction ends.
    Raises ZoneNotFound, NotHosted, NotText, BadZoneFile with every fault, TooManyRecords.
    """
    zone = await lock(tx, domain)
    editing.refuse_elsewhere(zone)
    parsed = await asyncio.to_thread(zone_file.parse, _decoded(text), zone=zone.name)
    faults = [Detail(_line(fault.number), fault.reason) for fault in parsed.faults]
    wanted = _normalised(parsed.lines, zone, faults)
    rows = await queries.records_of(tx, zone.id)
    held = {_identity(as_record(row)): row for row in rows}
    kept = {_identity(record) for _, record in wanted}
    gone = [row for key, row in held.items() if replace and not row.managed and key not in kept]
    create = _fitting(wanted, held, gone, faults)
    if faults:
        raise BadZoneFile(count=len(faults), details=tuple(sorted(faults, key=_number)))
    count = len(rows) - len(gone) + len(create)
    if count > MAX_RECORDS:
        raise TooManyRecords(limit=MAX_RECORDS, domain=zone.name, count=count)
    change = [
        TtlChange(row, record.ttl)
        for _, record in wanted
        if (row := held.get(_identity(record))) is not None and not row.managed and row.ttl != record.ttl
    ]
    unchanged = len(wanted) - len(create) - len(change)
    return Plan(zone, create, change, gone, unchanged, parsed.skipped)


async def apply(tx: Tx, planned: Plan) -> None:
    """Does what was planned in this transaction. Without a difference nothing happens, the serial stays too."""
    zone = planned.zone
    if not (planned.create or planned.change or planned.delete):
        return
    new = [
        new_record(record, zone_id=zone.id, workspace_id=zone.workspace_id, managed=False) for record in planned.create
    ]
    await queries.delete_records(tx, [row.id for row in planned.delete])
    await queries.set_ttls(tx, {change.record.id: change.ttl for change in planned.change})
    await queries.insert_records(tx, new)
    await queries.bump_serial(tx, zone.id)
    rows = [editing.row_of(record, zone, tx) for record in new]
    changed = [msgspec.structs.replace(change.record, ttl=change.ttl) for change in planned.change]
    for event_type, affected in (
        ("dns.record_deleted", planned.delete),
        ("dns.record_updated", changed),
        ("dns.record_created", rows),
    ):
        facts = {row.id: told(row) for row in affected}
        await tx.emit_many(event_type, workspace_id=zone.workspace_id, data_by_subject=facts)


def _hostmaster(zone: Zone) -> str:
    """The contact in the SOA, where the name servers are at home."""
    return f"hostmaster@{zone.name_servers[0].partition('.')[2]}"


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotText(position=error.start) from None


def _normalised(lines: Sequence[Line], zone: Zone, faults: list[Detail]) -> list[tuple[int, Record]]:
    """The records with their lines, each once; what is wrong by itself goes to `faults`."""
    found: dict[tuple[str, ...], tuple[int, Record]] = {}
    for line in lines:
        try:
            record = protocol.normalise_record(
                zone=zone.name,
                type=line.type,
                name=line.name,
                content=line.content,
                ttl=line.ttl,
                priority=line.priority,
            )
        except Invalid as problem:
            faults += [Detail(_line(line.number), detail.message) for detail in problem.details]
        except protocol.BadRecord as problem:
            faults.append(Detail(_line(line.number), str(problem)))
        else:
            found.setdefault(_identity(record), (line.number, record))
    return list(found.values())


def _fitting(
    wanted: Sequence[tuple[int, Record]],
    held: dict[tuple[str, ...], ZoneRecord],
    gone: Sequence[ZoneRecord],
    faults: list[Detail],
) -> list[Record]:
    """The records that are new; what cannot stand beside the others goes to `faults`."""
    leaving = {row.id for row in gone}
    beside: dict[str, list[Record]] = {}
    for row in held.values():
        if row.id not in leaving:
            beside.setdefault(row.name, []).append(as_record(row))
    fresh: list[Record] = []
    for number, record in wanted:
        if _identity(record) in held:
            continue
        others = beside.setdefault(record.name, [])
        try:
            check_set(others, record)
        except SetConflict as conflict:
            faults.append(Detail(_line(number), str(conflict)))
        else:
            others.append(record)
            fresh.append(record)
    return fresh


def _identity(record: Record) -> tuple[str, ...]:
    """What makes a record the same one: everything but its TTL."""
    return record.type, record.name, record.content, str(record.priority)


def _line(number: int) -> str:
    return f"line {number}"


def _number(detail: Detail) -> int:
    return int(detail.field.removeprefix("line "))
