"""The domains that a call about many of them names, one by one."""

from collections.abc import Sequence

from litemail.domains import service
from litemail.domains.queries import Domain
from litemail.kit.db import Tx
from litemail.kit.errors import Error
from litemail.protocols import names


async def choose(tx: Tx, given: Sequence[str]) -> tuple[dict[int, Domain], dict[int, Error]]:
    """Those of the acting workspace by their index, locked, and what is wrong with the others."""
    found = await service.find_many(tx, set(given))
    await service.lock(tx, {domain.id for domain in found.values()})
    chosen: dict[int, Domain] = {}
    rejected: dict[int, Error] = {}
    first: dict[str, int] = {}
    for index, text in enumerate(given):
        domain = found.get(text)
        if domain is None:
            rejected[index] = service.DomainNotFound(domain=names.shown(text))
        elif (before := first.setdefault(domain.id, index)) != index:
            rejected[index] = service.NamedTwice(name=domain.name, first=before)
        else:
            chosen[index] = domain
    return chosen, rejected


def workspace(tx: Tx) -> str:
    """The acting one."""
    assert tx.actor is not None
    return tx.actor.workspace_id
