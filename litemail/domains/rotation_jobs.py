"""Jobs of DKIM rotations. Each can stop anywhere and be run again."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import dns.rdatatype

from litemail.domains import keys, policy_queries, rotating
from litemail.domains.keys import PublishedKey
from litemail.domains.looking import DnsServers, Parents
from litemail.domains.policy_queries import Rotation
from litemail.kit.db import Database
from litemail.kit.jobs import Job
from litemail.kit.secrets import Secrets
from litemail.protocols.dkim import txt_name
from litemail.providers import dns as provider
from litemail.providers.dns import Server
from litemail.providers.dns.answers import View, ask_everyone

SERVED_WITHIN = 3.0  # seconds; a zone is in our servers' memory within 0.1
_PAUSE = 0.05
_PATIENCE = 1.0
_AT_ONCE = 100
_LOST_AFTER = timedelta(minutes=10)


async def rotate(
    *,
    database: Database,
    secrets: Secrets,
    parents: Parents,
    dns_servers: DnsServers,
    domain_id: str,
    served_within: float = SERVED_WITHIN,
) -> None:
    """Publishes the next keys, and switches to them if everybody who answers for the domain shows them.

    If not, another job looks later. After the switch the keys of the next rotation are published.
    """
    waiting = await _publish_next(database, secrets, domain_id)
    if waiting is None:
        return
    rotation, standbys = waiting
    servers = await _servers(rotation, parents, dns_servers)
    if not await _shown(rotation.name, standbys, servers, seconds=served_within):
        async with database.begin_system("keys are not served yet") as tx:
            await policy_queries.look_again(tx, domain_id, rotating.next_look(rotation, tx.now))
        return
    async with database.begin_system("switch keys") as tx:
        await rotating.switch(tx, domain_id)
        held = await keys.published(tx, domain_id)
    new = await keys.generate(keys.missing_standbys(held))
    async with database.begin_system("publish the keys after the next") as tx:
        await rotating.publish(tx, rotation, new, secrets=secrets)


async def rotate_due(*, database: Database) -> None:
    """Looks again at rotations that wait."""
    async with database.begin_system("due rotations") as tx:
        for domain_id in await policy_queries.take_due_rotations(tx, limit=_AT_ONCE, again_at=tx.now + _LOST_AFTER):
            await rotating.request(tx, domain_id)


async def retire(*, database: Database) -> None:
    """Takes keys out of the DNS whose time is over."""
    async with database.begin_system("retire keys") as tx:
        await rotating.retire(tx, limit=_AT_ONCE)


async def _publish_next(
    database: Database, secrets: Secrets, domain_id: str
) -> tuple[Rotation, list[PublishedKey]] | None:
    async with database.begin_system("rotate keys") as tx:
        rotation = await policy_queries.find_rotation(tx, domain_id)
        held = await keys.published(tx, domain_id)
    if rotation is None:
        return None
    new = await keys.generate(keys.missing_standbys(held))
    async with database.begin_system("publish the next keys") as tx:
        return rotation, await rotating.publish(tx, rotation, new, secrets=secrets)


async def _servers(rotation: Rotation, parents: Parents, dns_servers: DnsServers) -> Sequence[Server]:
    """Ours where we host the zone; else those to which its parent delegates."""
    if rotation.hosted:
        return [Server(rotation.name, host, port) for host, port in dns_servers]
    asked = parents.of(rotation.name)
    delegated = await provider.delegation(rotation.name, parents=asked)
    return await asked.named(delegated.name_servers, seconds=_PATIENCE) if delegated.name_servers else ()


async def _shown(domain: str, standbys: Sequence[PublishedKey], servers: Sequence[Server], *, seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    view = View(tuple(servers))
    while not await _all_shown(domain, standbys, view):
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(_PAUSE)
    return True


async def _all_shown(domain: str, standbys: Sequence[PublishedKey], view: View) -> bool:
    answers = await asyncio.gather(
        *(ask_everyone(txt_name(key.selector, domain), dns.rdatatype.TXT, view, seconds=_PATIENCE) for key in standbys)
    )
    return all(
        of_key != [] and all(answer.found == [key.txt] for answer in of_key)
        for key, of_key in zip(standbys, answers, strict=True)
    )


JOBS: dict[str, Job] = {
    "domains.rotate_dkim": rotate,
    "domains.rotate_dkim_due": rotate_due,
    "domains.retire_dkim": retire,
}
SCHEDULES = {"domains.rotate_dkim_due": "* * * * * */15", "domains.retire_dkim": "*/10 * * * *"}
