"""Jobs of domains: look at the delegation, and whatever follows from it."""

from datetime import timedelta
from functools import partial

from litemail.domains import (
    asking,
    check_jobs,
    forwarded_mail,
    keys,
    lifecycle,
    proof_queries,
    proving,
    publishing_jobs,
    publishing_queries,
    registrar_jobs,
    rotation_jobs,
)
from litemail.domains.looking import DnsServers, Look, Parents, is_served, look_until
from litemail.domains.queries import Domain
from litemail.kit.db import Database
from litemail.kit.jobs import Job
from litemail.kit.secrets import Secrets

SERVED_WITHIN = 3.0  # seconds; a zone is in our servers' memory within 0.1
_AT_ONCE = 100
_LOST_AFTER = timedelta(minutes=10)


async def verify(
    *,
    database: Database,
    secrets: Secrets,
    parents: Parents,
    dns_servers: DnsServers,
    domain_id: str,
    patience_ms: int = 0,
    served_within: float = SERVED_WITHIN,
) -> None:
    """Asks the parent's servers about one domain and acts on it: pending -> verifying -> active, or failed.

    With `patience_ms` it asks again until more is proved than before or the time is over: a change that was just
    made takes a moment to be seen.
    """
    async with database.begin_system("verify a domain") as tx:
        domain = await proof_queries.find_any(tx, domain_id)
        with_keys = domain is not None and await keys.has_keys(tx, domain_id)
    if domain is None:
        return
    look = await look_until(domain, parents, partial(_is_news, domain), seconds=patience_ms / 1000)
    new_keys = await keys.generate() if not with_keys and proving.proves(domain, look) else []
    async with database.begin_system("verify a domain") as tx:
        settled = await proving.settle(tx, domain, look, new_keys=new_keys, secrets=secrets)
    if settled is not None:
        await _activate_once_served(database, settled, dns_servers, seconds=served_within)


async def check_due(*, database: Database) -> None:
    """Starts the checks that are due. What a crash loses is due again later."""
    async with database.begin_system("due checks of domains") as tx:
        for domain_id in await proof_queries.take_due(tx, limit=_AT_ONCE, again_at=tx.now + _LOST_AFTER):
            lock = proving.lock_of(domain_id)
            await tx.enqueue("domains.verify", lock=lock, once=lock, domain_id=domain_id)


def _is_news(domain: Domain, look: Look) -> bool:
    """Whether it proves more than was proved before."""
    return proving.proves(domain, look) not in {None, domain.proof}


async def _activate_once_served(database: Database, domain: Domain, dns_servers: DnsServers, *, seconds: float) -> None:
    if domain.status != "verifying" or domain.failure_code is not None:
        return
    if domain.dns != "hosted":
        async with database.begin_system("activate a domain") as tx:
            if await publishing_queries.is_published(tx, domain.id):
                await proving.activate(tx, domain.id)
        return
    if domain.proof != "delegation":
        return
    if await is_served(domain.name, dns_servers, name_servers=domain.name_servers, seconds=seconds):
        async with database.begin_system("activate a domain") as tx:
            await proving.activate(tx, domain.id)


JOBS: dict[str, Job] = {
    **check_jobs.JOBS,
    **rotation_jobs.JOBS,
    **publishing_jobs.JOBS,
    **registrar_jobs.JOBS,
    "domains.verify": verify,
    "domains.check_due": check_due,
    "domains.forget_removed": lifecycle.forget_removed,
    "domains.ask_forwarding_target": asking.ask_target,
    "domains.send_forwarded": forwarded_mail.send,
}
HANDLERS: dict[str, str] = {}
SCHEDULES = {
    **check_jobs.SCHEDULES,
    **rotation_jobs.SCHEDULES,
    **publishing_jobs.SCHEDULES,
    **registrar_jobs.SCHEDULES,
    "domains.check_due": "* * * * * */5",
    "domains.forget_removed": "41 3 * * *",
}
