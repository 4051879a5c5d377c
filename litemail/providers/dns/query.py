"""One question to several servers, each asked directly, and what each of them said."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

import dns.asyncquery
import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import msgspec

from litemail.protocols.parent_side import PARENT_SIDE_OPTION
from litemail.providers.dns.parents import Server

_PAYLOAD: Final = 1_232
_TRIES: Final = 2

T = TypeVar("T")


class Evidence(msgspec.Struct, frozen=True):
    """What one server said, for people to read: `ns1.nic.test (192.0.2.1): refers to ns1.example.net`."""

    server: str
    address: str
    said: str


async def ask(
    server: Server,
    name: str,
    kind: dns.rdatatype.RdataType,
    *,
    seconds: float,
    parent_side: bool = False,
    recursive: bool = False,
) -> dns.message.Message | str:
    """The server's response, over TCP where UDP was cut short; or the reason why there is none.

    Without `recursive` a resolver in disguise does not look the answer up for us (RD is clear).
    """
    options: list[dns.edns.Option] = []
    if parent_side:
        options.append(dns.edns.GenericOption(dns.edns.OptionType.make(PARENT_SIDE_OPTION), b""))
    reason = "does not answer"
    for _ in range(_TRIES):
        query = dns.message.make_query(
            dns.name.from_text(name),
            kind,
            use_edns=0,
            payload=_PAYLOAD,
            options=options,
            flags=dns.flags.RD if recursive else 0,
        )
        try:
            response, _ = await dns.asyncquery.udp_with_fallback(
                query, server.address, seconds / _TRIES, server.port, ignore_unexpected=True, ignore_errors=True
            )
        except dns.exception.Timeout:
            continue
        except (dns.exception.DNSException, OSError, EOFError) as error:
            reason = f"does not answer properly: {str(error) or type(error).__name__}"
            continue
        return response
    return reason


async def gathered(
    servers: Iterable[Server], work: Callable[[Server], Awaitable[T]], *, seconds: float
) -> list[tuple[Server, T | None]]:
    """Do the work with every server at once; None for those that did not finish in time."""
    tasks = {server: asyncio.ensure_future(work(server)) for server in servers}
    if not tasks:
        return []
    try:
        await asyncio.wait(tasks.values(), timeout=seconds)
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    return [(server, None if task.cancelled() else task.result()) for server, task in tasks.items()]


def rrset_of(section: list[dns.rrset.RRset], name: str, kind: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
    """The set of exactly that name and type, in any letter case."""
    owner = dns.name.from_text(name)
    return next((rrset for rrset in section if rrset.name == owner and rrset.rdtype == kind), None)


def is_authoritative(response: dns.message.Message) -> bool:
    return bool(response.flags & dns.flags.AA)


def has_soa_above(response: dns.message.Message, name: str) -> bool:
    """Whether a negative answer comes from a zone strictly above the name (RFC 2308 2)."""
    asked = dns.name.from_text(name)
    return any(
        rrset.rdtype == dns.rdatatype.SOA and rrset.name != asked and asked.is_subdomain(rrset.name)
        for rrset in response.authority
    )


def rcode_words(response: dns.message.Message) -> str:
    return f"answers {dns.rcode.to_text(response.rcode())}"
