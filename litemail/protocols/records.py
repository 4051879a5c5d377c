"""DNS records as people give them, and the one normalised form that is stored and served.

A value is stored whole: a TXT of 400 bytes is one text here and two strings on the wire (`record_wire`).
Targets are absolute, in lower-case A-labels, without a trailing dot.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from litemail.kit.errors import Detail, Error, Invalid, Kind
from litemail.protocols import dmarc, names, spf
from litemail.protocols.record_contents import EXAMPLES, Misfit, MisfitAddress, normalise_content
from litemail.protocols.record_types import DEFAULT_TTL as DEFAULT_TTL
from litemail.protocols.record_types import Record as Record
from litemail.protocols.record_types import RecordType as RecordType

MIN_TTL = 60
MAX_TTL = 86_400
_MAX_PRIORITY = 65_535
_RANKED = frozenset({RecordType.MX, RecordType.SRV})
# These say something about a host, and host names have no underscore (RFC 1123 2.1); the others may stand anywhere.
_OWNED_BY_HOSTS = frozenset({RecordType.A, RecordType.AAAA, RecordType.ALIAS, RecordType.MX})
_TRANSPORTS = frozenset({"_tcp", "_udp", "_sctp", "_dccp"})


class BadRecord(Error):
    """Base of every reason why a record is refused."""

    kind = Kind.INVALID
    code = "dns.bad_record"


class UnknownType(BadRecord):
    code = "dns.unknown_type"
    message = "{type} is not a record type that can be set here."
    action = "Use one of A, AAAA, ALIAS, CAA, CNAME, MX, NS, SRV, TXT, TLSA."


class BadRecordName(BadRecord):
    code = "dns.bad_name"
    message = "{name} cannot be the name of this {type} record: {reason}."
    action = "Give a name relative to the zone, such as www, or @ for the zone itself."


class BadContent(BadRecord):
    code = "dns.bad_content"
    message = "This is not the content of a {type} record: {reason}."
    action = "Write it like {example}."


class TargetIsAddress(BadRecord):
    code = "dns.target_is_address"
    message = "A {type} record names a host; {content} is an IP address."
    action = "Make an A or AAAA record for a host name and enter that name here."


class PointsToItself(BadRecord):
    code = "dns.points_to_itself"
    message = "This {type} record points to its own name."
    action = "Enter another name as its content."


class CnameAtApex(BadRecord):
    code = "dns.cname_at_apex"
    message = "A CNAME cannot stand at the zone itself: it would exclude its SOA, NS and MX records (RFC 1034 3.6.2)."
    action = "Use ALIAS with the same content, or A and AAAA records."


class NsAtApex(BadRecord):
    code = "dns.ns_at_apex"
    message = "The name servers of the zone itself are set by us."
    action = "Use NS only to delegate a sub-domain."


class BadTtl(BadRecord):
    code = "dns.bad_ttl"
    message = "The TTL {ttl} is out of range."
    action = f"Use {MIN_TTL} to {MAX_TTL} seconds."


class PriorityMissing(BadRecord):
    code = "dns.priority_missing"
    message = "A {type} record needs a priority."
    action = "Give a priority of 0 to 65535; the lowest is tried first."


class PriorityNotUsed(BadRecord):
    code = "dns.priority_not_used"
    message = "A {type} record has no priority."
    action = "Leave the priority out."


class BadPriority(BadRecord):
    code = "dns.bad_priority"
    message = "The priority {priority} is out of range."
    action = "Use 0 to 65535."


class NullMxPriority(BadRecord):
    code = "dns.null_mx_priority"
    message = "An MX of a single dot says that no mail is received, and its priority is 0 (RFC 7505 3)."
    action = "Give priority 0, or name a mail server."


class BadSpf(BadRecord):
    code = "dns.bad_spf"
    message = "Receivers would treat this SPF record as broken: {reason}"
    action = "Correct it; a minimal one is v=spf1 mx -all."


class SpfLookups(BadRecord):
    code = "dns.spf_lookups"
    message = "This SPF record asks for {count} look-ups by itself, and receivers stop at 10 (RFC 7208 4.6.4)."
    action = "Leave out senders that are no longer used, or name their addresses with ip4 and ip6."


class BadDmarc(BadRecord):
    code = "dns.bad_dmarc"
    message = "Receivers would ignore this DMARC record: {reason}"
    action = "Correct it, or set the policy with POST /v1/domains/dmarc."


def normalise_record(
    *,
    zone: str,
    type: str,  # noqa: A002  the field's own word, in RFC 1035 and in the API
    name: str,
    content: str,
    ttl: int = DEFAULT_TTL,
    priority: int | None = None,
    path: str = "",
) -> Record:
    """Check one record of `zone` (a normalised name) and return the form that is stored.

    `name` may also be given absolutely: `www.example.com` or `www.example.com.` in zone `example.com`.
    MX content may be `10 host`, SRV content `priority weight port target`, when `priority` is left out.
    Raises a subclass of BadRecord, or Invalid with every wrong field when there is more than one.
    `path` is where the record stands in the request, such as `records[2]`: fields are named below it.
    """
    kind = _type(type, field=_field(path, "type"))
    problems: list[Error] = []
    relative, value, rank = "", "", priority
    with _collected(problems):
        relative = normalise_name(name, zone=zone, kind=kind, field=_field(path, "name"))
    with _collected(problems):
        value, rank = _content(content, zone=zone, kind=kind, priority=priority, field=_field(path, "content"))
        _check_priority(rank, kind=kind, content=value, field=_field(path, "priority"))
    with _collected(problems):
        _check_ttl(ttl, field=_field(path, "ttl"))
    if not problems:
        with _collected(problems):
            _check_meaning(kind, names.absolute(relative, zone), relative, value, field=_field(path, "content"))
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise Invalid(details=tuple(Detail(problem.field or "", str(problem)) for problem in problems))
    return Record(type=kind, name=relative, content=value, ttl=ttl, priority=rank)


def normalise_name(name: str, *, zone: str, kind: RecordType, field: str | None = None) -> str:
    """The relative name of a record of that type: `@`, `www`, `*.dev`, `_dmarc`. Raises BadRecordName and its like."""
    try:
        relative = _relative(name.strip(), zone=zone)
        _check_fits(kind, relative)
    except names.Unfit as reason:
        raise BadRecordName(name=names.shown(name) or "An empty text", type=kind, reason=reason, field=field) from None
    if relative == "@" and kind is RecordType.CNAME:
        raise CnameAtApex(field=field)
    if relative == "@" and kind is RecordType.NS:
        raise NsAtApex(field=field)
    return relative


def _relative(typed: str, *, zone: str) -> str:
    if typed == "@":
        return typed
    star, rest = ("*", typed[2:]) if typed == "*" or typed.startswith("*.") else ("", typed)
    if rest in {"", "@"} and star:
        return star
    name = names.to_ascii(rest, underscores=True)
    if names.is_under(name, zone):
        name = names.relative(name, zone)
    elif rest.endswith("."):
        raise names.Unfit(f"it is not in the zone {zone}")
    relative = name if not star else star if name == "@" else f"{star}.{name}"
    if len(names.absolute(relative, zone)) > names.MAX_NAME:
        raise names.Unfit("with the zone's name it is longer than 253 characters")
    return relative


def _check_fits(kind: RecordType, relative: str) -> None:
    labels = relative.split(".")
    if kind in _OWNED_BY_HOSTS and "_" in relative:
        raise names.Unfit("host names have no underscore")
    if kind is RecordType.NS and labels[0] == "*":
        raise names.Unfit("a wildcard cannot be delegated (RFC 4592 4.2)")
    if kind is RecordType.SRV and not (len(labels) > 1 and labels[0].startswith("_") and labels[1].startswith("_")):
        raise names.Unfit("it must begin with the service and the protocol, as _imaps._tcp (RFC 2782)")
    if kind is RecordType.TLSA and not (len(labels) > 1 and _is_port(labels[0]) and labels[1] in _TRANSPORTS):
        raise names.Unfit("it must begin with the port and the protocol, as _25._tcp (RFC 6698 3)")


def _is_port(label: str) -> bool:
    return label == "*" or (label.startswith("_") and label[1:].isdigit())


def _type(text: str, *, field: str) -> RecordType:
    try:
        return RecordType(text.strip().upper())
    except ValueError:
        raise UnknownType(type=names.shown(text) or "An empty text", field=field) from None


def _content(text: str, *, zone: str, kind: RecordType, priority: int | None, field: str) -> tuple[str, int | None]:
    try:
        return normalise_content(text, zone=zone, kind=kind, priority=priority)
    except MisfitAddress:
        raise TargetIsAddress(type=kind, content=names.shown(text.strip()), field=field) from None
    except Misfit as reason:
        raise BadContent(type=kind, reason=reason, example=EXAMPLES[kind], field=field) from None


def _check_priority(priority: int | None, *, kind: RecordType, content: str, field: str) -> None:
    if kind not in _RANKED:
        if priority is not None:
            raise PriorityNotUsed(type=kind, field=field)
        return
    if priority is None:
        raise PriorityMissing(type=kind, field=field)
    if not 0 <= priority <= _MAX_PRIORITY:
        raise BadPriority(priority=priority, field=field)
    if kind is RecordType.MX and content == "." and priority != 0:
        raise NullMxPriority(field=field)


def _check_ttl(ttl: int, *, field: str) -> None:
    if not MIN_TTL <= ttl <= MAX_TTL:
        raise BadTtl(ttl=ttl, field=field)


def _check_meaning(kind: RecordType, owner: str, relative: str, content: str, *, field: str) -> None:
    if kind in {RecordType.CNAME, RecordType.ALIAS} and content == owner:
        raise PointsToItself(type=kind, field=field)
    if kind is not RecordType.TXT:
        return
    if spf.is_spf(content):
        _check_spf(content, field=field)
    if dmarc.is_policy_name(relative) and dmarc.is_dmarc(content):
        try:
            dmarc.parse(content)
        except dmarc.MalformedDmarc as malformed:
            raise BadDmarc(reason=malformed.data["reason"], field=field) from None


def _check_spf(content: str, *, field: str) -> None:
    """Only what the record itself says: what it includes can change any time, and the checks look at that."""
    try:
        lookups = spf.parse(content).lookups
    except spf.MalformedSpf as malformed:
        raise BadSpf(reason=malformed.data["reason"], field=field) from None
    if lookups > spf.MAX_LOOKUPS:
        raise SpfLookups(count=lookups, field=field)


def _field(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


@contextmanager
def _collected(problems: list[Error]) -> Iterator[None]:
    try:
        yield
    except BadRecord as problem:
        problems.append(problem)
