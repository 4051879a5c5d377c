"""Wire shapes of DNS at a customer's own provider."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from pydantic import BeforeValidator, Field, StringConstraints

from litemail.domains.previewing import Preview
from litemail.kit.errors import Problem
from litemail.kit.wire import RequestModel
from litemail.providers.dns.publishing import Plan as DnsPlan
from litemail.providers.dns.publishing import Reason, Value, value_of

_Secret = Annotated[str, StringConstraints(max_length=2000)]


class DnsAtProvider(RequestModel):
    """`provider` is `powerdns` (credentials: `api_url`, `api_key`, `server_id`?) or `cloudflare` (`api_token`).

    `replace` lets us take away records there that ours cannot stand beside, such as another MX or SPF.
    """

    provider: Annotated[str, Field(min_length=1, max_length=50)]
    credentials: Annotated[dict[Annotated[str, StringConstraints(max_length=50)], _Secret], Field(max_length=10)]
    replace: bool = False


def _hosted_is_none(given: object) -> object:
    """A union would name its branches in the paths of errors."""
    return None if given == "hosted" else given


DnsChoice = Annotated[
    DnsAtProvider | None,
    BeforeValidator(_hosted_is_none, json_schema_input_type=DnsAtProvider | Literal["hosted"] | None),
]
"""`"hosted"`, or where the DNS is and how we get in."""


class PlannedRecord(msgspec.Struct, frozen=True):
    """A record at the provider; `name` is relative, `@` is the domain itself."""

    type: str
    name: str
    content: str
    priority: int | None


class Conflict(msgspec.Struct, frozen=True):
    """What is in the way of what; `replaceable` ones `replace` resolves."""

    reason: Reason
    wanted: PlannedRecord
    held: list[PlannedRecord]
    replaceable: bool


class Plan(msgspec.Struct, frozen=True):
    """What would be done for one domain; with conflicts nothing is. `error` where its zone could not be read."""

    domain: str
    create: list[PlannedRecord]
    delete: list[PlannedRecord]
    replace: list[PlannedRecord]
    conflicts: list[Conflict]
    error: Problem | None


class Plans(msgspec.Struct, frozen=True):
    """What `?dry_run=true` answers."""

    plans: list[Plan]


_NOTHING = DnsPlan()


def show_plans(previews: Mapping[str, Preview]) -> Plans:
    return Plans([_plan(domain, preview) for domain, preview in previews.items()])


def _plan(domain: str, preview: Preview) -> Plan:
    plan = preview if isinstance(preview, DnsPlan) else _NOTHING
    return Plan(
        domain=domain,
        create=[_record(value_of(record)) for record in plan.create],
        delete=[_record(value) for value in plan.delete],
        replace=[_record(value) for value in plan.replace],
        conflicts=[
            Conflict(one.reason, _record(one.wanted), [_record(value) for value in one.held], one.replaceable)
            for one in plan.conflicts
        ],
        error=None if isinstance(preview, DnsPlan) else preview.problem(),
    )


def _record(value: Value) -> PlannedRecord:
    return PlannedRecord(value.type, value.name, value.content, value.priority)


PLANS_EXAMPLE: dict[str, object] = {
    "plans": [
        {
            "domain": "getbrandmerge.com",
            "create": [{"type": "TXT", "name": "@", "content": "v=spf1 mx -all", "priority": None}],
            "delete": [],
            "replace": [],
            "conflicts": [
                {
                    "reason": "mx",
                    "wanted": {"type": "MX", "name": "@", "content": "mail.litemail.test", "priority": 10},
                    "held": [{"type": "MX", "name": "@", "content": "aspmx.l.google.com", "priority": 1}],
                    "replaceable": True,
                }
            ],
            "error": None,
        }
    ]
}
