"""What may stand together at one name of a zone (RFC 1034 3.6.2, RFC 2181 5, RFC 7208 3.2, RFC 7489 6.6.3)."""

from collections.abc import Iterable

from litemail.kit.errors import Error, Kind
from litemail.protocols import dmarc, spf
from litemail.protocols.record_types import Record, RecordType
from litemail.protocols.record_wire import wire_size

# A set is sent whole, so it must fit one message over TCP (65,535 bytes) with room to spare.
MAX_SET_BYTES = 16_384
_ADDRESSES = frozenset({RecordType.A, RecordType.AAAA, RecordType.ALIAS})


class SetConflict(Error):
    """Base of every reason why a record cannot stand beside those that are there."""

    kind = Kind.CONFLICT
    code = "dns.conflict"


class DuplicateRecord(SetConflict):
    code = "dns.duplicate_record"
    message = "There is a {type} record already at {name} with this content."
    action = "Change that record instead."


class CnameConflict(SetConflict):
    code = "dns.cname_conflict"
    message = "A CNAME excludes every other record of its name, and {name} has {type} (RFC 1034 3.6.2)."
    action = "Remove the {type} record first, or use another name."


class AliasConflict(SetConflict):
    code = "dns.alias_conflict"
    message = "An ALIAS is answered as A and AAAA, and {name} has {type}."
    action = "Remove the {type} record first, or use another name."


class TwoSpf(SetConflict):
    code = "dns.two_spf"
    message = "{name} already has an SPF record; with two of them receivers treat both as broken (RFC 7208 3.2)."
    action = "Change the existing SPF record: one record can name several senders."


class TwoDmarc(SetConflict):
    code = "dns.two_dmarc"
    message = "{name} already has a DMARC record; with two of them receivers ignore both (RFC 7489 6.6.3)."
    action = "Change the existing DMARC record."


class NullMxConflict(SetConflict):
    code = "dns.null_mx_conflict"
    message = "{name} has MX records; an MX of a single dot, no mail at all, cannot stand beside others (RFC 7505 3)."
    action = "Remove the other MX records first."


class SetTooLarge(SetConflict):
    code = "dns.set_too_large"
    message = "The {type} records at {name} would be larger than one DNS answer can safely be."
    action = "Remove records that are no longer needed."


def check_set(existing: Iterable[Record], new: Record, *, field: str | None = None) -> None:
    """Whether `new` may be added to `existing`, records of the same zone; those of other names do not matter.

    To check a change, leave the record that is replaced out of `existing`. Raises a subclass of SetConflict.
    Different TTLs in one set are no error: the set is served with the lowest (RFC 2181 5.2).
    """
    beside = [record for record in existing if record.name == new.name]
    for record in beside:
        _check_pair(record, new, field)
    same = [record for record in beside if record.type is new.type]
    if sum(map(wire_size, same), wire_size(new)) > MAX_SET_BYTES:
        raise SetTooLarge(type=new.type, name=new.name, field=field)


def is_spf(record: Record) -> bool:
    """A TXT that receivers take for SPF: `v=spf1` alone or followed by a space (RFC 7208 4.5)."""
    return record.type is RecordType.TXT and spf.is_spf(record.content)


def is_dmarc(record: Record) -> bool:
    """A TXT at a `_dmarc` name that receivers take for a DMARC policy (RFC 7489 6.3)."""
    named = record.type is RecordType.TXT and dmarc.is_policy_name(record.name)
    return named and dmarc.is_dmarc(record.content)


def _check_pair(old: Record, new: Record, field: str | None) -> None:
    if (old.type, old.content) == (new.type, new.content):
        raise DuplicateRecord(type=new.type, name=new.name, field=field)
    if RecordType.CNAME in {old.type, new.type}:
        raise CnameConflict(type=old.type, name=new.name, field=field)
    if RecordType.ALIAS in {old.type, new.type} and {old.type, new.type} <= _ADDRESSES:
        raise AliasConflict(type=old.type, name=new.name, field=field)
    if is_spf(old) and is_spf(new):
        raise TwoSpf(name=new.name, field=field)
    if is_dmarc(old) and is_dmarc(new):
        raise TwoDmarc(name=new.name, field=field)
    if old.type is new.type is RecordType.MX and "." in {old.content, new.content}:
        raise NullMxConflict(name=new.name, field=field)
