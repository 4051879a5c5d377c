"""Which mail servers an inbox has: by the type that was given for it, as they were given, or as they are found."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import dns.rdata
import msgspec

from litemail.connections.work import InboxWork
from litemail.exports import own_servers
from litemail.kit.actor import Mode
from litemail.kit.outbound import (
    CUSTOMER_WEB,
    Guard,
    LookupFailed,
    PublicOnly,
    normal_host,
    records_by_dns,
    resolver_at,
)
from litemail.mailboxes import MailAccess
from litemail.platforms import Pace, problem_of
from litemail.providers import mailhost
from litemail.providers.mailhost import PRESETS, Found, Security, Servers, Ways
from litemail.providers.platform import InboxType

_LOOKS_AT_ONCE = 20


def servers_of(inbox_type: InboxType, mode: Mode, *, guard: Guard, mail_access: MailAccess) -> Servers:
    """The servers of any type but `custom`. Raises MailHostNotPublic, ServerNotStarted."""
    if inbox_type in PRESETS:
        return PRESETS[inbox_type]
    return own_servers(mode, guard=guard, mail_access=mail_access)


def can_be_verified(inbox_type: InboxType, mode: Mode) -> bool:
    """Our own mailboxes in live workspaces need it not, and the guard lets nobody in to our own addresses."""
    return not (inbox_type == "litemail" and mode == "live")


class FindServers(Protocol):
    """`find_servers`."""

    def __call__(self, domain: str, *, mode: Mode, guard: Guard, mail_access: MailAccess) -> Awaitable[Found]: ...


async def find_servers(domain: str, *, mode: Mode, guard: Guard, mail_access: MailAccess) -> Found:
    """In a sandbox only what our own DNS server says, and only our own mail host.

    Raises ServersNotFound, ServersNotLookedUp, ServerNotStarted.
    """
    return await mailhost.discover(normal_host(domain), await _ways(mode, guard, mail_access))


async def _ways(mode: Mode, guard: Guard, mail_access: MailAccess) -> Ways:
    if mode == "live":
        web = replace(CUSTOMER_WEB, own=guard.policy.own) if isinstance(guard.policy, PublicOnly) else guard.policy
        return Ways(ask=records_by_dns, web=replace(guard, policy=web), mail=guard)
    imaps, submission = mail_access.ports["imaps"], mail_access.ports["submission"]
    ((address, _), *_) = await guard.admit(mail_access.host, imaps)
    resolver = resolver_at(address, mail_access.ports["dns"])

    async def ask(name: str, record_type: str) -> Sequence[dns.rdata.Rdata]:
        try:
            return await records_by_dns(name, record_type, resolver=resolver)
        except LookupFailed:  # it refuses names that are not its own
            return []

    return Ways(
        ask=ask,
        web=guard,
        mail=guard,
        imap=((imaps, Security.TLS),),
        smtp=((submission, Security.STARTTLS),),
    )


@dataclass
class Discovery:
    """Finds the servers of the domains of one connection, each once. `find` asks, `keep` writes down what it found."""

    find: Callable[[str], Awaitable[Found]]
    keep: Callable[[str, Found], Awaitable[None]]
    note: Callable[[InboxWork], None]
    pace: Pace
    _found: dict[str, Found | mailhost.ServersNotFound] = field(default_factory=dict)
    _domains: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_LOOKS_AT_ONCE))

    async def complete(self, work: InboxWork) -> None:
        """Sees to it that the inbox has servers. Raises ServersNotFound, ServersNotLookedUp, ServerNotStarted."""
        if work.row.servers is not None:
            return
        domain = work.email.rpartition("@")[2]
        async with self._domains[domain]:
            if domain not in self._found:
                self._found[domain] = await self._look(domain, work)
        found = self._found[domain]
        if isinstance(found, mailhost.ServersNotFound):
            raise found
        local_part = work.email.rpartition("@")[0] if found.by_local_part else None
        work.row = msgspec.structs.replace(work.row, servers=found.servers, username=work.row.username or local_part)

    async def _look(self, domain: str, work: InboxWork) -> Found | mailhost.ServersNotFound:
        tries = 0
        while True:
            try:
                async with self._room:
                    found = await self.find(domain)
            except mailhost.ServersNotFound as error:
                return error
            except mailhost.Unreachable as error:
                tries += 1
                if tries >= self.pace.host_tries:
                    raise
                work.error = problem_of(error, stage=work.status)
                self.note(work)
                await asyncio.sleep(self.pace.wait(tries))
            else:
                await self.keep(domain, found)
                return found
