"""The database: pools for two roles, and `Tx`, the open transaction that every use case takes first.

A request or job step is one transaction and only its edge commits:

    async with database.begin(actor) as tx:
        await workspaces.rename(tx, workspace_id, name="Acme")

`begin(actor)` works as `litemail_app`, for which row-level security shows one workspace. `begin_system(reason)` works
as `litemail_system`, which explicit policies let through; it is for edges whose authority is not an actor.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import LiteralString, TypeVar

import msgspec
from psycopg import AsyncConnection, AsyncCursor, OperationalError, sql
from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from litemail.kit import clock, jobs, outbox
from litemail.kit.actor import Actor
from litemail.kit.errors import Error, Kind

Shape = TypeVar("Shape", bound=msgspec.Struct)
Value = TypeVar("Value")
Parameter = (
    str | int | float | bool | bytes | datetime | Jsonb | Sequence[str | None] | Sequence[int] | Sequence[bytes] | None
)


class DatabaseUnavailable(Error):
    kind = Kind.UNAVAILABLE
    code = "database.unavailable"
    message = "The database does not answer: {reason}"
    action = "Try again in a moment. If it lasts, check that PostgreSQL runs and that its URL is right."
    retryable = True


class Tx:
    """An open transaction: queries into Structs, events and jobs. All of it becomes true together, or none."""

    def __init__(self, connection: AsyncConnection, *, actor: Actor | None, now: datetime) -> None:
        self.connection = connection
        self.actor = actor
        self.now = now

    async def find(self, shape: type[Shape], query: LiteralString, **parameters: Parameter) -> Shape | None:
        """The row as a Struct, by column names; None when there is none."""
        cursor = await self.connection.execute(query, parameters)
        row = await cursor.fetchone()
        return None if row is None else _reader(shape, cursor)(row)

    async def one(self, shape: type[Shape], query: LiteralString, **parameters: Parameter) -> Shape:
        """The row, where the query cannot miss (INSERT ... RETURNING, aggregates)."""
        row = await self.find(shape, query, **parameters)
        assert row is not None, "the query answered no row"
        return row

    async def all(self, shape: type[Shape], query: LiteralString, **parameters: Parameter) -> list[Shape]:
        cursor = await self.connection.execute(query, parameters)
        return list(map(_reader(shape, cursor), await cursor.fetchall()))

    async def value(self, kind: type[Value], query: LiteralString, **parameters: Parameter) -> Value | None:
        """The first column of the first row, or None when there is no row."""
        row = await (await self.connection.execute(query, parameters)).fetchone()
        return None if row is None else msgspec.convert(row[0], kind | None)

    async def values(self, kind: type[Value], query: LiteralString, **parameters: Parameter) -> list[Value]:
        """The first column of every row."""
        rows = await (await self.connection.execute(query, parameters)).fetchall()
        return [msgspec.convert(row[0], kind) for row in rows]

    async def execute(self, query: LiteralString, **parameters: Parameter) -> int:
        """Runs a statement; how many rows it changed."""
        return (await self.connection.execute(query, parameters)).rowcount

    async def execute_many(self, query: LiteralString, rows: Sequence[dict[str, Parameter]]) -> None:
        async with self.connection.cursor() as cursor:
            await cursor.executemany(query, rows)

    async def enter(self, workspace_id: str) -> None:
        """Goes on in another workspace of the same actor, from here to the end of the transaction."""
        await self.connection.execute("SELECT set_config('litemail.workspace_id', %s, true)", (workspace_id,))

    async def emit(
        self,
        event_type: str,
        *,
        workspace_id: str,
        subject: str,
        data: object = None,
        audience: outbox.Audience = "public",
        before: object = None,
    ) -> None:
        """Writes an event with this change. `data` must hold no secret: webhooks and the audit log show it."""
        await outbox.write(
            self.connection,
            [outbox.Fact(event_type, workspace_id, subject, data, before, audience)],
            actor=self.actor,
            now=self.now,
        )

    async def emit_many(self, event_type: str, *, workspace_id: str, data_by_subject: Mapping[str, object]) -> None:
        """The same public event of many subjects, in one go."""
        facts = [outbox.Fact(event_type, workspace_id, subject, data) for subject, data in data_by_subject.items()]
        await outbox.write(self.connection, facts, actor=self.actor, now=self.now)

    async def enqueue(
        self,
        job: str,
        *,
        lock: str | None = None,
        once: str | None = None,
        at: datetime | None = None,
        **arguments: str | int | list[str],
    ) -> None:
        """Enqueues a job by name. `lock`: one at a time of those with it; `once`: dropped while one with it waits.

        Secrets are never arguments.
        """
        await jobs.enqueue(self.connection, job, lock=lock, once=once, at=at, arguments=arguments)


class Database:
    """The pools of one process."""

    def __init__(self, *, app_url: str, system_url: str, size: int = 10) -> None:
        self.app_url = app_url
        self.system_url = system_url
        self._app = _pool(app_url, size)
        self._system = _pool(system_url, size)

    async def open(self) -> None:
        try:
            await self._app.open(wait=True, timeout=15)
            await self._system.open(wait=True, timeout=15)
        except (OperationalError, PoolTimeout) as error:
            raise DatabaseUnavailable(reason=str(error)) from error

    async def close(self) -> None:
        await self._app.close()
        await self._system.close()

    @property
    def system_pool(self) -> AsyncConnectionPool:
        """For the job queue, which brings its own queries."""
        return self._system

    @asynccontextmanager
    async def begin(self, actor: Actor, *, now: datetime | None = None) -> AsyncIterator[Tx]:
        """A transaction that sees the actor's workspace and nothing else."""
        opening = sql.SQL(
            "BEGIN; SELECT set_config('litemail.user_id', {}, true), set_config('litemail.workspace_id', {}, true),"
            " set_config('litemail.paying_workspace_id', {}, true)"
        ).format(sql.Literal(actor.user_id), sql.Literal(actor.workspace_id), sql.Literal(actor.paying_workspace_id))
        async with _connection(self._app) as connection, _transaction(connection, opening):
            yield Tx(connection, actor=actor, now=now or clock.now())

    @asynccontextmanager
    async def begin_system(self, reason: str, *, now: datetime | None = None) -> AsyncIterator[Tx]:
        """A transaction that sees every workspace. The reason, in a word or two, shows in pg_stat_activity."""
        opening = sql.SQL("BEGIN; SELECT set_config('application_name', {}, true)").format(
            sql.Literal(f"litemail: {reason}"[:63])
        )
        async with _connection(self._system) as connection, _transaction(connection, opening):
            yield Tx(connection, actor=None, now=now or clock.now())

    @asynccontextmanager
    async def system_statement(self) -> AsyncIterator[Tx]:
        """For one statement outside a transaction: authentication, health. Half the cost of `begin_system`."""
        async with _connection(self._system) as connection:
            yield Tx(connection, actor=None, now=clock.now())


def _pool(url: str, size: int) -> AsyncConnectionPool:
    return AsyncConnectionPool(
        url,
        min_size=1,
        max_size=size,
        open=False,
        timeout=20,
        max_idle=300,
        configure=_set_autocommit,
        kwargs={"row_factory": tuple_row, "options": "-c timezone=UTC -c lock_timeout=15s"},
    )


async def _set_autocommit(connection: AsyncConnection) -> None:
    # Not among the pool's arguments: the job queue copies those for a connection of its own, and adds it itself.
    await connection.set_autocommit(True)


@asynccontextmanager
async def _connection(pool: AsyncConnectionPool) -> AsyncIterator[AsyncConnection]:
    try:
        async with pool.connection() as connection:
            yield connection
    except (OperationalError, PoolTimeout) as error:
        raise DatabaseUnavailable(reason=str(error).strip()) from error


@asynccontextmanager
async def _transaction(connection: AsyncConnection, opening: sql.Composed) -> AsyncIterator[None]:
    # BEGIN and the settings for row-level security go in one round trip, which psycopg's own transaction() cannot.
    await connection.execute(opening)
    try:
        yield
    except BaseException:
        if not connection.closed:
            await connection.execute("ROLLBACK")
        raise
    await connection.execute("COMMIT")


def _reader(shape: type[Shape], cursor: AsyncCursor) -> Callable[[tuple[object, ...]], Shape]:
    names = [column.name for column in cursor.description or ()]
    if tuple(names) == shape.__struct_fields__ and shape not in _NESTED:
        return lambda row: shape(*row)
    return lambda row: msgspec.convert(dict(zip(names, row, strict=True)), shape)


_NESTED: set[type] = set()


def nested(shape: type[Shape]) -> type[Shape]:
    """Marks a row whose jsonb columns are Structs or literals that want converting."""
    _NESTED.add(shape)
    return shape
