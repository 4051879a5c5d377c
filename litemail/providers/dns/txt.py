"""TXT records, for DKIM keys: asked of our own servers first, of the world's for names that are not ours."""

from collections.abc import Callable
from dataclasses import dataclass

import dns.asyncquery
import dns.asyncresolver
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver

from litemail.protocols.dkim import LookupFailed

_SECONDS = 5.0


@dataclass(frozen=True)
class TxtLookup:
    """`own` says where our own authoritative server is; it refuses names that it does not serve."""

    own: Callable[[], tuple[str, int]]

    async def __call__(self, name: str) -> str | None:
        """The record's strings joined, the first record's if there are several; None when there is none.

        Raises protocols.dkim.LookupFailed when nobody can tell.
        """
        query = dns.message.make_query(name, dns.rdatatype.TXT)
        host, port = self.own()
        try:
            answer, _ = await dns.asyncquery.udp_with_fallback(query, host, port=port, timeout=_SECONDS)
        except (OSError, dns.exception.DNSException) as error:
            raise LookupFailed(name=name) from error
        if answer.rcode() == dns.rcode.REFUSED:
            return await _of_the_world(name)
        for rrset in answer.answer:
            if rrset.rdtype == dns.rdatatype.TXT:
                return b"".join(rrset[0].strings).decode("ascii", "replace")
        return None


async def _of_the_world(name: str) -> str | None:
    try:
        answer = await dns.asyncresolver.resolve(name, dns.rdatatype.TXT, lifetime=_SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return None
    except (OSError, dns.exception.DNSException) as error:
        raise LookupFailed(name=name) from error
    return b"".join(answer[0].strings).decode("ascii", "replace")
