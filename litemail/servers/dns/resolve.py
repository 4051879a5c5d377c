"""Which records answer a question (RFC 1034 4.3.2), without a thought of bytes."""

from dataclasses import dataclass, field
from typing import Final

import msgspec

from litemail.servers.dns.wire import Query, Rcode
from litemail.servers.dns.zone import AAAA, ALIAS, CNAME, DS, NS, SOA, A, Node, RRset, Zone
from litemail.servers.dns.zones import Slot, Zones

ANY: Final = 255
_MAX_CHAIN: Final = 8


@dataclass(slots=True)
class Answer:
    """The sections of a response. `cacheable` only for names that exist in this one zone."""

    rcode: Rcode = Rcode.NOERROR
    authoritative: bool = True
    cacheable: bool = True
    answer: list[RRset] = field(default_factory=list)
    authority: list[RRset] = field(default_factory=list)
    additional: list[RRset] = field(default_factory=list)


def responsible(zones: Zones, query: Query) -> Slot | None:
    """The zone that a question is for.

    DS belongs to the parent's side of a cut (RFC 4035 3.1.4.1), and so does what asks for that side.
    """
    slot = zones.closest(query.qname)
    if slot is None or not (query.parent_side or query.qtype == DS):
        return slot
    zone = zones.ready(slot)
    if zone is None or zone.apex != query.qname:
        return slot
    above = zones.above(zone.apex)
    return above if above is not None or query.parent_side else slot


def resolve(zones: Zones, zone: Zone, qname: bytes, qtype: int) -> Answer:
    """Answer for a name at or below the zone's apex, following CNAMEs as long as they stay in the zone."""
    result = Answer()
    name = qname
    while True:
        cut = zone.covering_cut(name)
        if cut is not None:
            if not result.answer:
                _at_cut(zone, cut, name, qtype, result)
            return result
        node = zone.nodes.get(name)
        if node is None:
            result.cacheable = False
            node = zone.wildcard_for(name)
        if node is None:
            result.rcode = Rcode.NXDOMAIN  # of the last name in the chain (RFC 6604 3)
            result.authority.append(zone.negative_soa)
            return result
        alias = node.rrset(CNAME)
        if alias is None or qtype in {CNAME, ANY}:
            _at_node(zones, zone, node, name, qtype, result)
            return result
        target = alias.rdatas[0]
        result.answer.append(RRset(name, CNAME, alias.ttl, (target,)))
        looped = len(result.answer) >= _MAX_CHAIN or any(rrset.owner == target for rrset in result.answer)
        if looped or not _inside(zones, zone, target):
            return result
        name = target


def _at_node(zones: Zones, zone: Zone, node: Node, name: bytes, qtype: int, result: Answer) -> None:
    if qtype == ANY:
        found = _one_of_any(node)
    elif qtype == SOA and node.owner == zone.apex:
        found = zone.soa
    else:
        found = node.rrset(qtype)
        if found is None and qtype in {A, AAAA} and ALIAS in node.records:
            result.cacheable = False  # it changes with the target's zone
            found = _flattened(zones, zone, node, qtype)
    if found is None:
        result.authority.append(zone.negative_soa)
    else:
        result.answer.append(found if found.owner == name else msgspec.structs.replace(found, owner=name))


def _at_cut(zone: Zone, cut: bytes, name: bytes, qtype: int, result: Answer) -> None:
    if qtype == DS and name == cut:
        signed = zone.cut_ds(cut)
        if signed is None:
            result.authority.append(zone.negative_soa)
        else:
            result.answer.append(signed)
        return
    result.authoritative = False
    result.cacheable = name == cut
    delegated = zone.cut_ns(cut)
    if delegated is None:
        result.rcode = Rcode.SERVFAIL
        return
    result.authority.append(delegated)
    for host in delegated.rdatas:
        glue = zone.nodes.get(host)
        if glue is not None:
            result.additional += [found for kind in (A, AAAA) if (found := glue.rrset(kind)) is not None]


def _one_of_any(node: Node) -> RRset | None:
    """One set is answer enough (RFC 8482 4.1), and makes us useless for amplification."""
    kinds = [CNAME, *sorted(kind for kind in node.records if kind != NS), NS]
    return next((found for kind in kinds if kind != ALIAS and (found := node.rrset(kind)) is not None), None)


def _flattened(zones: Zones, zone: Zone, node: Node, qtype: int) -> RRset | None:
    """The addresses behind an ALIAS: of zones of ours as they are now, of others as they were looked up last."""
    ttl: list[int] = []
    seen: set[bytes] = set()
    current = node
    while current.owner not in seen and len(seen) <= _MAX_CHAIN:
        seen.add(current.owner)
        found = current.rrset(qtype)
        link = current.rrset(CNAME) or current.rrset(ALIAS)
        if found is None and link is not None:
            ttl.append(link.ttl)
            target = link.rdatas[0]
            following = _node(zones, target)
            if following is not None:
                current = following
                continue
            found = _looked_up(zones, zone, node, target, qtype)
        return None if found is None else RRset(node.owner, qtype, min([*ttl, found.ttl]), found.rdatas)
    return None


def _looked_up(zones: Zones, zone: Zone, node: Node, target: bytes, qtype: int) -> RRset | None:
    """What is known of a target that no zone of ours has; of a chain that leaves our zones, where its look-up led."""
    if zones.closest(target) is not None:
        return None
    own = node.rrset(ALIAS)
    return zone.looked_up(own.rdatas[0], qtype) if own is not None else None


def _node(zones: Zones, name: bytes) -> Node | None:
    slot = zones.closest(name)
    zone = zones.ready(slot) if slot is not None else None
    if zone is None or zone.covering_cut(name) is not None:
        return None
    return zone.nodes.get(name) or zone.wildcard_for(name)


def _inside(zones: Zones, zone: Zone, name: bytes) -> bool:
    slot = zones.closest(name)
    return slot is not None and zones.ready(slot) is zone
