"""Mail addresses (RFC 5321 section 4.1.2), always in lower case and with an ASCII domain (RFC 5891 A-labels).

RFC 5321 lets a host tell `Bob` from `bob`; no host of today does, so an address here is its lower-case form and
two spellings of one address are equal. Quoted local parts, address literals and SMTPUTF8 are not used.
"""

import re

import msgspec
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from litemail.kit.errors import Error, Kind

LOCAL_PART_MAX = 64  # RFC 5321 section 4.5.3.1.1
ADDRESS_MAX = 254  # RFC 5321 section 4.5.3.1.3: a path has 256 octets, two of them are the brackets

_ATEXT = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]"  # RFC 5322 section 3.2.3
_DOT_ATOM = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_LABEL = r"(?!..--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLAIN = re.compile(rf"({_ATEXT}+(?:\.{_ATEXT}+)*)@((?:{_LABEL}\.)+([a-z]{{2,63}}))")
_UNUSABLE_TLDS = frozenset(name.rpartition(".")[2] for name in SPECIAL_USE_DOMAIN_NAMES) - {"test"}


class InvalidAddress(Error):
    kind = Kind.INVALID
    code = "address.invalid"
    message = "{text} is not a mail address: {reason}"
    action = "Write it as name@domain."


class BadUsername(Error):
    kind = Kind.INVALID
    code = "mailbox.bad_username"
    message = "{text} cannot be the name of a mailbox: {reason}"
    action = "Use letters, digits, dots, dashes and underscores, 64 characters at most."


class Address(msgspec.Struct, frozen=True, order=True):
    """`local` and `domain` are in lower case, `domain` in ASCII (A-labels). Make one with `parse`."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


def parse(text: str) -> Address:
    """An address out of text such as `Jo.Doe@Example.com`, without display name or brackets.

    International domains come out as A-labels. Names under `.test` are allowed. Nothing is looked up.
    Raises InvalidAddress. Costs about a microsecond for plain ASCII, twenty for the rest.
    """
    lower = text.strip().lower() if text.isascii() else ""
    match = _PLAIN.fullmatch(lower)
    if match and match[3] not in _UNUSABLE_TLDS and len(match[1]) <= LOCAL_PART_MAX and len(lower) <= ADDRESS_MAX:
        return Address(match[1], match[2])
    return _parse_carefully(text)


def _parse_carefully(text: str) -> Address:
    """What the short way cannot decide: international domains, and a reason for everything that is wrong."""
    shown = repr(text[:100])
    try:
        found = validate_email(
            text.strip(), check_deliverability=False, test_environment=True, allow_smtputf8=False, strict=True
        )
    except EmailNotValidError as error:
        raise InvalidAddress(text=shown, reason=str(error)) from error
    local, domain = found.local_part.lower(), found.ascii_domain.lower()
    if "." not in domain:
        raise InvalidAddress(text=shown, reason="The part after the @-sign needs a dot.")
    if len(local) + 1 + len(domain) > ADDRESS_MAX:
        raise InvalidAddress(text=shown, reason=f"It is longer than {ADDRESS_MAX} characters.")
    return Address(local, domain)


def local_part(text: str) -> str:
    """The lower-case form of a mailbox's user name, if it can stand before the @ (RFC 5321: Dot-string, 1..64).

    Raises BadUsername, which says what is wrong.
    """
    name = text.lower() if text.isascii() else text  # the Kelvin sign has an ASCII lower case
    reason = _fault(name)
    if reason:
        raise BadUsername(text=repr(text[:100]), reason=reason)
    return name


def _fault(name: str) -> str | None:
    faults = (
        (not name, "It is empty."),
        (len(name) > LOCAL_PART_MAX, f"It is longer than {LOCAL_PART_MAX} characters."),
        ("@" in name, "It is the part before the @-sign only."),
        (not name.isascii(), "It has characters outside ASCII."),
        (name.startswith(".") or name.endswith(".") or ".." in name, "A dot can stand only between other characters."),
        (not _DOT_ATOM.fullmatch(name), "It has a space or another character that an address cannot have."),
    )
    return next((reason for wrong, reason in faults if wrong), None)
