"""Checks of what is served for a domain: everybody is asked, what they say is judged, and kept.

Regular checks are jobs, spread over the day. They tell what is wrong once two of them in a row have found it.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address

import dns.rdatatype
import msgspec

from litemail.domains import check_queries, service
from litemail.domains.check_queries import LastCheck, Subject
from litemail.domains.looking import Parents
from litemail.domains.managed import DMARC_NAME, MX_PRIORITY, Dmarc, spf_text
from litemail.domains.queries import Health
from litemail.domains.verdicts import (
    Check,
    Checks,
    check_dkim,
    check_dmarc,
    check_mx,
    check_ns,
    check_spf,
    faults_of,
)
from litemail.kit.actor import Actor
from litemail.kit.db import Database, Tx
from litemail.protocols import names
from litemail.protocols.dkim import LookupFailed, txt_name
from litemail.protocols.spf_evaluation import Evaluation, evaluate
from litemail.providers import dns as provider
from litemail.providers.dns import Resolvers
from litemail.providers.dns.answers import ServerAnswer, View, ask_everyone
from litemail.providers.dns.sender_lookups import SenderLookups

REFRESH_EVERY = timedelta(seconds=10)
EVERY_HOURS = (22.0, 26.0)  # at random, so that domains that began together do not stay together
CONFIRM_AFTER = timedelta(minutes=15)
_AT_MOST = 8.0  # seconds that a request waits for somebody else's servers
_PATIENCE = 2.0
_MANY_LOOKUPS = 50
# No record allows it, so that an evaluation for it goes through everything.
_NOBODY = IPv4Address("255.255.255.254")
_SPREAD = random.SystemRandom()


class Checked(msgspec.Struct, frozen=True):
    """The last result. `refreshing`: there was no answer in time, a job goes on asking."""

    domain: str
    checked_at: datetime | None
    checks: Checks
    refreshing: bool


@dataclass(frozen=True, kw_only=True)
class Round:
    """Whom to ask in one round of checks. What was looked up for one domain is known for the next."""

    parents: Parents
    resolvers: Resolvers
    mail_hostname: str
    live: SenderLookups
    sandbox: SenderLookups

    @classmethod
    async def begun(cls, *, parents: Parents, resolvers: Resolvers, mail_hostname: str) -> "Round":
        ours = await parents.sandbox.named([mail_hostname], seconds=_PATIENCE)
        return cls(
            parents=parents,
            resolvers=resolvers,
            mail_hostname=mail_hostname,
            live=SenderLookups(resolvers.servers),
            sandbox=SenderLookups(ours),
        )


async def look(subject: Subject, asked: Round) -> Checks:
    """Asks the parent's servers, the domain's own and the resolvers; of a sandbox, only our own server.

    Raises nothing about the network.
    """
    parents = asked.parents.of(subject.name)
    sandboxed = names.is_under(subject.name, names.SANDBOX_SUFFIX)
    delegated = await provider.delegation(subject.name, parents=parents, timeout=2 * _PATIENCE)
    view = View(
        await parents.named(delegated.name_servers, seconds=_PATIENCE) if delegated.name_servers else (),
        () if sandboxed else asked.resolvers.servers,
    )
    keys = [(txt_name(key.selector, subject.name), key.txt) for key in subject.keys]
    policy = names.absolute(DMARC_NAME, subject.name)
    mx, texts, policies, published, sending = await asyncio.gather(
        ask_everyone(subject.name, dns.rdatatype.MX, view, seconds=_PATIENCE),
        ask_everyone(subject.name, dns.rdatatype.TXT, view, seconds=_PATIENCE),
        ask_everyone(policy, dns.rdatatype.TXT, view, seconds=_PATIENCE),
        _of_all([name for name, _ in keys], view),
        _sending(subject.name, asked.mail_hostname, asked.sandbox if sandboxed else asked.live),
    )
    ours, worst = sending
    dmarc = Dmarc(subject.dmarc_policy, subject.dmarc_subdomain_policy, subject.dmarc_pct, subject.dmarc_rua)
    return Checks(
        mx=check_mx(mx, domain=subject.name, mail_host=asked.mail_hostname, priority=MX_PRIORITY),
        spf=check_spf(texts, domain=subject.name, expected=subject.spf_record or spf_text(), ours=ours, worst=worst),
        dkim=check_dkim(published, expected=keys),
        dmarc=check_dmarc(
            policies,
            name=DMARC_NAME,
            expected=subject.dmarc_record or dmarc.text(mail_hostname=asked.mail_hostname),
        ),
        ns=check_ns(delegated, expected=subject.name_servers if subject.hosted else ()),
    )


async def _of_all(searched: Sequence[str], view: View) -> list[ServerAnswer]:
    found = await asyncio.gather(*(ask_everyone(name, dns.rdatatype.TXT, view, seconds=_PATIENCE) for name in searched))
    return [answer for answers in found for answer in answers]


async def _sending(
    domain: str, mail_hostname: str, lookups: SenderLookups
) -> tuple[Sequence[Evaluation], Evaluation | None]:
    """What SPF says of each address of our mail host, and what a receiver has to look up at worst."""
    sender = f"postmaster@{domain}"
    try:
        addresses = [
            address for version in (4, 6) for address in await lookups.addresses(mail_hostname, version=version)
        ]
    except LookupFailed:
        return (), None
    ours = [await evaluate(domain, address, sender=sender, dns=lookups) for address in addresses]
    worst = await evaluate(domain, _NOBODY, sender=sender, dns=lookups, most_lookups=_MANY_LOOKUPS)
    return ours, worst


async def settle(tx: Tx, subject: Subject, checks: Checks) -> None:
    """Keeps the result of a regular check, as the system, and tells what two in a row found wrong or what is mended."""
    before = await check_queries.lock(tx, subject)
    faults = [*faults_of(checks), *_not_refuted(before.faults, checks)]
    confirmed = [fault for fault in faults if fault in before.faults]
    told = [fault for fault in confirmed if fault in before.told]
    news = [fault for fault in confirmed if fault not in before.told]
    await check_queries.keep(tx, subject, checks, health_of(checks), faults=faults, told=told + news)
    unconfirmed = len(confirmed) < len(faults)
    hours = timedelta(hours=_SPREAD.uniform(*EVERY_HOURS))
    await check_queries.check_at(tx, subject.id, tx.now + (CONFIRM_AFTER if unconfirmed else hours))
    if news:
        await _tell(tx, "domain.dns_broken", subject, checks, news)
    elif before.told and not told and not faults:
        await _tell(tx, "domain.dns_mended", subject, checks, before.told)


async def note(tx: Tx, subject: Subject, checks: Checks) -> None:
    """Keeps what a customer's refresh found; what is told is for the regular checks to say."""
    before = await check_queries.lock(tx, subject)
    await check_queries.keep(tx, subject, checks, health_of(checks), faults=before.faults, told=before.told)


async def last(database: Database, actor: Actor, domain: str) -> Checked:
    """The last result, without asking anybody. Raises DomainNotFound."""
    async with database.begin(actor) as tx:
        subject = await _subject(tx, domain)
        return _checked(subject, await check_queries.last(tx, subject.id), refreshing=False)


async def refresh(
    database: Database, actor: Actor, domain: str, *, parents: Parents, resolvers: Resolvers, mail_hostname: str
) -> Checked:
    """Asks everybody now, at most once in 10 s; sooner, the last result. Raises DomainNotFound."""
    async with database.begin(actor) as tx:
        subject = await _subject(tx, domain)
        before = await check_queries.last(tx, subject.id)
        if not await check_queries.take_refresh(tx, subject, at_most_every=REFRESH_EVERY):
            return _checked(subject, before, refreshing=False)
    try:
        async with asyncio.timeout(_AT_MOST):
            asked = await Round.begun(parents=parents, resolvers=resolvers, mail_hostname=mail_hostname)
            checks = await look(subject, asked)
    except TimeoutError:
        async with database.begin(actor) as tx:
            await request(tx, [subject.id])
        return _checked(subject, before, refreshing=True)
    async with database.begin(actor) as tx:
        await note(tx, subject, checks)
        return Checked(subject.name, tx.now, checks, refreshing=False)


async def request(tx: Tx, domain_ids: Sequence[str]) -> None:
    """A job checks these domains as soon as this transaction commits."""
    await tx.enqueue("domains.check_dns", domain_ids=list(domain_ids))


def health_of(checks: Checks) -> Health:
    return Health(mx=checks.mx.state, spf=checks.spf.state, dkim=checks.dkim.state, dmarc=checks.dmarc.state)


async def _subject(tx: Tx, domain: str) -> Subject:
    row = await service.get(tx, domain)
    (subject,) = await check_queries.subjects(tx, [row.id])
    return subject


def _checked(subject: Subject, found: LastCheck | None, *, refreshing: bool) -> Checked:
    if found is None or found.checks is None:
        return Checked(subject.name, None, _UNCHECKED, refreshing)
    return Checked(subject.name, found.checked_at, found.checks, refreshing)


def _not_refuted(faults: Sequence[str], checks: Checks) -> list[str]:
    """Faults of the time before of which nobody could tell this time."""
    unknown = {kind for kind, check in msgspec.structs.asdict(checks).items() if check.state == "unknown"}
    return [fault for fault in faults if fault.partition(" ")[0] in unknown]


async def _tell(tx: Tx, event_type: str, subject: Subject, checks: Checks, faults: Sequence[str]) -> None:
    kinds = [fault.partition(" ")[0] for fault in faults]
    found = {kind: check for kind, check in msgspec.structs.asdict(checks).items() if kind in kinds}
    data = {
        "name": subject.name,
        "checks": {kind: {"state": check.state, "message": check.message} for kind, check in found.items()},
    }
    await tx.emit(event_type, workspace_id=subject.workspace_id, subject=subject.id, data=data)


_NOT_YET = Check("unknown", [], [], [], "This was not checked yet. Ask for it with refresh=true.")
_UNCHECKED = Checks(_NOT_YET, _NOT_YET, _NOT_YET, _NOT_YET, _NOT_YET)
