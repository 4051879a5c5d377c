"""Use cases of domains that are changed by hand, removed, and restored within 30 days."""

from datetime import timedelta

import msgspec

from litemail import workspaces, zones
from litemail.domains import lifecycle_queries as queries
from litemail.domains import queries as claims
from litemail.domains import refreshing, service
from litemail.domains.choosing import workspace
from litemail.domains.queries import Domain
from litemail.kit import ids
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Error, Kind
from litemail.protocols import names

KEPT = timedelta(days=30)
_AT_ONCE = 100
_PATIENCE_MS = 1_000


class InUse(Error):
    kind = Kind.CONFLICT
    code = "domain.in_use"
    message = "{name} has {users}."
    action = "Remove them first, see GET /v1/mailboxes?domain={name}."


class NotPurchased(Error):
    kind = Kind.CONFLICT
    code = "domain.not_purchased"
    message = "{name} was not bought here, so it is not renewed here."
    action = "Renew it where it is registered."


class NotRemoved(Error):
    kind = Kind.CONFLICT
    code = "domain.not_removed"
    message = "{name} is there: there is nothing to restore."
    action = "Read its state with GET /v1/domains/{name}."


class RemovedTooLongAgo(Error):
    kind = Kind.GONE
    code = "domain.removed_too_long_ago"
    message = "{name} was removed more than 30 days ago."
    action = "Connect it anew with POST /v1/domains/connect."


class Changes(msgspec.Struct, frozen=True):
    """What to change; None leaves a field as it is."""

    tags: list[str] | None = None
    auto_renew: bool | None = None


async def change(tx: Tx, domain: str, changes: Changes) -> Domain:
    """Raises DomainNotFound, NotPurchased."""
    before = await _lock(tx, domain)
    after = before
    if changes.auto_renew is not None:
        if before.source != "purchased":
            raise NotPurchased(name=before.name, field="auto_renew")
        after = await queries.set_auto_renew(tx, before.id, auto_renew=changes.auto_renew)
        await _tell_changed(tx, before, data={"auto_renew": changes.auto_renew}, was={"auto_renew": before.auto_renew})
    if changes.tags is not None and changes.tags != before.tags:
        after = await queries.set_tags(tx, before.id, changes.tags)
        await _tell_changed(tx, before, data={"tags": after.tags}, was={"tags": before.tags})
    return after


async def remove(tx: Tx, domain: str) -> None:
    """Takes an unused domain away; its zone is served no longer. Raises DomainNotFound, InUse."""
    before = await _lock(tx, domain)
    aliases = await queries.get_alias_count(tx, before.id)
    if before.mailbox_count or aliases:
        users = [_counted(before.mailbox_count, "mailbox", "mailboxes")] if before.mailbox_count else []
        users += [_counted(aliases, "alias", "aliases")] if aliases else []
        raise InUse(name=before.name, users=" and ".join(users), extra={"mailbox_count": before.mailbox_count})
    await zones.remove(tx, before.id)
    await queries.remove(tx, before.id, at=await workspaces.time_of(tx, workspace(tx)))
    await _tell(tx, "domain.removed", before)


async def restore(tx: Tx, domain: str) -> Domain:
    """Brings a removed domain back with all it had. It has to be proved again, which a look at the registry does at
    once when it is still delegated here. Raises DomainNotFound, NotRemoved, RemovedTooLongAgo.
    """
    domain_id = domain if ids.is_id(domain, "dom") else None
    name = None if domain_id else zones.plain_name(domain)
    await claims.lock_claims(tx, workspace(tx), alone=True)
    found = await queries.lock_removed(tx, workspace_id=workspace(tx), domain_id=domain_id, name=name)
    present = await service.find(tx, domain)
    if present is not None:
        raise NotRemoved(name=present.name)
    if found is None:
        raise service.DomainNotFound(domain=names.shown(domain))
    before, removed_at = found
    if removed_at <= await workspaces.time_of(tx, workspace(tx)) - KEPT:
        raise RemovedTooLongAgo(name=before.name)
    if await service.find(tx, before.name) is not None:
        raise service.AlreadyConnected(name=before.name)
    after = await queries.restore(tx, before.id, next_check_at=tx.now + service.FIRST_CHECK)
    await zones.restore(tx, before.id)
    await refreshing.request_check(tx, after, patience_ms=_PATIENCE_MS)
    await _tell(tx, "domain.restored", after)
    return after


async def count_alias(tx: Tx, domain_id: str, *, by: int) -> None:
    """A higher slice's word that an alias of a mailbox came (`by` > 0) or went."""
    await queries.count_aliases(tx, domain_id, by=by)


async def forget_removed(*, database: Database) -> None:
    """Erases what removed domains had once they can no longer be restored."""
    while True:
        async with database.begin_system("forget removed domains") as tx:
            erased = await queries.erase_removed(tx, before=tx.now - KEPT, limit=_AT_ONCE)
            await zones.erase(tx, erased)
        if len(erased) < _AT_ONCE:
            return


async def _lock(tx: Tx, domain: str) -> Domain:
    found = await service.get(tx, domain)
    locked = await queries.lock_domain(tx, found.id, workspace_id=workspace(tx))
    if locked is None:
        raise service.DomainNotFound(domain=names.shown(domain))
    return locked


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


async def _tell(tx: Tx, event_type: str, domain: Domain) -> None:
    await tx.emit(event_type, workspace_id=domain.workspace_id, subject=domain.id, data={"name": domain.name})


async def _tell_changed(tx: Tx, domain: Domain, *, data: dict[str, object], was: dict[str, object] | None) -> None:
    await tx.emit("domain.updated", workspace_id=domain.workspace_id, subject=domain.id, data=data, before=was)
