"""Managed records of which a newer edition takes the place of an older one, as keys and policies do."""

from collections.abc import Callable, Sequence

from litemail.kit.db import Tx
from litemail.protocols.record_sets import check_set
from litemail.protocols.record_types import Record
from litemail.zones import queries
from litemail.zones.service import as_record, new_record


async def rewrite(tx: Tx, domain_id: str, new: Sequence[Record], *, replaces: Callable[[Record], bool]) -> None:
    """Puts managed records in the place of those that `replaces` picks, whoever wrote them.

    Doing it again changes nothing. Raises SetConflict and its like for what cannot stand beside the others.
    """
    zone = await queries.lock_zone(tx, domain_id=domain_id)
    assert zone is not None, "every domain has a zone"
    rows = await queries.records_of(tx, zone.id)
    gone = [row for row in rows if replaces(as_record(row)) and not (row.managed and as_record(row) in new)]
    kept = [as_record(row) for row in rows if row not in gone]
    fresh = [record for record in new if record not in kept]
    for place, record in enumerate(fresh):
        check_set([*kept, *fresh[:place]], record)
    if not gone and not fresh:
        return
    await queries.delete_records(tx, [row.id for row in gone])
    await queries.insert_records(
        tx, [new_record(record, zone_id=zone.id, workspace_id=zone.workspace_id, managed=True) for record in fresh]
    )
    await queries.bump_serial(tx, zone.id)
