"""Roles and schema: brings a database to what this program needs, or says why it cannot.

Migrations are plain SQL files run by yoyo under an advisory lock of ours, so that any number of processes may start
at once. The job queue's tables come from the package that uses them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote, urlencode

import structlog
from procrastinate.schema import SchemaManager
from psycopg import AsyncConnection, OperationalError, ProgrammingError, errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from litemail.kit.errors import Error, Kind

_LOCK = 0x6C69746D  # "litm"
_MINIMUM_SERVER = 150000

log = structlog.get_logger("migrate")


class DatabaseUnreachable(Error):
    kind = Kind.UNAVAILABLE
    code = "database.unreachable"
    message = "The database cannot be reached: {reason}"
    action = "Check LITEMAIL_DATABASE_URL and that PostgreSQL runs there. Without it, an embedded PostgreSQL is used."
    retryable = True


class DatabaseTooOld(Error):
    code = "database.too_old"
    message = "The database server is version {version}; Litemail needs PostgreSQL 15 or later."
    action = "Upgrade PostgreSQL, or leave LITEMAIL_DATABASE_URL out to use the embedded one."


class SchemaTooNew(Error):
    code = "database.schema_too_new"
    message = "The database holds migrations that this program does not know: {names}."
    action = "Start the newer version of Litemail that wrote them; an older one would damage the data."


class RoleMissing(Error):
    code = "database.role_missing"
    message = "The role {role} does not exist and this login may not create it: {reason}"
    action = (
        "Create the roles litemail_owner, litemail_app and litemail_system, grant litemail_owner to this login, and "
        "set LITEMAIL_DATABASE_APP_URL and LITEMAIL_DATABASE_SYSTEM_URL."
    )


class RoleTooStrong(Error):
    code = "database.role_too_strong"
    message = "The role {role} of LITEMAIL_DATABASE_APP_URL could bypass row-level security."
    action = (
        "Use a role that is no superuser, has neither BYPASSRLS nor CREATEROLE, and is no member of litemail_owner or "
        "litemail_system."
    )


@dataclass(frozen=True)
class Urls:
    """Where the two run-time roles sign in."""

    app: str
    system: str


async def migrate(
    owner_url: str,
    *,
    migrations: Path,
    app_password: str,
    system_password: str,
    app_url: str | None = None,
    system_url: str | None = None,
) -> Urls:
    """Makes the roles, applies what is missing, and returns where to sign in.

    With `app_url` and `system_url` those roles are the operator's; without them they are made with the passwords given.
    Raises DatabaseUnreachable, DatabaseTooOld, SchemaTooNew, RoleMissing, RoleTooStrong.
    """
    for url in (owner_url, app_url, system_url):
        _check_readable(url)
    try:
        async with await AsyncConnection.connect(owner_url, autocommit=True) as connection:
            version = connection.info.server_version
            if version < _MINIMUM_SERVER:
                raise DatabaseTooOld(version=f"{version // 10000}.{version % 10000}")
            await connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
            await _ensure_role(connection, "litemail_owner", password=None)
            for role, password, url in (
                ("litemail_app", app_password, app_url),
                ("litemail_system", system_password, system_url),
            ):
                if url is None:
                    await _ensure_role(connection, role, password=password)
                else:
                    await _require_role(connection, role)
            await _own_the_database(connection)
            await _apply(connection, owner_url, migrations)
            await _apply_job_queue(connection)
        urls = Urls(
            app=app_url or make_conninfo(owner_url, user="litemail_app", password=app_password),
            system=system_url or make_conninfo(owner_url, user="litemail_system", password=system_password),
        )
        await _check_app_role(urls.app)
    except OperationalError as error:
        raise DatabaseUnreachable(reason=str(error).strip()) from error
    return urls


def _check_readable(url: str | None) -> None:
    try:
        conninfo_to_dict(url or "")
    except ProgrammingError as error:
        raise DatabaseUnreachable(reason=f"the URL cannot be read: {str(error).strip()}") from error


async def _exists(connection: AsyncConnection, role: str) -> bool:
    row = await (await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))).fetchone()
    return row is not None


async def _require_role(connection: AsyncConnection, role: str) -> None:
    """Policies and grants name the roles, whoever signs in as a member of them."""
    if not await _exists(connection, role):
        raise RoleMissing(role=role, reason="its URL is set, so it is the operator's to create")


async def _ensure_role(connection: AsyncConnection, role: str, *, password: str | None) -> None:
    exists = await _exists(connection, role)
    login = sql.SQL("NOLOGIN") if password is None else sql.SQL("LOGIN PASSWORD {}").format(sql.Literal(password))
    if exists and password is None:
        return
    verb = sql.SQL("ALTER ROLE") if exists else sql.SQL("CREATE ROLE")
    try:
        await connection.execute(sql.SQL("{} {} {}").format(verb, sql.Identifier(role), login))
    except errors.InsufficientPrivilege as error:
        raise RoleMissing(role=role, reason=str(error)) from error


async def _own_the_database(connection: AsyncConnection) -> None:
    database = sql.Identifier(connection.info.dbname)
    ready = await (
        await connection.execute(
            "SELECT pg_has_role(current_user, 'litemail_owner', 'MEMBER')"
            " AND has_database_privilege('litemail_owner', current_database(), 'CREATE')"
            " AND has_schema_privilege('litemail_owner', 'public', 'CREATE')"
        )
    ).fetchone()
    if ready != (True,):
        await connection.execute(sql.SQL("GRANT litemail_owner TO CURRENT_USER"))
        await connection.execute(sql.SQL("GRANT CREATE, CONNECT ON DATABASE {} TO litemail_owner").format(database))
        await connection.execute("GRANT USAGE, CREATE ON SCHEMA public TO litemail_owner")
    await connection.execute("SET ROLE litemail_owner")


async def _apply(connection: AsyncConnection, owner_url: str, folder: Path) -> None:
    known = sorted(path.stem for path in folder.glob("*.sql"))  # noqa: ASYNC240 - one look at start
    applied = await _applied(connection)
    if unknown := sorted(applied - set(known)):
        raise SchemaTooNew(names=", ".join(unknown))
    if applied == set(known):
        return
    import yoyo  # noqa: PLC0415 - 0.1 s that only a start with news should pay

    url = conninfo_to_dict(owner_url)
    name = quote(str(url.pop("dbname", "") or ""))
    query = urlencode({**url, "options": "-c role=litemail_owner -c client_min_messages=warning"})
    backend = yoyo.get_backend(f"postgresql+psycopg:///{name}?{query}")
    try:
        backend.break_lock()  # a killed run leaves yoyo's own lock behind; ours is what counts
        backend.apply_migrations(backend.to_apply(yoyo.read_migrations(str(folder))))
    finally:
        backend.connection.close()
    log.info("migrations applied", names=[name for name in known if name not in applied])


async def _applied(connection: AsyncConnection) -> set[str]:
    exists = await (await connection.execute("SELECT to_regclass('public._yoyo_migration')")).fetchone()
    if exists in (None, (None,)):
        return set()
    rows = await (await connection.execute("SELECT migration_id FROM _yoyo_migration")).fetchall()
    return {row[0] for row in rows}


async def _apply_job_queue(connection: AsyncConnection) -> None:
    """The queue's schema file is complete for its version; later versions bring one file per step."""
    steps = sorted(entry.name for entry in files("procrastinate.sql").joinpath("migrations").iterdir())
    steps = [step for step in steps if step.endswith(".sql")]
    await connection.execute("CREATE TABLE IF NOT EXISTS job_queue_steps (name text PRIMARY KEY)")
    done = {row[0] for row in await (await connection.execute("SELECT name FROM job_queue_steps")).fetchall()}
    if done >= set(steps):
        return
    async with connection.transaction():
        if done:
            for step in [step for step in steps if step not in done]:
                text = files("procrastinate.sql").joinpath("migrations", step).read_text()
                await connection.execute(text.encode())
        else:
            await connection.execute(SchemaManager.get_schema().encode())
        await _record(connection, steps)
        for statement in _JOB_QUEUE_GRANTS:
            await connection.execute(statement)


async def _record(connection: AsyncConnection, steps: Sequence[str]) -> None:
    await connection.execute(
        "INSERT INTO job_queue_steps SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING", (list(steps),)
    )


# An actor's transaction may add jobs but not read those of others, so adding runs with the owner's rights.
_JOB_QUEUE_GRANTS = (
    "GRANT SELECT, INSERT, UPDATE, DELETE ON procrastinate_jobs, procrastinate_events TO litemail_system",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON procrastinate_workers, procrastinate_periodic_defers TO litemail_system",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO litemail_system",
    "ALTER FUNCTION procrastinate_defer_jobs_v1 SECURITY DEFINER SET search_path = public, pg_temp",
)


async def _check_app_role(app_url: str) -> None:
    async with await AsyncConnection.connect(app_url, autocommit=True) as connection:
        row = await (
            await connection.execute(
                "SELECT current_user, rolsuper OR rolbypassrls OR rolcreaterole"
                " OR pg_has_role(current_user, 'litemail_owner', 'MEMBER')"
                " OR pg_has_role(current_user, 'litemail_system', 'MEMBER') FROM pg_roles WHERE rolname = current_user"
            )
        ).fetchone()
        if row is None or row[1]:
            raise RoleTooStrong(role=row[0] if row else "?")
