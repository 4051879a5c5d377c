"""SQL of what we publish at customers' own DNS providers."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import msgspec

from litemail.kit.actor import Mode
from litemail.kit.db import Tx
from litemail.kit.errors import Problem
from litemail.providers.dns.publishing import Value


class Publishing(msgspec.Struct, frozen=True):
    """What is to be at the provider of one domain. `removed`: nothing of ours any more."""

    domain_id: str
    workspace_id: str
    mode: Mode
    name: str
    challenge: str
    removed: bool
    provider: str
    identity: bytes
    credentials_sealed: bytes
    replace: bool
    serial: int | None
    tries: int


async def keep_account(
    tx: Tx, *, account_id: str, workspace_id: str, provider: str, identity: bytes, sealed: bytes
) -> str:
    """The account of these credentials, made when there is none."""
    kept = await tx.value(
        str,
        """INSERT INTO dns_accounts (id, workspace_id, provider, identity, credentials_sealed, created_at)
           VALUES (%(id)s, %(workspace_id)s, %(provider)s, %(identity)s, %(sealed)s, %(now)s)
           ON CONFLICT (workspace_id, provider, identity) DO UPDATE SET provider = excluded.provider
           RETURNING id""",
        id=account_id,
        workspace_id=workspace_id,
        provider=provider,
        identity=identity,
        sealed=sealed,
        now=tx.now,
    )
    assert kept is not None
    return kept


async def put_publishings(
    tx: Tx, domain_ids: Collection[str], *, workspace_id: str, account_id: str, replace: bool
) -> None:
    """Publishes these with this account from now on; the jobs' turn is at once."""
    await tx.execute(
        """INSERT INTO dns_publishings (domain_id, workspace_id, account_id, replace, next_try_at)
           SELECT id, %(workspace_id)s, %(account_id)s, %(replace)s, %(now)s FROM unnest(%(ids)s::text[]) AS id
           ON CONFLICT (domain_id) DO UPDATE
           SET account_id = excluded.account_id, replace = excluded.replace, failed = false, tries = 0,
               next_try_at = excluded.next_try_at""",
        ids=list(domain_ids),
        workspace_id=workspace_id,
        account_id=account_id,
        replace=replace,
        now=tx.now,
    )


async def set_provider(tx: Tx, domain_ids: Collection[str], provider: str) -> None:
    await tx.execute(
        "UPDATE domains SET dns = %(provider)s WHERE id = ANY (%(ids)s)", ids=list(domain_ids), provider=provider
    )


async def find(tx: Tx, domain_id: str) -> Publishing | None:
    return await tx.find(
        Publishing,
        """SELECT p.domain_id, p.workspace_id, w.mode, d.name, d.challenge,
                  d.removed_at IS NOT NULL OR d.status = 'removing' AS removed, a.provider,
                  a.identity, a.credentials_sealed, p.replace, p.serial, p.tries
           FROM dns_publishings p JOIN domains d ON d.id = p.domain_id JOIN dns_accounts a ON a.id = p.account_id
                JOIN workspaces w ON w.id = p.workspace_id
           WHERE p.domain_id = %(domain_id)s""",
        domain_id=domain_id,
    )


async def take_due(tx: Tx, *, limit: int, again_in: timedelta) -> list[str]:
    """Domains whose turn has come, or whose zone changed since, or that were removed while records of ours are there.

    They are due again after `again_in`, in case that the job never ends.
    """
    return await tx.values(
        str,
        """UPDATE dns_publishings SET next_try_at = %(again_at)s
           WHERE domain_id IN (
               SELECT p.domain_id
               FROM dns_publishings p JOIN domains d ON d.id = p.domain_id JOIN zones z ON z.domain_id = p.domain_id
               WHERE p.next_try_at <= %(now)s
                  OR p.next_try_at IS NULL AND NOT p.failed
                     AND CASE WHEN d.removed_at IS NULL AND d.status <> 'removing'
                              THEN p.serial IS DISTINCT FROM z.serial
                              ELSE EXISTS (SELECT FROM dns_written w WHERE w.domain_id = p.domain_id) END
               LIMIT %(limit)s FOR UPDATE OF p SKIP LOCKED)
           RETURNING domain_id""",
        now=tx.now,
        again_at=tx.now + again_in,
        limit=limit,
    )


async def written(tx: Tx, domain_id: str) -> list[Value]:
    return await tx.all(
        Value, "SELECT type, name, content, priority FROM dns_written WHERE domain_id = %(id)s", id=domain_id
    )


async def set_written(tx: Tx, domain_id: str, values: Collection[Value], *, workspace_id: str) -> None:
    await tx.execute("DELETE FROM dns_written WHERE domain_id = %(id)s", id=domain_id)
    await tx.execute_many(
        """INSERT INTO dns_written (domain_id, workspace_id, type, name, content, priority)
           VALUES (%(domain_id)s, %(workspace_id)s, %(type)s, %(name)s, %(content)s, %(priority)s)""",
        [
            {
                "domain_id": domain_id,
                "workspace_id": workspace_id,
                "type": value.type,
                "name": value.name,
                "content": value.content,
                "priority": value.priority,
            }
            for value in values
        ],
    )


async def settle(tx: Tx, domain_id: str, *, serial: int | None) -> None:
    """Everything is as it is to be; leave to replace was for this once."""
    await tx.execute(
        """UPDATE dns_publishings
           SET serial = %(serial)s, failed = false, tries = 0, next_try_at = NULL, replace = false,
               published_at = CASE WHEN %(serial)s::bigint IS NOT NULL THEN %(now)s::timestamptz END
           WHERE domain_id = %(id)s""",
        id=domain_id,
        serial=serial,
        now=tx.now,
    )


async def fail(tx: Tx, domain_id: str, *, next_try_at: datetime | None) -> None:
    """Without `next_try_at` the customer has to act."""
    await tx.execute(
        """UPDATE dns_publishings SET failed = true, tries = tries + 1, next_try_at = %(next_try_at)s
           WHERE domain_id = %(id)s""",
        id=domain_id,
        next_try_at=next_try_at,
    )


async def show_failure(tx: Tx, domain_id: str, problem: Problem | None) -> None:
    """The problem that the domain shows; None takes away one of publishing, and no other."""
    await tx.execute(
        """UPDATE domains
           SET failure_code = %(code)s, failure_message = %(message)s, failure_action = %(action)s
           WHERE id = %(id)s AND (%(code)s::text IS NOT NULL OR failure_code LIKE 'dns\\_provider.%%'
                                  OR failure_code LIKE 'outbound.%%')""",
        id=domain_id,
        code=None if problem is None else problem.code,
        message=None if problem is None else problem.message,
        action=None if problem is None else problem.action,
    )


async def check_soon(tx: Tx, domain_id: str) -> bool:
    """Has a domain that waits for its proof looked at now; whether it waits."""
    return bool(
        await tx.execute(
            """UPDATE domains SET next_check_at = %(now)s, waiting_since = %(now)s
               WHERE id = %(id)s AND status IN ('pending', 'verifying', 'failed') AND removed_at IS NULL""",
            id=domain_id,
            now=tx.now,
        )
    )


async def is_published(tx: Tx, domain_id: str) -> bool:
    return bool(
        await tx.value(
            bool, "SELECT published_at IS NOT NULL FROM dns_publishings WHERE domain_id = %(id)s", id=domain_id
        )
    )


async def delete_unused_accounts(tx: Tx) -> int:
    """Credentials are kept no longer than a domain needs them."""
    return await tx.execute(
        "DELETE FROM dns_accounts a WHERE NOT EXISTS (SELECT FROM dns_publishings p WHERE p.account_id = a.id)"
    )


async def held_at_provider(tx: Tx, names: Sequence[str], *, workspace_id: str) -> dict[str, str]:
    """Names that the workspace has with DNS at a provider already, with the domains' ids."""
    rows = await tx.all(
        _Held,
        """SELECT name, id FROM domains
           WHERE workspace_id = %(workspace_id)s AND name = ANY (%(names)s) AND dns <> 'hosted'
             AND removed_at IS NULL""",
        workspace_id=workspace_id,
        names=list(names),
    )
    return {row.name: row.id for row in rows}


class _Held(msgspec.Struct, frozen=True):
    name: str
    id: str
