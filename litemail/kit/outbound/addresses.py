"""Hosts and addresses: what is a well-formed host, which addresses are public, which are this machine's own."""

import re
import socket
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import idna

from litemail.kit.errors import Error, Kind

Address = IPv4Address | IPv6Address

# IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its successors). A list of our own, because
# ipaddress.is_global differs between patch releases of Python.
_SPECIAL_4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared address space of carriers, RFC 6598
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata services of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_GLOBAL_UNICAST_6 = IPv6Network("2000::/3")
_SPECIAL_6 = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID
        "2001:db8::/32",
        "3fff::/20",
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_LONGEST_NAME = 253


class OutboundError(Error):
    """Base of everything that stops a connection from coming up."""

    kind = Kind.UNAVAILABLE
    code = "outbound.failed"


class HostInvalid(OutboundError):
    """Neither a host name (RFC 1123 section 2.1, underscores allowed) nor an IP address."""

    kind = Kind.INVALID
    code = "outbound.host_invalid"
    message = "{host!r} is not a host name or IP address."
    action = "Give a name such as mail.example.com."


def parse_address(host: str) -> Address | None:
    """The address that the text is, with or without the brackets of a URL; None for a name."""
    try:
        return ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    except ValueError:
        return None


def normal_host(host: str) -> str:
    """The one spelling of a host: an address as ipaddress writes it, or a name in lower-case A-labels without end dot.

    A name whose last label is a number is refused: resolvers of operating systems read 127.1 and 0x7f.1 as addresses.
    """
    address = parse_address(host)
    if address is not None:
        if isinstance(address, IPv6Address) and address.scope_id:
            raise HostInvalid(host=host[:80])
        return str(address)
    name = host.strip().rstrip(".").lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except idna.IDNAError:
            raise HostInvalid(host=host[:80]) from None
    labels = name.split(".")
    well_formed = len(name) <= _LONGEST_NAME and all(_LABEL.fullmatch(label) for label in labels)
    if not well_formed or _NUMBER.fullmatch(labels[-1]):
        raise HostInvalid(host=host[:80])
    return name


def is_public(address: Address) -> bool:
    """Whether the address is one of the open internet, also when an IPv4 address is hidden in an IPv6 one.

    IPv4-mapped addresses and translations to private ones (NAT64 RFC 6052, 6to4 RFC 3056) are judged by what they lead
    to; deprecated and local embeddings (IPv4-compatible, Teredo, 64:ff9b:1::/48) are never public.
    """
    if isinstance(address, IPv4Address):
        return not any(address in block for block in _SPECIAL_4)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if address.sixtofour is not None:
        return is_public(address.sixtofour)
    return address in _GLOBAL_UNICAST_6 and not any(address in block for block in _SPECIAL_6)


def is_own(address: Address) -> bool:
    """Whether an interface of this machine has the address: only then can a socket be bound to it."""
    return _can_bind(address) and not _can_bind(_nobodys(address.version))


@lru_cache(maxsize=2)
def _nobodys(version: int) -> Address:
    """A documentation address. Where even that can be bound (ip_nonlocal_bind is set), binding proves nothing."""
    return IPv4Address("192.0.2.1") if version == 4 else IPv6Address("2001:db8::1")  # noqa: PLR2004  IP version


def _can_bind(address: Address) -> bool:
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
