"""Use cases of aliases: other addresses of the same mailbox, on any active domain of the workspace."""

from collections import Counter
from collections.abc import Iterable, Sequence

from litemail import domains
from litemail.kit import ids
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.pagination import Page, PageRequest, page
from litemail.mailboxes import alias_queries, queries
from litemail.mailboxes.alias_queries import Alias
from litemail.mailboxes.creating import AddressTaken, DomainNotUsable
from litemail.mailboxes.service import get, workspace
from litemail.protocols.address import parse

MOST_ALIASES = 50


class AliasNotFound(Error):
    kind = Kind.NOT_FOUND
    code = "mailbox.alias_not_found"
    message = "This mailbox has no alias {alias_id}."
    action = "List them with GET /v1/mailboxes/{mailbox_id}/aliases."


class TooManyAliases(Error):
    kind = Kind.CONFLICT
    code = "mailbox.too_many_aliases"
    message = "A mailbox has {limit} aliases at the most."
    action = "Delete one that is no longer needed, or use a catch-all."


async def list_(tx: Tx, mailbox_id: str, request: PageRequest) -> Page[Alias]:
    """Oldest first. Raises MailboxNotFound."""
    await get(tx, mailbox_id)
    rows = await alias_queries.list_aliases(tx, mailbox_id, limit=request.limit + 1, after=request.after)
    total = await alias_queries.count_aliases(tx, mailbox_id) if request.count else None
    return page(rows, request, key=lambda row: row.id, total=total)


async def create(tx: Tx, mailbox_id: str, address: str) -> Alias:
    """Raises InvalidAddress, DomainNotUsable, MailboxNotFound, TooManyAliases, AddressTaken."""
    wanted = parse(address)
    domain = (await domains.lock_usable(tx, {wanted.domain})).get(wanted.domain)
    mailbox = await get(tx, mailbox_id)
    if domain is None:
        raise DomainNotUsable(domain=wanted.domain, field="address")
    if await alias_queries.count_aliases(tx, mailbox_id) >= MOST_ALIASES:
        raise TooManyAliases(limit=MOST_ALIASES)
    alias = None
    if not await queries.taken_addresses(tx, [str(wanted)]):
        alias = await alias_queries.insert_alias(
            tx,
            ids.new_id("als"),
            mailbox_id=mailbox.id,
            domain_id=domain.id,
            address=str(wanted),
            workspace_id=workspace(tx),
        )
    if alias is None:
        raise AddressTaken(email=wanted, field="address")
    await domains.count_alias(tx, domain.id, by=1)
    await tx.emit("mailbox.alias_created", workspace_id=workspace(tx), subject=mailbox.id, data=_told(alias))
    return alias


async def delete(tx: Tx, mailbox_id: str, alias_id: str) -> None:
    """Raises MailboxNotFound, AliasNotFound."""
    await get(tx, mailbox_id)
    alias = (
        await alias_queries.delete_alias(tx, alias_id, mailbox_id=mailbox_id) if ids.is_id(alias_id, "als") else None
    )
    if alias is None:
        raise AliasNotFound(alias_id=alias_id, mailbox_id=mailbox_id)
    await domains.count_alias(tx, alias.domain_id, by=-1)
    await tx.emit("mailbox.alias_deleted", workspace_id=workspace(tx), subject=mailbox_id, data=_told(alias))


async def rest(tx: Tx, mailbox_ids: Sequence[str]) -> None:
    """The aliases of mailboxes that are removed free their addresses."""
    await _count(tx, await alias_queries.rest(tx, mailbox_ids), by=-1)


async def wake(tx: Tx, mailbox_id: str) -> None:
    """Those of a restored mailbox are there again, as far as nobody has got their addresses meanwhile."""
    await _count(tx, await alias_queries.wake(tx, mailbox_id), by=1)


async def _count(tx: Tx, aliases: Iterable[Alias], *, by: int) -> None:
    for domain_id, count in sorted(Counter(alias.domain_id for alias in aliases).items()):
        await domains.count_alias(tx, domain_id, by=by * count)


def _told(alias: Alias) -> dict[str, str]:
    return {"alias_id": alias.id, "address": alias.address}
