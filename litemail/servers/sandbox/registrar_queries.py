"""SQL of the sandbox's registrar."""

from datetime import datetime

import msgspec

from litemail.kit import ids
from litemail.kit.db import Tx
from litemail.providers.registrar import Contact, Operation, OperationStatus


class Row(msgspec.Struct, frozen=True):
    """A name in the account. `name_servers` are what the registry has."""

    name: str
    locked: bool
    auth_code: str
    expires_at: datetime
    name_servers: list[str]


class _OperationRow(msgspec.Struct, frozen=True):
    id: str
    ready_at: datetime
    failure: str | None


async def is_registered(tx: Tx, name: str) -> bool:
    """Whether anybody has it: bought here, delegated, or used by some workspace."""
    return bool(
        await tx.value(
            bool,
            """SELECT EXISTS (SELECT FROM sandbox.registrations WHERE name = %(name)s)
                   OR EXISTS (SELECT FROM sandbox.delegations WHERE name = %(name)s)
                   OR EXISTS (SELECT FROM test_names WHERE name = %(name)s)""",
            name=name,
        )
    )


async def is_delegated(tx: Tx, name: str) -> bool:
    return bool(
        await tx.value(bool, "SELECT EXISTS (SELECT FROM sandbox.delegations WHERE name = %(name)s)", name=name)
    )


async def find_owner(tx: Tx, name: str) -> str | None:
    """The workspace that uses the name."""
    return await tx.value(str, "SELECT workspace_id FROM test_names WHERE name = %(name)s", name=name)


async def insert_registration(
    tx: Tx, name: str, *, contact: Contact, auth_code: str, now: datetime, visible_at: datetime, expires_at: datetime
) -> bool:
    """False when it is registered."""
    return bool(
        await tx.execute(
            """INSERT INTO sandbox.registrations (name, contact, auth_code, registered_at, visible_at, expires_at)
               VALUES (%(name)s, %(contact)s::jsonb, %(auth_code)s, %(now)s, %(visible_at)s, %(expires_at)s)
               ON CONFLICT DO NOTHING""",
            name=name,
            contact=msgspec.json.encode(contact).decode(),
            auth_code=auth_code,
            now=now,
            visible_at=visible_at,
            expires_at=expires_at,
        )
    )


async def find_registration(tx: Tx, name: str, *, lock: bool = False) -> Row | None:
    return await tx.find(
        Row,
        """SELECT r.name, r.locked, r.auth_code, r.expires_at, coalesce(d.name_servers, '{}') AS name_servers
           FROM sandbox.registrations r LEFT JOIN sandbox.delegations d USING (name)
           WHERE r.name = %(name)s AND r.visible_at <= %(now)s"""
        + (" FOR UPDATE OF r" if lock else ""),
        name=name,
        now=tx.now,
    )


async def set_expiry(tx: Tx, name: str, expires_at: datetime) -> None:
    await tx.execute(
        "UPDATE sandbox.registrations SET expires_at = %(expires_at)s WHERE name = %(name)s",
        name=name,
        expires_at=expires_at,
    )


async def set_locked(tx: Tx, name: str, *, locked: bool) -> None:
    await tx.execute(
        "UPDATE sandbox.registrations SET locked = %(locked)s WHERE name = %(name)s", name=name, locked=locked
    )


async def set_contact(tx: Tx, name: str, contact: Contact) -> None:
    await tx.execute(
        "UPDATE sandbox.registrations SET contact = %(contact)s::jsonb WHERE name = %(name)s",
        name=name,
        contact=msgspec.json.encode(contact).decode(),
    )


async def set_name_servers(tx: Tx, name: str, hosts: list[str]) -> None:
    """What the registry shows from now on; a name that no workspace uses is shown nowhere."""
    await tx.execute(
        """INSERT INTO sandbox.delegations (name, workspace_id, name_servers, updated_at)
           SELECT name, workspace_id, %(hosts)s, %(now)s FROM test_names WHERE name = %(name)s
           ON CONFLICT (name) DO UPDATE SET name_servers = excluded.name_servers, updated_at = excluded.updated_at""",
        name=name,
        hosts=hosts,
        now=tx.now,
    )


async def delete_registration(tx: Tx, name: str) -> None:
    await tx.execute("DELETE FROM sandbox.registrations WHERE name = %(name)s", name=name)


async def insert_operation(tx: Tx, kind: str, name: str, *, ready_at: datetime, failure: str | None) -> Operation:
    row = await tx.one(
        _OperationRow,
        """INSERT INTO sandbox.registrar_operations (id, kind, name, ready_at, failure, created_at)
           VALUES (%(id)s, %(kind)s, %(name)s, %(ready_at)s, %(failure)s, %(now)s)
           RETURNING id, ready_at, failure""",
        id=ids.new_id("rop"),
        kind=kind,
        name=name,
        ready_at=ready_at,
        failure=failure,
        now=tx.now,
    )
    return Operation(row.id, OperationStatus.PENDING)


async def find_under_way(tx: Tx, kind: str, name: str) -> Operation | None:
    row = await tx.find(
        _OperationRow,
        """SELECT id, ready_at, failure FROM sandbox.registrar_operations
           WHERE name = %(name)s AND kind = %(kind)s AND ready_at > %(now)s LIMIT 1""",
        kind=kind,
        name=name,
        now=tx.now,
    )
    return None if row is None else Operation(row.id, OperationStatus.PENDING)


async def find_operation(tx: Tx, operation_id: str) -> Operation | None:
    row = await tx.find(
        _OperationRow,
        "SELECT id, ready_at, failure FROM sandbox.registrar_operations WHERE id = %(id)s",
        id=operation_id,
    )
    if row is None:
        return None
    if row.ready_at > tx.now:
        return Operation(row.id, OperationStatus.PENDING)
    return Operation(row.id, OperationStatus.FAILED if row.failure else OperationStatus.DONE, row.failure)
