"""SQL of domains that are changed by hand, removed and restored."""

from datetime import datetime

from litemail.domains.queries import DOMAIN, Domain
from litemail.kit.db import Tx


async def lock_domain(tx: Tx, domain_id: str, *, workspace_id: str) -> Domain | None:
    return await tx.find(
        Domain,
        f"""SELECT {DOMAIN} FROM domains
            WHERE id = %(id)s AND workspace_id = %(workspace_id)s AND removed_at IS NULL FOR NO KEY UPDATE""",
        id=domain_id,
        workspace_id=workspace_id,
    )


async def count_aliases(tx: Tx, domain_id: str, *, by: int) -> None:
    await tx.execute("UPDATE domains SET alias_count = alias_count + %(by)s WHERE id = %(id)s", id=domain_id, by=by)


async def get_alias_count(tx: Tx, domain_id: str) -> int:
    return await tx.value(int, "SELECT alias_count FROM domains WHERE id = %(id)s", id=domain_id) or 0


async def set_tags(tx: Tx, domain_id: str, tags: list[str]) -> Domain:
    return await tx.one(
        Domain, f"UPDATE domains SET tags = %(tags)s WHERE id = %(id)s RETURNING {DOMAIN}", id=domain_id, tags=tags
    )


async def set_auto_renew(tx: Tx, domain_id: str, *, auto_renew: bool) -> Domain:
    return await tx.one(
        Domain,
        f"UPDATE domains SET auto_renew = %(auto_renew)s WHERE id = %(id)s RETURNING {DOMAIN}",
        id=domain_id,
        auto_renew=auto_renew,
    )


async def remove(tx: Tx, domain_id: str, *, at: datetime) -> Domain:
    return await tx.one(
        Domain,
        f"""UPDATE domains SET status = 'removing', removed_at = %(at)s, proof = NULL, next_check_at = NULL
            WHERE id = %(id)s RETURNING {DOMAIN}""",
        id=domain_id,
        at=at,
    )


async def lock_removed(
    tx: Tx, *, workspace_id: str, domain_id: str | None, name: str | None
) -> tuple[Domain, datetime] | None:
    """The last one of that id or name that was removed, and when."""
    domain = await tx.find(
        Domain,
        f"""SELECT {DOMAIN} FROM domains
            WHERE workspace_id = %(workspace_id)s AND (id = %(id)s OR name = %(name)s) AND removed_at IS NOT NULL
            ORDER BY removed_at DESC LIMIT 1 FOR NO KEY UPDATE""",
        workspace_id=workspace_id,
        id=domain_id,
        name=name,
    )
    if domain is None:
        return None
    removed_at = await tx.value(datetime, "SELECT removed_at FROM domains WHERE id = %(id)s", id=domain.id)
    assert removed_at is not None
    return domain, removed_at


async def restore(tx: Tx, domain_id: str, *, next_check_at: datetime) -> Domain:
    return await tx.one(
        Domain,
        f"""UPDATE domains SET status = 'pending', removed_at = NULL, failure_code = NULL, failure_message = NULL,
                failure_action = NULL, waiting_since = %(now)s, next_check_at = %(next_check_at)s
            WHERE id = %(id)s RETURNING {DOMAIN}""",
        id=domain_id,
        now=tx.now,
        next_check_at=next_check_at,
    )


async def erase_removed(tx: Tx, *, before: datetime, limit: int) -> list[str]:
    """Takes keys, rules and what is published elsewhere from domains that can no longer be restored; their ids, whose
    zones are to be taken too. The row stays: it is named by mailboxes that were on it, and by events.
    """
    ids = await tx.values(
        str,
        """SELECT d.id FROM domains d
           WHERE d.removed_at < %(before)s AND EXISTS (SELECT FROM zones z WHERE z.domain_id = d.id)
           LIMIT %(limit)s FOR NO KEY UPDATE OF d SKIP LOCKED""",
        before=before,
        limit=limit,
    )
    await tx.execute("DELETE FROM dkim_keys WHERE domain_id = ANY (%(ids)s)", ids=ids)
    await tx.execute("DELETE FROM web_forwardings WHERE domain_id = ANY (%(ids)s)", ids=ids)
    await tx.execute("DELETE FROM mail_rules WHERE domain_id = ANY (%(ids)s)", ids=ids)
    await tx.execute("DELETE FROM dns_publishings WHERE domain_id = ANY (%(ids)s)", ids=ids)
    return ids
