"""Wire shapes of exports."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from pydantic import Field, StringConstraints, model_validator

from litemail.exports import queries
from litemail.exports.automatic_queries import Rule
from litemail.exports.queries import Export as ExportRow
from litemail.exports.queries import ExportStatus, MailboxStatus
from litemail.exports.queries import Item as ItemRow
from litemail.kit.clock import rfc3339
from litemail.kit.errors import Problem
from litemail.kit.ids import id_pattern
from litemail.kit.wire import RequestModel, Timestamp
from litemail.platforms import WorkStatus

MOST_NAMED = 10_000

MailboxId = Annotated[str, Field(pattern=id_pattern("mbx"))]
DomainId = Annotated[str, Field(pattern=id_pattern("dom"))]
AccountId = Annotated[str, Field(pattern=id_pattern("pfa"))]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=50)]
ItemStatus = Literal["queued", "running", "succeeded", "failed", "skipped", "cancelled"]

_STATUSES: dict[ItemStatus, tuple[WorkStatus, ...]] = {
    "queued": ("queued",),
    "running": ("connecting", "confirming"),
    "succeeded": ("connected",),
    "failed": ("failed",),
    "skipped": ("skipped",),
    "cancelled": ("cancelled",),
}
_SHOWN: dict[WorkStatus, ItemStatus] = {inside: shown for shown, several in _STATUSES.items() for inside in several}


class FilterGiven(RequestModel):
    """Everything that is said must apply; `tags`: any of them. `all` stands alone, or with `exclude_ids`."""

    mailbox_ids: Annotated[list[MailboxId], Field(min_length=1, max_length=MOST_NAMED)] | None = None
    domain_ids: Annotated[list[DomainId], Field(min_length=1, max_length=MOST_NAMED)] | None = None
    tags: Annotated[list[Tag], Field(min_length=1, max_length=100)] | None = None
    status: MailboxStatus | None = None
    search: Annotated[str, Field(min_length=1, max_length=254)] | None = None
    exclude_ids: Annotated[list[MailboxId], Field(max_length=MOST_NAMED)] = Field(default_factory=list)
    all: Literal[True] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "FilterGiven":
        narrowing = self.model_fields_set - {"exclude_ids", "all"}
        chosen = [name for name in narrowing if getattr(self, name) is not None]
        if self.all and chosen:
            raise ValueError(f"all goes without {', '.join(sorted(chosen))}")
        if not self.all and not chosen:
            raise ValueError('an empty filter is not "everything": say which mailboxes, or all: true')
        return self

    def filter(self) -> queries.Filter:
        return queries.Filter(
            mailbox_ids=_tuple(self.mailbox_ids),
            domain_ids=_tuple(self.domain_ids),
            tags=_tuple(self.tags),
            status=self.status,
            search=self.search,
            exclude_ids=tuple(dict.fromkeys(self.exclude_ids)),
            all=bool(self.all),
        )


class OptionsGiven(RequestModel):
    """Set at the platform, or written into the file where its layout has a column for it."""

    daily_limit: Annotated[int, Field(ge=1, le=10_000)] | None = None
    warmup: bool = False
    tags: Annotated[list[Tag], Field(max_length=20)] = Field(default_factory=list)

    def options(self) -> queries.Options:
        return queries.Options(self.daily_limit, self.warmup, tuple(dict.fromkeys(self.tags)))


class ExportCreate(RequestModel):
    """`destination`: a platform type, `csv` or `xlsx`. `layout`: of a file; left out it is `generic`."""

    destination: Annotated[str, Field(min_length=1, max_length=50)]
    platform_account_id: AccountId | None = None
    layout: Annotated[str, Field(min_length=1, max_length=50)] | None = None
    filter: FilterGiven
    options: OptionsGiven = Field(default_factory=OptionsGiven)


class AutomaticUpdate(RequestModel):
    platform_account_id: AccountId
    filter: FilterGiven
    options: OptionsGiven = Field(default_factory=OptionsGiven)
    enabled: bool = True


class Export(msgspec.Struct, frozen=True):
    """`total` is the sum of the other counts and of what is still under way. `revoked_at`: when the passwords in the
    file were revoked.
    """

    id: str
    destination: str
    layout: str | None
    platform_account_id: str | None
    automatic: bool
    status: ExportStatus
    total: int
    succeeded: int
    failed: int
    skipped: int
    cancelled: int
    created_at: Timestamp
    finished_at: Timestamp | None
    revoked_at: Timestamp | None


class Item(msgspec.Struct, frozen=True):
    """`stage`: how far it is at the platform, or where it failed. `already`: it was there before, and was updated."""

    mailbox_id: str
    email: str
    status: ItemStatus
    stage: str | None
    already: bool
    error: Problem | None
    updated_at: Timestamp


class Automatic(msgspec.Struct, frozen=True):
    """`since`: mailboxes that become active from then on are exported."""

    platform_account_id: str | None
    filter: queries.Filter | None
    options: queries.Options
    enabled: bool
    since: Timestamp | None


def show_export(row: ExportRow) -> Export:
    return Export(
        id=row.id,
        destination=row.destination,
        layout=row.layout,
        platform_account_id=row.platform_account_id,
        automatic=row.automatic,
        status=row.status,
        total=row.total,
        succeeded=row.succeeded,
        failed=row.failed,
        skipped=row.skipped,
        cancelled=row.cancelled,
        created_at=rfc3339(row.created_at),
        finished_at=_time(row.finished_at),
        revoked_at=_time(row.revoked_at),
    )


def show_item(row: ItemRow) -> Item:
    under_way = row.status if _SHOWN[row.status] == "running" else None
    return Item(
        mailbox_id=row.mailbox_id,
        email=row.email,
        status=_SHOWN[row.status],
        stage=under_way or (row.error.stage if row.error else None),
        already=row.already,
        error=row.error,
        updated_at=rfc3339(row.updated_at),
    )


def show_automatic(rule: Rule | None) -> Automatic:
    if rule is None:
        return Automatic(None, None, queries.Options(), enabled=False, since=None)
    return Automatic(
        rule.platform_account_id, rule.filter, rule.options, enabled=rule.enabled, since=rfc3339(rule.since)
    )


def statuses_of(status: ItemStatus | None) -> tuple[WorkStatus, ...] | None:
    return None if status is None else _STATUSES[status]


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(dict.fromkeys(values))


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
