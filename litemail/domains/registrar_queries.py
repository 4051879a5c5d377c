"""SQL of domains that are bought, renewed and moved. Terms end in the time of the workspace."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
from psycopg.types.json import Jsonb

from litemail.kit.actor import Mode
from litemail.kit.db import Tx
from litemail.kit.errors import Problem

Kind = Literal["purchase", "renewal"]


class Ordered(msgspec.Struct, frozen=True):
    """A name of an order. `cost` is the most that the registrar may take, in minor units of `currency`.

    `expires_at` is the end of the term that a renewal adds to.
    """

    order_id: str
    name: str
    workspace_id: str
    kind: Kind
    registrar: str
    years: int
    cost: int
    renewal_price: int
    auto_renew: bool
    expires_at: datetime | None
    status: Literal["ordered", "done", "failed"]
    operation: str | None
    failure: Problem | None


class Held(msgspec.Struct, frozen=True):
    """A domain that is at a registrar of ours."""

    id: str
    workspace_id: str
    name: str
    status: str
    registrar: str
    name_servers: list[str]
    expires_at: datetime
    auto_renew: bool
    renewal_price: int
    renewal_due_at: datetime | None
    delegated: bool
    moving_since: datetime | None


class Due(msgspec.Struct, frozen=True):
    id: str
    workspace_id: str


class Address(msgspec.Struct, frozen=True):
    """Whom a name is registered to: who is billed for the workspace, and its owner's e-mail address."""

    mode: Mode
    email: str
    first_name: str
    last_name: str
    company: str | None
    address_line_1: str
    address_line_2: str | None
    city: str
    state: str | None
    country: str
    postal_code: str
    phone: str | None


_ORDERED = """order_id, name, workspace_id, kind, registrar, years, cost, renewal_price, auto_renew, expires_at, status,
    operation, failure"""
_HELD = """id, workspace_id, name, status, registrar, name_servers, expires_at, auto_renew, renewal_price,
    renewal_due_at, delegated, moving_since"""
_IS_HELD = "registrar IS NOT NULL AND removed_at IS NULL"


async def insert_ordered(tx: Tx, rows: Sequence[Ordered]) -> set[str]:
    """The names that were inserted: a term that another order prolongs already is left out."""
    return {
        row.name
        for row in rows
        if await tx.execute(
            """INSERT INTO domain_orders (order_id, name, workspace_id, kind, registrar, years, cost, renewal_price,
                                          auto_renew, expires_at, created_at)
               VALUES (%(order_id)s, %(name)s, %(workspace_id)s, %(kind)s, %(registrar)s, %(years)s, %(cost)s,
                       %(renewal_price)s, %(auto_renew)s, %(expires_at)s, %(now)s)
               ON CONFLICT DO NOTHING""",
            order_id=row.order_id,
            name=row.name,
            workspace_id=row.workspace_id,
            kind=row.kind,
            registrar=row.registrar,
            years=row.years,
            cost=row.cost,
            renewal_price=row.renewal_price,
            auto_renew=row.auto_renew,
            expires_at=row.expires_at,
            now=tx.now,
        )
    }


async def find_ordered(tx: Tx, order_id: str, name: str) -> Ordered | None:
    return await tx.find(
        Ordered,
        f"SELECT {_ORDERED} FROM domain_orders WHERE order_id = %(order_id)s AND name = %(name)s",
        order_id=order_id,
        name=name,
    )


async def set_operation(tx: Tx, ordered: Ordered, operation: str) -> None:
    await tx.execute(
        "UPDATE domain_orders SET operation = %(operation)s WHERE order_id = %(order_id)s AND name = %(name)s",
        order_id=ordered.order_id,
        name=ordered.name,
        operation=operation,
    )


async def set_done(tx: Tx, ordered: Ordered) -> bool:
    """False when it was written down before."""
    return bool(
        await tx.execute(
            """UPDATE domain_orders SET status = 'done'
               WHERE order_id = %(order_id)s AND name = %(name)s AND status = 'ordered'""",
            order_id=ordered.order_id,
            name=ordered.name,
        )
    )


async def set_failed(tx: Tx, ordered: Ordered, failure: Problem) -> None:
    await tx.execute(
        """UPDATE domain_orders SET status = 'failed', failure = %(failure)s
           WHERE order_id = %(order_id)s AND name = %(name)s AND status = 'ordered'""",
        order_id=ordered.order_id,
        name=ordered.name,
        failure=Jsonb(msgspec.to_builtins(failure)),
    )


async def take_name(tx: Tx, ordered: Ordered) -> bool:
    """Makes the order the owner of the name at its registrar; False when it is another's."""
    await tx.execute(
        """INSERT INTO registrar_names (registrar, name, workspace_id, order_id)
           VALUES (%(registrar)s, %(name)s, %(workspace_id)s, %(order_id)s) ON CONFLICT DO NOTHING""",
        registrar=ordered.registrar,
        name=ordered.name,
        workspace_id=ordered.workspace_id,
        order_id=ordered.order_id,
    )
    return await is_taken_by(tx, ordered)


async def is_taken_by(tx: Tx, ordered: Ordered) -> bool:
    return bool(
        await tx.value(
            bool,
            """SELECT EXISTS (SELECT FROM registrar_names
                              WHERE registrar = %(registrar)s AND name = %(name)s AND order_id = %(order_id)s)""",
            registrar=ordered.registrar,
            name=ordered.name,
            order_id=ordered.order_id,
        )
    )


async def free_name(tx: Tx, *, registrar: str, name: str) -> None:
    await tx.execute(
        "DELETE FROM registrar_names WHERE registrar = %(registrar)s AND name = %(name)s",
        registrar=registrar,
        name=name,
    )


async def insert_purchased(
    tx: Tx,
    ordered: Ordered,
    *,
    domain_id: str,
    name_servers: tuple[str, str],
    challenge: str,
    mailbox_limit: int,
    expires_at: datetime,
    renewal_due_at: datetime | None,
) -> str:
    """A domain whose delegation is looked for once its name servers are set; its id. Where the workspace connected the
    name while it was being bought, that domain is the one: it keeps its name servers, and where its DNS is.
    """
    kept = await tx.value(
        str,
        """INSERT INTO domains (id, workspace_id, name, status, source, dns, name_servers, challenge, mailbox_limit,
                                registrar, expires_at, auto_renew, renewal_price, renewal_due_at, created_at)
           VALUES (%(id)s, %(workspace_id)s, %(name)s, 'pending', 'purchased', 'hosted', %(name_servers)s,
                   %(challenge)s, %(mailbox_limit)s, %(registrar)s, %(expires_at)s, %(auto_renew)s, %(renewal_price)s,
                   %(renewal_due_at)s, %(now)s)
           ON CONFLICT (workspace_id, name) WHERE removed_at IS NULL DO UPDATE
               SET source = excluded.source, registrar = excluded.registrar, expires_at = excluded.expires_at,
                   auto_renew = excluded.auto_renew, renewal_price = excluded.renewal_price,
                   renewal_due_at = excluded.renewal_due_at, delegated = domains.dns <> 'hosted'
           RETURNING id""",
        id=domain_id,
        workspace_id=ordered.workspace_id,
        name=ordered.name,
        name_servers=list(name_servers),
        challenge=challenge,
        mailbox_limit=mailbox_limit,
        registrar=ordered.registrar,
        expires_at=expires_at,
        auto_renew=ordered.auto_renew,
        renewal_price=ordered.renewal_price,
        renewal_due_at=renewal_due_at,
        now=tx.now,
    )
    assert kept is not None
    return kept


async def find_held(tx: Tx, domain_id: str, *, lock: bool = False) -> Held | None:
    """A domain that is at a registrar, in whatever workspace the transaction sees."""
    return await tx.find(
        Held,
        f"SELECT {_HELD} FROM domains WHERE id = %(id)s AND {_IS_HELD}" + (" FOR NO KEY UPDATE" if lock else ""),
        id=domain_id,
    )


async def list_held(tx: Tx, names: Sequence[str], *, workspace_id: str) -> list[Held]:
    return await tx.all(
        Held,
        f"SELECT {_HELD} FROM domains WHERE workspace_id = %(workspace_id)s AND name = ANY (%(names)s) AND {_IS_HELD}",
        workspace_id=workspace_id,
        names=list(names),
    )


async def lock_held_of_name(tx: Tx, name: str, *, workspace_id: str) -> Held | None:
    return await tx.find(
        Held,
        f"""SELECT {_HELD} FROM domains
            WHERE workspace_id = %(workspace_id)s AND name = %(name)s AND {_IS_HELD} FOR NO KEY UPDATE""",
        workspace_id=workspace_id,
        name=name,
    )


async def set_delegated(tx: Tx, domain_id: str) -> None:
    await tx.execute("UPDATE domains SET delegated = true WHERE id = %(id)s", id=domain_id)


async def list_undelegated(tx: Tx, *, limit: int) -> list[str]:
    return await tx.values(
        str, f"SELECT id FROM domains WHERE NOT delegated AND {_IS_HELD} ORDER BY id LIMIT %(limit)s", limit=limit
    )


async def list_due(tx: Tx, *, limit: int, workspace_id: str | None = None) -> list[Due]:
    """Whose term wants looking after by the clock of its workspace, the longest due first."""
    return await tx.all(
        Due,
        f"""SELECT id, workspace_id FROM (
                SELECT d.id, d.workspace_id, d.renewal_due_at FROM domains d
                WHERE d.renewal_due_at <= %(now)s AND {_IS_HELD}
                  AND (%(workspace_id)s::text IS NULL OR d.workspace_id = %(workspace_id)s)
                UNION
                SELECT d.id, d.workspace_id, d.renewal_due_at
                FROM workspaces w JOIN domains d ON d.workspace_id = w.id
                WHERE w.clock_ahead > '0' AND d.renewal_due_at <= %(now)s + w.clock_ahead AND {_IS_HELD}
                  AND (%(workspace_id)s::text IS NULL OR w.id = %(workspace_id)s)) AS due
            ORDER BY renewal_due_at, id LIMIT %(limit)s""",
        now=tx.now,
        workspace_id=workspace_id,
        limit=limit,
    )


async def next_due(tx: Tx, workspace_id: str) -> datetime | None:
    return await tx.value(
        datetime,
        f"SELECT min(renewal_due_at) FROM domains WHERE workspace_id = %(id)s AND {_IS_HELD}",
        id=workspace_id,
    )


async def set_due(tx: Tx, domain_id: str, due_at: datetime | None) -> None:
    await tx.execute("UPDATE domains SET renewal_due_at = %(due_at)s WHERE id = %(id)s", id=domain_id, due_at=due_at)


async def set_expired(tx: Tx, domain_id: str, failure: Problem) -> None:
    await tx.execute(
        """UPDATE domains SET status = 'suspended', failure_code = %(code)s, failure_message = %(message)s,
               failure_action = %(action)s
           WHERE id = %(id)s""",
        id=domain_id,
        code=failure.code,
        message=failure.message,
        action=failure.action,
    )


async def set_term(
    tx: Tx, domain_id: str, *, expires_at: datetime, renewal_price: int, due_at: datetime | None, expired: str
) -> None:
    """A longer term. A domain that was suspended with the failure code `expired` can be used again."""
    await tx.execute(
        """UPDATE domains SET expires_at = %(expires_at)s, renewal_price = %(renewal_price)s,
               renewal_due_at = %(due_at)s,
               status = CASE WHEN status = 'suspended' AND failure_code = %(expired)s THEN 'active' ELSE status END,
               failure_message = CASE WHEN failure_code = %(expired)s THEN NULL ELSE failure_message END,
               failure_action = CASE WHEN failure_code = %(expired)s THEN NULL ELSE failure_action END,
               failure_code = nullif(failure_code, %(expired)s)
           WHERE id = %(id)s""",
        id=domain_id,
        expires_at=expires_at,
        renewal_price=renewal_price,
        due_at=due_at,
        expired=expired,
    )


async def set_moving(tx: Tx, domain_id: str) -> None:
    await tx.execute("UPDATE domains SET moving_since = %(now)s WHERE id = %(id)s", id=domain_id, now=tx.now)


async def unset_moving(tx: Tx, domain_id: str) -> None:
    await tx.execute("UPDATE domains SET moving_since = NULL WHERE id = %(id)s", id=domain_id)


async def list_moving(tx: Tx, *, limit: int) -> list[str]:
    """Those whose auth code was handed out, the longest ago first."""
    return await tx.values(
        str,
        f"""SELECT id FROM domains WHERE moving_since IS NOT NULL AND {_IS_HELD}
            ORDER BY moving_since, id LIMIT %(limit)s""",
        limit=limit,
    )


async def set_moved(tx: Tx, domain_id: str) -> None:
    """It is registered elsewhere from now on; its delegation, which has proved it, is as it was."""
    await tx.execute(
        """UPDATE domains SET source = 'connected', registrar = NULL, expires_at = NULL, auto_renew = NULL,
               renewal_price = NULL, renewal_due_at = NULL, moving_since = NULL
           WHERE id = %(id)s""",
        id=domain_id,
    )


async def find_address(tx: Tx, workspace_id: str) -> Address | None:
    """None where the workspace that pays has no billing details."""
    return await tx.find(
        Address,
        """SELECT w.mode, u.email, b.first_name, b.last_name, b.company, b.address_line_1, b.address_line_2, b.city,
               b.state, b.country, b.postal_code, b.phone
           FROM workspaces w
           JOIN users u ON u.id = w.owner_id
           JOIN billing_details b ON b.workspace_id = coalesce(w.billing_workspace_id, w.id)
           WHERE w.id = %(workspace_id)s""",
        workspace_id=workspace_id,
    )
