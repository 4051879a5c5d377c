"""An installation to measure: its own folder, ports and PostgreSQL, a customer with a key, rows put in directly."""

import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from psycopg import AsyncConnection

from benchmarks.load import Caller
from litemail.app import house as houses
from litemail.app.house import House
from litemail.cli.options import Options
from litemail.kit import embedded_pg
from litemail.kit.db import Database
from tests.journeys.installation import Customer, Installation, customer, installation

_HASH = "{SSHA512}" + "A" * 96
_SEALED_BYTES = 60

# Digits are letters of ids too, so a counter makes an id as long as any other.
_ID = "'{prefix}_0' || lpad(n::text, 25, '0')"


@contextlib.contextmanager
def fresh(**settings: str) -> Iterator[Installation]:
    """An installation in an empty folder, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="litemail-bench-", ignore_cleanup_errors=True) as folder:
        quiet = {"LITEMAIL_MAILBOXES_PER_DOMAIN": "100000", **settings}
        with installation(Path(folder), **quiet) as made:
            yield made


@contextlib.asynccontextmanager
async def registered(world: Installation, email: str = "ada@example.com") -> AsyncIterator[Customer]:
    """Somebody with a key for everything; `x-api-key` is among the client's headers."""
    async with customer(world.url, email=email) as me:
        assert isinstance(me, Customer)
        yield me


def caller(world: Installation, me: Customer) -> Caller:
    return Caller(world.ports["http"], {"x-api-key": me.client.headers["x-api-key"]})


def trusted(world: Installation) -> ssl.SSLContext:
    """What a mail client of this installation trusts."""
    return ssl.create_default_context(cafile=str(world.folder / "ca" / "ca.pem"))


@contextlib.asynccontextmanager
async def inside(world: Installation) -> AsyncIterator[House]:
    """The database and keys of a running installation, as an operator's command has them."""
    async with houses.visited(Options(data_dir=world.folder).settings()) as house:
        yield house


async def tidy(world: Installation, table: str) -> None:
    """Lets PostgreSQL look at what was put in, so that it does not begin to in the middle of a measurement."""
    async with (
        embedded_pg.attached(world.folder / "postgres") as cluster,
        await AsyncConnection.connect(cluster.url(), autocommit=True) as connection,
    ):
        await connection.execute(f"VACUUM ANALYZE {table}")
        await connection.execute("CHECKPOINT")


async def add_slots(database: Database, *, workspace_id: str) -> None:
    """More slots than any figure needs."""
    async with database.begin_system("benchmark") as tx:
        await tx.execute(
            """UPDATE subscriptions SET addon_mailboxes = addon_mailboxes + 900000, quantity = quantity + 900000
               WHERE workspace_id = %(id)s""",
            id=workspace_id,
        )


async def add_domains(database: Database, *, workspace_id: str, first: int, count: int) -> list[str]:
    """Active domains without zones; their names."""
    async with database.begin_system("benchmark") as tx:
        return await tx.values(
            str,
            f"""INSERT INTO domains (id, workspace_id, name, status, source, dns, name_servers, challenge, proof,
                                     mailbox_limit, created_at)
                SELECT {_ID.format(prefix="dom")}, %(workspace_id)s, 'bench' || n || '.test', 'active', 'connected',
                       'hosted', ARRAY['ns01.litemail.test', 'ns02.litemail.test'], 'bench', 'delegation',
                       100000, %(now)s
                FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
                RETURNING name""",
            workspace_id=workspace_id,
            first=first,
            last=first + count - 1,
            now=tx.now,
        )


async def add_forwardings(database: Database, *, workspace_id: str, count: int) -> list[str]:
    """Active domains that are forwarded to one URL; their names."""
    names = await add_domains(database, workspace_id=workspace_id, first=1, count=count)
    async with database.begin_system("benchmark") as tx:
        await tx.execute(
            """INSERT INTO web_forwardings (domain_id, workspace_id, url, permanent, keep_path, created_at)
               SELECT id, workspace_id, 'https://example.com/welcome', true, true, %(now)s FROM domains
               WHERE workspace_id = %(workspace_id)s""",
            workspace_id=workspace_id,
            now=tx.now,
        )
    return names


async def add_mailboxes(database: Database, *, workspace_id: str, first: int, count: int) -> None:
    """Active mailboxes, 100 on each domain. `first` and `count` are multiples of 100."""
    await add_domains(database, workspace_id=workspace_id, first=first // 100, count=count // 100)
    async with database.begin_system("benchmark") as tx:
        await tx.execute(
            f"""INSERT INTO mailboxes (id, workspace_id, domain_id, email, username, domain, first_name, last_name,
                                       display_name, status, tags, password_hash, password_sealed, created_at)
                SELECT {_ID.format(prefix="mbx")}, %(workspace_id)s,
                       'dom_0' || lpad((n / 100)::text, 25, '0'), 'person' || n || '@bench' || n / 100 || '.test',
                       'person' || n, 'bench' || n / 100 || '.test', 'Caroline', 'Thompson', 'Caroline Thompson',
                       'active', ARRAY['outreach'], %(hash)s, %(sealed)s, %(now)s
                FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n""",
            workspace_id=workspace_id,
            first=first,
            last=first + count - 1,
            hash=_HASH,
            sealed=bytes(_SEALED_BYTES),
            now=tx.now,
        )


async def add_zones(database: Database, *, workspace_id: str, count: int) -> None:
    """Active domains `bench1.test` and so on whose zones are served: what a mail domain has, a host and a wildcard."""
    await add_domains(database, workspace_id=workspace_id, first=1, count=count)
    async with database.begin_system("benchmark") as tx:
        await tx.execute(
            """INSERT INTO zones (id, workspace_id, domain_id, name, name_servers, serial, served, created_at)
               SELECT replace(id, 'dom_', 'zone_'), workspace_id, id, name, name_servers, 1, true, created_at
               FROM domains WHERE workspace_id = %(workspace_id)s AND challenge = 'bench'""",
            workspace_id=workspace_id,
        )
        await tx.execute(
            f"""INSERT INTO records (id, workspace_id, zone_id, type, name, content, ttl, priority, managed, created_at)
                SELECT 'rec_0' || lpad((row_number() OVER ())::text, 25, '0'), z.workspace_id, z.id, given.type,
                       given.name, given.content, 3600, given.priority, false, z.created_at
                FROM zones z, (VALUES {_RECORDS}) AS given (type, name, content, priority)
                WHERE z.workspace_id = %(workspace_id)s AND z.id LIKE 'zone_0%%'""",
            workspace_id=workspace_id,
        )


_KEY = "v=DKIM1; k=rsa; p=" + "A" * 392
_RECORDS = f"""
('MX', '@', 'mail.litemail.test', 10), ('TXT', '@', 'v=spf1 mx -all', NULL),
('TXT', '_dmarc', 'v=DMARC1; p=none', NULL), ('TXT', 'lm1._domainkey', '{_KEY}', NULL),
('TXT', 'lm2._domainkey', '{_KEY}', NULL), ('A', '@', '192.0.2.1', NULL), ('A', 'www', '192.0.2.1', NULL),
('A', '*.w', '192.0.2.2', NULL)
"""
