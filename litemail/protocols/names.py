"""Domain names: what a person types in, and the one form that everything else uses.

Everywhere below the edges a name is lower case, in A-labels (RFC 5890), without a trailing dot.
"""

import ipaddress
import re
from functools import cache
from typing import ClassVar

import idna
from publicsuffixlist import PublicSuffixList

from litemail.kit.errors import Error, Kind

MAX_NAME = 253  # RFC 1035 section 2.3.4: 255 octets on the wire, which is 253 in text
MAX_LABEL = 63

# RFC 2606 section 2 keeps `test` for tests, so no public list has it; our sandbox registers names under it.
SANDBOX_SUFFIX = "test"

_SHOWN = 80
_LDH = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_LDH_UNDERSCORE = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")
_URL = re.compile(r"[/?#\\]|:\d*$")
_MAX_TYPED = 2_000  # characters: longer texts are refused before any pattern sees them


class BadName(Error):
    """Base of every reason why a text is not a domain that can be registered."""

    kind = Kind.INVALID
    code = "domain.not_a_name"
    message = "{name} is not a domain name: {reason}."
    action = "Enter a domain name such as example.com."


class NotAName(BadName):
    code = "domain.not_a_name"


class LabelTooLong(BadName):
    code = "domain.label_too_long"
    message = "{name} is not a domain name: a part between two dots is longer than 63 characters."


class NameTooLong(BadName):
    code = "domain.name_too_long"
    message = "{name} is not a domain name: it is longer than 253 characters."


class WebAddress(BadName):
    code = "domain.web_address"
    message = "{name} is a web address, not a domain name."
    action = "Enter {suggestion}."


class EmailAddress(BadName):
    code = "domain.email_address"
    message = "{name} is an e-mail address, not a domain name."
    action = "Enter {suggestion}."


class IpAddress(BadName):
    code = "domain.ip_address"
    message = "{name} is an IP address, not a domain name."


class SingleLabel(BadName):
    code = "domain.single_label"
    message = "{name} is a single word, not a domain name."


class UnknownSuffix(BadName):
    code = "domain.unknown_suffix"
    message = "{name} cannot be registered: there is no public suffix {suffix}."
    action = "Check the ending of the name."


class PublicSuffix(BadName):
    code = "domain.public_suffix"
    message = "{name} is a public suffix: names are registered under it, but it is nobody's own."
    action = "Enter a name under it, such as example.{name}."


class NotRegistrable(BadName):
    """A sub-domain. `parent` is the registrable name above it."""

    code = "domain.not_registrable"
    message = "{name} is a sub-domain of {parent}."
    action = "Enter {parent}; sub-domains are DNS records in its zone."

    def __init__(self, *, name: str, parent: str, field: str | None = None) -> None:
        super().__init__(name=name, parent=parent, field=field)
        self.parent = parent


class Unfit(ValueError):
    """Why a text is no name in the sense of RFC 1035 and IDNA2008; the caller knows what it was meant to be."""

    too_long: ClassVar[bool] = False


class _LabelUnfit(Unfit):
    too_long = True


class _NameUnfit(Unfit):
    too_long = True


def shown(text: str) -> str:
    """A person's own text, safe and short enough to stand in a message."""
    printable = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return printable if len(printable) <= _SHOWN else printable[:_SHOWN] + "..."


def normalise(text: str, *, field: str | None = None) -> str:
    """The registrable domain that a person typed, in lower-case A-labels without a trailing dot.

    Mapped by UTS #46, checked by IDNA2008 (RFC 5891) and the Public Suffix List, to which `test` is added.
    Raises a subclass of BadName, with `field` in it, for everything else; sub-domains are NotRegistrable.
    """
    typed = text.strip()
    if len(typed) > _MAX_TYPED:
        raise NameTooLong(name=shown(typed), field=field)
    if "@" in typed:
        raise _inside(typed, typed.rpartition("@")[2], EmailAddress, field)
    if _is_ip(typed):
        raise IpAddress(name=shown(typed), field=field)
    if _URL.search(typed):
        raise _inside(typed, _host_of_url(typed), WebAddress, field)
    try:
        name = to_ascii(typed)
    except _LabelUnfit:
        raise LabelTooLong(name=shown(typed), field=field) from None
    except _NameUnfit:
        raise NameTooLong(name=shown(typed), field=field) from None
    except Unfit as reason:
        raise NotAName(name=shown(typed) or "An empty text", reason=reason, field=field) from None
    if _is_ip(name):
        raise IpAddress(name=name, field=field)
    return _registrable(name, field)


def registrable(name: str) -> str | None:
    """The registrable domain that a normalised name is or is in; None for public suffixes and unknown endings."""
    labels = name.split(".")
    if labels[-1] == SANDBOX_SUFFIX:
        return ".".join(labels[-2:]) if len(labels) > 1 else None
    return _suffixes().privatesuffix(name)


def to_ascii(text: str, *, underscores: bool = False) -> str:
    """Any host name in A-labels, without a trailing dot; with `underscores` also names like `_dmarc` (RFC 8552).

    Raises Unfit with the reason. ASCII labels are held to letters, digits and hyphens only (RFC 1123 section 2.1);
    labels such as `my--site` are in use and pass here.
    """
    if len(text) > 4 * MAX_NAME:
        raise _NameUnfit("it is too long")
    try:
        mapped = idna.uts46_remap(text, std3_rules=False)
    except idna.IDNAError:
        raise Unfit("it has characters that domain names cannot have") from None
    name = mapped.removesuffix(".")
    if not name:
        raise Unfit("it is empty")
    result = ".".join(_label(label, underscores=underscores) for label in name.split("."))
    if len(result) > MAX_NAME:
        raise _NameUnfit("it is longer than 253 characters")
    return result


def to_unicode(name: str) -> str:
    """The form that people read: U-labels where they are valid, else the A-label as it is."""
    return idna.decode(name, display=True) if "xn--" in name else name


def is_under(name: str, parent: str) -> bool:
    """Whether a normalised name is `parent` itself or below it."""
    return name == parent or name.endswith("." + parent)


def relative(name: str, zone: str) -> str:
    """`www.example.com` in zone `example.com` is `www`; the zone itself is `@`. Raises ValueError outside the zone."""
    if name == zone:
        return "@"
    if not name.endswith("." + zone):
        raise ValueError(f"{name} is not in {zone}")
    return name[: -len(zone) - 1]


def absolute(name: str, zone: str) -> str:
    """The opposite of `relative`."""
    return zone if name == "@" else f"{name}.{zone}"


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False)


def _registrable(name: str, field: str | None) -> str:
    parent = registrable(name)
    if parent == name:
        return name
    if parent is not None:
        raise NotRegistrable(name=name, parent=parent, field=field)
    if name == SANDBOX_SUFFIX or _suffixes().is_public(name):
        raise PublicSuffix(name=name, field=field)
    if "." not in name:
        raise SingleLabel(name=name, field=field)
    raise UnknownSuffix(name=name, suffix=name.rpartition(".")[2], field=field)


def _label(label: str, *, underscores: bool) -> str:
    if not label:
        raise Unfit("it has an empty part, as between two dots in a row")
    if len(label) > MAX_LABEL:
        raise _LabelUnfit("a part between two dots is longer than 63 characters")
    if not label.isascii():
        try:
            return idna.alabel(label).decode("ascii")
        except idna.IDNAError as error:
            if error.code == "label_too_long":
                raise _LabelUnfit("a part between two dots is longer than 63 characters") from None
            raise Unfit(f"{shown(label)} is not allowed in internationalised names") from None
    if label.startswith("xn--"):
        try:
            idna.ulabel(label)
        except (idna.IDNAError, UnicodeError):
            raise Unfit(f"{label} is not a valid internationalised part") from None
    if not (_LDH_UNDERSCORE if underscores else _LDH).fullmatch(label):
        raise Unfit(_why_not(label, underscores=underscores))
    return label


def _why_not(label: str, *, underscores: bool) -> str:
    if any(character.isspace() for character in label):
        return "it has a space in it"
    if "_" in label and not underscores:
        return "it has an underscore in it"
    if label.startswith("-") or label.endswith("-"):
        return "a part begins or ends with a hyphen"
    return f"{shown(label)} has other characters than letters, digits and hyphens"


def _is_ip(text: str) -> bool:
    bare = text.strip("[]").removesuffix(".")
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        return False
    return True


def _host_of_url(text: str) -> str:
    rest = text.partition("//")[2] if "//" in text else text
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    return re.sub(r":\d*$", "", authority)


def _inside(typed: str, candidate: str, kind: type[WebAddress | EmailAddress], field: str | None) -> BadName:
    """The error for a text that holds a name in something else; it says which name was probably meant."""
    try:
        suggestion = registrable(to_ascii(candidate)) if not _URL.search(candidate) else None
    except Unfit:
        suggestion = None
    if suggestion is None:
        what = "a web address" if kind is WebAddress else "an e-mail address"
        return NotAName(name=shown(typed), reason=f"it looks like {what}", field=field)
    return kind(name=shown(typed), suggestion=suggestion, field=field)
