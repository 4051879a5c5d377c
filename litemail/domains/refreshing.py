"""A customer's own look at the delegation, between two transactions of the request."""

import asyncio

import msgspec

from litemail.domains import proof_queries, proving, service
from litemail.domains.looking import Parents, look_once
from litemail.domains.queries import Domain
from litemail.kit.actor import Actor
from litemail.kit.db import Database, Tx

_AT_MOST = 8.0  # seconds that a request waits for somebody else's servers


class Refreshed(msgspec.Struct, frozen=True):
    """`refreshing`: there was no answer in time, a job goes on asking."""

    domain: Domain
    refreshing: bool


async def refresh(database: Database, actor: Actor, domain: str, *, parents: Parents) -> Refreshed:
    """Asks the parent's servers now, at most once in 10 s; what is proved by that, a job acts on.

    Raises DomainNotFound.
    """
    async with database.begin(actor) as tx:
        row = await service.get(tx, domain)
        if not await proof_queries.take_refresh(tx, row.id, at_most_every=proving.REFRESH_EVERY):
            return Refreshed(row, refreshing=False)
    try:
        async with asyncio.timeout(_AT_MOST):
            look = await look_once(row, parents)
    except TimeoutError:
        async with database.begin(actor) as tx:
            await request_check(tx, row)
        return Refreshed(row, refreshing=True)
    async with database.begin(actor) as tx:
        if proving.proves(row, look):
            await request_check(tx, row)
        return Refreshed(await proving.note(tx, row.id, look) or row, refreshing=False)


async def request_check(tx: Tx, domain: Domain, *, patience_ms: int = 0) -> None:
    """A job looks at the delegation as soon as this transaction commits."""
    lock = proving.lock_of(domain.id)
    await tx.enqueue("domains.verify", lock=lock, once=f"{lock} now", domain_id=domain.id, patience_ms=patience_ms)


async def request_check_of_name(tx: Tx, name: str, *, patience_ms: int) -> None:
    """The same for the acting workspace's domain of that name, if it has one."""
    domain = await service.find(tx, name)
    if domain is not None:
        await request_check(tx, domain, patience_ms=patience_ms)
