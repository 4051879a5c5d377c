"""The database: pools for two roles, and `Tx`, the open transaction that every use case takes first.

A request or job step is one transaction and only its edge commits:

    async with database.begin(actor) as tx:
        await workspaces.rename(tx, workspace_id, name="Acme")

`begin(actor)` works as `litemail_app`, for which row-level security shows one workspace. `begin_system(reason)` works
as `litemail_system`, which explicit policies let through; it is for edges whose authority is not an actor.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Literal, LiteralString, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import structlog
from psycopg import AsyncConnection, AsyncCursor, OperationalError, errors, sql
from psycopg.pq import TransactionStatus
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from litemail.kit import clock, jobs, outbox
from litemail.kit.actor import Actor
from litemail.kit.db_pool import make_pool
from litemail.kit.errors import Error, Kind

Shape = TypeVar("Shape", bound=msgspec.Struct)
Value = TypeVar("Value")
Parameter = (
    str
    | int
    | float
    | bool
    | bytes
    | datetime
    | timedelta
    | Jsonb
    | Sequence[str | None]
    | Sequence[int]
    | Sequence[bytes]
    | None
)


log = structlog.get_logger("database")


class DatabaseUnavailable(Error):
    """`reason`, in `data`, is for logs: it can name hosts and roles."""

    kind = Kind.UNAVAILABLE
    code = "database.unavailable"
    message = "The database does not answer."
    action = "Try again in a moment. If it lasts, check that PostgreSQL runs and that its URL is right."
    retryable = True


class DatabaseBusy(DatabaseUnavailable):
    code = "database.busy"
    message = "Something else is changing the same thing and takes long."
    action = "Try again in a moment."


class NotCommitted(Error):
    """Somebody swallowed the error of a statement: PostgreSQL would answer COMMIT with a mere ROLLBACK."""

    code = "database.not_committed"
    message = "The transaction had failed before it was to be committed."


class Tx:
    """An open transaction: queries into Structs, events and jobs. All of it becomes true together, or none."""

    def __init__(self, connection: AsyncConnection, *, actor: Actor | None, now: datetime) -> None:
        self.connection = connection
        self.actor = actor
        self.now = now
        self.early = False

    def release_early(self) -> None:
        """Has COMMIT let go of locks before its record is on disk, so that others need not wait for the disk in turn.

        Nothing is less safe by it: `begin` still ends only when the record is on disk, and whatever others base on
        what they saw comes after it there. For transactions that lock a row which many want.
        """
        self.early = True

    async def find(self, shape: type[Shape], query: LiteralString, **parameters: Parameter) -> Shape | None:
        """The row as a Struct, by column names; None when there is none."""
        cursor = await self._run(query, parameters)
        row = await cursor.fetchone()
        return None if row is None else _reader(shape, cursor)(row)

    async def one(self, shape: type[Shape], query: LiteralString, **parameters: Parameter) -> Shape:
        """The row, where the query cannot miss (INSERT ... RETURNING, aggregates)."""
        row = await self.find(shape, query, **parameters)
        assert row is not None, "the query answered no row"
        return row

    async def all(self, shape: type[Shape], query: LiteralString, **parameters: Parameter) -> list[Shape]:
        cursor = await self._run(query, parameters)
        return list(map(_reader(shape, cursor), await cursor.fetchall()))

    async def value(self, kind: type[Value], query: LiteralString, **parameters: Parameter) -> Value | None:
        """The first column of the first row, or None when there is no row."""
        row = await (await self._run(query, parameters)).fetchone()
        return None if row is None else msgspec.convert(row[0], kind | None)

    async def values(self, kind: type[Value], query: LiteralString, **parameters: Parameter) -> list[Value]:
        """The first column of every row."""
        rows = await (await self._run(query, parameters)).fetchall()
        return [msgspec.convert(row[0], kind) for row in rows]

    async def execute(self, query: LiteralString, **parameters: Parameter) -> int:
        """Runs a statement; how many rows it changed."""
        return (await self._run(query, parameters)).rowcount

    async def execute_many(self, query: LiteralString, rows: Sequence[dict[str, Parameter]]) -> None:
        with _said_as_ours():
            async with self.connection.cursor() as cursor:
                await cursor.executemany(query, rows)

    async def enter(self, workspace_id: str, *, paying_workspace_id: str | None = None) -> None:
        """Goes on in another workspace of the same actor, from here to the end of the transaction.

        `paying_workspace_id` left out: its wallet, orders and invoices are its own.
        """
        await self._run(
            "SELECT set_config('litemail.workspace_id', %(id)s, true),"
            " set_config('litemail.paying_workspace_id', %(payer)s, true)",
            {"id": workspace_id, "payer": paying_workspace_id or workspace_id},
        )

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
        await self._write([outbox.Fact(event_type, workspace_id, subject, data, before, audience)])

    async def emit_many(
        self,
        event_type: str,
        *,
        workspace_id: str,
        data_by_subject: Mapping[str, object],
        audience: outbox.Audience = "public",
        by: Actor | None = None,
    ) -> None:
        """The same event of many subjects, in one go. `by`: for whom a job does it."""
        facts = [
            outbox.Fact(event_type, workspace_id, subject, data, audience=audience)
            for subject, data in data_by_subject.items()
        ]
        await self._write(facts, by=by)

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
        with _said_as_ours():
            await jobs.enqueue(self.connection, job, lock=lock, once=once, at=at, arguments=arguments)

    async def _write(self, facts: Sequence[outbox.Fact], *, by: Actor | None = None) -> None:
        with _said_as_ours():
            await outbox.write(self.connection, facts, actor=by or self.actor, now=self.now)

    async def _run(self, query: LiteralString, parameters: Mapping[str, Parameter]) -> AsyncCursor:
        with _said_as_ours():
            return await self.connection.execute(query, parameters)


class Database:
    """The pools of one process."""

    def __init__(self, *, app_url: str, system_url: str, size: int = 10) -> None:
        self.app_url = app_url
        self.system_url = system_url
        self._app = make_pool(app_url, size)
        self._system = make_pool(system_url, size)

    async def open(self) -> None:
        try:
            await self._app.open(wait=True, timeout=15)
            await self._system.open(wait=True, timeout=15)
        except OperationalError as error:
            raise DatabaseUnavailable(reason=str(error).strip()) from error

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
        opening = _opening_of_actor(actor.user_id, actor.workspace_id, actor.paying_workspace_id)
        async with _transaction(self._app, opening, actor=actor, now=now or clock.now()) as tx:
            yield tx

    @asynccontextmanager
    async def begin_system(self, reason: str, *, now: datetime | None = None) -> AsyncIterator[Tx]:
        """A transaction that sees every workspace. The reason, in a word or two, shows in pg_stat_activity."""
        async with _transaction(self._system, _opening_of_system(reason), actor=None, now=now or clock.now()) as tx:
            yield tx

    @asynccontextmanager
    async def system_statement(self) -> AsyncIterator[Tx]:
        """For one statement outside a transaction: authentication, health. Half the cost of `begin_system`."""
        async with _connection(self._system) as connection:
            yield Tx(connection, actor=None, now=clock.now())


@lru_cache(maxsize=4096)
def _opening_of_actor(user_id: str, workspace_id: str, paying_workspace_id: str) -> bytes:
    return (
        sql.SQL(
            "BEGIN; SELECT set_config('litemail.user_id', {}, true), set_config('litemail.workspace_id', {}, true),"
            " set_config('litemail.paying_workspace_id', {}, true)"
        )
        .format(sql.Literal(user_id), sql.Literal(workspace_id), sql.Literal(paying_workspace_id))
        .as_bytes()
    )


@cache
def _opening_of_system(reason: str) -> bytes:
    name = sql.Literal(f"litemail: {reason}"[:63])
    return sql.SQL("BEGIN; SELECT set_config('application_name', {}, true)").format(name).as_bytes()


@asynccontextmanager
async def _connection(pool: AsyncConnectionPool) -> AsyncIterator[AsyncConnection]:
    try:
        with _said_as_ours():
            async with pool.connection() as connection:
                yield connection
    except DatabaseUnavailable:
        await _weed_out(pool)
        raise


# The last statement is a transaction of its own, which is on disk only after all that were before it; those of many
# clients share one write. All of it is one round trip.
_COMMIT_EARLY = "SET LOCAL synchronous_commit = off; COMMIT; SELECT pg_logical_emit_message(true, 'litemail', '')"


@asynccontextmanager
async def _transaction(
    pool: AsyncConnectionPool, opening: bytes, *, actor: Actor | None, now: datetime
) -> AsyncIterator[Tx]:
    connection = await _begin(pool, opening)
    tx = Tx(connection, actor=actor, now=now)
    try:
        with _said_as_ours():
            try:
                yield tx
            except BaseException:
                await _undo(connection)
                raise
            await _commit(tx)
    finally:
        await pool.putconn(connection)


async def _undo(connection: AsyncConnection) -> None:
    if connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
        await connection.execute("ROLLBACK")


async def _commit(tx: Tx) -> None:
    """Raises NotCommitted."""
    connection = tx.connection
    if connection.info.transaction_status == TransactionStatus.INERROR:
        await connection.execute("ROLLBACK")
        raise NotCommitted
    await connection.execute(_COMMIT_EARLY if tx.early else "COMMIT")


async def _begin(pool: AsyncConnectionPool, opening: bytes) -> AsyncConnection:
    """A connection in a fresh transaction.

    BEGIN and the settings for row-level security go in one round trip, which psycopg's own transaction() cannot.
    A connection that PostgreSQL has closed meanwhile, by a restart say, shows only here: then another one is taken.
    """
    for again in (True, False):
        with _said_as_ours():
            connection = await pool.getconn()
        try:
            with _said_as_ours():
                await connection.execute(opening)
        except BaseException as error:
            await _undo(connection)  # a cancellation comes when BEGIN may have been done
            await pool.putconn(connection)
            if not again or not isinstance(error, DatabaseUnavailable):
                raise
            await _weed_out(pool)
        else:
            return connection
    raise AssertionError("the second failure was raised")


async def _weed_out(pool: AsyncConnectionPool) -> None:
    """Where one connection is dead the others may be too; the pool replaces those."""
    try:
        await pool.check()
    except OperationalError as error:
        log.warning("connections could not be checked", reason=str(error).strip())


@contextmanager
def _said_as_ours() -> Iterator[None]:
    """What the driver says of a database that is gone or busy, as our errors."""
    try:
        yield
    except (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure) as error:
        raise DatabaseBusy from error
    except OperationalError as error:
        raise DatabaseUnavailable(reason=str(error).strip()) from error


def _reader(shape: type[Shape], cursor: AsyncCursor) -> Callable[[tuple[object, ...]], Shape]:
    # Not cursor.description: it makes an object of every column at every call.
    result = cursor.pgresult
    names = [] if result is None else [result.fname(place) for place in range(result.nfields)]
    fields, converted = _layout(shape)
    if names != fields:
        texts = [(name or b"").decode() for name in names]
        return lambda row: msgspec.convert(dict(zip(texts, row, strict=True)), shape)
    if not converted:
        return lambda row: shape(*row)

    def read(row: tuple[object, ...]) -> Shape:
        values = list(row)
        for place, kind in converted:
            if values[place] is not None:
                values[place] = msgspec.convert(values[place], kind)
        return shape(*values)

    return read


@cache
def _layout(shape: type[msgspec.Struct]) -> tuple[list[bytes | None], list[tuple[int, object]]]:
    """The fields as columns, and the places and types of those that the driver does not give as they are declared."""
    hints = get_type_hints(shape)
    names = shape.__struct_fields__
    return [name.encode() for name in names], [
        (place, hints[name]) for place, name in enumerate(names) if not _comes_as_declared(hints[name])
    ]


def _comes_as_declared(kind: object) -> bool:
    """Scalars, lists and dicts of them: anything else comes out of jsonb, or is an enumeration."""
    if get_origin(kind) is Literal:
        return True
    inner = get_args(kind)
    if get_origin(kind) in (list, dict, Union, UnionType):
        return all(map(_comes_as_declared, inner))
    return kind in _PLAIN


_PLAIN = (str, int, float, bool, bytes, datetime, NoneType, object)
