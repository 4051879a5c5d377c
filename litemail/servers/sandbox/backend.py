"""The twins' state in PostgreSQL, schema `sandbox`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from litemail.kit.db import Database, Tx
from litemail.kit.ids import is_id
from litemail.servers.sandbox.store import Account, Added, ApiKey, Entry, Organisation, Settings, Thing

_REASON = "sandbox twins"


class _EntryRow(msgspec.Struct, frozen=True):
    latency_ms: int
    error_rate: float
    rate_limit: int | None
    account_limit: int | None
    down: bool
    organisation_id: str | None
    login: str | None
    name: str | None
    created_at: datetime | None
    key_id: str | None
    key_name: str | None
    scopes: list[str] | None
    paid: bool | None
    key_created_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True)
class SqlStore:
    """`Store` in PostgreSQL: any number of sandbox processes may share it."""

    database: Database

    async def settings(self, workspace_id: str, platform_type: str) -> Settings | None:
        if not is_id(workspace_id, "ws"):
            return None
        async with self.database.system_statement() as tx:
            return await tx.find(
                Settings,
                """SELECT coalesce(s.latency_ms, 0) AS latency_ms, coalesce(s.error_rate, 0) AS error_rate,
                       s.rate_limit, s.account_limit, coalesce(s.down, false) AS down
                   FROM workspaces w
                   LEFT JOIN sandbox.settings s ON s.workspace_id = w.id AND s.platform_type = %(platform_type)s
                   WHERE w.id = %(workspace_id)s AND w.mode = 'sandbox'""",
                workspace_id=workspace_id,
                platform_type=platform_type,
            )

    async def enter(self, workspace_id: str, platform_type: str, *, key_hash: bytes, login: str) -> Entry | None:
        if not is_id(workspace_id, "ws"):
            return None
        async with self.database.system_statement() as tx:
            row = await tx.find(
                _EntryRow,
                """SELECT coalesce(s.latency_ms, 0) AS latency_ms, coalesce(s.error_rate, 0) AS error_rate,
                       s.rate_limit, s.account_limit, coalesce(s.down, false) AS down,
                       o.id AS organisation_id, o.login, o.name, o.created_at,
                       k.id AS key_id, k.name AS key_name, k.scopes, k.paid, k.created_at AS key_created_at,
                       k.revoked_at
                   FROM workspaces w
                   LEFT JOIN sandbox.settings s ON s.workspace_id = w.id AND s.platform_type = %(platform_type)s
                   LEFT JOIN (sandbox.api_keys k JOIN sandbox.organisations ko ON ko.id = k.organisation_id)
                       ON k.hash = %(hash)s AND ko.workspace_id = w.id AND ko.platform_type = %(platform_type)s
                   LEFT JOIN sandbox.organisations o ON o.id = coalesce(k.organisation_id, (
                       SELECT id FROM sandbox.organisations
                       WHERE workspace_id = w.id AND platform_type = %(platform_type)s AND login = %(login)s))
                   WHERE w.id = %(workspace_id)s AND w.mode = 'sandbox'""",
                workspace_id=workspace_id,
                platform_type=platform_type,
                hash=key_hash,
                login=login,
            )
        return None if row is None else _entry(row, workspace_id, platform_type, key_hash)

    async def put_settings(self, workspace_id: str, platform_type: str, settings: Settings) -> None:
        async with self.database.system_statement() as tx:
            await tx.execute(
                """INSERT INTO sandbox.settings
                   VALUES (%(workspace_id)s, %(platform_type)s, %(latency_ms)s, %(error_rate)s, %(rate_limit)s,
                           %(account_limit)s, %(down)s)
                   ON CONFLICT (workspace_id, platform_type) DO UPDATE SET latency_ms = excluded.latency_ms,
                       error_rate = excluded.error_rate, rate_limit = excluded.rate_limit,
                       account_limit = excluded.account_limit, down = excluded.down""",
                workspace_id=workspace_id,
                platform_type=platform_type,
                latency_ms=settings.latency_ms,
                error_rate=settings.error_rate,
                rate_limit=settings.rate_limit,
                account_limit=settings.account_limit,
                down=settings.down,
            )

    async def organisation(self, fresh: Organisation) -> Organisation:
        async with self.database.system_statement() as tx:
            found = await _organisation_of(tx, fresh)
            while found is None:  # made now, by us or by somebody else at the same time
                await tx.execute(
                    """INSERT INTO sandbox.organisations (id, workspace_id, platform_type, login, name, created_at)
                       VALUES (%(id)s, %(workspace_id)s, %(platform_type)s, %(login)s, %(name)s, %(created_at)s)
                       ON CONFLICT (workspace_id, platform_type, login) DO NOTHING""",
                    id=fresh.id,
                    workspace_id=fresh.workspace_id,
                    platform_type=fresh.platform_type,
                    login=fresh.login,
                    name=fresh.name,
                    created_at=fresh.created_at,
                )
                found = await _organisation_of(tx, fresh)
            return found

    async def add_key(self, key: ApiKey) -> None:
        async with self.database.system_statement() as tx:
            await tx.execute(
                """INSERT INTO sandbox.api_keys
                       (id, workspace_id, organisation_id, name, scopes, hash, paid, created_at)
                   SELECT %(id)s, workspace_id, id, %(name)s, %(scopes)s, %(hash)s, %(paid)s, %(created_at)s
                   FROM sandbox.organisations WHERE id = %(organisation_id)s
                   ON CONFLICT (id) DO NOTHING""",
                id=key.id,
                organisation_id=key.organisation_id,
                name=key.name,
                scopes=list(key.scopes),
                hash=key.hash,
                paid=key.paid,
                created_at=key.created_at,
            )

    async def list_keys(self, organisation_id: str) -> Sequence[ApiKey]:
        async with self.database.system_statement() as tx:
            return await tx.all(
                ApiKey,
                """SELECT id, organisation_id, name, scopes, hash, paid, created_at, revoked_at
                   FROM sandbox.api_keys WHERE organisation_id = %(organisation_id)s AND revoked_at IS NULL
                   ORDER BY created_at DESC, id""",
                organisation_id=organisation_id,
            )

    async def revoke_key(self, organisation_id: str, key_id: str, *, now: datetime) -> ApiKey | None:
        async with self.database.system_statement() as tx:
            return await tx.find(
                ApiKey,
                """UPDATE sandbox.api_keys SET revoked_at = %(now)s
                   WHERE id = %(id)s AND organisation_id = %(organisation_id)s AND revoked_at IS NULL
                   RETURNING id, organisation_id, name, scopes, hash, paid, created_at, revoked_at""",
                id=key_id,
                organisation_id=organisation_id,
                now=now,
            )

    async def add_account(self, account: Account, *, limit: int | None) -> Added:
        if limit is None:
            async with self.database.system_statement() as tx:
                return await _insert_account(tx, account)
        async with self.database.begin_system(_REASON) as tx:
            if await _is_full(tx, account, limit):
                return Added.FULL
            return await _insert_account(tx, account)

    async def find_account(self, organisation_id: str, email: str) -> Account | None:
        async with self.database.system_statement() as tx:
            return await tx.find(
                Account,
                """SELECT organisation_id, email, data, created_at, signed_in FROM sandbox.accounts
                   WHERE organisation_id = %(organisation_id)s AND email = %(email)s""",
                organisation_id=organisation_id,
                email=email,
            )

    async def change_account(
        self, organisation_id: str, email: str, change: Callable[[bytes], bytes]
    ) -> Account | None:
        async with self.database.begin_system(_REASON) as tx:
            data = await tx.value(
                bytes,
                """SELECT data FROM sandbox.accounts
                   WHERE organisation_id = %(organisation_id)s AND email = %(email)s FOR UPDATE""",
                organisation_id=organisation_id,
                email=email,
            )
            if data is None:
                return None
            return await tx.one(
                Account,
                """UPDATE sandbox.accounts SET data = %(data)s
                   WHERE organisation_id = %(organisation_id)s AND email = %(email)s
                   RETURNING organisation_id, email, data, created_at, signed_in""",
                organisation_id=organisation_id,
                email=email,
                data=change(data),
            )

    async def remove_account(self, organisation_id: str, email: str) -> Account | None:
        async with self.database.system_statement() as tx:
            return await tx.find(
                Account,
                """DELETE FROM sandbox.accounts WHERE organisation_id = %(organisation_id)s AND email = %(email)s
                   RETURNING organisation_id, email, data, created_at, signed_in""",
                organisation_id=organisation_id,
                email=email,
            )

    async def list_accounts(
        self, organisation_id: str, *, search: str = "", after: tuple[datetime, str] | None = None, limit: int
    ) -> Sequence[Account]:
        moment, email = after or (None, "")
        async with self.database.system_statement() as tx:
            return await tx.all(
                Account,
                """SELECT organisation_id, email, data, created_at, signed_in FROM sandbox.accounts
                   WHERE organisation_id = %(organisation_id)s AND position(%(search)s::text IN email) > 0
                     AND (%(moment)s::timestamptz IS NULL
                          OR (created_at, email) < (%(moment)s::timestamptz, %(email)s::text))
                   ORDER BY created_at DESC, email DESC LIMIT %(limit)s""",
                organisation_id=organisation_id,
                search=search.lower(),
                moment=moment,
                email=email,
                limit=limit,
            )

    async def held(self, workspace_id: str, platform_type: str) -> Sequence[Account]:
        async with self.database.system_statement() as tx:
            return await tx.all(
                Account,
                """SELECT a.organisation_id, a.email, a.data, a.created_at, a.signed_in
                   FROM sandbox.accounts a JOIN sandbox.organisations o ON o.id = a.organisation_id
                   WHERE o.workspace_id = %(workspace_id)s AND o.platform_type = %(platform_type)s
                   ORDER BY a.email, a.organisation_id""",
                workspace_id=workspace_id,
                platform_type=platform_type,
            )

    async def put(self, thing: Thing) -> None:
        async with self.database.system_statement() as tx:
            await tx.execute(
                """INSERT INTO sandbox.things (organisation_id, kind, id, workspace_id, data, created_at)
                   SELECT id, %(kind)s, %(id)s, workspace_id, %(data)s, %(created_at)s
                   FROM sandbox.organisations WHERE id = %(organisation_id)s
                   ON CONFLICT (organisation_id, kind, id) DO UPDATE SET data = excluded.data""",
                organisation_id=thing.organisation_id,
                kind=thing.kind,
                id=thing.id,
                data=thing.data,
                created_at=thing.created_at,
            )

    async def find(self, organisation_id: str, kind: str, thing_id: str) -> Thing | None:
        async with self.database.system_statement() as tx:
            return await tx.find(
                Thing,
                """SELECT organisation_id, kind, id, data, created_at FROM sandbox.things
                   WHERE organisation_id = %(organisation_id)s AND kind = %(kind)s AND id = %(id)s""",
                organisation_id=organisation_id,
                kind=kind,
                id=thing_id,
            )

    async def list_(self, organisation_id: str, kind: str) -> Sequence[Thing]:
        async with self.database.system_statement() as tx:
            return await tx.all(
                Thing,
                """SELECT organisation_id, kind, id, data, created_at FROM sandbox.things
                   WHERE organisation_id = %(organisation_id)s AND kind = %(kind)s ORDER BY created_at, id""",
                organisation_id=organisation_id,
                kind=kind,
            )


def _entry(row: _EntryRow, workspace_id: str, platform_type: str, key_hash: bytes) -> Entry:
    settings = Settings(row.latency_ms, row.error_rate, row.rate_limit, row.account_limit, row.down)
    organisation, key = None, None
    if row.organisation_id and row.login and row.created_at:
        organisation = Organisation(
            row.organisation_id, workspace_id, platform_type, row.login, row.name or "", row.created_at
        )
    if row.key_id and row.organisation_id and row.key_created_at:
        key = ApiKey(
            id=row.key_id,
            organisation_id=row.organisation_id,
            name=row.key_name or "",
            scopes=tuple(row.scopes or ()),
            hash=key_hash,
            paid=bool(row.paid),
            created_at=row.key_created_at,
            revoked_at=row.revoked_at,
        )
    return Entry(settings, organisation, key)


async def _organisation_of(tx: Tx, fresh: Organisation) -> Organisation | None:
    return await tx.find(
        Organisation,
        """SELECT id, workspace_id, platform_type, login, name, created_at FROM sandbox.organisations
           WHERE workspace_id = %(workspace_id)s AND platform_type = %(platform_type)s AND login = %(login)s""",
        workspace_id=fresh.workspace_id,
        platform_type=fresh.platform_type,
        login=fresh.login,
    )


async def _insert_account(tx: Tx, account: Account) -> Added:
    added = await tx.execute(
        """INSERT INTO sandbox.accounts (organisation_id, email, workspace_id, data, created_at, signed_in)
           SELECT id, %(email)s, workspace_id, %(data)s, %(created_at)s, %(signed_in)s
           FROM sandbox.organisations WHERE id = %(organisation_id)s
           ON CONFLICT (organisation_id, email) DO NOTHING""",
        organisation_id=account.organisation_id,
        email=account.email,
        data=account.data,
        created_at=account.created_at,
        signed_in=account.signed_in,
    )
    return Added.ADDED if added else Added.EXISTS


async def _is_full(tx: Tx, account: Account, limit: int) -> bool:
    # The lock makes those who come together count one after the other.
    await tx.execute(
        "SELECT FROM sandbox.organisations WHERE id = %(organisation_id)s FOR UPDATE",
        organisation_id=account.organisation_id,
    )
    held = await tx.value(
        int,
        """SELECT count(*) FROM sandbox.accounts
           WHERE organisation_id = %(organisation_id)s AND email <> %(email)s""",
        organisation_id=account.organisation_id,
        email=account.email,
    )
    return (held or 0) >= limit
