"""DMARC policy records (RFC 7489 section 6.3): reading and writing the text of `_dmarc.<domain>`."""

from enum import StrEnum

import msgspec

from litemail.kit.errors import Error, Kind

_MAX_PERCENT = 100


class MalformedDmarc(Error):
    kind = Kind.INVALID
    code = "dmarc.malformed"
    message = "This is not a valid DMARC record: {reason}"


class Policy(StrEnum):
    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


class Alignment(StrEnum):
    RELAXED = "r"
    STRICT = "s"


class DmarcRecord(msgspec.Struct, frozen=True):
    """`rua` and `ruf` are URIs as they stand in the record (`mailto:reports@example.com`)."""

    policy: Policy
    subdomain_policy: Policy | None = None
    pct: int = 100
    rua: tuple[str, ...] = ()
    ruf: tuple[str, ...] = ()
    adkim: Alignment = Alignment.RELAXED
    aspf: Alignment = Alignment.RELAXED

    def __str__(self) -> str:
        tags = [("v", "DMARC1"), ("p", self.policy.value)]
        if self.subdomain_policy:
            tags.append(("sp", self.subdomain_policy.value))
        if self.pct != _MAX_PERCENT:
            tags.append(("pct", str(self.pct)))
        tags += [(tag, ",".join(uris)) for tag, uris in (("rua", self.rua), ("ruf", self.ruf)) if uris]
        tags += [
            (tag, mode.value) for tag, mode in (("adkim", self.adkim), ("aspf", self.aspf)) if mode is Alignment.STRICT
        ]
        return "; ".join(f"{tag}={value}" for tag, value in tags)


def is_dmarc(text: str) -> bool:
    """Whether a TXT value claims to be a DMARC record: `v=DMARC1` comes first (section 6.3)."""
    return text.partition(";")[0].replace(" ", "") == "v=DMARC1"


def is_policy_name(name: str) -> bool:
    """Whether a name relative to its zone is one where receivers look for policies."""
    return name == "_dmarc" or name.startswith("_dmarc.")


def report_uri(address: str) -> str:
    """The `rua` entry of a mail address. Commas and exclamation marks are escaped (section 6.2)."""
    return "mailto:" + address.replace("%", "%25").replace(",", "%2C").replace("!", "%21")


def parse(text: str) -> DmarcRecord:
    """Reads a record; unknown tags are skipped (section 6.3). Raises MalformedDmarc."""
    if not is_dmarc(text):
        raise MalformedDmarc(reason="it does not begin with v=DMARC1")
    tags: dict[str, str] = {}
    for part in text.split(";")[1:]:
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not part.strip():
            continue
        if not equals:
            raise MalformedDmarc(reason=f"{part.strip()!r} is not a tag with a value")
        if name.lower() in tags:
            raise MalformedDmarc(reason=f"{name}= appears more than once")
        tags[name.lower()] = value
    if "p" not in tags:
        raise MalformedDmarc(reason="p= is missing")
    try:
        pct = int(tags.get("pct", str(_MAX_PERCENT)))
        found = DmarcRecord(
            policy=Policy(tags["p"].lower()),
            subdomain_policy=Policy(tags["sp"].lower()) if "sp" in tags else None,
            pct=pct,
            rua=_uris(tags.get("rua", "")),
            ruf=_uris(tags.get("ruf", "")),
            adkim=Alignment(tags.get("adkim", "r").lower()),
            aspf=Alignment(tags.get("aspf", "r").lower()),
        )
    except ValueError as error:
        raise MalformedDmarc(reason=str(error)) from error
    if not 0 <= pct <= _MAX_PERCENT:
        raise MalformedDmarc(reason="pct= is not between 0 and 100")
    return found


def _uris(value: str) -> tuple[str, ...]:
    return tuple(uri.strip() for uri in value.split(",") if uri.strip())
