"""SQL of DNS checks."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from psycopg.types.json import Jsonb

from litemail.domains.keys import PublishedKey
from litemail.domains.queries import Health, Policy
from litemail.domains.verdicts import Checks
from litemail.kit.db import Tx


class Subject(msgspec.Struct, frozen=True):
    """A domain, and what its DNS should say. The records are those of its zone, whoever wrote them."""

    id: str
    workspace_id: str
    name: str
    hosted: bool
    name_servers: list[str]
    dmarc_policy: Policy
    dmarc_subdomain_policy: Policy | None
    dmarc_pct: int
    dmarc_rua: list[str] | None
    spf_record: str | None
    dmarc_record: str | None
    keys: list[PublishedKey]


class LastCheck(msgspec.Struct, frozen=True):
    """`faults` are what the last regular check found wrong, `told` those of them that events told of."""

    checked_at: datetime | None
    checks: Checks | None
    faults: list[str]
    told: list[str]


_TEXT_OF_ZONE = """(SELECT r.content FROM records r JOIN zones z ON z.id = r.zone_id
    WHERE z.domain_id = d.id AND r.type = 'TXT' AND r.name = '{name}' AND r.content ILIKE '{start}%%'
    ORDER BY r.id LIMIT 1)"""
_SUBJECT = f"""
SELECT d.id, d.workspace_id, d.name, d.dns = 'hosted' AS hosted, d.name_servers, d.dmarc_policy,
       d.dmarc_subdomain_policy, d.dmarc_pct, d.dmarc_rua,
       {_TEXT_OF_ZONE.format(name="@", start="v=spf1")} AS spf_record,
       {_TEXT_OF_ZONE.format(name="_dmarc", start="v=dmarc1")} AS dmarc_record,
       coalesce((SELECT jsonb_agg(jsonb_build_object('selector', k.selector, 'algorithm', k.algorithm,
                                                     'public', k.public, 'state', k.state) ORDER BY k.selector)
                 FROM dkim_keys k WHERE k.domain_id = d.id), '[]') AS keys
FROM domains d
"""


async def subjects(tx: Tx, domain_ids: Sequence[str]) -> list[Subject]:
    return await tx.all(
        Subject, _SUBJECT + "WHERE d.id = ANY (%(ids)s) AND d.removed_at IS NULL ORDER BY d.id", ids=list(domain_ids)
    )


async def last(tx: Tx, domain_id: str) -> LastCheck | None:
    return await tx.find(
        LastCheck,
        "SELECT checked_at, checks, faults, told FROM dns_checks WHERE domain_id = %(id)s",
        id=domain_id,
    )


async def lock(tx: Tx, subject: Subject) -> LastCheck:
    """The last check, made if there was none, which nobody else changes until the transaction ends."""
    await _ensure(tx, subject)
    return await tx.one(
        LastCheck,
        "SELECT checked_at, checks, faults, told FROM dns_checks WHERE domain_id = %(id)s FOR UPDATE",
        id=subject.id,
    )


async def keep(
    tx: Tx, subject: Subject, checks: Checks, health: Health, *, faults: Sequence[str], told: Sequence[str]
) -> None:
    await tx.execute(
        """UPDATE dns_checks SET checked_at = %(now)s, checks = %(checks)s, faults = %(faults)s, told = %(told)s
           WHERE domain_id = %(id)s""",
        id=subject.id,
        checks=Jsonb(msgspec.to_builtins(checks)),
        faults=list(faults),
        told=list(told),
        now=tx.now,
    )
    await tx.execute(
        "UPDATE domains SET health = %(health)s WHERE id = %(id)s",
        id=subject.id,
        health=Jsonb(msgspec.to_builtins(health)),
    )


async def take_refresh(tx: Tx, subject: Subject, *, at_most_every: timedelta) -> bool:
    """Whether the customer's last refresh is long enough ago; if so, this one counts."""
    await _ensure(tx, subject)
    return bool(
        await tx.execute(
            """UPDATE dns_checks SET refreshed_at = %(now)s
               WHERE domain_id = %(id)s AND (refreshed_at IS NULL OR refreshed_at <= %(latest)s)""",
            id=subject.id,
            now=tx.now,
            latest=tx.now - at_most_every,
        )
    )


async def check_at(tx: Tx, domain_id: str, at: datetime) -> None:
    await tx.execute("UPDATE domains SET next_dns_check_at = %(at)s WHERE id = %(id)s", id=domain_id, at=at)


async def take_due(tx: Tx, *, limit: int, again_at: datetime) -> list[str]:
    """Active domains whose check is due; they are due again at `again_at` in case that it never happens."""
    return await tx.values(
        str,
        """UPDATE domains SET next_dns_check_at = %(again_at)s
           WHERE id IN (SELECT id FROM domains
                        WHERE next_dns_check_at <= %(now)s AND status = 'active' AND removed_at IS NULL
                        ORDER BY next_dns_check_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED)
           RETURNING id""",
        now=tx.now,
        again_at=again_at,
        limit=limit,
    )


async def _ensure(tx: Tx, subject: Subject) -> None:
    await tx.execute(
        """INSERT INTO dns_checks (domain_id, workspace_id) VALUES (%(id)s, %(workspace_id)s)
           ON CONFLICT (domain_id) DO NOTHING""",
        id=subject.id,
        workspace_id=subject.workspace_id,
    )
