"""The TXT record by which the owner of a domain proves to be it, read from the domain's own servers."""

from enum import StrEnum
from typing import Final

import dns.message
import dns.rcode
import dns.rdatatype
import msgspec

from litemail.protocols.record_wire import join_txt
from litemail.providers.dns.delegation import DelegationStatus, delegation
from litemail.providers.dns.parents import Parents, Server
from litemail.providers.dns.query import Evidence, ask, gathered, is_authoritative, rcode_words, rrset_of

CHALLENGE_LABEL: Final = "_litemail-challenge"


class ChallengeStatus(StrEnum):
    """`unknown` proves nothing, neither way: ask again later."""

    PUBLISHED = "published"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class Challenge(msgspec.Struct, frozen=True):
    """`values` are the TXT values that all servers agree on. It is for the caller to find the expected one in them."""

    name: str
    status: ChallengeStatus
    values: frozenset[str] = frozenset()
    evidence: tuple[Evidence, ...] = ()


class _Reading(msgspec.Struct, frozen=True):
    said: str
    values: frozenset[str] | None = None


async def challenge(name: str, *, parents: Parents, timeout: float = 18.0) -> Challenge:  # noqa: ASYNC109
    """Read `_litemail-challenge.<name>` TXT at the servers that the parent zone names now; `timeout` in seconds.

    Raises nothing about the network. A CNAME at that name is not followed: it would let another zone speak.
    """
    record = f"{CHALLENGE_LABEL}.{name}"
    delegated = await delegation(name, parents=parents, timeout=timeout / 2)
    if delegated.status is DelegationStatus.UNKNOWN:
        return Challenge(record, ChallengeStatus.UNKNOWN, evidence=delegated.evidence)
    if delegated.status is not DelegationStatus.DELEGATED:
        return Challenge(record, ChallengeStatus.ABSENT, evidence=delegated.evidence)
    servers = await parents.named(delegated.name_servers, seconds=timeout / 4)

    async def read(server: Server) -> _Reading:
        response = await ask(server, record, dns.rdatatype.TXT, seconds=timeout / 8)
        return _Reading(response) if isinstance(response, str) else _read(response, record)

    found = await gathered(servers, read, seconds=timeout / 4)
    evidence = tuple(
        Evidence(server.name, server.address, reading.said if reading is not None else "does not answer in time")
        for server, reading in found
    ) or (Evidence(", ".join(sorted(delegated.name_servers)), "", "no name server has an address that can be asked"),)
    agreed = {reading.values for _, reading in found if reading is not None and reading.values is not None}
    if len(agreed) != 1:
        return Challenge(record, ChallengeStatus.UNKNOWN, evidence=evidence)
    values = agreed.pop()
    return Challenge(record, ChallengeStatus.PUBLISHED if values else ChallengeStatus.ABSENT, values, evidence)


def _read(response: dns.message.Message, record: str) -> _Reading:
    if response.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        return _Reading(rcode_words(response))
    if not is_authoritative(response):
        return _Reading("answers without authority")
    rrset = rrset_of(response.answer, record, dns.rdatatype.TXT)
    if rrset is None:
        return _Reading("has no such TXT record", frozenset())
    return _Reading("has the TXT record", frozenset(join_txt(rdata.strings) for rdata in rrset))
