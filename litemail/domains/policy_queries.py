"""SQL of DMARC settings and of key rotations."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from litemail.domains.managed import Dmarc
from litemail.kit.db import Tx


class Rotation(msgspec.Struct, frozen=True):
    """Keys that wait to be served so that they can sign."""

    domain_id: str
    workspace_id: str
    name: str
    hosted: bool
    started_at: datetime


async def set_dmarc(tx: Tx, domain_ids: Sequence[str], asked: Dmarc) -> None:
    await tx.execute(
        """UPDATE domains SET dmarc_policy = %(policy)s, dmarc_subdomain_policy = %(subdomain_policy)s,
               dmarc_pct = %(pct)s, dmarc_rua = %(rua)s
           WHERE id = ANY (%(ids)s)""",
        ids=list(domain_ids),
        policy=asked.policy,
        subdomain_policy=asked.subdomain_policy,
        pct=asked.pct,
        rua=asked.rua,
    )


async def start_rotation(tx: Tx, domain_id: str, *, workspace_id: str, next_look_at: datetime) -> bool:
    """Whether it is the only one of its domain."""
    return bool(
        await tx.execute(
            """INSERT INTO dkim_rotations (domain_id, workspace_id, started_at, next_look_at)
               VALUES (%(domain_id)s, %(workspace_id)s, %(now)s, %(next_look_at)s)
               ON CONFLICT (domain_id) DO NOTHING""",
            domain_id=domain_id,
            workspace_id=workspace_id,
            next_look_at=next_look_at,
            now=tx.now,
        )
    )


_ROTATION = """
SELECT r.domain_id, r.workspace_id, d.name, d.dns = 'hosted' AS hosted, r.started_at
FROM dkim_rotations r JOIN domains d ON d.id = r.domain_id
WHERE r.domain_id = %(domain_id)s AND d.status = 'active' AND d.removed_at IS NULL
"""


async def find_rotation(tx: Tx, domain_id: str) -> Rotation | None:
    """None when there is none, or the domain is not in use now."""
    return await tx.find(Rotation, _ROTATION, domain_id=domain_id)


async def lock_rotation(tx: Tx, domain_id: str) -> Rotation | None:
    return await tx.find(Rotation, _ROTATION + " FOR UPDATE OF r", domain_id=domain_id)


async def end_rotation(tx: Tx, domain_id: str) -> None:
    await tx.execute("DELETE FROM dkim_rotations WHERE domain_id = %(domain_id)s", domain_id=domain_id)


async def look_again(tx: Tx, domain_id: str, at: datetime) -> None:
    await tx.execute(
        "UPDATE dkim_rotations SET next_look_at = %(at)s WHERE domain_id = %(domain_id)s", domain_id=domain_id, at=at
    )


async def take_due_rotations(tx: Tx, *, limit: int, again_at: datetime) -> list[str]:
    return await tx.values(
        str,
        """UPDATE dkim_rotations SET next_look_at = %(again_at)s
           WHERE domain_id IN (SELECT domain_id FROM dkim_rotations WHERE next_look_at <= %(now)s
                               ORDER BY next_look_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
           RETURNING domain_id""",
        now=tx.now,
        again_at=again_at,
        limit=limit,
    )
