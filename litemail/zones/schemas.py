"""Wire shapes of DNS records."""

from typing import Annotated, TypeVar

import msgspec
from pydantic import Field

from litemail.kit.clock import rfc3339
from litemail.kit.wire import RequestModel, Timestamp
from litemail.protocols.record_types import DEFAULT_TTL, RecordType
from litemail.protocols.zone_file import Skipped
from litemail.zones.editing import MAX_RECORDS, Changes, Wanted
from litemail.zones.queries import ZoneRecord
from litemail.zones.zone_files import Plan

Value = TypeVar("Value")

DomainGiven = Annotated[str, Field(min_length=1, max_length=1000)]
# What a record may be is decided in one place, protocols.records; the limits here only keep nonsense short.
Text = Annotated[str, Field(max_length=1000)]
Content = Annotated[str, Field(max_length=30_000)]


class RecordGiven(RequestModel):
    """`name` is relative to the domain, `@` the domain itself; `priority` goes with MX and SRV only."""

    type: Annotated[Text, Field(examples=["TXT"], description=f"One of {', '.join(RecordType)}.")]
    name: Text
    content: Content
    ttl: int = DEFAULT_TTL
    priority: int | None = None

    def wanted(self) -> Wanted:
        return Wanted(self.type, self.name, self.content, self.ttl, self.priority)


class RecordCreate(RecordGiven):
    """`domain` is a name or an id."""

    domain: DomainGiven


class RecordsCreate(RequestModel):
    """All of them are made, or none."""

    domain: DomainGiven
    records: Annotated[list[RecordGiven], Field(min_length=1, max_length=MAX_RECORDS)]


class RecordUpdate(RequestModel):
    """Fields left out stay as they are; a new type forgets the priority."""

    type: Text | None = None
    name: Text | None = None
    content: Content | None = None
    ttl: int | None = None
    priority: int | None = None

    def changes(self) -> Changes:
        return Changes(
            type=_given(self.type),
            name=_given(self.name),
            content=_given(self.content),
            ttl=_given(self.ttl),
            priority=self.priority if "priority" in self.model_fields_set else msgspec.UNSET,
        )


class Record(msgspec.Struct, frozen=True):
    """A record as it is served. `managed` ones are made by us: mail depends on them."""

    id: str
    domain: str
    type: RecordType
    name: str
    content: str
    ttl: int
    priority: int | None
    managed: bool
    created_at: Timestamp


class Records(msgspec.Struct, frozen=True):
    data: list[Record]


class PlannedRecord(msgspec.Struct, frozen=True):
    """A record that a zone file brings; it has no id yet."""

    type: RecordType
    name: str
    content: str
    ttl: int
    priority: int | None


class Retimed(msgspec.Struct, frozen=True):
    """A record that gets another TTL."""

    record: Record
    ttl: int


class ZoneFileImport(msgspec.Struct, frozen=True):
    """What a zone file changes, or with `dry_run` would change. `unchanged` counts the records that are there already;
    `skipped` are those that we set ourselves.
    """

    domain: str
    dry_run: bool
    create: list[PlannedRecord]
    change: list[Retimed]
    delete: list[Record]
    unchanged: int
    skipped: list[Skipped]


def show_import(plan: Plan, *, dry_run: bool) -> ZoneFileImport:
    return ZoneFileImport(
        domain=plan.zone.name,
        dry_run=dry_run,
        create=[PlannedRecord(each.type, each.name, each.content, each.ttl, each.priority) for each in plan.create],
        change=[Retimed(show(each.record), each.ttl) for each in plan.change],
        delete=[show(row) for row in plan.delete],
        unchanged=plan.unchanged,
        skipped=plan.skipped,
    )


def show(row: ZoneRecord) -> Record:
    return Record(
        id=row.id,
        domain=row.domain,
        type=row.type,
        name=row.name,
        content=row.content,
        ttl=row.ttl,
        priority=row.priority,
        managed=row.managed,
        created_at=rfc3339(row.created_at),
    )


def _given(value: Value | None) -> Value | msgspec.UnsetType:
    return msgspec.UNSET if value is None else value
