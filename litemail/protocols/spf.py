"""SPF records (RFC 7208): reading and writing the text. Evaluating one for a sender is not done here."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from litemail.kit.errors import Error, Kind

VERSION = "v=spf1"
MAX_LOOKUPS = 10  # RFC 7208 section 4.6.4
_MECHANISMS = frozenset({"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"})
_NEED_VALUE = frozenset({"include", "ip4", "ip6", "exists"})
_LOOK_UP = frozenset({"include", "a", "mx", "ptr", "exists"})


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


class SpfRecord(msgspec.Struct, frozen=True):
    mechanisms: tuple[Mechanism, ...]
    modifiers: tuple[tuple[str, str], ...] = ()

    @property
    def lookups(self) -> int:
        """DNS look-ups that this record itself asks for; those of included records come on top."""
        own = sum(1 for mechanism in self.mechanisms if mechanism.name in _LOOK_UP)
        return own + sum(1 for name, _ in self.modifiers if name == "redirect")

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
    mechanisms.append(mechanism)
