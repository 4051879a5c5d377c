"""The look-ups that evaluating SPF needs, each name asked for once."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from litemail.protocols.dkim import LookupFailed
from litemail.protocols.record_wire import join_txt, name_text
from litemail.protocols.spf_evaluation import Address
from litemail.providers.dns.parents import Server
from litemail.providers.dns.query import ask

_SECONDS: Final = 3.0
_IPV4: Final = 4


@dataclass(frozen=True)
class SenderLookups:
    """Implements `spf_evaluation.Lookups`; asks one server after the other until one answers.

    Made for one round of checks: what was found is kept as long as this is.
    """

    servers: Sequence[Server]
    _known: dict[tuple[str, dns.rdatatype.RdataType], asyncio.Future[dns.rrset.RRset | None]] = field(
        default_factory=dict
    )

    async def texts(self, name: str) -> Sequence[str]:
        found = await self._rrset(name, dns.rdatatype.TXT)
        return [] if found is None else [join_txt(rdata.strings) for rdata in found]

    async def addresses(self, name: str, *, version: int) -> Sequence[Address]:
        found = await self._rrset(name, dns.rdatatype.A if version == _IPV4 else dns.rdatatype.AAAA)
        return [] if found is None else [ip_address(rdata.address) for rdata in found]

    async def mail_servers(self, name: str) -> Sequence[str]:
        found = await self._rrset(name, dns.rdatatype.MX)
        ranked = [] if found is None else sorted((rdata.preference, name_text(rdata.exchange)) for rdata in found)
        return [host for _, host in ranked]

    async def _rrset(self, name: str, kind: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
        """None when there is no such set. Raises LookupFailed."""
        key = name, kind
        if key not in self._known:  # whoever comes first asks; the others wait for it
            self._known[key] = asyncio.ensure_future(self._asked(name, kind))
        return await asyncio.shield(self._known[key])

    async def _asked(self, name: str, kind: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
        for server in self.servers:
            try:
                response = await ask(server, name, kind, seconds=_SECONDS, recursive=True)
            except (dns.exception.DNSException, UnicodeError):  # what macros made is no name
                return None
            if isinstance(response, str) or response.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
                continue
            assert isinstance(response, dns.message.QueryMessage)
            try:
                return response.resolve_chaining().answer
            except dns.exception.DNSException:
                continue
        raise LookupFailed(name=name)
