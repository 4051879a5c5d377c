"""Where the web and the mail of domains go, for those who show domains."""

from collections.abc import Collection

from litemail.domains import forwarding_queries as queries
from litemail.domains.forwarding_schemas import Forwards, show_forwards
from litemail.kit.db import Tx


async def of(tx: Tx, domain_id: str) -> Forwards:
    return (await of_many(tx, [domain_id]))[domain_id]


async def of_many(tx: Tx, domain_ids: Collection[str]) -> dict[str, Forwards]:
    """By id, for every one of them."""
    web = {row.domain_id: row for row in await queries.web_of(tx, domain_ids)}
    rules = await queries.rules_of(tx, domain_ids)
    return {
        domain_id: show_forwards(web.get(domain_id), [rule for rule in rules if rule.domain_id == domain_id])
        for domain_id in domain_ids
    }
