"""Questions to resolvers, each by itself: what the world sees, as far as they have it in their caches."""

import asyncio
from ipaddress import ip_address
from typing import Final

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import msgspec

from litemail.protocols.record_types import AliasTarget
from litemail.providers.dns.parents import Server
from litemail.providers.dns.query import ask

_PORT: Final = 53
_KINDS: Final = (dns.rdatatype.A, dns.rdatatype.AAAA)


class Resolvers(msgspec.Struct, frozen=True):
    """Those that the operator named. Without any, nothing is looked up."""

    servers: tuple[Server, ...] = ()


def parse_resolvers(text: str) -> Resolvers:
    """`1.1.1.1, 127.0.0.1:5353, [2001:db8::1]:53`, addresses with or without a port. Raises ValueError."""
    return Resolvers(tuple(_server(part.strip()) for part in text.split(",") if part.strip()))


async def addresses(name: str, resolvers: Resolvers, *, seconds: float) -> AliasTarget | None:
    """All addresses of a host, asked of one resolver after the other until one answers; None when none does.

    A host that is not there has no addresses.
    """
    for server in resolvers.servers:
        found = await asyncio.gather(*(_addresses(server, name, kind, seconds=seconds) for kind in _KINDS))
        both = [each for each in found if each is not None]
        if len(both) == len(_KINDS):
            return AliasTarget(
                name,
                tuple(address for each in both for address in each.addresses),
                min(each.ttl for each in both),
            )
    return None


async def _addresses(server: Server, name: str, kind: dns.rdatatype.RdataType, *, seconds: float) -> AliasTarget | None:
    response = await ask(server, name, kind, seconds=seconds, recursive=True)
    if isinstance(response, str) or response.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        return None
    assert isinstance(response, dns.message.QueryMessage)
    try:
        chain = response.resolve_chaining()
    except dns.exception.DNSException:
        return None
    found = [] if chain.answer is None else [rdata.address for rdata in chain.answer]
    return AliasTarget(name, tuple(sorted(found)), chain.minimum_ttl)


def _server(text: str) -> Server:
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, ""
    ip_address(host)
    return Server(host, host, int(port or _PORT))
