"""Tenants are kept apart by PostgreSQL itself, whatever a query forgets."""

import msgspec
import psycopg
import pytest
from psycopg import AsyncConnection, sql

from litemail.kit.actor import Actor
from litemail.kit.db import Database, Tx
from litemail.kit.ids import new_id
from tests.conftest import NewPerson, Person


class Table(msgspec.Struct, frozen=True):
    name: str
    owner: str
    tenant: bool
    enabled: bool
    forced: bool
    app_may: bool


OURS = """
SELECT c.oid::regclass::text AS name, r.rolname AS owner,
       EXISTS (SELECT FROM pg_attribute a
               WHERE a.attrelid = c.oid AND a.attname = 'workspace_id' AND NOT a.attisdropped) AS tenant,
       c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
       has_any_column_privilege('litemail_app', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
           OR has_table_privilege('litemail_app', c.oid, 'DELETE, TRUNCATE, TRIGGER') AS app_may
FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""

OUT_OF_REACH = ("procrastinate_", "job_queue_steps", "_yoyo_", "yoyo_lock", "powerdns.")
"""Tables of tools, and PowerDNS's views. The application role has no right on them, so policies would add nothing."""

LEDGER = ("ledger_accounts", "ledger_transactions", "ledger_entries", "ledger_orders")


@pytest.fixture
async def tables(database: Database) -> list[Table]:
    async with database.begin_system("read the catalogue") as tx:
        found = await tx.all(Table, OURS)
    assert len(found) > 15
    return found


def test_every_tenant_table_is_under_row_level_security(tables: list[Table]):
    tenants = [table for table in tables if table.tenant]
    assert {"members", "events", "idempotency_keys", "domains"} <= {table.name for table in tenants}
    assert [table.name for table in tenants if not (table.enabled and table.forced)] == []


def test_every_other_table_is_too_or_out_of_the_applications_reach(tables: list[Table]):
    bare = [table for table in tables if not (table.enabled and table.forced)]
    assert [table.name for table in bare if not table.name.startswith(OUT_OF_REACH)] == []
    assert [table.name for table in bare if table.app_may] == []


async def test_every_protected_table_has_policies_and_none_of_them_for_everybody(
    database: Database, tables: list[Table]
):
    async with database.begin_system("read the catalogue") as tx:
        to_whom = await tx.values(
            str,
            """SELECT p.polrelid::regclass::text || ' '
                      || coalesce(string_agg(r.rolname, ',' ORDER BY r.rolname), 'public')
               FROM pg_policy p LEFT JOIN pg_roles r ON r.oid = ANY (p.polroles) GROUP BY p.oid, p.polrelid""",
        )
    assert {line.partition(" ")[2] for line in to_whom} == {"litemail_app", "litemail_owner", "litemail_system"}
    kept = {line.partition(" ")[0] for line in to_whom if line.endswith("litemail_owner")}
    # What functions with the owner's rights reach, and what the views of PowerDNS show.
    assert kept == {"workspaces", *LEDGER, "records", "zones"}
    with_policy = {line.partition(" ")[0] for line in to_whom if line.endswith("litemail_app")}
    reachable = {table.name for table in tables if table.app_may}
    assert reachable == with_policy  # a right without a policy would show nothing, a policy without a right neither


async def test_the_policies_of_tenant_tables_name_the_workspace(database: Database):
    async with database.begin_system("read the catalogue") as tx:
        lax = await tx.values(
            str,
            """SELECT p.polrelid::regclass::text FROM pg_policy p
               JOIN pg_attribute a ON a.attrelid = p.polrelid AND a.attname = 'workspace_id'
               JOIN pg_roles r ON r.oid = ANY (p.polroles) AND r.rolname = 'litemail_app'
               WHERE concat(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
                     !~ 'litemail[.](paying_)?workspace_id'
                 AND p.polcmd <> 'r'""",
        )
    assert lax == []


async def test_the_application_role_owns_nothing_and_could_not_bypass(database: Database):
    async with database.begin_system("read the catalogue") as tx:
        for role in ("litemail_app", "litemail_system"):
            strong = await tx.value(
                bool,
                """SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
                   FROM pg_roles WHERE rolname = %(role)s""",
                role=role,
            )
            assert strong is False
            assert await tx.value(int, "SELECT count(*) FROM pg_class WHERE relowner = %(r)s::regrole", r=role) == 0
            assert await tx.value(int, "SELECT count(*) FROM pg_proc WHERE proowner = %(r)s::regrole", r=role) == 0
            for above in ("litemail_owner", "litemail_system"):
                member = await tx.value(bool, "SELECT pg_has_role(%(r)s, %(a)s, 'MEMBER')", r=role, a=above)
                assert member is (role == above)


async def test_owners_are_the_owner_role_which_nobody_signs_in_as(database: Database, tables: list[Table]):
    assert {table.owner for table in tables} == {"litemail_owner"}
    async with database.begin_system("read the catalogue") as tx:
        assert await tx.value(bool, "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'litemail_owner'") is False


async def test_functions_that_run_with_the_owners_rights_are_known(database: Database):
    async with database.begin_system("read the catalogue") as tx:
        found = await tx.values(
            str,
            """SELECT p.oid::regprocedure::text || coalesce(' ' || array_to_string(p.proconfig, ','), '') FROM pg_proc p
               JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname NOT IN ('pg_catalog', 'information_schema')
               WHERE p.prosecdef""",
        )
    assert all("search_path=" in line for line in found), found
    assert {line.partition("(")[0] for line in found} == {
        "procrastinate_defer_jobs_v1",
        "ledger_begin_transaction",
        "ledger_check_transaction",
        "ledger_enter",
        "ledger_lock",
        "workspace_time",
    }


@pytest.fixture
async def other(new_person: NewPerson) -> Person:
    return await new_person()


async def emit(tx: Tx, workspace_id: str, subject: str) -> None:
    await tx.emit("test.happened", workspace_id=workspace_id, subject=subject)


async def test_a_query_without_where_sees_nothing_of_another_workspace(
    database: Database, person: Person, other: Person
):
    mark = new_id("evt")
    async with database.begin(other.actor()) as tx:
        await emit(tx, other.workspace_id, mark)
    async with database.begin(person.actor()) as tx:
        await emit(tx, person.workspace_id, mark)
        assert await tx.values(str, "SELECT DISTINCT workspace_id FROM events") == [person.workspace_id]
        assert await tx.execute("UPDATE events SET subject = subject || 'x'") == await tx.execute("DELETE FROM events")
    async with database.begin(other.actor()) as tx:
        assert await tx.value(int, "SELECT count(*) FROM events WHERE subject = %(mark)s", mark=mark) == 1
    async with database.begin_system("look at both") as tx:
        assert await tx.value(int, "SELECT count(*) FROM events WHERE subject LIKE %(m)s", m=f"{mark}%") == 1


async def test_a_row_of_another_workspace_cannot_be_inserted_or_moved_there(
    database: Database, person: Person, other: Person
):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with database.begin(person.actor()) as tx:
            await emit(tx, other.workspace_id, "x")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with database.begin(person.actor()) as tx:
            await emit(tx, person.workspace_id, "x")
            await tx.execute("UPDATE events SET workspace_id = %(id)s", id=other.workspace_id)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM users",
        "SELECT user_id FROM api_keys",
        "SELECT user_id FROM members",
        "SELECT owner_id FROM workspaces",
    ],
)
async def test_people_see_themselves_only(database: Database, person: Person, other: Person, query: str):
    assert other.user_id != person.user_id
    async with database.begin(person.actor()) as tx:
        seen = await tx.values(str, query)
        assert set(seen) <= {person.user_id}


async def test_a_person_can_make_neither_members_nor_keys_nor_users_of_others(
    database: Database, person: Person, other: Person
):
    join = "INSERT INTO members VALUES (%(workspace_id)s, %(user_id)s, 'owner', now())"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with database.begin(person.actor()) as tx:
            await tx.execute(join, workspace_id=other.workspace_id, user_id=person.user_id)
    async with database.begin(person.actor()) as tx:
        assert await tx.execute("UPDATE users SET first_name = 'x' WHERE id = %(id)s", id=other.user_id) == 0
        assert await tx.execute("UPDATE workspaces SET name = 'x' WHERE id = %(id)s", id=other.workspace_id) == 0
        assert await tx.execute("DELETE FROM workspaces WHERE id = %(id)s", id=other.workspace_id) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET live_allowed = true",
        "UPDATE users SET email = 'mallory@example.com'",
        "SELECT password_hash FROM users",
        "SELECT hash FROM api_keys",
        "UPDATE api_keys SET scopes = '{*}'",
        "UPDATE workspaces SET mode = 'live'",
        "UPDATE workspaces SET owner_id = owner_id",
        "SELECT FROM sessions",
        "DELETE FROM users",
        "TRUNCATE events",
        "ALTER TABLE events DISABLE ROW LEVEL SECURITY",
        "SET ROLE litemail_system",
        "SET SESSION AUTHORIZATION litemail_owner",
    ],
)
async def test_the_application_role_may_not(database: Database, person: Person, statement: str):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with database.begin(person.actor()) as tx:
            await tx.execute(statement)


@pytest.mark.parametrize("table", ["events", "members", "users", "workspaces", "api_keys", "idempotency_keys"])
async def test_without_settings_nothing_is_visible(database: Database, person: Person, table: str):
    async with await AsyncConnection.connect(database.app_url) as connection:
        row = await (
            await connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
        ).fetchone()
    assert row == (0,)


@pytest.mark.parametrize("table", ["sessions", "throttle", "event_cursors", "procrastinate_jobs", "_yoyo_migration"])
async def test_the_programs_own_tables_are_closed_to_the_application_role(database: Database, table: str):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with await AsyncConnection.connect(database.app_url) as connection:
            await connection.execute(sql.SQL("SELECT FROM {}").format(sql.Identifier(table)))


@pytest.mark.parametrize("ending", ["commit", "rollback"])
async def test_the_settings_leave_the_pooled_connection_with_the_transaction(
    database: Database, person: Person, ending: str
):
    alone = Database(app_url=database.app_url, system_url=database.system_url, size=1)
    await alone.open()
    try:
        async with alone.begin(person.actor()) as tx:
            connection = tx.connection
            backend = connection.info.backend_pid
            if ending == "rollback":
                raise ZeroDivisionError  # noqa: TRY301 - any end but the good one
    except ZeroDivisionError:
        pass
    async with alone._app.connection() as again:
        pids = {backend, again.info.backend_pid}
        row = await (
            await again.execute(
                "SELECT current_setting('litemail.workspace_id', true), current_setting('litemail.user_id', true),"
                " current_setting('litemail.paying_workspace_id', true), (SELECT count(*) FROM events)"
            )
        ).fetchone()
    await alone.close()
    assert len(pids) == 1, "this is not the connection that was used before"
    assert row is not None
    assert not any(row)


async def test_the_reason_of_the_system_leaves_with_the_transaction_too(database: Database):
    async with database.begin_system("count sheep") as tx:
        assert await tx.value(str, "SELECT current_setting('application_name')") == "litemail: count sheep"
    async with database.system_statement() as tx:
        assert await tx.value(str, "SELECT current_setting('application_name')") == ""


def test_an_actor_says_whose_key_it_is(person: Person):
    actor = person.actor()
    assert actor.caller == person.user_id
    assert msgspec.structs.replace(actor, key_id="key_1").caller == "key_1"
    assert isinstance(actor, Actor)
