"""Policies: which hosts a connection may go to. A policy is a value, checked without any network."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from msgspec import Struct

from litemail.kit.errors import Kind
from litemail.kit.outbound.addresses import Address, OutboundError, is_own, is_public, normal_host, parse_address

Endpoint = tuple[str, int]
"""A host (or IP address) and a port."""

Routes = Mapping[Endpoint, Endpoint]
"""From the host and port that is asked for, to the IP address and port that is connected to."""

MAIL_PORTS = frozenset({25, 143, 465, 587, 993, 2525})
HTTPS = frozenset({"https"})
HTTP_OR_HTTPS = frozenset({"http", "https"})

_LONGEST_URL = 2048
_LAST_PORT = 65535
_SHOWN = 16
_DEFAULT_PORTS = {"http": 80, "https": 443}


class AddressNotAllowed(OutboundError):
    """The host is, or resolves to, an address that is private, reserved or our own."""

    kind = Kind.INVALID
    code = "outbound.address_not_allowed"
    message = "{host} is not a host on the public internet."
    action = "Give a host with a public address."


class PortNotAllowed(OutboundError):
    kind = Kind.INVALID
    code = "outbound.port_not_allowed"
    message = "Port {port} is not one of the ports allowed here: {allowed}."
    action = "Use one of the allowed ports."


class OutsideHost(OutboundError):
    """A sandbox asked for a host that is not in its routing table."""

    kind = Kind.INVALID
    code = "sandbox.outside_host"
    message = "{host} port {port} is outside the sandbox, which reaches: {allowed}."
    action = "Use one of these hosts, or a live workspace."


class UrlInvalid(OutboundError):
    kind = Kind.INVALID
    code = "outbound.url_invalid"
    message = "This URL cannot be used: {reason}."
    action = "Give a full URL such as https://example.com/path."


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicOnly:
    """Any host of the public internet.

    `ports` None allows every port. `own` holds further addresses of ours (text) that no interface of this machine
    shows, because a router translates them.
    """

    ports: frozenset[int] | None = None
    own: frozenset[str] = frozenset()
    schemes: frozenset[str] = HTTPS

    def check_target(self, host: str, port: int) -> None:
        """What can be said before the name is resolved. Raises PortNotAllowed, AddressNotAllowed."""
        if self.ports is not None and port not in self.ports:
            raise PortNotAllowed(port=port, allowed=", ".join(map(str, sorted(self.ports))))
        address = parse_address(host)
        if address is not None:
            self.check_address(host, address)

    def check_address(self, host: str, address: Address) -> None:
        """Raises AddressNotAllowed; it does not show the address, which may tell of an inside network."""
        if not is_public(address) or str(address) in self.own or is_own(address):
            raise AddressNotAllowed(host=host)


@dataclass(frozen=True, slots=True)
class ListedOnly:
    """Exactly the endpoints of a table and nothing else: the sandbox, and our own mail host."""

    routes: Routes
    schemes: frozenset[str] = HTTP_OR_HTTPS

    def check_target(self, host: str, port: int) -> None:
        """Raises OutsideHost, naming what is allowed."""
        if (host, port) not in self.routes:
            names = [f"{name}:{number}" for name, number in self.routes]
            rest = [f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
            raise OutsideHost(host=host, port=port, allowed=", ".join(names[:_SHOWN] + rest) or "nothing")


Policy = PublicOnly | ListedOnly

CUSTOMER_MAIL = PublicOnly(ports=MAIL_PORTS)
"""Mail servers that customers name."""
CUSTOMER_WEB = PublicOnly()
"""Web hooks and platform URLs that customers name: HTTPS to public addresses."""
VENDOR = PublicOnly()
"""Hosts that our own code names."""


def own_routes(*, hosts: Iterable[str], ports: Collection[int], address: str = "127.0.0.1") -> dict[Endpoint, Endpoint]:
    """Routes to our own listeners at `address`, under each of our names."""
    return {(normal_host(host), port): (address, port) for host in hosts for port in ports}


class Target(Struct, frozen=True):
    """The parts of a checked URL that say where it leads."""

    url: str
    scheme: str
    host: str
    port: int


def check_url(url: str, *, schemes: frozenset[str] = HTTPS) -> Target:
    """Checks a URL given by a customer without any network; connecting checks again.

    Refuses what `read_url` refuses, and addresses that are not public. Raises UrlInvalid, HostInvalid,
    AddressNotAllowed.
    """
    target = read_url(url, schemes=schemes)
    PublicOnly().check_target(target.host, target.port)
    return target


def read_url(url: str, *, schemes: frozenset[str] = HTTPS) -> Target:
    """Reads a URL given by a customer; whether it may be connected to is for a guard to say.

    Refuses other schemes, user names in the URL, control characters and spaces, bad hosts and ports. Raises UrlInvalid,
    HostInvalid.
    """
    if len(url) > _LONGEST_URL:
        raise UrlInvalid(reason=f"it is longer than {_LONGEST_URL} characters")
    if not url.isprintable() or " " in url or "\\" in url:
        raise UrlInvalid(reason="it contains spaces, backslashes or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlInvalid(reason="its host or port is malformed") from None
    if parts.scheme not in schemes:
        raise UrlInvalid(reason=f"it must start with {' or '.join(f'{scheme}://' for scheme in sorted(schemes))}")
    if "@" in parts.netloc:
        raise UrlInvalid(reason="it contains a user name or password")
    if not parts.hostname:
        raise UrlInvalid(reason="it has no host")
    host = normal_host(parts.hostname)
    if port is None:
        port = _DEFAULT_PORTS[parts.scheme]
    check_port(port)
    return Target(url=url, scheme=parts.scheme, host=host, port=port)


def check_port(port: int) -> None:
    """Raises PortNotAllowed for a number that is no TCP port."""
    if not 0 < port <= _LAST_PORT:
        raise PortNotAllowed(port=port, allowed=f"1 to {_LAST_PORT}")
