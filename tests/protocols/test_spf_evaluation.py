"""RFC 7208: the examples of its appendix A, its limits, and the macros of its section 7.4."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest

from litemail.protocols.dkim import LookupFailed
from litemail.protocols.spf_evaluation import Address, Evaluation, Result, evaluate

# Appendix A: the zone that its examples speak of.
HOSTS = {
    "example.com": ["192.0.2.10", "192.0.2.11"],
    "amy.example.com": ["192.0.2.65"],
    "bob.example.com": ["192.0.2.66"],
    "mail-a.example.com": ["192.0.2.129"],
    "mail-b.example.com": ["192.0.2.130"],
    "www.example.com": ["192.0.2.10", "192.0.2.11"],
    "mail-c.example.org": ["192.0.2.140"],
    "v6.example.com": ["2001:db8::cb01"],
}
MAIL_SERVERS = {
    "example.com": ["mail-a.example.com", "mail-b.example.com"],
    "example.org": ["mail-c.example.org"],
}


@dataclass
class Zone:
    """A DNS of a few names. Those in `broken` nobody can tell."""

    texts_of: Mapping[str, Sequence[str]]
    hosts: Mapping[str, Sequence[str]] = field(default_factory=lambda: HOSTS)
    broken: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)

    async def texts(self, name: str) -> Sequence[str]:
        if name in self.broken:
            raise LookupFailed(name=name)
        return self.texts_of.get(name, ())

    async def addresses(self, name: str, *, version: int) -> Sequence[Address]:
        self.asked.append(name)
        if name in self.broken:
            raise LookupFailed(name=name)
        return [address for text in self.hosts.get(name, ()) if (address := ip_address(text)).version == version]

    async def mail_servers(self, name: str) -> Sequence[str]:
        return MAIL_SERVERS.get(name, ())


async def check(
    record: str | Sequence[str],
    ip: str = "192.0.2.129",
    *,
    sender: str = "joe@example.com",
    others: Mapping[str, Sequence[str]] | None = None,
    hosts: Mapping[str, Sequence[str]] = HOSTS,
    most: int = 10,
) -> Evaluation:
    texts = {"example.com": [record] if isinstance(record, str) else record, **(others or {})}
    return await evaluate("example.com", ip_address(ip), sender=sender, dns=Zone(texts, hosts), most_lookups=most)


@pytest.mark.parametrize(
    ("record", "ip", "result"),
    [
        ("v=spf1 +all", "203.0.113.1", "pass"),
        ("v=spf1 a -all", "192.0.2.10", "pass"),
        ("v=spf1 a -all", "192.0.2.65", "fail"),
        ("v=spf1 a:example.org -all", "192.0.2.10", "fail"),
        ("v=spf1 mx -all", "192.0.2.129", "pass"),
        ("v=spf1 mx -all", "192.0.2.140", "fail"),
        ("v=spf1 mx:example.org -all", "192.0.2.140", "pass"),
        ("v=spf1 mx mx:example.org -all", "192.0.2.140", "pass"),
        ("v=spf1 mx/30 mx:example.org/30 -all", "192.0.2.131", "pass"),
        ("v=spf1 mx/30 mx:example.org/30 -all", "192.0.2.143", "pass"),
        ("v=spf1 mx/30 -all", "192.0.2.140", "fail"),
        ("v=spf1 ip4:192.0.2.128/28 -all", "192.0.2.129", "pass"),
        ("v=spf1 ip4:192.0.2.128/28 -all", "192.0.2.65", "fail"),
    ],
)
async def test_appendix_a(record: str, ip: str, result: str) -> None:
    assert (await check(record, ip)).result == result


@pytest.mark.parametrize(
    ("record", "ip", "result"),
    [
        ([], "192.0.2.1", "none"),
        (["something else"], "192.0.2.1", "none"),
        (["v=spf1 -all", "v=spf1 mx"], "192.0.2.1", "permerror"),
        ("v=spf1", "192.0.2.1", "neutral"),
        ("v=spf1 ~all", "192.0.2.1", "softfail"),
        ("v=spf1 ?all", "192.0.2.1", "neutral"),
        ("v=spf1 bogus -all", "192.0.2.1", "permerror"),
        ("v=spf1 ip6:2001:db8::/32 -all", "2001:db8::1", "pass"),
        ("v=spf1 ip6:2001:db8::/32 -all", "192.0.2.1", "fail"),
        ("v=spf1 a:v6.example.com//64 -all", "2001:db8::1", "pass"),
        ("v=spf1 a:v6.example.com -all", "2001:db8::1", "fail"),
        ("v=spf1 -all mx", "192.0.2.129", "fail"),
        ("v=spf1 ptr -all", "192.0.2.129", "fail"),
        ("v=spf1 include:other.example -all", "192.0.2.140", "pass"),
        ("v=spf1 include:other.example -all", "192.0.2.1", "fail"),
        ("v=spf1 include:nothing.example -all", "192.0.2.1", "permerror"),
        ("v=spf1 redirect=other.example", "192.0.2.140", "pass"),
        ("v=spf1 redirect=other.example", "192.0.2.1", "softfail"),
        ("v=spf1 redirect=nothing.example", "192.0.2.1", "permerror"),
        ("v=spf1 -all redirect=other.example", "192.0.2.140", "fail"),
        ("v=spf1 include:broken.example -all", "192.0.2.1", "temperror"),
        ("v=spf1 exists:%{ir}.list.example -all", "192.0.2.3", "pass"),
        ("v=spf1 exists:%{ir}.list.example -all", "192.0.2.4", "fail"),
        ("v=spf1 exists:%{c}.list.example -all", "192.0.2.4", "permerror"),
    ],
)
async def test_results(record: str | Sequence[str], ip: str, result: str) -> None:
    texts = {
        "example.com": [record] if isinstance(record, str) else record,
        "other.example": ["v=spf1 mx:example.org ~all"],
    }
    hosts = {**HOSTS, "3.2.0.192.list.example": ["127.0.0.2"]}
    zone = Zone(texts, hosts, broken=frozenset({"broken.example"}))
    assert (await evaluate("example.com", ip_address(ip), sender="joe@example.com", dns=zone)).result == result


async def test_look_ups_are_counted_through_includes_and_end_at_ten() -> None:
    others = {
        "a.example": ["v=spf1 include:b.example a mx -all"],
        "b.example": ["v=spf1 a:example.com a:amy.example.com a:bob.example.com -all"],
    }
    found = await check("v=spf1 include:a.example mx a ptr -all", "203.0.113.9", others=others, hosts={**HOSTS,
                        "a.example": ["192.0.2.1"]})  # fmt: skip
    assert (found.result, found.lookups) == (Result.FAIL, 10)
    assert (await check("v=spf1 mx -all", "192.0.2.129")).lookups == 1
    looping = await check("v=spf1 include:example.com -all", "203.0.113.9")
    assert (looping.result, looping.lookups) == (Result.PERMERROR, 11)
    long = " ".join(["a:amy.example.com"] * 14)
    found = await check(f"v=spf1 {long} -all", "203.0.113.9", most=30)
    assert (found.result, found.lookups) == (Result.FAIL, 14)


async def test_a_third_look_up_that_finds_nothing_is_an_error() -> None:
    two = await check("v=spf1 a:x.example a:y.example -all", "203.0.113.9")
    assert two.result is Result.FAIL
    three = await check("v=spf1 a:x.example a:y.example exists:z.example -all", "203.0.113.9")
    assert three.result is Result.PERMERROR
    assert three.reason is not None
    assert "z.example" in three.reason


@pytest.mark.parametrize(
    ("spec", "expanded"),
    [  # section 7.4, for the sender strong-bad@email.example.com at 192.0.2.3
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
    ],
)
async def test_macros(spec: str, expanded: str) -> None:
    zone = Zone({"email.example.com": [f"v=spf1 exists:{spec} -all"]})
    await evaluate("email.example.com", ip_address("192.0.2.3"), sender="strong-bad@email.example.com", dns=zone)
    assert zone.asked == [expanded]


async def test_an_ipv6_address_in_a_macro_is_its_nibbles() -> None:
    zone = Zone({"email.example.com": ["v=spf1 exists:%{ir}.%{v}._spf.%{d2} -all"]})
    await evaluate("email.example.com", ip_address("2001:db8::cb01"), sender="x@email.example.com", dns=zone)
    assert zone.asked == [
        "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
    ]  # fmt: skip
