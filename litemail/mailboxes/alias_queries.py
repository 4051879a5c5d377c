"""SQL of aliases, and of who holds an address."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from litemail.kit.db import Tx
from litemail.mailboxes.queries import Status

_ALIAS = "id, mailbox_id, domain_id, address, created_at"


class Alias(msgspec.Struct, frozen=True):
    id: str
    mailbox_id: str
    domain_id: str
    address: str
    created_at: datetime


class Holder(msgspec.Struct, frozen=True):
    """The mailbox that an address leads to. `email` is the mailbox's own."""

    via: Literal["mailbox", "alias"]
    mailbox_id: str
    workspace_id: str
    email: str
    status: Status


async def find_holder(tx: Tx, address: str) -> Holder | None:
    """A mailbox of that very address, else the one that has it as an alias."""
    return await tx.find(
        Holder,
        """SELECT 'mailbox' AS via, id AS mailbox_id, workspace_id, email, status FROM mailboxes
           WHERE email = %(address)s AND removed_at IS NULL
           UNION ALL
           SELECT 'alias', m.id, m.workspace_id, m.email, m.status
           FROM mailbox_aliases a JOIN mailboxes m ON m.id = a.mailbox_id
           WHERE a.address = %(address)s AND a.active AND m.removed_at IS NULL
           ORDER BY via DESC LIMIT 1""",
        address=address,
    )


async def is_alias_of(tx: Tx, address: str, *, mailbox_id: str) -> bool:
    found = await tx.value(
        int,
        "SELECT 1 FROM mailbox_aliases WHERE address = %(address)s AND mailbox_id = %(mailbox_id)s AND active",
        address=address,
        mailbox_id=mailbox_id,
    )
    return found is not None


async def insert_alias(
    tx: Tx, alias_id: str, *, mailbox_id: str, domain_id: str, address: str, workspace_id: str
) -> Alias | None:
    """None when somebody has the address already."""
    return await tx.find(
        Alias,
        f"""INSERT INTO mailbox_aliases (id, workspace_id, mailbox_id, domain_id, address, created_at)
            VALUES (%(id)s, %(workspace_id)s, %(mailbox_id)s, %(domain_id)s, %(address)s, %(now)s)
            ON CONFLICT (address) WHERE active DO NOTHING RETURNING {_ALIAS}""",
        id=alias_id,
        workspace_id=workspace_id,
        mailbox_id=mailbox_id,
        domain_id=domain_id,
        address=address,
        now=tx.now,
    )


async def list_aliases(tx: Tx, mailbox_id: str, *, limit: int, after: str | None) -> list[Alias]:
    """Oldest first."""
    return await tx.all(
        Alias,
        f"""SELECT {_ALIAS} FROM mailbox_aliases
            WHERE mailbox_id = %(mailbox_id)s AND active AND (%(after)s::text IS NULL OR id > %(after)s)
            ORDER BY id LIMIT %(limit)s""",
        mailbox_id=mailbox_id,
        after=after,
        limit=limit,
    )


async def count_aliases(tx: Tx, mailbox_id: str) -> int:
    count = await tx.value(
        int, "SELECT count(*) FROM mailbox_aliases WHERE mailbox_id = %(id)s AND active", id=mailbox_id
    )
    return count or 0


async def delete_alias(tx: Tx, alias_id: str, *, mailbox_id: str) -> Alias | None:
    return await tx.find(
        Alias,
        f"""DELETE FROM mailbox_aliases WHERE id = %(id)s AND mailbox_id = %(mailbox_id)s AND active
            RETURNING {_ALIAS}""",
        id=alias_id,
        mailbox_id=mailbox_id,
    )


async def rest(tx: Tx, mailbox_ids: Sequence[str]) -> list[Alias]:
    """Takes the aliases of these mailboxes out of use."""
    return await tx.all(
        Alias,
        f"""UPDATE mailbox_aliases SET active = false WHERE mailbox_id = ANY (%(ids)s) AND active
            RETURNING {_ALIAS}""",
        ids=list(mailbox_ids),
    )


async def wake(tx: Tx, mailbox_id: str) -> list[Alias]:
    """Takes those of the mailbox into use again whose address nobody has got meanwhile, on domains that are there."""
    return await tx.all(
        Alias,
        f"""UPDATE mailbox_aliases a SET active = true
            WHERE a.mailbox_id = %(id)s AND NOT a.active
              AND EXISTS (SELECT FROM domains d WHERE d.id = a.domain_id AND d.status = 'active'
                          AND d.removed_at IS NULL)
              AND NOT EXISTS (SELECT FROM mailboxes m WHERE m.email = a.address AND m.removed_at IS NULL)
              AND NOT EXISTS (SELECT FROM mailbox_aliases o WHERE o.address = a.address AND o.active)
            RETURNING {_ALIAS}""",
        id=mailbox_id,
    )
