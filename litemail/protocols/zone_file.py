r"""Zone files (RFC 1035 5): the records of a zone as text, and back.

ALIAS is no standard type. It is written as `TYPE65401 \# ...` (RFC 3597), which every reader takes, with the target in
a comment; `ALIAS host.example.net.`, as PowerDNS has it (its number of the type is 65401), is read as well.
"""

from collections.abc import Sequence
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer
import dns.zonefile
import msgspec
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.nsbase import NSBase

from litemail.protocols import names, soa
from litemail.protocols.record_types import DEFAULT_TTL, Record, RecordType
from litemail.protocols.record_wire import from_rdata, name_text, name_to_wire, to_rdata

ALIAS_TYPE = 65_401
MAX_LINES = 10_000  # room for the records of a zone with comments and signatures; half a second of reading
_DIRECTIVES = ("$ORIGIN", "$TTL")  # $INCLUDE would read our files, $GENERATE make a million records of a line
_LONGEST_REASON = 200
# They belong to whoever serves and signs the zone, which is us.
_SERVERS_OWN = frozenset({"SOA", "DNSKEY", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "CDS", "CDNSKEY", "ZONEMD"})


class _AliasRdata(NSBase):
    """A target, like that of a CNAME."""


dns.rdata.register_type(_AliasRdata, ALIAS_TYPE, "ALIAS", is_singleton=True)


class Header(msgspec.Struct, frozen=True):
    """What a zone file says of the zone itself. `contact` is an e-mail address."""

    zone: str
    serial: int
    name_servers: Sequence[str]
    contact: str


class Line(msgspec.Struct, frozen=True):
    """A record as it stands in a file, not yet checked. `number` is the line where it begins, the first is 1."""

    number: int
    type: str
    name: str
    content: str
    ttl: int
    priority: int | None


class Fault(msgspec.Struct, frozen=True):
    """A line that cannot be read."""

    number: int
    reason: str


class Skipped(msgspec.Struct, frozen=True):
    """A record that is not taken over, and why that is right."""

    line: int
    type: str
    name: str
    reason: str


class Parsed(msgspec.Struct, frozen=True):
    lines: list[Line]
    skipped: list[Skipped]
    faults: list[Fault]


def write(header: Header, records: Sequence[Record]) -> str:
    """The zone as a file that BIND, Knot, NSD and PowerDNS load. Names are relative to `$ORIGIN`."""
    local, domain = soa.mailbox(header.contact)
    mailbox = f"{local.replace('.', chr(92) + '.')}.{domain}."
    numbers = f"{header.serial} {soa.REFRESH} {soa.RETRY} {soa.EXPIRE} {soa.NEGATIVE_TTL}"
    lines = [
        f"$ORIGIN {header.zone}.",
        f"$TTL {DEFAULT_TTL}",
        f"@ {soa.TTL} IN SOA {header.name_servers[0]}. {mailbox} {numbers}",
        *(f"@ {soa.TTL} IN NS {host}." for host in header.name_servers),
        *(_line(record) for record in sorted(records, key=_order)),
    ]
    return "\n".join(lines) + "\n"


def parse(text: str, *, zone: str) -> Parsed:
    """Reads a file of `zone`, a normalised name, with every fault of it; raises nothing.

    The SOA, the name servers of the zone itself and what belongs to DNSSEC are skipped: we set those.
    """
    collected = _Collected(zone, text.split("\n"))
    if len(collected.text) > MAX_LINES:
        return Parsed([], [], [Fault(MAX_LINES + 1, f"a zone file can have {MAX_LINES} lines")])
    origin = dns.name.from_text(zone)
    tokens = dns.tokenizer.Tokenizer(text, "zone file")
    reader = _Reader(tokens, dns.rdataclass.IN, collected, allow_directives=_DIRECTIVES, default_ttl=DEFAULT_TTL)
    reader.current_origin = reader.last_name = origin
    try:
        reader.read()
    except dns.exception.DNSException as error:
        collected.fault(tokens.where()[1], error)
    return Parsed(collected.lines, collected.skipped, collected.faults)


def _line(record: Record) -> str:
    if record.type is RecordType.ALIAS:
        wire = name_to_wire(record.content)
        return f"{record.name} {record.ttl} IN TYPE{ALIAS_TYPE} \\# {len(wire)} {wire.hex()} ; ALIAS {record.content}."
    return f"{record.name} {record.ttl} IN {record.type} {to_rdata(record).to_text()}"


def _order(record: Record) -> tuple[bool, list[str], str, int, str]:
    return record.name != "@", record.name.split(".")[::-1], record.type, record.priority or 0, record.content


class _Collected:
    """What dnspython's reader takes for the zone that it fills."""

    def __init__(self, zone: str, text: Sequence[str]) -> None:
        self.zone = zone
        self.text = text
        self.number = 0
        self.lines: list[Line] = []
        self.skipped: list[Skipped] = []
        self.faults: list[Fault] = []
        self.manager = self

    def origin_information(self) -> tuple[dns.name.Name, bool, dns.name.Name]:
        """The root: names outside the zone are a fault that is told, where the reader would pass over them."""
        return dns.name.root, False, dns.name.root

    def check_put_rdataset(self, check: object) -> None:
        """What may stand together is checked later, beside the records that the zone has."""

    def _set_origin(self, origin: dns.name.Name) -> None:
        """The reader itself follows $ORIGIN."""

    def add(self, name: dns.name.Name, ttl: int, rdata: dns.rdata.Rdata) -> None:
        owner = name_text(name)
        kind = "ALIAS" if isinstance(rdata, _AliasRdata) else dns.rdatatype.to_text(rdata.rdtype)
        if not names.is_under(owner, self.zone):
            self.faults.append(Fault(self.number, f"{names.shown(owner)} is not in the zone {self.zone}"))
        elif kind in _SERVERS_OWN or (kind == "NS" and owner == self.zone):
            self.skipped.append(Skipped(self.number, kind, names.relative(owner, self.zone), "set by our servers"))
        elif (content := _content(rdata)) is None:
            self.faults.append(Fault(self.number, f"records of type {kind} cannot be kept here"))
        else:
            text, priority = content
            relative = names.relative(owner, self.zone)
            self.lines.append(Line(self.number, kind, relative, text, ttl, priority))

    def fault(self, number: int, error: dns.exception.DNSException) -> None:
        """In the words of the reader, which do not always say of what they speak."""
        words = str(error).rpartition(f"zone file:{number}: ")[2].strip() or "it is no record"
        line = self.text[number - 1].strip() if number <= len(self.text) else "the end of the file"
        self.faults.append(Fault(number, f"{names.shown(line)} cannot be read: {words[:_LONGEST_REASON]}"))


def _content(rdata: dns.rdata.Rdata) -> tuple[str, int | None] | None:
    if isinstance(rdata, _AliasRdata):
        return name_text(rdata.target), None
    if isinstance(rdata, TXT):
        return rdata.to_text(), None  # in quotes, so that a quotation mark at its beginning is not taken for one
    found = from_rdata(rdata)
    return None if found is None else found[1:]


class _Unreadable(dns.exception.SyntaxError):
    """Nothing after it can be made out."""


class _Reader(dns.zonefile.Reader):
    """Goes on after a line that it cannot read, and knows where a record began."""

    def __init__(self, tokens: dns.tokenizer.Tokenizer, rdclass: Any, collected: _Collected, **more: Any) -> None:
        super().__init__(tokens, rdclass, collected, **more)  # type: ignore[arg-type]  # it asks for no more than that
        self.collected = collected

    def _rr_line(self) -> None:
        self.collected.number = number = self.tok.where()[1]
        try:
            super()._rr_line()
        except dns.exception.DNSException as error:
            self.collected.fault(number, error)
            if self.tok.multiline or self.tok.quoting:
                raise _Unreadable("a parenthesis or a quotation does not end; the rest was not read") from None  # type: ignore[no-untyped-call]  # dnspython's own
            if self.tok.where()[1] == number:
                self._eat_line()  # type: ignore[no-untyped-call]  # dnspython's own
