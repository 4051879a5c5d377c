"""One zone in memory: its names, their record sets, its cuts (RFC 1034 4.3.2, RFC 4592)."""

import ipaddress
import logging
import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from litemail.protocols import names, soa
from litemail.protocols.record_types import Record, RecordType
from litemail.protocols.record_wire import name_to_wire, to_wire
from litemail.servers.dns.data import Delegation, ZoneData

A: Final = 1
NS: Final = 2
CNAME: Final = 5
SOA: Final = 6
MX: Final = 15
TXT: Final = 16
AAAA: Final = 28
SRV: Final = 33
DS: Final = 43
TLSA: Final = 52
CAA: Final = 257
ALIAS: Final = -1  # never on the wire

_TYPES = {
    RecordType.A: A,
    RecordType.AAAA: AAAA,
    RecordType.ALIAS: ALIAS,
    RecordType.CAA: CAA,
    RecordType.CNAME: CNAME,
    RecordType.MX: MX,
    RecordType.NS: NS,
    RecordType.SRV: SRV,
    RecordType.TXT: TXT,
    RecordType.TLSA: TLSA,
}
_SOA_NUMBERS = struct.Struct("!5I")
_DS = struct.Struct("!HBB")
_MAX_U32 = 0xFFFFFFFF
_WILDCARD = b"\x01*"

log = logging.getLogger(__name__)


class RRset(msgspec.Struct, frozen=True):
    """Records of one name and type as they are sent; `rdatas` with uncompressed names. ALIAS keeps its target."""

    owner: bytes
    type: int
    ttl: int
    rdatas: tuple[bytes, ...]


class Node:
    """One name of a zone. Its sets are made when first asked for, so that loading thousands of zones costs nothing."""

    __slots__ = ("_made", "owner", "records")

    def __init__(self, owner: bytes) -> None:
        self.owner = owner
        self.records: dict[int, list[Record]] = {}
        self._made: dict[int, RRset | None] = {}

    def add(self, record: Record) -> None:
        self.records.setdefault(_TYPES[record.type], []).append(record)

    def rrset(self, kind: int) -> RRset | None:
        if kind not in self.records:
            return None
        if kind not in self._made:
            self._made[kind] = _rrset(self.owner, kind, self.records[kind])
        return self._made[kind]


class Zone:
    """A zone ready to be asked. Names are in wire form and lower case throughout."""

    __slots__ = ("apex", "cuts", "data", "negative_soa", "nodes", "soa")

    def __init__(self, data: ZoneData) -> None:
        self.data = data
        self.apex = name_to_wire(data.name)
        self.soa = RRset(self.apex, SOA, data.soa_ttl, (_soa(data),))
        # RFC 2308 3: what resolvers keep a negative answer for is the lower of the SOA's TTL and its MINIMUM.
        self.negative_soa = RRset(self.apex, SOA, min(data.soa_ttl, data.negative_ttl), self.soa.rdatas)
        self.nodes: dict[bytes, Node] = {}
        self.cuts: dict[bytes, Delegation | None] = {}
        self._node(self.apex)
        for record in data.records:
            self._add(record)
        for host in data.name_servers:
            self._add(Record(type=RecordType.NS, name="@", content=host, ttl=data.ns_ttl))
        for delegation in data.delegations:
            self._delegate(delegation)

    def covering_cut(self, name: bytes) -> bytes | None:
        """The highest delegation at or above the name, inside this zone."""
        if not self.cuts:
            return None
        found = None
        for ancestor in suffixes(name, stop=self.apex):
            if ancestor in self.cuts:
                found = ancestor
        return found

    def closest_encloser(self, name: bytes) -> bytes:
        """The longest existing ancestor (RFC 4592 3.3.1) of a name that does not exist here."""
        for ancestor in suffixes(name, stop=self.apex):
            if ancestor in self.nodes and ancestor != name:
                return ancestor
        return self.apex

    def wildcard_for(self, name: bytes) -> Node | None:
        return self.nodes.get(_WILDCARD + self.closest_encloser(name))

    def cut_ns(self, cut: bytes) -> RRset | None:
        delegation = self.cuts[cut]
        if delegation is None:
            return self.nodes[cut].rrset(NS)
        hosts = tuple(_hosts(delegation.name_servers, cut))
        return RRset(cut, NS, self.data.ns_ttl, hosts) if hosts else None

    def cut_ds(self, cut: bytes) -> RRset | None:
        delegation = self.cuts[cut]
        if delegation is None or not delegation.ds:
            return None
        return RRset(cut, DS, self.data.ns_ttl, tuple(_ds(text) for text in delegation.ds))

    def looked_up(self, target: bytes, kind: int) -> RRset | None:
        """The looked-up addresses of an ALIAS target, A or AAAA."""
        found = next((each for each in self.data.alias_targets if name_to_wire(each.name) == target), None)
        version = 4 if kind == A else 6
        rdatas = () if found is None else tuple(_packed(found.addresses, version))
        return RRset(target, kind, found.ttl, rdatas) if found is not None and rdatas else None

    def _add(self, record: Record) -> None:
        try:
            owner = name_to_wire(names.absolute(record.name, self.data.name))
        except ValueError as reason:
            log.warning("A record of zone %s is left out: %s", self.data.name, reason)
            return
        self._node(owner).add(record)
        if record.type is RecordType.NS and owner != self.apex:
            self.cuts[owner] = None

    def _delegate(self, delegation: Delegation) -> None:
        try:
            cut = name_to_wire(names.absolute(delegation.name, self.data.name))
        except ValueError as reason:
            log.warning("A delegation of zone %s is left out: %s", self.data.name, reason)
            return
        if cut != self.apex:
            self._node(cut)
            self.cuts[cut] = delegation

    def _node(self, owner: bytes) -> Node:
        node = self.nodes.get(owner)
        if node is None:
            node = self.nodes[owner] = Node(owner)
            for ancestor in suffixes(owner, stop=self.apex):
                if ancestor not in self.nodes:
                    self.nodes[ancestor] = Node(ancestor)  # an empty non-terminal (RFC 4592 2.2.2)
        return node


def suffixes(name: bytes, *, stop: bytes) -> Iterator[bytes]:
    """The name and its ancestors, longest first, down to but without `stop`, which is one of them."""
    position, last = 0, len(name) - len(stop)
    while position < last:
        yield name[position:]
        position += name[position] + 1


def _rrset(owner: bytes, kind: int, records: list[Record]) -> RRset | None:
    rdatas: dict[bytes, None] = {}
    for record in records:
        try:
            rdatas[name_to_wire(record.content) if kind == ALIAS else to_wire(record)] = None
        except ValueError as reason:
            log.warning("A %s record named %s is left out: %s", record.type, record.name, reason)
    # RFC 2181 5.2: all records of a set have one TTL.
    return RRset(owner, kind, min(record.ttl for record in records), tuple(rdatas)) if rdatas else None


def _packed(addresses: tuple[str, ...], version: int) -> Iterator[bytes]:
    for text in addresses:
        address = ipaddress.ip_address(text)
        if address.version == version:
            yield address.packed


def _soa(data: ZoneData) -> bytes:
    local, domain = soa.mailbox(data.contact)
    mailbox = bytes([len(local)]) + local.encode("ascii") + name_to_wire(domain) if local else name_to_wire(domain)
    numbers = _SOA_NUMBERS.pack(data.serial & _MAX_U32, soa.REFRESH, soa.RETRY, soa.EXPIRE, data.negative_ttl)
    return name_to_wire(data.primary_ns) + mailbox + numbers


def _hosts(hosts: tuple[str, ...], cut: bytes) -> Iterator[bytes]:
    for host in hosts:
        try:
            yield name_to_wire(host)
        except ValueError as reason:
            log.warning("A name server of %r is left out: %s", cut, reason)


def _ds(text: str) -> bytes:
    tag, algorithm, digest_type, digest = text.split(maxsplit=3)
    return _DS.pack(int(tag), int(algorithm), int(digest_type)) + bytes.fromhex(digest)
