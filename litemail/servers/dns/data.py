"""What the server is fed with: plain values."""

import msgspec

from litemail.protocols import soa
from litemail.protocols.record_types import AliasTarget, Record


class Delegation(msgspec.Struct, frozen=True):
    """A name below a zone that other servers answer for. `name` is relative; `ds` as text: `2371 13 2 1F98...`."""

    name: str
    name_servers: tuple[str, ...]
    ds: tuple[str, ...] = ()


class ZoneData(msgspec.Struct, frozen=True):
    """One zone. Names are normalised (`protocols.names`): lower-case A-labels, no trailing dot; times in seconds.

    `contact` is an e-mail address. `delegations` are for registries with many; an NS record below the apex
    delegates as well. Glue is A and AAAA records at the name servers' own names below the cut. `alias_targets`
    are used for the targets of its ALIAS records that no zone of this server has.
    """

    name: str
    serial: int
    primary_ns: str
    contact: str
    name_servers: tuple[str, ...]
    records: tuple[Record, ...] = ()
    delegations: tuple[Delegation, ...] = ()
    alias_targets: tuple[AliasTarget, ...] = ()
    ns_ttl: int = soa.TTL
    soa_ttl: int = soa.TTL
    negative_ttl: int = soa.NEGATIVE_TTL
