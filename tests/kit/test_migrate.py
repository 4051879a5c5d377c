"""Bringing a database to what the program needs, or saying why it cannot be."""

import asyncio
import secrets as random
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from psycopg import AsyncConnection, sql
from psycopg.conninfo import make_conninfo

from litemail.kit import migrate as module
from litemail.kit.migrate import (
    DatabaseTooOld,
    DatabaseUnreachable,
    RoleMissing,
    RoleTooStrong,
    SchemaTooNew,
    Urls,
    migrate,
)
from tests.conftest import MIGRATIONS, Databases


@pytest.fixture
async def empty(databases: Databases) -> AsyncIterator[str]:
    """The owner's URL of a database that holds nothing."""
    async with database_like(databases, "template0") as url:
        yield url


@pytest.fixture
async def migrated(databases: Databases) -> AsyncIterator[str]:
    """The same of one that a first run has been through."""
    async with database_like(databases, "litemail_template") as url:
        yield url


@asynccontextmanager
async def database_like(databases: Databases, template: str) -> AsyncIterator[str]:
    name = sql.Identifier(f"migrate_{random.token_hex(6)}")
    await databases.statement(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, sql.Identifier(template)))
    yield databases.cluster.url(database=name.as_string().strip('"'))
    await databases.statement(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


async def run(url: str, *, migrations: Path = MIGRATIONS, **more: str | None) -> Urls:
    return await migrate(url, migrations=migrations, app_password="app", system_password="system", **more)


async def ask(url: str, query: str) -> object:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(query.encode())
        row = await cursor.fetchone() if cursor.description else None
        return None if row is None else row[0]


async def test_an_empty_database_gets_roles_schema_and_job_queue(empty: str):
    urls = await run(empty)
    assert await ask(urls.app, "SELECT current_user") == "litemail_app"
    assert await ask(urls.system, "SELECT count(*) FROM procrastinate_jobs") == 0
    assert await ask(urls.system, "SELECT count(*) FROM users") == 0
    assert await ask(empty, "SELECT tableowner FROM pg_tables WHERE tablename = 'users'") == "litemail_owner"


async def test_a_second_run_changes_nothing_and_is_quick(migrated: str, monkeypatch: pytest.MonkeyPatch):
    before = await ask(migrated, "SELECT string_agg(migration_id, ' ') FROM _yoyo_migration")

    def never(*_: object) -> None:
        raise AssertionError("the second run looked at the files")

    monkeypatch.setattr("yoyo.read_migrations", never)
    began = time.monotonic()
    await run(migrated)
    assert time.monotonic() - began < 2
    assert await ask(migrated, "SELECT string_agg(migration_id, ' ') FROM _yoyo_migration") == before


async def test_concurrent_starts_wait_for_each_other(empty: str):
    assert len({urls.app for urls in await asyncio.gather(*(run(empty) for _ in range(3)))}) == 1
    assert await ask(empty, "SELECT count(*) FROM _yoyo_migration") == len(list(MIGRATIONS.glob("*.sql")))


async def test_a_lock_that_a_killed_run_left_behind_is_no_obstacle(migrated: str, tmp_path: Path):
    first = tmp_path / "first"
    shutil.copytree(MIGRATIONS, first)
    lock = "INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 1)"
    await ask(migrated, lock)
    (first / "9998_more.sql").write_text("CREATE TABLE more (id int);")
    async with asyncio.timeout(10):
        await run(migrated, migrations=first)
    assert await ask(migrated, "SELECT to_regclass('more')::text") == "more"


async def test_a_migration_that_fails_leaves_nothing_of_itself(migrated: str, tmp_path: Path):
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    bad = folder / "9998_bad.sql"
    bad.write_text("CREATE TABLE half (id int); SELECT 1 / 0;")
    with pytest.raises(Exception, match="division"):
        await run(migrated, migrations=folder)
    assert await ask(migrated, "SELECT to_regclass('half')::text") is None
    bad.write_text("CREATE TABLE half (id int);")
    await run(migrated, migrations=folder)
    assert await ask(migrated, "SELECT to_regclass('half')::text") == "half"


async def test_what_the_first_release_wrote_is_brought_along(empty: str, tmp_path: Path):
    """The owner that migrates sees no row of a table with FORCE, unless the migration sees to it."""
    first = tmp_path / "first_release"
    first.mkdir()
    for path in sorted(MIGRATIONS.glob("000*.sql")):
        shutil.copy(path, first)
    await run(empty, migrations=first)
    await ask(empty, _FIRST_RELEASE)
    await run(empty)

    accounts = "SELECT string_agg(account, ' ' ORDER BY account) FROM ledger_accounts WHERE workspace_id = 'ws_{}'"
    assert await ask(empty, accounts.format(_ID)) == "gateway grants hold revenue wallet"
    assert await ask(empty, "SELECT array_agg(s.id || ' ' || plan_id || ' ' || status) FROM subscriptions s") == [
        f"sub_{_ID} pro active"
    ]
    assert await ask(empty, "SELECT waiting_since = created_at FROM domains")
    assert await ask(empty, "SELECT hosted AND served FROM zones")
    assert await ask(empty, "SELECT array_agg(state ORDER BY selector) FROM dkim_keys") == ["signing", "standby"]
    assert await ask(empty, "SELECT suspended_by = '{}' AND subscription_id IS NULL FROM mailboxes")
    unforced = "SELECT count(*) FROM pg_class WHERE relrowsecurity AND NOT relforcerowsecurity"
    assert await ask(empty, unforced) == 0


_ID = "01k5m3v8w0e3t9f7a2b4c6d8ee"
_OTHER_ID = "01k5m3v8w0e3t9f7a2b4c6d8ef"
_FIRST_RELEASE = f"""
INSERT INTO users (id, email, password_hash, first_name, last_name, created_at)
    VALUES ('user_{_ID}', 'ada@example.com', 'x', 'Ada', 'Lovelace', '2026-01-01');
INSERT INTO workspaces (id, owner_id, name, mode, created_at)
    VALUES ('ws_{_ID}', 'user_{_ID}', 'Sandbox', 'sandbox', '2026-01-01'),
           ('ws_{_OTHER_ID}', 'user_{_ID}', 'Live', 'live', '2026-01-01');
INSERT INTO members (workspace_id, user_id, role, created_at)
    VALUES ('ws_{_ID}', 'user_{_ID}', 'owner', '2026-01-01');
INSERT INTO domains (id, workspace_id, name, status, source, dns, name_servers, challenge, proof, mailbox_count,
                     mailbox_limit, created_at)
    VALUES ('dom_{_ID}', 'ws_{_ID}', 'early.test', 'active', 'connected', 'hosted', '{{ns01,ns02}}', 'x', 'delegation',
            1, 5, '2026-01-02');
INSERT INTO dkim_keys (id, workspace_id, domain_id, selector, algorithm, public, private_sealed, active, created_at)
    VALUES ('dkim_{_ID}', 'ws_{_ID}', 'dom_{_ID}', 'lm1', 'rsa', 'x', 'x', true, '2026-01-02'),
           ('dkim_{_OTHER_ID}', 'ws_{_ID}', 'dom_{_ID}', 'lm2', 'rsa', 'x', 'x', false, '2026-01-02');
INSERT INTO zones (id, workspace_id, domain_id, name, name_servers, serial, served, created_at)
    VALUES ('zone_{_ID}', 'ws_{_ID}', 'dom_{_ID}', 'early.test', '{{ns01,ns02}}', 1, true, '2026-01-02');
INSERT INTO records (id, workspace_id, zone_id, type, name, content, ttl, priority, managed, created_at)
    VALUES ('rec_{_ID}', 'ws_{_ID}', 'zone_{_ID}', 'MX', '@', 'mail.litemail.test', 3600, 10, true, '2026-01-02');
INSERT INTO sandbox.delegations (name, workspace_id, name_servers, updated_at)
    VALUES ('early.test', 'ws_{_ID}', '{{ns01,ns02}}', '2026-01-02');
INSERT INTO mailboxes (id, workspace_id, domain_id, email, username, domain, first_name, last_name, display_name,
                       status, password_hash, password_sealed, created_at)
    VALUES ('mbx_{_ID}', 'ws_{_ID}', 'dom_{_ID}', 'ada@early.test', 'ada', 'early.test', 'Ada', 'L', 'Ada L',
            'active', 'x', 'x', '2026-01-03');
INSERT INTO platform_accounts (id, workspace_id, platform_type, identity, wanted_workspace, status, created_at)
    VALUES ('pfa_{_ID}', 'ws_{_ID}', 'instantly', 'ada@example.com', '', 'verified', '2026-01-03');
INSERT INTO connections (id, workspace_id, platform_account_id, platform_type, inbox_type, mode, status, options, total,
                         version, created_at)
    VALUES ('con_{_ID}', 'ws_{_ID}', 'pfa_{_ID}', 'instantly', 'gmail', 'sandbox', 'queued', '{{}}', 1, 1,
            '2026-01-03');
INSERT INTO connection_inboxes (id, workspace_id, connection_id, email, status, version, updated_at)
    VALUES ('cin_{_ID}', 'ws_{_ID}', 'con_{_ID}', 'ada@example.com', 'queued', 1, '2026-01-03');
"""


async def test_a_newer_schema_is_left_alone(migrated: str, tmp_path: Path):
    newer = tmp_path / "newer"
    shutil.copytree(MIGRATIONS, newer)
    (newer / "9999_future.sql").write_text("CREATE TABLE future (id int);")
    await run(migrated, migrations=newer)
    with pytest.raises(SchemaTooNew, match="9999_future") as caught:
        await run(migrated)
    assert "newer version" in str(caught.value.problem().action)


async def test_an_application_role_that_could_bypass_is_refused(migrated: str):
    with pytest.raises(RoleTooStrong, match="postgres"):
        await run(migrated, app_url=migrated)
    with pytest.raises(RoleTooStrong, match="litemail_system"):
        await run(migrated, app_url=make_conninfo(migrated, user="litemail_system", password="system"))


@pytest.mark.parametrize(
    "power", ["SUPERUSER", "BYPASSRLS", "CREATEROLE", "IN ROLE litemail_owner", "IN ROLE litemail_system"]
)
async def test_each_power_that_bypasses_is_found(migrated: str, databases: Databases, power: str):
    role = f"strong_{random.token_hex(4)}"
    create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x' {}").format(sql.Identifier(role), sql.SQL(power))
    await databases.statement(create)
    try:
        with pytest.raises(RoleTooStrong, match=role):
            await run(migrated, app_url=make_conninfo(migrated, user=role, password="x"))
    finally:
        await databases.statement(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


async def test_an_operators_own_login_may_be_a_member_of_the_application_role(migrated: str, databases: Databases):
    role = f"plain_{random.token_hex(4)}"
    create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x' IN ROLE litemail_app").format(sql.Identifier(role))
    await databases.statement(create)
    try:
        mine = make_conninfo(migrated, user=role, password="x")
        assert (await run(migrated, app_url=mine)).app == mine
        assert await ask(mine, "SELECT count(*) FROM events") == 0
    finally:
        await databases.statement(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


async def test_a_login_that_may_not_make_roles_says_which_one_is_missing(
    migrated: str, monkeypatch: pytest.MonkeyPatch
):
    """Roles are the whole cluster's, so the missing one is a name that no other test uses."""
    missing = f"litemail_{random.token_hex(4)}"
    async with await AsyncConnection.connect(migrated, autocommit=True) as connection:
        with pytest.raises(RoleMissing, match=missing):
            await module._require_role(connection, missing)
        await connection.execute("SET ROLE litemail_owner")
        with pytest.raises(RoleMissing, match=missing) as caught:
            await module._ensure_role(connection, missing, password="x")
    assert "litemail_app" in str(caught.value.problem().action)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://nobody@127.0.0.1:1/x",
        "postgresql://127.0.0.1:notaport/x",
        "nonsense",
        "postgresql:///x?host=/nowhere&unknown=1",
    ],
)
async def test_an_unreachable_database_is_told_with_what_to_check(url: str):
    with pytest.raises(DatabaseUnreachable) as caught:
        await run(url)
    assert "LITEMAIL_DATABASE_URL" in str(caught.value.problem().action)


async def test_a_wrong_password_of_the_applications_url_is_told(migrated: str):
    with pytest.raises(DatabaseUnreachable, match="litemail_app"):
        await run(migrated, app_url=make_conninfo(migrated, user="litemail_app", password="wrong"))


async def test_an_old_server_is_refused(migrated: str, monkeypatch: pytest.MonkeyPatch):
    """There is only a new one here, so the program asks for a newer one still."""
    monkeypatch.setattr(module, "_MINIMUM_SERVER", 990000)
    with pytest.raises(DatabaseTooOld, match="PostgreSQL 15"):
        await run(migrated)


async def test_a_new_password_replaces_the_old_one(migrated: str):
    await run(migrated)
    try:
        urls = await migrate(migrated, migrations=MIGRATIONS, app_password="other", system_password="system")
        assert await ask(urls.app, "SELECT 1") == 1
    finally:
        await run(migrated)
