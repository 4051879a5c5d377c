"""SQL of proving that a domain is its owner's."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from litemail.domains.queries import DOMAIN, Domain, Proof, Status
from litemail.kit.db import Tx


class Outcome(msgspec.Struct, frozen=True):
    """What a domain becomes after a look at its delegation."""

    status: Status
    proof: Proof | None
    found: Sequence[str] | None
    failure_code: str | None
    failure_message: str | None
    failure_action: str | None
    next_check_at: datetime | None


async def find_any(tx: Tx, domain_id: str) -> Domain | None:
    """In whatever workspace; for the system."""
    return await tx.find(Domain, f"SELECT {DOMAIN} FROM domains WHERE id = %(id)s AND removed_at IS NULL", id=domain_id)


async def lock_all_of_name(tx: Tx, name: str) -> list[Domain]:
    """Every claim of the name, always locked in the same order, so that two cannot win at once."""
    return await tx.all(
        Domain,
        f"SELECT {DOMAIN} FROM domains WHERE name = %(name)s AND removed_at IS NULL ORDER BY id FOR NO KEY UPDATE",
        name=name,
    )


async def lock_one(tx: Tx, domain_id: str) -> Domain | None:
    return await tx.find(
        Domain,
        f"SELECT {DOMAIN} FROM domains WHERE id = %(id)s AND removed_at IS NULL FOR NO KEY UPDATE",
        id=domain_id,
    )


async def settle(tx: Tx, domain_id: str, outcome: Outcome) -> Domain:
    return await tx.one(
        Domain,
        f"""UPDATE domains SET status = %(status)s, proof = %(proof)s, found_name_servers = %(found)s,
                failure_code = %(failure_code)s, failure_message = %(failure_message)s,
                failure_action = %(failure_action)s, checked_at = %(now)s, next_check_at = %(next_check_at)s
            WHERE id = %(id)s RETURNING {DOMAIN}""",
        id=domain_id,
        status=outcome.status,
        proof=outcome.proof,
        found=None if outcome.found is None else list(outcome.found),
        failure_code=outcome.failure_code,
        failure_message=outcome.failure_message,
        failure_action=outcome.failure_action,
        next_check_at=outcome.next_check_at,
        now=tx.now,
    )


async def activate(tx: Tx, domain_id: str) -> Domain | None:
    """None when it is not waiting for that any more."""
    return await tx.find(
        Domain,
        f"""UPDATE domains SET status = 'active', next_check_at = NULL
            WHERE id = %(id)s AND status = 'verifying' AND (proof = 'delegation' OR dns <> 'hosted')
              AND failure_code IS NULL AND removed_at IS NULL
            RETURNING {DOMAIN}""",
        id=domain_id,
    )


async def take_refresh(tx: Tx, domain_id: str, *, at_most_every: timedelta) -> bool:
    """Whether the customer's last refresh is long enough ago; if so, this one counts."""
    return bool(
        await tx.execute(
            """UPDATE domains SET refreshed_at = %(now)s
               WHERE id = %(id)s AND (refreshed_at IS NULL OR refreshed_at <= %(latest)s)""",
            id=domain_id,
            now=tx.now,
            latest=tx.now - at_most_every,
        )
    )


async def take_due(tx: Tx, *, limit: int, again_at: datetime) -> list[str]:
    """Domains whose check is due; they are due again at `again_at` in case that the check never happens."""
    return await tx.values(
        str,
        """UPDATE domains SET next_check_at = %(again_at)s
           WHERE id IN (SELECT id FROM domains
                        WHERE next_check_at <= %(now)s AND status IN ('pending', 'verifying') AND removed_at IS NULL
                        ORDER BY next_check_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED)
           RETURNING id""",
        now=tx.now,
        again_at=again_at,
        limit=limit,
    )
