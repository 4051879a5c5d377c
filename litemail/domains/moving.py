"""Domains that were bought here at work with their registrar: delegated to us, and moved away with their auth code."""

import asyncio
from datetime import datetime, timedelta

import msgspec

from litemail.domains import proof_queries, refreshing, service
from litemail.domains import registrar_queries as registered
from litemail.domains.availability import Market
from litemail.domains.fulfilling import PATIENCE, wait_for
from litemail.domains.lifecycle import NotPurchased
from litemail.kit.actor import Actor
from litemail.kit.clock import rfc3339
from litemail.kit.db import Database
from litemail.providers.registrar import OutcomeUnknown

_REQUEST_PATIENCE = 8.0  # seconds that a request waits for a registrar
_SEEN_WITHIN_MS = 1_000
_AT_ONCE = 100
_MOST_MOVING = 1_000
STAYS_UNLOCKED = timedelta(days=60)
"""How long after its auth code was handed out a domain can be moved."""


class AuthCode(msgspec.Struct, frozen=True):
    """What another registrar asks for. The domain is unlocked."""

    domain: str
    auth_code: str
    expires_at: datetime


async def unlock(database: Database, actor: Actor, domain: str, *, market: Market) -> AuthCode:
    """Unlocks a domain at its registrar and gives its code; both are in the audit log.

    Raises DomainNotFound, NotPurchased, and what registrars raise.
    """
    async with database.begin(actor) as tx:
        row = await service.get(tx, domain)
        held = await registered.find_held(tx, row.id)
    if held is None:
        raise NotPurchased(name=row.name)
    registrar = market.registrars.get(held.registrar)
    try:
        async with asyncio.timeout(_REQUEST_PATIENCE):
            unlocking = await registrar.set_lock(held.name, locked=False)
            await wait_for(registrar, unlocking, name=held.name, seconds=_REQUEST_PATIENCE)
            code = await registrar.auth_code(held.name)
    except TimeoutError:
        raise OutcomeUnknown(registrar=registrar.name, reason="it took too long") from None
    async with database.begin(actor) as tx:
        await registered.set_moving(tx, held.id)
        await tx.emit(
            "domain.auth_code_read",
            workspace_id=held.workspace_id,
            subject=held.id,
            data={"name": held.name},
            audience="audit",
        )
    return AuthCode(held.name, code, held.expires_at)


async def delegate_purchased(*, database: Database, market: Market, domain_id: str, patience: float = PATIENCE) -> None:
    """Sets a bought domain's own name servers at its registrar, and has the delegation looked for. Safe to repeat."""
    async with database.begin_system("delegate a bought domain") as tx:
        held = await registered.find_held(tx, domain_id)
    if held is None or held.delegated:
        return
    registrar = market.registrars.get(held.registrar)
    found = await registrar.find(held.name)
    if found is None:
        return
    if found.name_servers != frozenset(held.name_servers):
        operation = await registrar.set_name_servers(held.name, tuple(held.name_servers))
        await wait_for(registrar, operation, name=held.name, seconds=patience)
    async with database.begin_system("delegate a bought domain") as tx:
        await registered.set_delegated(tx, domain_id)
        domain = await proof_queries.find_any(tx, domain_id)
        if domain is not None:
            await refreshing.request_check(tx, domain, patience_ms=_SEEN_WITHIN_MS)


async def delegate_left(*, database: Database) -> None:
    """Bought domains whose delegation is not set yet, because a job gave up say, are taken up again."""
    async with database.begin_system("bought domains to delegate") as tx:
        for domain_id in await registered.list_undelegated(tx, limit=_AT_ONCE):
            await tx.enqueue("domains.delegate_purchased", once=f"delegate {domain_id}", domain_id=domain_id)


async def look_for_moved(*, database: Database) -> None:
    """Has every domain looked for whose auth code was handed out."""
    async with database.begin_system("domains that may have moved") as tx:
        for domain_id in await registered.list_moving(tx, limit=_MOST_MOVING):
            await tx.enqueue("domains.look_whether_moved", once=f"moved {domain_id}", domain_id=domain_id)


async def look_whether_moved(*, database: Database, market: Market, domain_id: str) -> None:
    """A domain that is not in the registrar's account any more was moved away: it is a connected one from now on.

    One that is still there after a long time is locked again.
    """
    async with database.begin_system("look whether a domain moved") as tx:
        held = await registered.find_held(tx, domain_id)
        now = tx.now
    if held is None or held.moving_since is None:
        return
    registrar = market.registrars.get(held.registrar)
    if await registrar.find(held.name) is None:
        await _note_moved(database, domain_id)
    elif held.moving_since + STAYS_UNLOCKED <= now:
        locking = await registrar.set_lock(held.name, locked=True)
        await wait_for(registrar, locking, name=held.name, seconds=PATIENCE)
        async with database.begin_system("a domain did not move") as tx:
            await registered.unset_moving(tx, domain_id)


async def _note_moved(database: Database, domain_id: str) -> None:
    async with database.begin_system("a domain moved away") as tx:
        held = await registered.find_held(tx, domain_id, lock=True)
        if held is None:
            return
        await registered.set_moved(tx, held.id)
        await registered.free_name(tx, registrar=held.registrar, name=held.name)
        await tx.emit(
            "domain.moved_away",
            workspace_id=held.workspace_id,
            subject=held.id,
            data={"name": held.name, "expires_at": rfc3339(held.expires_at)},
        )
