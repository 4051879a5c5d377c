"""Jobs of publishing at customers' DNS providers."""

from datetime import timedelta

from litemail.domains import publishing, publishing_queries
from litemail.domains.dns_doors import DnsDoors
from litemail.kit.db import Database
from litemail.kit.jobs import Job
from litemail.kit.secrets import Secrets

_AT_ONCE = 100
_LOST_AFTER = timedelta(minutes=10)


async def publish(*, database: Database, secrets: Secrets, dns_doors: DnsDoors, domain_id: str) -> None:
    """Has the provider of a domain hold our records, or no longer hold them."""
    await publishing.publish(database, domain_id, doors=dns_doors, secrets=secrets)


async def publish_due(*, database: Database) -> None:
    """Starts what is due: changed zones, removed domains, failures that may have mended. What a crash loses is due
    again later.
    """
    async with database.begin_system("due publishing of domains") as tx:
        for domain_id in await publishing_queries.take_due(tx, limit=_AT_ONCE, again_in=_LOST_AFTER):
            await publishing.request(tx, domain_id)
        await publishing_queries.delete_unused_accounts(tx)


JOBS: dict[str, Job] = {"domains.publish": publish, "domains.publish_due": publish_due}
SCHEDULES = {"domains.publish_due": "* * * * * 2-59/5"}
