"""Finding the mail servers of a domain: by SRV records, by autoconfig over TLS, by MX."""

import asyncio
from collections.abc import Sequence

import dns.rdata
import pytest

from litemail.kit.outbound import Guard, ListedOnly, LookupFailed, client_tls
from litemail.providers.mailhost import (
    PRESETS,
    Ask,
    Security,
    Server,
    ServersNotFound,
    ServersNotLookedUp,
    Ways,
    discover,
)
from litemail.providers.mailhost.autoconfig import NotAutoconfig, parse
from tests.providers.mail_peers import MAIL, Certificates, made_certificates, serving

DOMAIN = MAIL  # what the certificate of the test server is for
Zone = dict[tuple[str, str], list[str]]

FILE = b"""<?xml version="1.0"?>
<clientConfig version="1.1"><emailProvider id="example.test"><domain>example.test</domain>
  <incomingServer type="pop3"><hostname>pop.example.test</hostname><port>995</port><socketType>SSL</socketType>
    <username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication></incomingServer>
  <incomingServer type="imap"><hostname>oauth.example.test</hostname><port>993</port><socketType>SSL</socketType>
    <username>%EMAILLOCALPART%</username><authentication>OAuth2</authentication></incomingServer>
  <incomingServer type="imap"><hostname>plain.example.test</hostname><port>143</port><socketType>plain</socketType>
    <username>%EMAILLOCALPART%</username><authentication>password-cleartext</authentication></incomingServer>
  <incomingServer type="imap"><hostname>imap.%EMAILDOMAIN%</hostname><port>993</port><socketType>SSL</socketType>
    <username>%EMAILLOCALPART%</username><authentication>password-cleartext</authentication></incomingServer>
  <outgoingServer type="smtp"><hostname>smtp.example.test</hostname><port>587</port><socketType>STARTTLS</socketType>
    <username>%EMAILLOCALPART%</username><authentication>password-cleartext</authentication></outgoingServer>
</emailProvider></clientConfig>"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return made_certificates(tmp_path_factory.mktemp("certificates"))


def asking(zone: Zone, *, silent: bool = False) -> Ask:
    async def ask(name: str, record_type: str) -> Sequence[dns.rdata.Rdata]:
        if silent and (name, record_type) not in zone:
            raise LookupFailed(host=name)
        return [dns.rdata.from_text("IN", record_type, text) for text in zone.get((name, record_type), [])]

    return ask


def ways(zone: Zone, routes: dict[tuple[str, int], int] | None = None, *, ca: str | None = None) -> Ways:
    """Every host of the examples may be connected to; what leads nowhere is a closed port."""
    hosts = ("imap", "smtp", "mail", "a", "b", "pop", "oauth", "plain")
    table = {(f"{host}.example.test", port): ("127.0.0.1", 1) for host in hosts for port in (993, 143, 465, 587)}
    table |= {(f"imap.{DOMAIN}", 993): ("127.0.0.1", 1)}
    table |= {
        (server.host, server.port): ("127.0.0.1", 1) for each in PRESETS.values() for server in (each.imap, each.smtp)
    }
    table |= {endpoint: ("127.0.0.1", port) for endpoint, port in (routes or {}).items()}
    guard = Guard(policy=ListedOnly(table), tls=client_tls(ca=ca))
    return Ways(ask=asking(zone), web=guard, mail=guard)


async def test_srv_records_decide_by_priority_and_weight_and_prefer_tls_from_the_start():
    zone = {
        ("_imaps._tcp.example.test", "SRV"): [
            "20 1 993 a.example.test.",
            "10 1 993 b.example.test.",
            "10 9 993 imap.example.test.",
        ],
        ("_imap._tcp.example.test", "SRV"): ["0 1 143 plain.example.test."],
        ("_submissions._tcp.example.test", "SRV"): ["0 0 0 ."],
        ("_submission._tcp.example.test", "SRV"): ["0 1 587 smtp.example.test."],
    }
    found = await discover("example.test", ways(zone))
    assert found.servers.imap == Server("imap.example.test", 993, Security.TLS)
    assert found.servers.smtp == Server("smtp.example.test", 587, Security.STARTTLS)
    assert not found.by_local_part


async def test_a_srv_record_that_leads_to_a_forbidden_place_is_passed_over():
    zone = {
        ("_imaps._tcp.example.test", "SRV"): ["0 1 993 inside.corp.test.", "5 1 993 imap.example.test."],
        ("_submissions._tcp.example.test", "SRV"): ["0 1 465 smtp.example.test."],
    }
    assert (await discover("example.test", ways(zone))).servers.imap.host == "imap.example.test"


async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
    status, body = (
        (b"200 OK", FILE) if path == b"/.well-known/autoconfig/mail/config-v1.1.xml" else (b"404 Not Found", b"")
    )
    writer.write(b"HTTP/1.1 %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (status, len(body), body))
    await writer.drain()


async def test_autoconfig_is_read_over_verified_tls(certificates: Certificates):
    async with serving(web, certificates.server) as port:
        found = await discover(DOMAIN, ways({}, {(DOMAIN, 443): port}, ca=certificates.ca))
    assert found.servers.imap == Server(f"imap.{DOMAIN}", 993, Security.TLS)
    assert found.servers.smtp == Server("smtp.example.test", 587, Security.STARTTLS)
    assert found.by_local_part


async def test_autoconfig_of_an_unknown_authority_does_not_count(certificates: Certificates):
    async with serving(web, certificates.server) as port:
        with pytest.raises(ServersNotFound):
            await discover(DOMAIN, ways({}, {(DOMAIN, 443): port}))


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
    while True:
        writer.write(b"<a>" * 10_000)
        await writer.drain()


async def test_an_endless_file_is_left_alone(certificates: Certificates):
    async with serving(endless, certificates.server) as port, asyncio.timeout(5):
        with pytest.raises(ServersNotFound):
            await discover(DOMAIN, ways({}, {(DOMAIN, 443): port}, ca=certificates.ca))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html>",
        b"not xml",
        b'<!DOCTYPE x [<!ENTITY a "b">]><clientConfig>&a;</clientConfig>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><clientConfig/>',
        b"<clientConfig>&undefined;</clientConfig>",
    ],
)
def test_what_is_no_such_file_is_refused(text: bytes):
    with pytest.raises(NotAutoconfig):
        parse(text, domain="example.test")


@pytest.mark.parametrize("port", [b"0", b"70000", b"-1", b"99999999999999999999", b"", b"imap"])
def test_ports_that_are_none_are_passed_over(port: bytes):
    offers = parse(FILE.replace(b"<port>993</port>", b"<port>" + port + b"</port>"), domain="example.test")
    assert (offers.imap, len(offers.smtp)) == ((), 1)


@pytest.mark.parametrize(
    ("mx", "provider"),
    [
        ("aspmx.l.google.com.", "gmail"),
        ("smtp.google.com.", "gmail"),
        ("example-test.mail.protection.outlook.com.", "outlook"),
        ("mx.zoho.com.", "zoho"),
        ("mta5.am0.yahoodns.net.", "yahoo"),
    ],
)
async def test_an_mx_of_a_known_provider_has_its_servers(mx: str, provider: str):
    found = await discover("example.test", ways({("example.test", "MX"): [f"10 {mx}"]}))
    assert found.servers == PRESETS[provider]


async def quiet(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_an_mx_host_that_answers_at_the_ports_of_mail_is_taken(certificates: Certificates):
    zone = {("example.test", "MX"): ["20 mail.example.test.", "10 a.example.test."]}
    async with serving(quiet, certificates.server) as imap, serving(quiet) as smtp:
        routes = {("mail.example.test", 993): imap, ("mail.example.test", 587): smtp}
        found = await discover("example.test", ways(zone, routes, ca=certificates.ca))
    assert found.servers.imap == Server(MAIL, 993, Security.TLS)
    assert found.servers.smtp == Server(MAIL, 587, Security.STARTTLS)


async def test_nothing_found_says_what_to_send():
    zone = {("example.test", "MX"): ["0 ."]}
    with pytest.raises(ServersNotFound) as told:
        await discover("example.test", ways(zone))
    assert told.value.stage == "discovering"
    assert "imap and smtp" in (told.value.problem().action or "")


async def test_silent_name_servers_are_worth_another_try():
    here = ways({})
    with pytest.raises(ServersNotLookedUp) as told:
        await discover("example.test", Ways(ask=asking({}, silent=True), web=here.web, mail=here.mail))
    assert told.value.retryable


async def test_a_lookup_that_hangs_ends():
    async def never(*_: str) -> Sequence[dns.rdata.Rdata]:
        await asyncio.Event().wait()
        return []

    here = ways({})
    with pytest.raises(ServersNotLookedUp):
        await discover("example.test", Ways(ask=never, web=here.web, mail=here.mail), timeout=0.1)
