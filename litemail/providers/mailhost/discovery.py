"""Which servers the mail of a domain has, where its owner does not say: by SRV records, by autoconfig, by MX.

SRV: RFC 6186 and, for submission that is encrypted from its start, RFC 8314 section 5.1. What DNS says is not signed
here, as with MX; the certificate is verified for the name that was found.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import dns.rdata
import httpx
import msgspec
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.IN.SRV import SRV

from litemail.kit.errors import Error
from litemail.kit.outbound import Guard, LookupFailed, OutboundError, read_capped
from litemail.providers.mailhost.autoconfig import NotAutoconfig, Offers, parse
from litemail.providers.mailhost.presets import PRESETS, Security, Server, Servers, provider_by_mx
from litemail.providers.mailhost.signin import SignInFailed, Unreachable

Ask = Callable[[str, str], Awaitable[Sequence[dns.rdata.Rdata]]]
"""The records of a name and type; none when there are none. Raises LookupFailed."""

_LARGEST_FILE = 64 * 1024
_FILE_SECONDS = 5.0
_PROBE_SECONDS = 5.0
_MOST_MX = 3
_STAGE = "discovering"
_SRV = {
    "imap": (("_imaps._tcp", Security.TLS), ("_imap._tcp", Security.STARTTLS)),
    "smtp": (("_submissions._tcp", Security.TLS), ("_submission._tcp", Security.STARTTLS)),
}


class ServersNotFound(SignInFailed):
    code = "inbox.servers_not_found"
    message = "No mail servers of {domain} were found: neither SRV records nor autoconfig nor its MX name any."
    action = "Send the inbox again with imap and smtp, each with host, port and security, as its provider names them."


class ServersNotLookedUp(Unreachable):
    """For the moment: name servers do not answer."""

    message = "The mail servers of {domain} cannot be looked up at the moment: its name servers do not answer."
    action = "Nothing: it is tried again. Or send the inbox again with imap and smtp."


class Found(msgspec.Struct, frozen=True):
    """`by_local_part`: the user name there is what stands before the @, not the whole address."""

    servers: Servers
    by_local_part: bool = False


@dataclass(frozen=True)
class Ways:
    """How to look: at DNS, at the web, and at mail servers.

    `imap` and `smtp` are the ports to try at an MX host.
    """

    ask: Ask
    web: Guard
    mail: Guard
    imap: Sequence[tuple[int, Security]] = ((993, Security.TLS),)
    smtp: Sequence[tuple[int, Security]] = ((465, Security.TLS), (587, Security.STARTTLS))


async def discover(domain: str, ways: Ways, *, timeout: float = 30.0) -> Found:  # noqa: ASYNC109  for all of it
    """The servers of a domain's inboxes. Raises ServersNotFound, ServersNotLookedUp."""
    silent = False
    by_local_part = False
    imap: Server | None = None
    smtp: Server | None = None
    try:
        async with asyncio.timeout(timeout):
            for source in (_by_srv, _by_autoconfig, _by_mx):
                try:
                    offers = await source(domain, ways)
                except LookupFailed:
                    silent = True
                    continue
                by_local_part |= imap is None and offers.by_local_part
                imap = imap or _usable(offers.imap, ways.mail)
                smtp = smtp or _usable(offers.smtp, ways.mail)
                if imap and smtp:
                    return Found(Servers(imap, smtp), by_local_part)
    except TimeoutError:
        silent = True
    raise (ServersNotLookedUp if silent else ServersNotFound)(stage=_STAGE, domain=domain)


def _usable(offers: Sequence[Server], guard: Guard) -> Server | None:
    for server in offers:
        with suppress(OutboundError):
            return msgspec.structs.replace(server, host=guard.check(server.host, server.port))
    return None


async def _by_srv(domain: str, ways: Ways) -> Offers:
    found = {}
    for side, services in _SRV.items():
        answers = await asyncio.gather(*(ways.ask(f"{service}.{domain}", "SRV") for service, _ in services))
        found[side] = tuple(
            Server(record.target.to_text(omit_final_dot=True), record.port, security)
            for (_, security), records in zip(services, answers, strict=True)
            for record in sorted(cast("Sequence[SRV]", records), key=lambda each: (each.priority, -each.weight))
            if record.target.labels != (b"",)  # RFC 6186 section 3.4: decidedly not there
        )
    return Offers(found["imap"], found["smtp"], by_local_part=False)


async def _by_autoconfig(domain: str, ways: Ways) -> Offers:
    places = (
        f"https://autoconfig.{domain}/mail/config-v1.1.xml",
        f"https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml",
    )
    client = ways.web.http_client(
        timeout=_FILE_SECONDS, total=_FILE_SECONDS, max_body=_LARGEST_FILE, follow_redirects=True
    )
    async with client:
        for url in places:
            with suppress(Error, NotAutoconfig, httpx.HTTPError, httpx.InvalidURL):
                async with client.stream("GET", url) as answer:
                    if answer.is_success:
                        return parse(await read_capped(answer, _LARGEST_FILE), domain=domain)
    return Offers((), (), by_local_part=False)


async def _by_mx(domain: str, ways: Ways) -> Offers:
    """The servers of the known provider whose MX it is; else the MX hosts themselves, where such servers answer."""
    records = sorted(cast("Sequence[MX]", await ways.ask(domain, "MX")), key=lambda each: each.preference)
    hosts = [host for each in records[:_MOST_MX] if (host := each.exchange.to_text(omit_final_dot=True)) != "."]
    for host in hosts:
        provider = provider_by_mx(host)
        if provider is not None:
            return Offers((PRESETS[provider].imap,), (PRESETS[provider].smtp,), by_local_part=False)
    imap = [server async for server in _answering(hosts, ways.imap, ways.mail)]
    smtp = [server async for server in _answering(hosts, ways.smtp, ways.mail)] if imap else []
    return Offers(tuple(imap), tuple(smtp), by_local_part=False)


async def _answering(
    hosts: Sequence[str], ports: Sequence[tuple[int, Security]], guard: Guard
) -> AsyncIterator[Server]:
    """The first that can be connected to."""
    for host in hosts:
        for port, security in ports:
            with suppress(OutboundError):
                _, writer = await guard.open(host, port, tls=security is Security.TLS, timeout=_PROBE_SECONDS)
                writer.close()
                yield Server(host, port, security)
                return
