"""The content of a record, type by type: what a person may write, and the one form that is stored.

A TXT of 400 bytes is one text here and two strings on the wire (`record_wire`). Targets are absolute, in
lower-case A-labels, without a trailing dot; a lone dot stands for "none" (RFC 2782, RFC 7505).
"""

import ipaddress
import re

from litemail.protocols import names
from litemail.protocols.record_types import RecordType

MAX_TXT = 4_096  # bytes of UTF-8; the longest DKIM key needs about 800
_MAX_TYPED = (
    5 * MAX_TXT
)  # characters: room for quotes and escapes; longer texts are refused before any pattern sees them
_MAX_U16 = 65_535
_MAX_U8 = 255
_MAX_TAG = 15
_MAX_TLSA = 2_048  # bytes: a whole certificate
_TLSA_DIGEST_BYTES = {1: 32, 2: 64}  # SHA-256 and SHA-512 (RFC 6698 2.1.3)

EXAMPLES = {
    RecordType.A: "192.0.2.10",
    RecordType.AAAA: "2001:db8::10",
    RecordType.ALIAS: "host.example.net",
    RecordType.CAA: '0 issue "letsencrypt.org"',
    RecordType.CNAME: "host.example.net",
    RecordType.MX: "mail.example.net, with the priority beside it",
    RecordType.NS: "ns1.example.net",
    RecordType.SRV: "weight, port and target: 5 993 imap.example.net, with the priority beside it",
    RecordType.TXT: "v=spf1 -all",
    RecordType.TLSA: "3 1 1 and a SHA-256 digest in hexadecimal",
}

_STRING = re.compile(r'\s*"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(rb"\\(\d{3}|.)", re.DOTALL)
_CAA = re.compile(r"(\d{1,3})\s+([A-Za-z0-9]+)\s+(\S.*)", re.DOTALL)
_TLSA = re.compile(r"(\d{1,3})\s+(\d{1,3})\s+(\d{1,3})\s+([0-9A-Fa-f][0-9A-Fa-f\s]*)")


class Misfit(ValueError):
    """Why a text is not the content of that type."""


class MisfitAddress(Misfit):
    """An IP address where a host must be named."""


def normalise_content(  # noqa: C901  one line per type
    text: str, *, zone: str, kind: RecordType, priority: int | None
) -> tuple[str, int | None]:
    """The stored form of the content, and the priority, which MX and SRV content may carry. Raises Misfit."""
    typed = text.strip()
    if not typed:
        raise Misfit("it is empty")
    if len(typed) > _MAX_TYPED:
        raise Misfit(f"it is longer than {MAX_TXT} bytes")
    match kind:
        case RecordType.A:
            return _ipv4(typed), priority
        case RecordType.AAAA:
            return _ipv6(typed), priority
        case RecordType.CNAME | RecordType.ALIAS | RecordType.NS:
            return _target(typed, zone=zone, underscores=kind is RecordType.CNAME), priority
        case RecordType.MX:
            return _mx(typed, zone=zone, priority=priority)
        case RecordType.SRV:
            return _srv(typed, zone=zone, priority=priority)
        case RecordType.TXT:
            return _txt(typed), priority
        case RecordType.CAA:
            return _caa(typed), priority
        case RecordType.TLSA:
            return _tlsa(typed), priority


def caa_parts(content: str) -> tuple[int, str, str]:
    """Flags, tag and value of stored CAA content (RFC 8659 4.1)."""
    flags, tag, quoted = content.split(" ", 2)
    return int(flags), tag, _unquoted(quoted)


def caa_content(flags: int, tag: str, value: str) -> str:
    """The stored form of a CAA record."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{flags} {tag.lower()} "{escaped}"'


def _ipv4(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        if _is_ip(text):
            raise Misfit("it is an IPv6 address; those go into an AAAA record") from None
        raise Misfit(f"{names.shown(text)} is not an IPv4 address") from None


def _ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        if _is_ip(text):
            raise Misfit("it is an IPv4 address; those go into an A record") from None
        raise Misfit(f"{names.shown(text)} is not an IPv6 address") from None
    if address.scope_id is not None:
        raise Misfit("an address with a zone index is known on one machine only")
    return address.compressed


def _target(text: str, *, zone: str, underscores: bool = False, none_allowed: bool = False) -> str:
    if _is_ip(text.strip("[]")):
        raise MisfitAddress
    if none_allowed and text == ".":
        return text
    if text == "@":
        return zone
    try:
        name = names.to_ascii(text, underscores=underscores)
    except names.Unfit as reason:
        raise Misfit(f"{names.shown(text)} is not a host name: {reason}") from None
    if "." not in name:
        raise Misfit(f"{name} is not a full name; for a host of this zone write {name}.{zone}")
    return name


def _mx(text: str, *, zone: str, priority: int | None) -> tuple[str, int | None]:
    parts = text.split()
    if priority is None and len(parts) == 2 and _is_u16(parts[0]):  # noqa: PLR2004
        return _target(parts[1], zone=zone, none_allowed=True), int(parts[0])
    return _target(text, zone=zone, none_allowed=True), priority


def _srv(text: str, *, zone: str, priority: int | None) -> tuple[str, int | None]:
    match text.split():
        case [rank, weight, port, target] if priority is None and _is_u16(rank):
            priority = int(rank)
        case [weight, port, target]:
            pass
        case _:
            raise Misfit("it needs a weight, a port and a target (RFC 2782)")
    if not _is_u16(weight) or not _is_u16(port):
        raise Misfit("weight and port are numbers from 0 to 65535")
    return f"{int(weight)} {int(port)} {_target(target, zone=zone, none_allowed=True)}", priority


def _txt(text: str) -> str:
    value = _unquoted(text) if text.startswith('"') else text
    if not value:
        raise Misfit("it is empty")
    if value.startswith('"'):
        # Else the stored text, sent back unchanged by an editor, would be taken for a quoted one.
        raise Misfit("it begins with a quotation mark")
    if any(ord(character) < ord(" ") or character == "\x7f" for character in value):
        raise Misfit("it has a line break or another control character in it")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise Misfit("it is not valid Unicode") from None
    if size > MAX_TXT:
        raise Misfit(f"it is longer than {MAX_TXT} bytes")
    return value


def _caa(text: str) -> str:
    match = _CAA.fullmatch(text)
    if match is None:
        raise Misfit("it needs flags, a tag and a value (RFC 8659 4.1)")
    flags, tag, rest = int(match[1]), match[2], match[3]
    value = _unquoted(rest) if rest.startswith('"') else rest
    if flags > _MAX_U8:
        raise Misfit("the flags are a number from 0 to 255")
    if len(tag) > _MAX_TAG:
        raise Misfit("the tag is longer than 15 characters")
    if len(value) > _MAX_U8 or not value.isascii() or not value.isprintable():
        raise Misfit("the value has characters other than ASCII, or is longer than 255")
    return caa_content(flags, tag, value)


def _tlsa(text: str) -> str:
    match = _TLSA.fullmatch(text)
    if match is None:
        raise Misfit("it needs usage, selector, matching type and data in hexadecimal (RFC 6698 2.1)")
    usage, selector, matching = int(match[1]), int(match[2]), int(match[3])
    data = "".join(match[4].split()).lower()
    if usage > 3 or selector > 1 or matching > 2:  # noqa: PLR2004  the assigned numbers (RFC 6698 7)
        raise Misfit("usage is 0 to 3, selector 0 or 1, matching type 0 to 2")
    expected = _TLSA_DIGEST_BYTES.get(matching)
    if expected is not None and len(data) != 2 * expected:
        raise Misfit(f"the data of matching type {matching} is {expected} bytes, {2 * expected} hexadecimal digits")
    if len(data) % 2 or len(data) > 2 * _MAX_TLSA:
        raise Misfit("the data is not a whole number of bytes, or too long")
    return f"{usage} {selector} {matching} {data}"


def _unquoted(text: str) -> str:
    """One text from `"a" "b"`, the form of zone files (RFC 1035 5.1) in which long values are often handed out."""
    raw = b""
    position = 0
    while match := _STRING.match(text, position):
        raw += _ESCAPE.sub(_unescaped, match[1].encode("utf-8", "replace"))
        position = match.end()
    if position != len(text):
        raise Misfit("its quotation marks do not match")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Misfit("its escapes are not valid UTF-8") from None


def _unescaped(match: re.Match[bytes]) -> bytes:
    if not match[1].isdigit() or len(match[1]) == 1:
        return match[1]
    code = int(match[1])
    if code > _MAX_U8:
        raise Misfit(f"\\{code} is not a byte")
    return bytes([code])


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_u16(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_U16)) and int(text) <= _MAX_U16
