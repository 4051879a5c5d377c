"""SPF records (RFC 7208): reading and writing the text. `spf_evaluation` asks what one says of a sender."""

import ipaddress
import re
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from litemail.kit.errors import Error, Kind

VERSION = "v=spf1"
MAX_LOOKUPS = 10  # RFC 7208 section 4.6.4
_MECHANISMS = frozenset({"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"})
_NEED_VALUE = frozenset({"include", "ip4", "ip6", "exists"})
_LOOK_UP = frozenset({"include", "a", "mx", "ptr", "exists"})
_NAMES_DOMAIN = frozenset({"include", "a", "mx", "ptr", "exists"})
_MACRO = r"%\{[slodiphcrtv]\d*r?[.+,/_=-]*\}|%[%_-]"
# Section 7.1: any printable text with macros in it, which ends in a macro or in a top-level domain.
_DOMAIN_SPEC = re.compile(
    rf"(?:{_MACRO}|[!-$&-~])*(?:\.(?:[a-z0-9]*[a-z][a-z0-9]*|[a-z0-9]+-[a-z0-9-]*[a-z0-9])\.?|{_MACRO})", re.IGNORECASE
)
_LENGTHS = re.compile(r"(?P<rest>.*?)(?:/(?P<v4>0|[1-9]\d?))?(?://(?P<v6>0|[1-9]\d{0,2}))?")
_V4_BITS, _V6_BITS = 32, 128


class MalformedSpf(Error):
    kind = Kind.INVALID
    code = "spf.malformed"
    message = "This is not a valid SPF record: {reason}"


class Qualifier(StrEnum):
    """RFC 7208 section 4.6.2."""

    PASS = "+"  # noqa: S105 - not a password
    FAIL = "-"
    SOFTFAIL = "~"
    NEUTRAL = "?"


class Mechanism(msgspec.Struct, frozen=True):
    name: str
    value: str = ""  # with its separator: `:example.com`, `/24`, `:example.com/24`, or empty
    qualifier: Qualifier = Qualifier.PASS

    def __str__(self) -> str:
        sign = "" if self.qualifier is Qualifier.PASS else self.qualifier.value
        return f"{sign}{self.name}{self.value}"

    @property
    def domain(self) -> str:
        """The domain-spec, with its macros; empty where the current domain is meant."""
        return self._parts()[0]

    def prefix_length(self, version: int) -> int:
        """How many bits of an address of this IP version have to be equal, for `a` and `mx` (section 5.6)."""
        _, v4, v6 = self._parts()
        return v4 if version == 4 else v6  # noqa: PLR2004  the two IP versions

    def _parts(self) -> tuple[str, int, int]:
        match = _LENGTHS.fullmatch(self.value)
        assert match is not None
        v4, v6 = int(match["v4"] or _V4_BITS), int(match["v6"] or _V6_BITS)
        return match["rest"].removeprefix(":"), v4, v6


class SpfRecord(msgspec.Struct, frozen=True):
    mechanisms: tuple[Mechanism, ...]
    modifiers: tuple[tuple[str, str], ...] = ()

    @property
    def lookups(self) -> int:
        """DNS look-ups that this record itself asks for; those of included records come on top."""
        own = sum(1 for mechanism in self.evaluated if mechanism.name in _LOOK_UP)
        return own + (1 if self.redirect else 0)

    @property
    def evaluated(self) -> tuple[Mechanism, ...]:
        """The mechanisms up to the first `all`, which ends the evaluation (section 5.1)."""
        end = next((place for place, one in enumerate(self.mechanisms, 1) if one.name == "all"), None)
        return self.mechanisms[:end]

    @property
    def redirect(self) -> str | None:
        """Where the evaluation goes on; ignored when there is an `all` (section 6.1)."""
        if any(mechanism.name == "all" for mechanism in self.mechanisms):
            return None
        return next((value for name, value in self.modifiers if name == "redirect"), None)

    def __str__(self) -> str:
        terms = [str(mechanism) for mechanism in self.mechanisms]
        terms += [f"{name}={value}" for name, value in self.modifiers]
        return " ".join([VERSION, *terms])


def is_spf(text: str) -> bool:
    """Whether a TXT value claims to be an SPF record (RFC 7208 section 4.5)."""
    return text.lower() == VERSION or text.lower().startswith(VERSION + " ")


def record(
    *, mx: bool = True, ip4: Sequence[str] = (), ip6: Sequence[str] = (), include: Sequence[str] = ()
) -> SpfRecord:
    """The record of a domain that sends from these places and from nowhere else (`-all`)."""
    mechanisms = [Mechanism("mx")] if mx else []
    mechanisms += [Mechanism("ip4", f":{address}") for address in ip4]
    mechanisms += [Mechanism("ip6", f":{address}") for address in ip6]
    mechanisms += [Mechanism("include", f":{domain}") for domain in include]
    return SpfRecord((*mechanisms, Mechanism("all", qualifier=Qualifier.FAIL)))


def parse(text: str) -> SpfRecord:
    """Reads `v=spf1 ...`. Names come out in lower case; unknown modifiers are kept (section 6). Raises MalformedSpf."""
    if not is_spf(text):
        raise MalformedSpf(reason=f"it does not begin with {VERSION}")
    mechanisms: list[Mechanism] = []
    modifiers: list[tuple[str, str]] = []
    for term in text.split(" ")[1:]:
        if term:
            _read(term, mechanisms, modifiers)
    for single in ("redirect", "exp"):  # section 6
        if sum(1 for name, _ in modifiers if name == single) > 1:
            raise MalformedSpf(reason=f"{single}= appears more than once")
    for name, value in modifiers:
        if name == "redirect" and not _DOMAIN_SPEC.fullmatch(value):
            raise MalformedSpf(reason=f"{value[:80]!r} is not a domain to redirect to")
    return SpfRecord(tuple(mechanisms), tuple(modifiers))


def _read(term: str, mechanisms: list[Mechanism], modifiers: list[tuple[str, str]]) -> None:
    name, equals, value = term.partition("=")
    if equals and name.replace("-", "").replace("_", "").replace(".", "").isalnum() and name[0].isalpha():
        modifiers.append((name.lower(), value))
        return
    qualifier = Qualifier(term[0]) if term[0] in "+-~?" else Qualifier.PASS
    bare = term.removeprefix(qualifier.value)
    end = min((i for i in (bare.find(":"), bare.find("/")) if i >= 0), default=len(bare))
    mechanism = Mechanism(bare[:end].lower(), bare[end:], qualifier)
    if mechanism.name not in _MECHANISMS:
        raise MalformedSpf(reason=f"{mechanism.name!r} is not a mechanism")
    if mechanism.name in _NEED_VALUE and len(mechanism.value.removeprefix(":")) < 1:
        raise MalformedSpf(reason=f"{mechanism.name} needs a value")
    if mechanism.name == "all" and mechanism.value:
        raise MalformedSpf(reason="all takes no value")
    _check_value(mechanism)
    mechanisms.append(mechanism)


def _check_value(mechanism: Mechanism) -> None:
    if mechanism.name in {"ip4", "ip6"}:
        kind = ipaddress.IPv4Network if mechanism.name == "ip4" else ipaddress.IPv6Network
        try:
            kind(mechanism.value.removeprefix(":"), strict=False)
        except ValueError:
            raise MalformedSpf(reason=f"{mechanism} has no {mechanism.name} address or network") from None
    elif mechanism.name in _NAMES_DOMAIN and mechanism.value:
        domain = mechanism.domain
        spelled = mechanism.value.startswith((":", "/")) and (domain or not mechanism.value.startswith(":"))
        if not spelled or (domain and not _DOMAIN_SPEC.fullmatch(domain)):
            raise MalformedSpf(reason=f"{mechanism} has no domain name")
        if mechanism.prefix_length(4) > _V4_BITS or mechanism.prefix_length(6) > _V6_BITS:
            raise MalformedSpf(reason=f"{mechanism} has too long a prefix length")
