"""Records to RDATA and back. The only place that splits TXT into strings of 255 bytes (RFC 1035 3.3.14)."""

import ipaddress
import struct
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

_STRING_BYTES = 255
_MAX_LABEL = 63
_MAX_NAME = 255
_U16 = struct.Struct("!H")
_SRV = struct.Struct("!HHH")


def split_txt(content: str) -> tuple[bytes, ...]:
    """The strings of a TXT record; at least one, all but the last full."""
    raw = content.encode()
    return tuple(raw[start : start + _STRING_BYTES] for start in range(0, len(raw), _STRING_BYTES)) or (b"",)


def join_txt(strings: Iterable[bytes]) -> str:
    """The whole value of a TXT record; bytes that are not UTF-8 are shown in hexadecimal."""
    return b"".join(strings).decode(errors="backslashreplace")


def to_wire(record: Record) -> bytes:
    """The RDATA of a normalised record, names uncompressed. Raises ValueError for ALIAS, which has none."""
    content, rank = record.content, record.priority or 0
    match record.type:
        case RecordType.A:
            return ipaddress.IPv4Address(content).packed
        case RecordType.AAAA:
            return ipaddress.IPv6Address(content).packed
        case RecordType.CNAME | RecordType.NS:
            return name_to_wire(content)
        case RecordType.MX:
            return _U16.pack(rank) + name_to_wire(content)
        case RecordType.SRV:
            weight, port, target = content.split(" ")
            return _SRV.pack(rank, int(weight), int(port)) + name_to_wire(target)
        case RecordType.TXT:
            return b"".join(bytes([len(string)]) + string for string in split_txt(content))
        case RecordType.CAA:
            flags, tag, value = caa_parts(content)
            return bytes([flags, len(tag)]) + tag.encode("ascii") + value.encode()
        case RecordType.TLSA:
            usage, selector, matching, data = content.split(" ")
            return bytes([int(usage), int(selector), int(matching)]) + bytes.fromhex(data)
        case RecordType.ALIAS:
            raise ValueError("ALIAS has no wire form")


def to_rdata(record: Record) -> dns.rdata.Rdata:
    """A normalised record as dnspython's value. Raises ValueError for ALIAS."""
    wire = to_wire(record)
    return dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.from_text(record.type), wire, 0, len(wire))


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


def name_to_wire(text: str) -> bytes:
    """A normalised name, or a lone dot for the root, as labels with their lengths (RFC 1035 3.1); ValueError if not."""
    labels = text.encode("ascii").split(b".") if text != "." else []
    if any(not 0 < len(label) <= _MAX_LABEL for label in labels):
        raise ValueError(f"{text} is not a name")
    wire = b"".join([bytes([len(label)]) + label for label in labels]) + b"\0"
    if len(wire) > _MAX_NAME:
        raise ValueError(f"{text} is longer than a name can be")
    return wire


def wire_size(record: Record) -> int:
    """Bytes that the record takes in a message, with its owner as a pointer; 0 for ALIAS."""
    return 12 + len(to_wire(record)) if record.type is not RecordType.ALIAS else 0
