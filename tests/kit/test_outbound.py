import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import Sequence
from ipaddress import ip_address
from typing import cast

import dns.asyncresolver
import dns.message
import dns.rcode
import dns.rrset
import pytest

from litemail.kit import outbound
from litemail.kit.outbound import (
    CUSTOMER_MAIL,
    CUSTOMER_WEB,
    AddressNotAllowed,
    Guard,
    HostInvalid,
    HostNotFound,
    ListedOnly,
    LookupFailed,
    OutsideHost,
    PortNotAllowed,
    PublicOnly,
    Resolver,
    UrlInvalid,
    check_url,
    client_tls,
    is_public,
    normal_host,
    own_routes,
)
from litemail.kit.outbound import guard as guard_module
from litemail.kit.outbound import policy as policy_module
from litemail.kit.outbound.addresses import is_own
from tests.providers.mail_peers import MAIL, Certificates, made_certificates, serving


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return made_certificates(tmp_path_factory.mktemp("tls"))


def answering(*answers: Sequence[str]) -> Resolver:
    """A resolver that gives the next answer at each question."""
    left = list(answers)

    async def resolve(_: str) -> Sequence[str]:
        return left.pop(0)

    return resolve


def to(port: int, **more: object) -> Guard:
    """A guard that knows one host, which leads to a port of ours."""
    return Guard(policy=ListedOnly({(MAIL, 993): ("127.0.0.1", port)}), **more)  # type: ignore[arg-type]  # only tls


PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8", "2002:808:808::1"]
NOT_PUBLIC = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.8.8.8", "169.254.169.254", "172.16.0.1", "172.31.255.255",
    "192.0.0.8", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a00:1", "64:ff9b:1::808:808", "2002:7f00:1::1", "2002:a00:1::", "2001::1", "2001:db8::1", "3fff::1",
    "100::1", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1", "5f00::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_other_addresses_are_refused_as_literal_and_as_answer(address: str) -> None:
    literal = Guard(policy=PublicOnly())
    named = Guard(policy=PublicOnly(), resolver=answering([address]))
    for guard, host in ((literal, address), (named, "sneaky.example.com")):
        with pytest.raises(AddressNotAllowed):
            await guard.connect(host, 443, timeout=1)


@pytest.mark.parametrize(
    ("host", "normal"),
    [
        ("Mail.Example.COM.", "mail.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:DB8::1]", "2001:db8::1"),
    ],
)
def test_hosts_have_one_spelling(host: str, normal: str) -> None:
    assert normal_host(host) == normal


@pytest.mark.parametrize(
    "host",
    ["", ".", "a b", "a\nb", "-a.com", "a..com", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "0x7f000001",
     "fe80::1%eth0", "a" * 64 + ".com", "a." * 127 + "com", "host/path", "user@host", "ho:st", "*.com", "\0"],
)  # fmt: skip
def test_malformed_hosts_are_refused(host: str) -> None:
    with pytest.raises(HostInvalid):
        normal_host(host)


def test_own_addresses_are_known() -> None:
    assert is_own(ip_address("127.0.0.1"))
    assert not is_own(ip_address("8.8.8.8"))
    assert not is_own(ip_address("192.0.2.9"))
    translated = PublicOnly(own=frozenset({"8.8.4.4"}))
    with pytest.raises(AddressNotAllowed):
        translated.check_address("us.example.com", ip_address("8.8.4.4"))


async def test_one_forbidden_address_among_several_refuses_the_host() -> None:
    guard = Guard(policy=CUSTOMER_WEB, resolver=answering(["8.8.8.8", "10.0.0.1"]))
    with pytest.raises(AddressNotAllowed) as caught:
        await guard.admit("mixed.example.com", 443)
    assert "10.0.0.1" not in str(caught.value), "what is inside stays unknown outside"


@pytest.mark.parametrize("port", [0, 22, 80, 443, 8080, 65536, -1])
async def test_customers_mail_uses_mail_ports_only(port: int) -> None:
    with pytest.raises(PortNotAllowed):
        await Guard(policy=CUSTOMER_MAIL).connect("8.8.8.8", port, timeout=1)
    assert Guard(policy=CUSTOMER_MAIL).check("Mail.Example.com", 993) == "mail.example.com"


async def test_connects_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    # Only loopback can be connected to in a test, so the two questions about addresses are answered yes here.
    monkeypatch.setattr(policy_module, "is_public", lambda _: True)
    monkeypatch.setattr(policy_module, "is_own", lambda _: False)
    async with serving(_talk) as port:
        rebinding = Guard(policy=PublicOnly(), resolver=answering(["127.0.0.1"], ["127.0.0.9"]))
        sock = await rebinding.connect("rebind.example.com", port, timeout=2)
        assert sock.getpeername() == ("127.0.0.1", port)
        assert not sock.getblocking()
        sock.close()
        second = Guard(policy=PublicOnly(), resolver=answering(["127.0.0.9", "127.0.0.1"]))
        sock = await second.connect("two.example.com", port, timeout=2)
        assert sock.getpeername() == ("127.0.0.1", port), "the next address when one refuses"
        sock.close()


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello\r\n")
    await reader.read()


async def test_a_sandbox_reaches_its_table_and_nothing_else() -> None:
    async with serving(_talk) as port:
        table = {("imap.gmail.com", 993): ("127.0.0.1", port)} | own_routes(hosts=["localhost"], ports={port})
        guard = Guard(policy=ListedOnly(table))
        for host, asked in (("imap.gmail.com", 993), ("IMAP.Gmail.com.", 993), ("localhost", port)):
            reader, writer = await guard.open(host, asked, tls=False, timeout=2)
            assert await reader.readline() == b"hello\r\n"
            writer.transport.abort()
        for host, asked in (("imap.gmail.com", 143), ("example.com", 993), ("127.0.0.1", port), ("8.8.8.8", 993)):
            with pytest.raises(OutsideHost) as caught:
                await guard.connect(host, asked, timeout=2)
            problem = caught.value.problem()
            assert problem.code == "sandbox.outside_host"
            assert f"{host} port {asked}" in problem.message
            assert "imap.gmail.com:993" in problem.message


async def test_failures_to_connect_are_typed_and_worth_another_try() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(outbound.ConnectFailed, match="refused the connection") as refused:
            await to(free.getsockname()[1]).connect(MAIL, 993, timeout=2)
    assert refused.value.retryable
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            assert client.connect_ex(full.getsockname()) in {0, errno.EINPROGRESS}
        started = time.monotonic()
        with pytest.raises(outbound.ConnectTimeout) as late:
            await to(full.getsockname()[1]).connect(MAIL, 993, timeout=0.2)
        assert time.monotonic() - started < 1
    assert late.value.retryable


async def test_tls_is_verified_against_the_name_that_was_asked_for(certificates: Certificates) -> None:
    trusting = client_tls(ca=certificates.ca)
    async with serving(_talk, certificates.server) as port:
        reader, writer = await to(port, tls=trusting).open(MAIL, 993, tls=True, timeout=2)
        assert await reader.readline() == b"hello\r\n"
        writer.transport.abort()
        with pytest.raises(outbound.TlsFailed, match="for another name") as caught:
            await to(port, tls=trusting).open(MAIL, 993, tls=True, server_hostname="other.test", timeout=2)
        assert not caught.value.retryable
        with pytest.raises(outbound.TlsFailed, match="unknown authority"):
            await to(port).open(MAIL, 993, tls=True, timeout=2)
    async with serving(_talk, certificates.expired) as port:
        with pytest.raises(outbound.TlsFailed, match="has expired"):
            await to(port, tls=trusting).open(MAIL, 993, tls=True, timeout=2)
    async with serving(_talk) as port:
        with pytest.raises(outbound.TlsFailed, match="does not speak TLS"):
            await to(port, tls=trusting).open(MAIL, 993, tls=True, timeout=2)


@pytest.mark.parametrize("wait", [True, False])
async def test_a_handshake_that_is_not_answered_ends(certificates: Certificates, *, wait: bool) -> None:
    async def mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if wait:
            await reader.read()

    expected = outbound.ConnectTimeout if wait else outbound.ConnectFailed
    async with serving(mute) as port:
        with pytest.raises(expected) as caught:
            await to(port, tls=client_tls(ca=certificates.ca)).open(MAIL, 993, tls=True, timeout=0.3)
    assert caught.value.retryable


async def test_a_slow_lookup_counts_against_the_time() -> None:
    async def never(_: str) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(LookupFailed) as caught:
        await Guard(policy=CUSTOMER_WEB, resolver=never).connect("example.com", 443, timeout=0.1)
    assert caught.value.retryable


class _NameServer(asyncio.DatagramProtocol):
    """Answers for a handful of names."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        name, kind = query.question[0].name, query.question[0].rdtype.name
        values = {("both.test.", "A"): "192.0.2.1", ("both.test.", "AAAA"): "2001:db8::1"}
        if str(name) == "broken.test.":
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif str(name) == "gone.test.":
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif value := values.get((str(name), kind)):
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, value))
        self.transport.sendto(answer.to_wire(), addr)


async def test_names_are_looked_up_in_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(_NameServer, local_addr=("127.0.0.1", 0))
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = transport.get_extra_info("sockname")[1]
    # In place of the name servers of the operating system, which are not on loopback.
    monkeypatch.setattr(guard_module, "_dns", lambda: resolver)
    monkeypatch.setattr(guard_module, "_LOOKUP_SECONDS", 0.3)
    try:
        assert await guard_module.resolve_by_dns("both.test") == ["192.0.2.1", "2001:db8::1"]
        for name in ("gone.test", "empty.test"):
            with pytest.raises(HostNotFound) as missing:
                await guard_module.resolve_by_dns(name)
            assert not missing.value.retryable
        with pytest.raises(LookupFailed):
            await guard_module.resolve_by_dns("broken.test")
    finally:
        transport.close()


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://Example.com/hook?x=1", "example.com", 443),
        ("https://example.com:8443", "example.com", 8443),
        ("https://bücher.example/", "xn--bcher-kva.example", 443),
        ("https://8.8.8.8/", "8.8.8.8", 443),
        ("https://[2606:4700:4700::1111]/", "2606:4700:4700::1111", 443),
    ],
)
def test_urls_are_taken_apart(url: str, host: str, port: int) -> None:
    target = check_url(url)
    assert (target.url, target.scheme, target.host, target.port) == (url, "https", host, port)


@pytest.mark.parametrize(
    "url",
    ["", "example.com", "http://example.com", "ftp://example.com", "javascript:alert(1)", "https://", "https:///path",
     "https://user:pw@example.com/", "https://example.com@evil.test/", "https://127.0.0.1/", "https://[::1]/",
     "https://10.0.0.1:443/", "https://2130706433/", "https://127.1/", "https://example.com:0/",
     "https://example.com:99999/", "https://example.com:x/", "https://exa mple.com/", "https://example.com/\r\nx: y",
     "https://example.com\\@evil.test/", "https://[::1", "https://example.com/" + "x" * 2048],
)  # fmt: skip
def test_unusable_urls_are_refused(url: str) -> None:
    with pytest.raises((UrlInvalid, HostInvalid, AddressNotAllowed, PortNotAllowed)) as caught:
        check_url(url)
    assert caught.value.problem().message
