"""The guard: resolve, check every address, connect to the checked address, TLS under the original name."""

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address

import certifi
import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdata
import dns.resolver
import httpx

from litemail.kit.errors import Kind
from litemail.kit.outbound import http
from litemail.kit.outbound.addresses import Address, OutboundError, normal_host, parse_address
from litemail.kit.outbound.policy import Endpoint, ListedOnly, Policy, UrlInvalid, check_port

Resolver = Callable[[str], Awaitable[Sequence[str]]]
"""From a host name in A-labels to its addresses as text. Raises HostNotFound, LookupFailed."""

LONGEST_LINE = 16 * 1024
_LOOKUP_SECONDS = 5.0
_TLS_CLOSE_SECONDS = 1.0
_MOST_ADDRESSES = 8

_CERTIFICATE_REASONS = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is self-signed",
    19: "its certificate chain ends in an unknown self-signed certificate",
    20: "its certificate is signed by an unknown authority",
    21: "its certificate is signed by an unknown authority, or the intermediate certificate is missing",
    23: "its certificate was revoked",
    62: "its certificate is for another name",
    64: "its certificate is for another address",
}


class HostNotFound(OutboundError):
    kind = Kind.INVALID
    code = "outbound.host_not_found"
    message = "There is no host named {host}."
    action = "Check the spelling of the host name."


class LookupFailed(OutboundError):
    """The name servers did not answer; whether the host exists is not known."""

    code = "outbound.lookup_failed"
    message = "The address of {host} could not be looked up."
    retryable = True


class ConnectFailed(OutboundError):
    code = "outbound.connect_failed"
    message = "{host} port {port} cannot be reached: {reason}."
    retryable = True


class ConnectTimeout(OutboundError):
    code = "outbound.connect_timeout"
    message = "{host} port {port} did not answer in time."
    retryable = True


class TlsFailed(OutboundError):
    """No trusted encrypted connection: it stays so until somebody changes the server or the settings."""

    code = "outbound.tls_failed"
    message = "No secure connection to {host} port {port}: {reason}."
    action = "Check host and port, and the certificate that the server shows."


def client_tls(*, ca: str | None = None) -> ssl.SSLContext:
    """Settings for outgoing TLS: certificates and names are verified, TLS 1.2 or later.

    With `ca` (PEM) only that authority is trusted, as in a sandbox; else those of the operating system. It sets no
    ALPN: mail servers refuse a client that offers only `http/1.1` (RFC 7301 section 3.2).
    """
    context = ssl.create_default_context(cadata=ca)
    if ca is None and not _system_has_authorities():
        context.load_verify_locations(certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _system_has_authorities() -> bool:
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile) or bool(paths.capath and any(os.scandir(paths.capath)))


@lru_cache(maxsize=1)
def _dns() -> dns.asyncresolver.Resolver:
    resolver = dns.asyncresolver.Resolver()
    resolver.cache = dns.resolver.LRUCache(10_000)
    return resolver


async def resolve_by_dns(host: str) -> Sequence[str]:
    """The A and AAAA records of a name, IPv4 first, cached for their TTL.

    Not getaddrinfo: its threads can be neither cancelled nor bounded, and 200 slow names would occupy all of them.
    The name is absolute, so no search list applies.
    """
    try:
        name = dns.name.from_text(host)
        answers = await _dns().resolve_name(name, lifetime=_LOOKUP_SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.exception.SyntaxError, dns.name.LabelTooLong):
        raise HostNotFound(host=host) from None
    except (dns.exception.DNSException, OSError):
        raise LookupFailed(host=host) from None
    return [*answers.addresses(socket.AF_INET), *answers.addresses(socket.AF_INET6)]


async def records_by_dns(
    name: str, record_type: str, *, resolver: dns.asyncresolver.Resolver | None = None
) -> Sequence[dns.rdata.Rdata]:
    """The records of a name; none when there are none. Raises LookupFailed."""
    try:
        answer = await (resolver or _dns()).resolve(
            dns.name.from_text(name), record_type, lifetime=_LOOKUP_SECONDS, raise_on_no_answer=False
        )
    except (dns.resolver.NXDOMAIN, dns.exception.SyntaxError, dns.name.LabelTooLong, dns.name.NameTooLong):
        return []
    except (dns.exception.DNSException, OSError):
        raise LookupFailed(host=name) from None
    return list(answer.rrset or ())


def resolver_at(address: str, port: int) -> dns.asyncresolver.Resolver:
    """A resolver that asks one server, and nothing of this machine's settings."""
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [address], port
    return resolver


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The way out for every connection to a host. Holds no connection, so one may serve the whole process."""

    policy: Policy
    resolver: Resolver = resolve_by_dns
    tls: ssl.SSLContext = field(default_factory=client_tls)

    def check(self, host: str, port: int) -> str:
        """What can be said of a target without any network, for requests; the host in its one spelling.

        Raises HostInvalid, PortNotAllowed, AddressNotAllowed, OutsideHost.
        """
        check_port(port)
        name = normal_host(host)
        self.policy.check_target(name, port)
        return name

    def check_scheme(self, scheme: str) -> None:
        """Raises UrlInvalid for a scheme that the policy does not allow."""
        if scheme not in self.policy.schemes:
            raise UrlInvalid(reason=f"it must start with {' or '.join(f'{name}://' for name in self.policy.schemes)}")

    async def admit(self, host: str, port: int) -> Sequence[Endpoint]:
        """The addresses to connect to, in order, each checked.

        One forbidden address among several refuses the host: a mixture is how a name is turned against a server.
        """
        name = self.check(host, port)
        policy = self.policy
        if isinstance(policy, ListedOnly):
            return [policy.routes[name, port]]
        literal = parse_address(name)
        addresses: list[Address] = [literal] if literal else [ip_address(text) for text in await self.resolver(name)]
        if not addresses:
            raise HostNotFound(host=name)
        for address in addresses:
            policy.check_address(name, address)
        return [(str(address), port) for address in addresses[:_MOST_ADDRESSES]]

    async def connect(self, host: str, port: int, *, timeout: float) -> socket.socket:  # noqa: ASYNC109  it is divided among the addresses
        """A connected, non-blocking socket that the caller closes. `timeout` in seconds covers lookup and all tries.

        Raises what `check` raises, HostNotFound, AddressNotAllowed; to try again: LookupFailed, ConnectFailed,
        ConnectTimeout.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        try:
            async with asyncio.timeout_at(deadline):
                endpoints = await self.admit(host, port)
        except TimeoutError:
            raise LookupFailed(host=host) from None
        reason: OSError | None = None
        for tried, endpoint in enumerate(endpoints):
            share = (deadline - loop.time()) / (len(endpoints) - tried)
            try:
                return await _connected(endpoint, share)
            except OSError as error:
                reason = error
        if reason is None or (isinstance(reason, TimeoutError) and reason.errno is None):
            raise ConnectTimeout(host=host, port=port)
        raise ConnectFailed(host=host, port=port, reason=_words(reason))

    async def stream(
        self,
        sock: socket.socket,
        *,
        tls: bool,
        host: str,
        port: int,
        timeout: float,  # noqa: ASYNC109  handed on to the handshake
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Streams over a connected socket, which they own from then on; with `tls` after a verified handshake.

        A line longer than LONGEST_LINE is an error at the reader. Raises TlsFailed, ConnectFailed, ConnectTimeout.
        """
        try:
            name = normal_host(host)
        except OutboundError:
            sock.close()
            raise
        # A failed or cancelled open_connection closes the socket. Closing it here as well would free its number while
        # the loop still watches it, and the next socket would get the number.
        if not tls:
            return await asyncio.open_connection(sock=sock, limit=LONGEST_LINE)
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.open_connection(
                    sock=sock,
                    limit=LONGEST_LINE,
                    ssl=self.tls,
                    server_hostname=name,
                    ssl_handshake_timeout=max(timeout, 0.001),
                    ssl_shutdown_timeout=_TLS_CLOSE_SECONDS,
                )
        except OSError as error:
            raise connection_error(error, host=host, port=port) from None

    async def open(
        self,
        host: str,
        port: int,
        *,
        tls: bool,
        server_hostname: str | None = None,
        timeout: float,  # noqa: ASYNC109  it is divided between connecting and the handshake
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """`connect` and `stream` in one; `server_hostname` where the certificate names another host than `host`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        sock = await self.connect(host, port, timeout=timeout)
        left = deadline - loop.time()
        return await self.stream(sock, tls=tls, host=server_hostname or host, port=port, timeout=left)

    def http_client(
        self,
        *,
        base_url: str = "",
        timeout: float = 15.0,
        total: float = 60.0,
        max_body: int = 10 * 1024 * 1024,
        headers: Mapping[str, str] | None = None,
        follow_redirects: bool = False,
    ) -> httpx.AsyncClient:
        """An HTTP/1.1 client whose every connection, also after a redirect, comes through this guard.

        No proxies, no environment. `timeout` bounds each wait, `total` a whole request with its answer (httpx's
        ReadTimeout), `max_body` the answer in bytes (BodyTooLarge). What prevents a connection is raised as this
        package's OutboundError, all else as httpx.TransportError. Use it as a context manager.
        """
        return httpx.AsyncClient(
            transport=http.Transport(self, total=total, max_body=max_body),
            base_url=base_url,
            timeout=timeout,
            headers={"accept-encoding": "identity", **(headers or {})},
            follow_redirects=follow_redirects,
            max_redirects=5,
            trust_env=False,
        )


async def _connected(endpoint: Endpoint, seconds: float) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in endpoint[0] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        # asyncio does so only for sockets it makes itself. Else a request's body waits 40 ms for the head's receipt.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(sock, endpoint)
    except BaseException:
        sock.close()
        raise
    return sock


def connection_error(error: OSError, *, host: str, port: int) -> OutboundError:
    """The typed error for what a socket or a TLS handshake raised."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _CERTIFICATE_REASONS.get(error.verify_code, error.verify_message)
        return TlsFailed(host=host, port=port, reason=reason)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return ConnectFailed(host=host, port=port, reason="it closed the connection during the TLS handshake")
    if isinstance(error, ssl.SSLError):
        return TlsFailed(host=host, port=port, reason=_tls_words(error))
    # A handshake that takes too long is ConnectionAbortedError in asyncio, a plain TimeoutError from our own limit.
    if isinstance(error, ConnectionAbortedError) or (isinstance(error, TimeoutError) and error.errno is None):
        return ConnectTimeout(host=host, port=port)
    return ConnectFailed(host=host, port=port, reason=_words(error))


def _tls_words(error: ssl.SSLError) -> str:
    reason = error.reason or ""
    if reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"}:
        return "it does not speak TLS on this port"
    if "PROTOCOL" in reason or "VERSION" in reason:
        return "it speaks only old versions of TLS"
    return f"the TLS handshake failed ({reason.lower().replace('_', ' ') or 'no reason given'})"


def _words(error: OSError) -> str:
    known = {
        errno.ECONNREFUSED: "it refused the connection",
        errno.ECONNRESET: "it closed the connection",
        errno.ENETUNREACH: "there is no route to it",
        errno.EHOSTUNREACH: "there is no route to it",
        errno.ETIMEDOUT: "it did not answer",
    }
    with contextlib.suppress(KeyError, TypeError):
        return known[error.errno]  # type: ignore[index]  # errno may be None, which is then suppressed
    return (error.strerror or "the connection was lost").lower()
