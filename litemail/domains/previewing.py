"""What publishing at a provider would do, without doing it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from litemail import zones
from litemail.domains import publishing_queries, service
from litemail.domains.dns_doors import Access, DnsDoors
from litemail.domains.managed import dkim_records, managed_records
from litemail.domains.publishing import NoAnswerInTime, challenge_record, plan_for
from litemail.kit.actor import Mode
from litemail.kit.db import Tx
from litemail.kit.errors import Error
from litemail.kit.outbound import OutboundError
from litemail.protocols import names
from litemail.protocols.record_types import Record
from litemail.providers.dns.publishing import DnsProviderError, Plan, Value

Preview: TypeAlias = Plan | Error
"""The plan of a domain, or why there is none."""

WITHIN: Final = 9.0
_MADE_LATER: Final = "(made when the domain is connected)"
_SELECTORS: Final = (("lm1", "rsa"), ("lm2", "rsa"), ("lm1e", "ed25519"))


class Draft(msgspec.Struct, frozen=True):
    """What is to be at the provider of a domain, and what we wrote there already."""

    name: str
    wanted: Sequence[Record]
    written: Sequence[Value] = ()


async def drafts(tx: Tx, given: Sequence[str], *, mail_hostname: str) -> Mapping[str, Draft | Error]:
    """For each name as it was given. Keys and challenges of names that are not connected yet stand there as words."""
    found: dict[str, Draft | Error] = {}
    for text in given:
        try:
            found[text] = await _draft(tx, names.normalise(text), mail_hostname=mail_hostname)
        except Error as problem:
            found[text] = problem
    return found


async def preview(
    wanted: Mapping[str, Draft | Error],
    access: Access,
    doors: DnsDoors,
    *,
    mode: Mode,
    replace: bool,
    deadline: float,
) -> Mapping[str, Preview]:
    """Reads the zones at the provider, one after the other; those that there is no time for say so.

    `deadline` in the time of the event loop.
    """
    late = NoAnswerInTime(name=access.provider.declaration.name, seconds=int(WITHIN))
    loop = asyncio.get_running_loop()
    found: dict[str, Preview] = {}
    async with doors.open(access, mode=mode) as publisher:
        for text, draft in wanted.items():
            if isinstance(draft, Error) or loop.time() >= deadline:
                found[text] = draft if isinstance(draft, Error) else late
                continue
            try:
                async with asyncio.timeout_at(deadline):
                    found[text] = await plan_for(
                        publisher, access, draft.name, written=draft.written, wanted=draft.wanted, replace=replace
                    )
            except TimeoutError:
                found[text] = late
            except (DnsProviderError, OutboundError) as problem:
                found[text] = problem
    return found


async def _draft(tx: Tx, name: str, *, mail_hostname: str) -> Draft:
    domain = await service.find(tx, name)
    if domain is None:
        keys = [(selector, f"v=DKIM1; k={kind}; p={_MADE_LATER}") for selector, kind in _SELECTORS]
        records = (*managed_records(mail_hostname=mail_hostname), *dkim_records(keys, domain=name))
        return Draft(name, (*records, challenge_record(f"litemail-challenge={_MADE_LATER}")))
    zone = await zones.managed(tx, domain.id)
    written = await publishing_queries.written(tx, domain.id)
    return Draft(name, (*zone.records, challenge_record(domain.challenge)), written)
