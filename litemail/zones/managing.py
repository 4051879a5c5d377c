"""Managed records that come and go with what a domain is used for."""

from collections.abc import Collection, Sequence

from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.protocols.record_types import Record, RecordType
from litemail.zones import queries
from litemail.zones.service import new_record

_LEADS_SOMEWHERE = {RecordType.A, RecordType.AAAA, RecordType.ALIAS, RecordType.CNAME}


class LeadsElsewhere(Error):
    kind = Kind.CONFLICT
    code = "dns.leads_elsewhere"
    message = "{domain} has a {type} record of your own at {name}, which leads somewhere else."
    action = "Delete that record first, see GET /v1/dns?domain={domain}."


async def point(tx: Tx, domain_id: str, names: Collection[str], *, addresses: Sequence[str]) -> None:
    """Has these names of the domain's zone lead to these addresses, by managed A and AAAA records; no addresses: to
    none. Doing it again changes nothing. Raises LeadsElsewhere.
    """
    zone = await queries.lock_zone(tx, domain_id=domain_id)
    if zone is None:
        return
    held = [row for row in await queries.records_of(tx, zone.id) if row.name in names and row.type in _LEADS_SOMEWHERE]
    if addresses:
        for row in held:
            if not row.managed:
                raise LeadsElsewhere(domain=zone.name, type=row.type.value, name=row.name)
    wanted = {(_type_of(address), name, address) for name in names for address in addresses}
    ours = {(row.type, row.name, row.content): row.id for row in held if row.managed}
    if wanted == ours.keys():
        return
    await queries.delete_records(tx, [row_id for key, row_id in ours.items() if key not in wanted])
    new = [Record(*key) for key in sorted(wanted - ours.keys())]
    await queries.insert_records(
        tx, [new_record(record, zone_id=zone.id, workspace_id=zone.workspace_id, managed=True) for record in new]
    )
    await queries.bump_serial(tx, zone.id)


async def erase(tx: Tx, domain_ids: Sequence[str]) -> None:
    """Forgets the zones of these domains for good, with all records."""
    await queries.delete_zones(tx, domain_ids)


def _type_of(address: str) -> RecordType:
    return RecordType.AAAA if ":" in address else RecordType.A
