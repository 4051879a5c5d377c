"""Records to RDATA and back. The only place that splits TXT into strings of 255 bytes (RFC 1035 3.3.14)."""

import ipaddress
from collections.abc import Iterable

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.rdtypes.ANY.CAA import CAA
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.ANY.TLSA import TLSA
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rdtypes.IN.SRV import SRV

from litemail.protocols.record_contents import caa_content, caa_parts
from litemail.protocols.record_types import Record, RecordType

_IN = dns.rdataclass.IN
_STRING_BYTES = 255


def split_txt(content: str) -> tuple[bytes, ...]:
    """The strings of a TXT record; at least one, all but the last full."""
    raw = content.encode()
    return tuple(raw[start : start + _STRING_BYTES] for start in range(0, len(raw), _STRING_BYTES)) or (b"",)


def join_txt(strings: Iterable[bytes]) -> str:
    """The whole value of a TXT record; bytes that are not UTF-8 are shown in hexadecimal."""
    return b"".join(strings).decode(errors="backslashreplace")


def to_rdata(record: Record) -> dns.rdata.Rdata:  # noqa: C901  one line per type
    """A normalised record as it goes on the wire. Raises ValueError for ALIAS, which has no wire form."""
    kind, content, rank = record.type, record.content, record.priority or 0
    match kind:
        case RecordType.A:
            return A(_IN, dns.rdatatype.A, content)
        case RecordType.AAAA:
            return AAAA(_IN, dns.rdatatype.AAAA, content)
        case RecordType.CNAME:
            return CNAME(_IN, dns.rdatatype.CNAME, _name(content))
        case RecordType.NS:
            return NS(_IN, dns.rdatatype.NS, _name(content))
        case RecordType.MX:
            return MX(_IN, dns.rdatatype.MX, rank, _name(content))
        case RecordType.SRV:
            weight, port, target = content.split(" ")
            return SRV(_IN, dns.rdatatype.SRV, rank, int(weight), int(port), _name(target))
        case RecordType.TXT:
            return TXT(_IN, dns.rdatatype.TXT, split_txt(content))
        case RecordType.CAA:
            flags, tag, value = caa_parts(content)
            return CAA(_IN, dns.rdatatype.CAA, flags, tag.encode(), value.encode())
        case RecordType.TLSA:
            usage, selector, matching, data = content.split(" ")
            return TLSA(_IN, dns.rdatatype.TLSA, int(usage), int(selector), int(matching), bytes.fromhex(data))
        case RecordType.ALIAS:
            raise ValueError("ALIAS has no wire form")


def from_rdata(rdata: dns.rdata.Rdata) -> tuple[RecordType, str, int | None] | None:
    """Type, content and priority in the stored form; None for types that we do not keep."""
    match rdata:
        case A():
            return RecordType.A, str(ipaddress.IPv4Address(rdata.address)), None
        case AAAA():
            return RecordType.AAAA, ipaddress.IPv6Address(rdata.address).compressed, None
        case CNAME():
            return RecordType.CNAME, name_text(rdata.target), None
        case NS():
            return RecordType.NS, name_text(rdata.target), None
        case MX():
            return RecordType.MX, name_text(rdata.exchange), rdata.preference
        case SRV():
            return RecordType.SRV, f"{rdata.weight} {rdata.port} {name_text(rdata.target)}", rdata.priority
        case TXT():
            return RecordType.TXT, join_txt(rdata.strings), None
        case CAA():
            tag, value = rdata.tag.decode("ascii"), rdata.value.decode(errors="backslashreplace")
            return RecordType.CAA, caa_content(rdata.flags, tag, value), None
        case TLSA():
            return RecordType.TLSA, f"{rdata.usage} {rdata.selector} {rdata.mtype} {rdata.cert.hex()}", None
        case _:
            return None


def name_text(name: dns.name.Name) -> str:
    """A name from the wire in our form: lower case, without the trailing dot; the root is a lone dot."""
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else "."


def wire_size(record: Record) -> int:
    """Bytes that the record takes in a message, uncompressed and without its owner; 0 for ALIAS."""
    if record.type is RecordType.ALIAS:
        return 0
    return len(to_rdata(record).to_wire() or b"") + 10


def _name(text: str) -> dns.name.Name:
    return dns.name.from_text(text)
