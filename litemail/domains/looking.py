"""What the DNS says about a claim: asked at the parent's servers, at the domain's own, and at ours."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import dns.rdatatype
import msgspec

from litemail.domains.queries import Domain
from litemail.protocols import names
from litemail.protocols.record_wire import name_text
from litemail.providers import dns as provider
from litemail.providers.dns import DelegationStatus, Server
from litemail.providers.dns.query import ask, is_authoritative, rrset_of

DnsServers: TypeAlias = Sequence[tuple[str, int]]
"""Host and port of each of our authoritative servers."""

_PAUSE = 0.02
_PATIENCE_OF_ONE = 1.0


@dataclass(frozen=True, kw_only=True)
class Parents:
    """Whom to ask about the names of live and of sandbox workspaces."""

    live: provider.Parents
    sandbox: provider.Parents
    expired: Callable[[str], Awaitable[bool]] | None = None
    """Whether a registry calls a registration expired; the DNS only shows that the name is gone or parked."""

    def of(self, name: str) -> provider.Parents:
        return self.sandbox if names.is_under(name, names.SANDBOX_SUFFIX) else self.live


class Look(msgspec.Struct, frozen=True):
    """What was found. `challenged`: the claim's challenge is where it has to be. `ds`: the parent says that the zone
    is signed.
    """

    status: DelegationStatus
    name_servers: tuple[str, ...] = ()
    challenged: bool = False
    ds: bool = False
    expired: bool = False


async def look_once(domain: Domain, parents: Parents) -> Look:
    """Asks for the delegation and, where that proves nothing yet, for the challenge. Raises nothing about the network.

    Takes up to 30 s when servers do not answer.
    """
    asked = parents.of(domain.name)
    found = await provider.delegation(domain.name, parents=asked)
    look = Look(found.status, tuple(sorted(found.name_servers)), ds=bool(found.ds))
    if look.status is DelegationStatus.UNKNOWN or found.name_servers == set(domain.name_servers):
        return look
    expired = parents.expired is not None and await parents.expired(domain.name)
    if expired or look.status is not DelegationStatus.DELEGATED or domain.proof is not None:
        return msgspec.structs.replace(look, expired=expired)
    seen = await provider.challenge(domain.name, parents=asked)
    return msgspec.structs.replace(look, challenged=domain.challenge in seen.values)


async def look_until(domain: Domain, parents: Parents, enough: Callable[[Look], bool], *, seconds: float) -> Look:
    """Looks again and again until it is enough or the time is over; at least once."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        look = await look_once(domain, parents)
        if enough(look) or loop.time() >= deadline:
            return look
        await asyncio.sleep(_PAUSE)


async def is_served(name: str, servers: DnsServers, *, name_servers: Sequence[str], seconds: float) -> bool:
    """Whether each of our servers answers for the zone of exactly this claim, waiting for it if need be."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not all(await asyncio.gather(*(_serves(server, name, set(name_servers)) for server in servers))):
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(_PAUSE)
    return True


async def _serves(server: tuple[str, int], name: str, name_servers: set[str]) -> bool:
    host, port = server
    response = await ask(Server(name, host, port), name, dns.rdatatype.NS, seconds=_PATIENCE_OF_ONE)
    if isinstance(response, str) or not is_authoritative(response):
        return False
    rrset = rrset_of(response.answer, name, dns.rdatatype.NS)
    return rrset is not None and {name_text(rdata.target) for rdata in rrset} == name_servers
