"""What a DNS record is, as it is stored, shown and served."""

from enum import StrEnum

import msgspec

DEFAULT_TTL = 3_600


class RecordType(StrEnum):
    """The types that can be set. ALIAS is ours: it is answered as A and AAAA, and never sent."""

    A = "A"
    AAAA = "AAAA"
    ALIAS = "ALIAS"
    CAA = "CAA"
    CNAME = "CNAME"
    MX = "MX"
    NS = "NS"
    SRV = "SRV"
    TXT = "TXT"
    TLSA = "TLSA"


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record of a zone. `name` is relative, `@` is the apex; `ttl` in seconds; `priority` with MX and SRV only."""

    type: RecordType
    name: str
    content: str
    ttl: int = DEFAULT_TTL
    priority: int | None = None


class AliasTarget(msgspec.Struct, frozen=True):
    """The addresses that the target of an ALIAS had when it was last looked up; `ttl` in seconds."""

    name: str
    addresses: tuple[str, ...]
    ttl: int
