"""Where to ask: the servers of a name's parent zone, and the addresses of name servers."""

import asyncio
import secrets
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, Protocol

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver
import msgspec

from litemail.kit.outbound.addresses import is_own, is_public
from litemail.protocols.record_wire import name_text

# So many servers of a zone are asked: enough that one that is away or behind does not decide alone.
MOST_SERVERS: Final = 3


class Server(msgspec.Struct, frozen=True):
    """One name server at one address."""

    name: str
    address: str
    port: int = 53


class ParentsUnknown(Exception):
    """The parent zone or its servers could not be found out; it says nothing about the name. Try again later."""


class Parents(Protocol):
    """Finds servers. `parent_side`: they also have the zones below, and must be asked for the parent's side."""

    @property
    def parent_side(self) -> bool: ...

    async def of(self, name: str, *, seconds: float) -> tuple[Server, ...]:
        """Servers of the zone above a registrable name. Raises ParentsUnknown."""
        ...

    async def named(self, hosts: Collection[str], *, seconds: float) -> tuple[Server, ...]:
        """The servers of these names, without those whose address cannot be found or must not be spoken to."""
        ...


class FixedParent(msgspec.Struct, frozen=True):
    """One server for everything: our own DNS port, which has the sandbox's registry and its domains."""

    host: str
    port: int
    parent_side: bool = True

    async def of(self, name: str, *, seconds: float) -> tuple[Server, ...]:  # noqa: ARG002  nothing to find out
        return (Server("registry.test", self.host, self.port),)

    async def named(self, hosts: Collection[str], *, seconds: float) -> tuple[Server, ...]:  # noqa: ARG002
        return (Server(min(hosts), self.host, self.port),) if hosts else ()


def may_speak_to(address: str) -> bool:
    """Name servers of strangers' domains are strangers' choice: never a private address, nor one of ours."""
    parsed = ip_address(address)
    return is_public(parsed) and not is_own(parsed)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicParents:
    """The servers of the public DNS. A resolver finds them; what they say about the name is asked of them alone."""

    resolver: dns.asyncresolver.Resolver = field(default_factory=dns.asyncresolver.Resolver)
    port: int = 53
    admit: Callable[[str], bool] = may_speak_to
    parent_side: bool = False

    async def of(self, name: str, *, seconds: float) -> tuple[Server, ...]:
        parent = name.partition(".")[2] or "."
        try:
            zone = await dns.asyncresolver.zone_for_name(parent, resolver=self.resolver, lifetime=seconds / 3)
            answer = await self.resolver.resolve(zone, "NS", lifetime=seconds / 3, search=False)
        except (dns.exception.DNSException, OSError) as error:
            raise ParentsUnknown(f"the servers of {parent} cannot be found: {error}") from error
        hosts = [name_text(rdata.target) for rdata in answer]
        servers = await self.named(hosts, seconds=seconds / 3)
        if not servers:
            raise ParentsUnknown(f"the servers of {name_text(zone)} have no address that can be asked")
        return servers

    async def named(self, hosts: Collection[str], *, seconds: float) -> tuple[Server, ...]:
        chosen = secrets.SystemRandom().sample(sorted(hosts), min(len(hosts), 2 * MOST_SERVERS))
        found = await asyncio.gather(*(self._server(host, seconds) for host in chosen))
        return tuple(server for server in found if server is not None)[:MOST_SERVERS]

    async def _server(self, host: str, seconds: float) -> Server | None:
        for kind in ("A", "AAAA"):
            try:
                answer = await self.resolver.resolve(dns.name.from_text(host), kind, lifetime=seconds / 2, search=False)
            except (dns.exception.DNSException, OSError):
                continue
            address = self._first_admitted(rdata.address for rdata in answer)
            if address is not None:
                return Server(host, address, self.port)
        return None

    def _first_admitted(self, addresses: Iterable[str]) -> str | None:
        return next((address for address in addresses if self.admit(address)), None)
