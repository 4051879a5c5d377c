"""1,000 domains checked again: every record that mail needs, asked of the domains' servers and of a resolver."""

import asyncio
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks import world
from benchmarks.row import Row, Scale
from litemail.domains import Parents
from litemail.domains.check_jobs import CHUNK, check
from litemail.domains.keys import generate
from litemail.kit.db import Database, Tx
from litemail.protocols.dkim import txt_value
from litemail.providers.dns import FixedParent, Resolvers, Server
from litemail.providers.dns.resolvers import addresses
from tests.unbound import UNBOUND, unbound

DOMAINS = 1_000
JOBS_AT_ONCE = 8
_MAIL_HOST = "mail.litemail.test"


async def measure(_scale: Scale) -> list[Row]:
    async with AsyncExitStack() as stack:
        installed = stack.enter_context(world.fresh())
        installed.start("dns")
        everything = installed.start("api")
        async with world.registered(installed) as me:
            workspace_id: str = (await me.call("GET", "/v1/users"))["default_workspace_id"]
        installed.stop(everything)
        house = await stack.enter_async_context(world.inside(installed))
        domain_ids = await _live_domains(house.database, workspace_id)
        ours = ("127.0.0.1", installed.ports["dns"])
        await _wait_until_served(ours)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="litemail-bench-")))
        resolver = Server("ours", *ours)
        if UNBOUND is not None:
            resolver = await stack.enter_async_context(unbound(folder, {"org": ours, "test": ours}))
        started = time.perf_counter()
        await _check(house.database, domain_ids, ours, resolver)
        seconds = time.perf_counter() - started
        health = await _health(house.database, workspace_id)
    assert health == {"ok": DOMAINS}, health
    return [
        Row(
            f"DNS checks of {DOMAINS:,} domains, of their own servers and a resolver",
            f"{seconds:.1f} s",
            f"{DOMAINS / seconds:,.0f} domains/s; resolver: {resolver.name}",
            goal="60 s",
        )
    ]


async def _check(database: Database, domain_ids: list[str], ours: tuple[str, int], resolver: Server) -> None:
    slots = asyncio.Semaphore(JOBS_AT_ONCE)
    parent = FixedParent(*ours)

    async def work(chunk: list[str]) -> None:
        async with slots:
            await check(
                database=database,
                parents=Parents(live=parent, sandbox=parent),
                resolvers=Resolvers((resolver,)),
                mail_hostname=_MAIL_HOST,
                domain_ids=chunk,
            )

    await asyncio.gather(*(work(domain_ids[start : start + CHUNK]) for start in range(0, len(domain_ids), CHUNK)))


async def _live_domains(database: Database, workspace_id: str) -> list[str]:
    """Domains under .org, which the database says are delegated and our server serves, the registry too."""
    await world.add_zones(database, workspace_id=workspace_id, count=DOMAINS)
    (registry,) = await world.add_domains(database, workspace_id=workspace_id, first=90_000_000, count=1)
    keys = await generate()
    async with database.begin_system("benchmark") as tx:
        await tx.execute("UPDATE domains SET challenge = 'registry' WHERE name = %(name)s", name=registry)
        await tx.execute("UPDATE domains SET name = replace(name, '.test', '.org') WHERE challenge = 'bench'")
        await tx.execute("UPDATE zones SET name = replace(name, '.test', '.org') WHERE id LIKE 'zone_0%%'")
        await tx.execute("DELETE FROM records WHERE name LIKE '%%._domainkey'")
        for number, key in enumerate(keys):
            await tx.execute(
                """INSERT INTO dkim_keys (id, workspace_id, domain_id, selector, algorithm, public, private_sealed,
                                          state, created_at)
                   SELECT replace(id, 'dom_0', 'dkim_' || %(number)s::text), workspace_id, id, %(selector)s,
                          %(algorithm)s, %(public)s, '', %(state)s, created_at
                   FROM domains WHERE challenge = 'bench'""",
                number=number,
                selector=key.selector,
                algorithm=key.pair.algorithm.value,
                public=key.pair.public_b64,
                state=key.state,
            )
            await tx.execute(
                """INSERT INTO records (id, workspace_id, zone_id, type, name, content, ttl, managed, created_at)
                   SELECT replace(id, 'zone_0', 'rec_' || (%(number)s::int + 1)), workspace_id, id, 'TXT',
                          %(name)s, %(content)s, 3600, true, created_at
                   FROM zones WHERE id LIKE 'zone_0%%'""",
                number=number,
                name=f"{key.selector}._domainkey",
                content=txt_value(key.pair),
            )
        await _registry(tx, registry, workspace_id)
        return await tx.values(str, "SELECT id FROM domains WHERE challenge = 'bench' ORDER BY id")


async def _registry(tx: Tx, registry: str, workspace_id: str) -> None:
    """The zone above, with the delegation of each."""
    await tx.execute(
        """INSERT INTO zones (id, workspace_id, domain_id, name, name_servers, serial, served, created_at)
           SELECT replace(id, 'dom_', 'zone_'), workspace_id, id, 'org', name_servers, 1, true, created_at
           FROM domains WHERE name = %(name)s""",
        name=registry,
    )
    await tx.execute(
        """INSERT INTO records (id, workspace_id, zone_id, type, name, content, ttl, managed, created_at)
           SELECT 'rec_' || place + 4 || substr(d.id, 6), %(workspace_id)s, (SELECT id FROM zones WHERE name = 'org'),
                  'NS', replace(d.name, '.org', ''), host, 3600, true, d.created_at
           FROM domains d, unnest(d.name_servers) WITH ORDINALITY AS given (host, place) WHERE d.challenge = 'bench'""",
        workspace_id=workspace_id,
    )


async def _wait_until_served(ours: tuple[str, int]) -> None:
    server = Server("ours", *ours)
    async with asyncio.timeout(30):
        while await addresses("www.bench1.org", Resolvers((server,)), seconds=1) is None:
            await asyncio.sleep(0.1)


async def _health(database: Database, workspace_id: str) -> dict[str, int]:
    """How many domains are right in every way, and how many are not."""
    found: Counter[str] = Counter()
    async with database.begin_system("benchmark") as tx:
        for faults in await tx.values(
            list[str], "SELECT faults FROM dns_checks WHERE workspace_id = %(id)s", id=workspace_id
        ):
            found["; ".join(faults) or "ok"] += 1
    return dict(found)
