"""What is to change at somebody else's DNS so that our records are there: a pure comparison, value by value.

Desired is what is there, minus what we last wrote, plus what we want now. So a set that we share with its owner, such
as the TXT records of the apex, keeps his values, whatever ours become.
"""

from collections.abc import Collection, Iterable
from typing import Literal

import msgspec

from litemail.protocols.record_sets import is_dmarc, is_spf
from litemail.protocols.record_types import Record, RecordType

Reason = Literal["mx", "spf", "dmarc", "dkim", "address", "cname", "delegated"]

_ADDRESSES = frozenset({"A", "AAAA", "ALIAS"})
_DKIM = "_domainkey"


class Value(msgspec.Struct, frozen=True):
    """One value of a record set, without its TTL. `name` is relative, `@` is the apex; TXT as one unescaped text.

    `type` may be one that we do not keep ourselves; its content is then as the provider writes it.
    """

    type: str
    name: str
    content: str
    priority: int | None = None


class Conflict(msgspec.Struct, frozen=True):
    """Values of somebody else that ours cannot stand beside. `replaceable`: whether leave to replace resolves it."""

    reason: Reason
    name: str
    wanted: Value
    held: tuple[Value, ...]
    replaceable: bool


class Plan(msgspec.Struct, frozen=True):
    """`create` and `delete` are ours; `replace` are others' values that their owner lets us take away.

    With `conflicts` nothing of it may be done.
    """

    create: tuple[Record, ...] = ()
    delete: tuple[Value, ...] = ()
    replace: tuple[Value, ...] = ()
    conflicts: tuple[Conflict, ...] = ()

    @property
    def removes(self) -> frozenset[Value]:
        return frozenset((*self.delete, *self.replace))

    @property
    def adds(self) -> frozenset[Value]:
        return frozenset(map(value_of, self.create))

    @property
    def is_empty(self) -> bool:
        return not (self.create or self.delete or self.replace or self.conflicts)


def value_of(record: Record) -> Value:
    return Value(record.type.value, record.name, record.content, record.priority)


def make_plan(
    held: Collection[Value], *, written: Collection[Value], wanted: Collection[Record], replace: bool = False
) -> Plan:
    """From what is there, what we last wrote and what we want now.

    A wanted value that is there without our having written it stays its owner's: it is neither created nor ever
    deleted. With `replace`, others' values in the way are taken away as far as that resolves the conflict.
    """
    there = frozenset(held)
    by_value = {value_of(record): record for record in wanted}
    ours = frozenset(written) & there
    foreign = there - ours - by_value.keys()
    missing = [record for value, record in by_value.items() if value not in there]
    conflicts = list(_conflicts(by_value, foreign))
    taken = {value for conflict in conflicts for value in conflict.held if replace and conflict.replaceable}
    return Plan(
        create=tuple(sorted(missing, key=_order_of_record)),
        delete=_ordered(ours - by_value.keys()),
        replace=_ordered(taken),
        conflicts=tuple(one for one in conflicts if not (replace and one.replaceable)),
    )


def still_to_do(plan: Plan, held: Collection[Value]) -> Plan:
    """What a plan that was perhaps carried out in part leaves to do."""
    there = frozenset(held)
    return Plan(
        create=tuple(record for record in plan.create if value_of(record) not in there),
        delete=tuple(value for value in plan.delete if value in there),
        replace=tuple(value for value in plan.replace if value in there),
    )


def is_within(plan: Plan, *, before: Collection[Value], after: Collection[Value]) -> bool:
    """Whether a change of what is there does nothing that the plan does not name."""
    removed, added = frozenset(before) - frozenset(after), frozenset(after) - frozenset(before)
    return removed <= plan.removes and added <= plan.adds


def _conflicts(wanted: Iterable[Value], foreign: Collection[Value]) -> Iterable[Conflict]:
    for value in sorted(wanted, key=_order):
        at_name = [other for other in foreign if other.name == value.name]
        for reason, held in _in_the_way(value, at_name):
            if held:
                yield Conflict(reason, value.name, value, _ordered(held), replaceable=True)
        cuts = [other for other in foreign if other.type == "NS" and _is_below(value.name, other.name)]
        if cuts:
            yield Conflict("delegated", value.name, value, _ordered(cuts), replaceable=False)


def _in_the_way(value: Value, at_name: Collection[Value]) -> Iterable[tuple[Reason, list[Value]]]:
    """The others' values of a name that `value` cannot stand beside."""
    if value.type == "CNAME":
        yield "cname", [other for other in at_name if other.type != "NS"]
        return
    yield "cname", [other for other in at_name if other.type == "CNAME"]
    if value.type == "MX":
        yield "mx", [other for other in at_name if other.type == "MX"]
    if value.type in _ADDRESSES:
        yield "address", [other for other in at_name if other.type in _ADDRESSES]
    if value.type == "TXT":
        yield from _texts_in_the_way(value, [other for other in at_name if other.type == "TXT"])


def _texts_in_the_way(value: Value, texts: Collection[Value]) -> Iterable[tuple[Reason, list[Value]]]:
    record = _as_txt(value)
    if is_spf(record):
        yield "spf", [other for other in texts if is_spf(_as_txt(other))]
    if is_dmarc(record):
        yield "dmarc", [other for other in texts if is_dmarc(_as_txt(other))]
    if value.name.partition(".")[2].split(".")[0] == _DKIM:
        yield "dkim", list(texts)  # a selector has one key (RFC 6376 3.6.2.2)


def _is_below(name: str, cut: str) -> bool:
    return cut != "@" and (name == cut or name.endswith(f".{cut}"))


def _as_txt(value: Value) -> Record:
    return Record(RecordType.TXT, value.name, value.content)


def _ordered(values: Iterable[Value]) -> tuple[Value, ...]:
    return tuple(sorted(values, key=_order))


def _order(value: Value) -> tuple[str, str, str, int]:
    return value.name, value.type, value.content, value.priority or 0


def _order_of_record(record: Record) -> tuple[str, str, str, int]:
    return _order(value_of(record))
