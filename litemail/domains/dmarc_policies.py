"""Use case of DMARC: what receivers are to do with mail that is not the domain's own, and whom they tell."""

from collections.abc import Sequence

from litemail import zones
from litemail.domains import policy_queries
from litemail.domains.choosing import choose, workspace
from litemail.domains.managed import DMARC_NAME, Dmarc
from litemail.kit import bulk
from litemail.kit.bulk import BulkResult
from litemail.kit.db import Tx
from litemail.kit.errors import Error
from litemail.protocols.record_sets import is_dmarc
from litemail.protocols.record_types import Record, RecordType


async def set_policy(
    tx: Tx, given: Sequence[str], asked: Dmarc, *, mail_hostname: str, all_or_nothing: bool
) -> BulkResult:
    """Sets the policy of these domains (ids or names). A DMARC record of their owner's own is replaced by it.

    Raises AllRejected, NotAllAccepted.
    """
    chosen, rejected = await choose(tx, given)
    record = Record(RecordType.TXT, DMARC_NAME, asked.text(mail_hostname=mail_hostname))
    for index, domain in list(chosen.items()):
        try:
            await zones.rewrite(tx, domain.id, [record], replaces=_is_the_policy)
        except Error as problem:
            rejected[index] = problem
            del chosen[index]
    await policy_queries.set_dmarc(tx, [domain.id for domain in chosen.values()], asked)
    await tx.emit_many(
        "domain.dmarc_changed",
        workspace_id=workspace(tx),
        data_by_subject={
            domain.id: {"name": domain.name, "record": record.content, "policy": asked.policy}
            for domain in chosen.values()
        },
    )
    accepted = {index: domain.id for index, domain in chosen.items()}
    return bulk.settle(accepted, rejected, key="domains", all_or_nothing=all_or_nothing)


def _is_the_policy(record: Record) -> bool:
    """Of the domain itself; policies of sub-domains are their owner's."""
    return record.name == DMARC_NAME and is_dmarc(record)
