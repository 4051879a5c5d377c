"""To which name servers a domain is delegated, according to its parent zone's own servers (RFC 1034 4.2.1).

A cache may be a day behind, and the domain's own servers may say what they like; only the parent's servers decide.
"""

from enum import StrEnum

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import msgspec

from litemail.protocols.record_wire import name_text
from litemail.providers.dns.parents import Parents, ParentsUnknown, Server
from litemail.providers.dns.query import Evidence, ask, gathered, has_soa_above, is_authoritative, rcode_words, rrset_of


class DelegationStatus(StrEnum):
    """`unknown` says nothing about the domain: ask again later, and change nothing because of it."""

    DELEGATED = "delegated"
    NOT_DELEGATED = "not_delegated"  # the name exists at its parent, without name servers
    NOT_REGISTERED = "not_registered"
    UNKNOWN = "unknown"


class Delegation(msgspec.Struct, frozen=True):
    """`name_servers` are normalised. `ds`: whether the parent says that the zone is signed; None when not known.

    A zone of ours is not signed, so with a DS at the parent validating resolvers refuse its answers (RFC 4035 5.2).
    """

    name: str
    status: DelegationStatus
    name_servers: frozenset[str] = frozenset()
    ds: bool | None = None
    evidence: tuple[Evidence, ...] = ()


class Finding(msgspec.Struct, frozen=True):
    """What one response says."""

    status: DelegationStatus
    said: str
    name_servers: frozenset[str] = frozenset()
    ds: bool | None = None


async def delegation(name: str, *, parents: Parents, timeout: float = 9.0) -> Delegation:  # noqa: ASYNC109
    """Ask some of the parent's servers for the delegation of a normalised registrable name; `timeout` in seconds.

    Raises nothing about the network: servers that fail, are lame or disagree with each other make it `unknown`,
    with the evidence. One server that is away does not matter while another one answers.
    """
    try:
        servers = await parents.of(name, seconds=timeout / 2)
    except ParentsUnknown as reason:
        return Delegation(name, DelegationStatus.UNKNOWN, evidence=(Evidence("resolver", "", str(reason)),))

    async def look(server: Server) -> Finding:
        return await _look(server, name, seconds=timeout / 4, parent_side=parents.parent_side)

    found = await gathered(servers, look, seconds=timeout / 2)
    evidence = tuple(
        Evidence(server.name, server.address, finding.said if finding is not None else "does not answer in time")
        for server, finding in found
    )
    certain = [one for _, one in found if one is not None and one.status is not DelegationStatus.UNKNOWN]
    if len({(one.status, one.name_servers) for one in certain}) != 1:
        return Delegation(name, DelegationStatus.UNKNOWN, evidence=evidence)
    signed = {one.ds for one in certain} - {None}
    ds = (True in signed) if signed else None
    return Delegation(name, certain[0].status, certain[0].name_servers, ds, evidence)


def read_delegation(response: dns.message.Message, name: str) -> Finding:
    """What a response of the parent's server to `name NS` says; everything that is not certain is `unknown`."""
    certain = is_authoritative(response)
    if response.rcode() == dns.rcode.NXDOMAIN and certain and has_soa_above(response, name):
        return Finding(DelegationStatus.NOT_REGISTERED, "knows no such name")
    if response.rcode() != dns.rcode.NOERROR:
        return Finding(DelegationStatus.UNKNOWN, rcode_words(response))
    answered = rrset_of(response.answer, name, dns.rdatatype.NS)
    if answered is not None and not certain:
        return Finding(DelegationStatus.UNKNOWN, "answers without authority, like a cache")
    if answered is not None:
        return _delegated(answered, "has the zone itself, with")
    referred = rrset_of(response.authority, name, dns.rdatatype.NS)
    if referred is not None and not response.answer:
        return _delegated(referred, "refers to")
    if certain and has_soa_above(response, name):
        return Finding(DelegationStatus.NOT_DELEGATED, "knows the name, without name servers")
    return Finding(DelegationStatus.UNKNOWN, "gives no answer for this name")


async def _look(server: Server, name: str, *, seconds: float, parent_side: bool) -> Finding:
    response = await ask(server, name, dns.rdatatype.NS, seconds=seconds, parent_side=parent_side)
    if isinstance(response, str):
        return Finding(DelegationStatus.UNKNOWN, response)
    finding = read_delegation(response, name)
    if finding.status is not DelegationStatus.DELEGATED:
        return finding
    # In half the time, so that a DS that is not answered does not cost the delegation that is.
    response = await ask(server, name, dns.rdatatype.DS, seconds=seconds / 2, parent_side=parent_side)
    return msgspec.structs.replace(finding, ds=None if isinstance(response, str) else _read_ds(response, name))


def _read_ds(response: dns.message.Message, name: str) -> bool | None:
    if response.rcode() != dns.rcode.NOERROR or not is_authoritative(response):
        return None
    return rrset_of(response.answer, name, dns.rdatatype.DS) is not None


def _delegated(rrset: dns.rrset.RRset, verb: str) -> Finding:
    hosts = frozenset(name_text(rdata.target) for rdata in rrset)
    return Finding(DelegationStatus.DELEGATED, f"{verb} {', '.join(sorted(hosts))}", hosts)
