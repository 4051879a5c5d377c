"""What an SPF record says of a sender (RFC 7208 4 and 5): the function check_host(), with its limits.

`ptr` is counted and never matches: it is slow, unreliable and not to be used (section 5.5).
"""

import re
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Protocol, TypeAlias

import msgspec

from litemail.protocols import spf
from litemail.protocols.dkim import LookupFailed
from litemail.protocols.spf import Mechanism, Qualifier

Address: TypeAlias = IPv4Address | IPv6Address

MAX_VOID_LOOKUPS = 2  # section 4.6.4
MAX_MAIL_SERVERS = 10
_MAX_NAME = 253
_IPV4 = 4
_MACRO = re.compile(r"%(?:\{([slodiphcrtv])(\d*)(r?)([.+,/_=-]*)\}|([%_-]))", re.IGNORECASE)


class Result(StrEnum):
    """Section 2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Evaluation(msgspec.Struct, frozen=True):
    """`lookups` are those that count; `reason` is there for errors."""

    result: Result
    lookups: int
    reason: str | None = None


class Lookups(Protocol):
    """The DNS. Names that are not there have nothing; raises LookupFailed when nobody can tell."""

    async def texts(self, name: str) -> Sequence[str]: ...

    async def addresses(self, name: str, *, version: int) -> Sequence[Address]: ...

    async def mail_servers(self, name: str) -> Sequence[str]: ...


async def evaluate(
    domain: str,
    ip: Address,
    *,
    sender: str,
    dns: Lookups,
    most_lookups: int = spf.MAX_LOOKUPS,
) -> Evaluation:
    """The result for mail from `sender`, a mail address, that comes from `ip`; raises nothing.

    With a higher `most_lookups` a record that asks too much is still counted.
    """
    run = _Run(ip, sender, dns, most_lookups)
    try:
        result = await run.check(domain)
    except _Permanent as error:
        return Evaluation(Result.PERMERROR, run.lookups, str(error))
    except LookupFailed as error:
        return Evaluation(Result.TEMPERROR, run.lookups, str(error))
    return Evaluation(result, run.lookups)


class _Permanent(Exception):
    """A permerror and its reason."""


_RESULTS = {
    Qualifier.PASS: Result.PASS,
    Qualifier.FAIL: Result.FAIL,
    Qualifier.SOFTFAIL: Result.SOFTFAIL,
    Qualifier.NEUTRAL: Result.NEUTRAL,
}


@dataclass
class _Run:
    """One evaluation, whose limits hold for all the records that it goes through."""

    ip: Address
    sender: str
    dns: Lookups
    most_lookups: int
    lookups: int = 0
    voids: int = 0

    async def check(self, domain: str) -> Result:
        texts = [text for text in await self.dns.texts(domain) if spf.is_spf(text)]
        if not texts:
            return Result.NONE
        if len(texts) > 1:
            raise _Permanent(f"{domain} has {len(texts)} SPF records")
        try:
            record = spf.parse(texts[0])
        except spf.MalformedSpf as malformed:
            raise _Permanent(f"the record of {domain}: {malformed.data['reason']}") from None
        for mechanism in record.evaluated:
            if await self._matches(mechanism, domain):
                return _RESULTS[mechanism.qualifier]
        if record.redirect is None:
            return Result.NEUTRAL
        self._count(f"redirect={record.redirect}")
        target = self._expanded(record.redirect, domain)
        result = await self.check(target)
        if result is Result.NONE:
            raise _Permanent(f"{domain} redirects to {target}, which has no SPF record")
        return result

    async def _matches(self, mechanism: Mechanism, domain: str) -> bool:
        if mechanism.name == "all":
            return True
        if mechanism.name in {"ip4", "ip6"}:
            return self.ip in ip_network(mechanism.value.removeprefix(":"), strict=False)
        self._count(str(mechanism))
        target = self._expanded(mechanism.domain, domain) if mechanism.domain else domain
        match mechanism.name:
            case "include":
                return await self._included(target)
            case "exists":
                return bool(await self._addresses(target, version=_IPV4))
            case "a":
                return await self._is_at(target, mechanism)
            case "mx":
                return await self._is_at_mail_server(target, mechanism)
            case _:
                return False

    async def _included(self, target: str) -> bool:
        result = await self.check(target)
        if result is Result.NONE:
            raise _Permanent(f"{target} is included and has no SPF record")
        return result is Result.PASS

    async def _is_at(self, host: str, mechanism: Mechanism) -> bool:
        length = mechanism.prefix_length(self.ip.version)
        addresses = await self._addresses(host, version=self.ip.version)
        return any(self.ip in ip_network((address, length), strict=False) for address in addresses)

    async def _is_at_mail_server(self, target: str, mechanism: Mechanism) -> bool:
        hosts = await self.dns.mail_servers(target)
        if not hosts:
            self._void(target)
        if len(hosts) > MAX_MAIL_SERVERS:
            raise _Permanent(f"{target} has more than {MAX_MAIL_SERVERS} mail servers")
        length = mechanism.prefix_length(self.ip.version)
        for host in hosts:
            addresses = await self.dns.addresses(host, version=self.ip.version)
            if any(self.ip in ip_network((address, length), strict=False) for address in addresses):
                return True
        return False

    async def _addresses(self, name: str, *, version: int) -> Sequence[Address]:
        found = await self.dns.addresses(name, version=version)
        if not found:
            self._void(name)
        return found

    def _count(self, term: str) -> None:
        self.lookups += 1
        if self.lookups > self.most_lookups:
            raise _Permanent(f"{term} is look-up number {self.lookups}, and {self.most_lookups} are allowed")

    def _void(self, name: str) -> None:
        self.voids += 1
        if self.voids > MAX_VOID_LOOKUPS:
            raise _Permanent(f"{name} is look-up number {self.voids} that finds nothing")

    def _expanded(self, spec: str, domain: str) -> str:
        """The domain that a domain-spec means; from the left it is cut to the length of a name (section 7.3)."""
        name = _MACRO.sub(lambda match: self._macro(match, domain), spec).removesuffix(".")
        while len(name) > _MAX_NAME and "." in name:
            name = name.partition(".")[2]
        return name.lower()

    def _macro(self, match: re.Match[str], domain: str) -> str:
        letter, digits, reverse, delimiters, escape = match.groups()
        if escape:
            return {"%": "%", "_": " ", "-": "%20"}[escape]
        if digits == "0":
            raise _Permanent(f"{match[0]} keeps no part at all")
        parts = re.split(f"[{re.escape(delimiters or '.')}]", self._letter(letter.lower(), domain))
        if reverse:
            parts.reverse()
        text = ".".join(parts[-int(digits) :] if digits else parts)
        return urllib.parse.quote(text, safe="") if letter.isupper() else text

    def _letter(self, letter: str, domain: str) -> str:
        local, _, sender_domain = self.sender.rpartition("@")
        match letter:
            case "s":
                return self.sender
            case "l":
                return local or "postmaster"
            case "o" | "h":
                return sender_domain
            case "d":
                return domain
            case "i" if self.ip.version == _IPV4:
                return str(self.ip)
            case "i":
                return ".".join(self.ip.exploded.replace(":", ""))
            case "v":
                return "in-addr" if self.ip.version == _IPV4 else "ip6"
            case "p":
                return "unknown"
            case _:
                raise _Permanent(f"%{{{letter}}} is for explanations only")
