"""The plan as a pure comparison: whatever is there and whatever we want, others' values stay."""

from hypothesis import given
from hypothesis import strategies as st

from litemail.protocols.record_types import Record, RecordType
from litemail.providers.dns.publishing.plan import Plan, Value, is_within, make_plan, still_to_do, value_of

NAMES = ("@", "_dmarc", "www", "lm1._domainkey", "_domainkey", "sub", "x.sub")
TEXTS = ("v=spf1 mx -all", "v=spf1 include:x ~all", "V=SPF1", "v=DMARC1; p=none", "v=DKIM1; p=AA", "site=abc", "")
HOSTS = ("mail.litemail.test", "elsewhere.example")
ADDRESSES = ("192.0.2.1", "192.0.2.2")


def contents(kind: str) -> tuple[str, ...]:
    return {"TXT": TEXTS, "A": ADDRESSES}.get(kind, HOSTS)


@st.composite
def values(draw: st.DrawFn, kinds: tuple[str, ...] = ("A", "ALIAS", "CNAME", "MX", "NS", "TXT", "LOC")) -> Value:
    kind = draw(st.sampled_from(kinds))
    priority = draw(st.sampled_from((5, 10))) if kind == "MX" else None
    return Value(kind, draw(st.sampled_from(NAMES)), draw(st.sampled_from(contents(kind))), priority)


@st.composite
def records(draw: st.DrawFn) -> Record:
    value = draw(values(("A", "CNAME", "MX", "TXT")))
    return Record(RecordType(value.type), value.name, value.content, priority=value.priority)


zones = st.frozensets(values(), max_size=12)
wishes = st.lists(records(), max_size=6, unique_by=value_of)


def carried_out(held: frozenset[Value], plan: Plan) -> frozenset[Value]:
    return (held - plan.removes) | plan.adds


@given(zones, st.frozensets(values(), max_size=6), wishes)
def test_nobody_elses_value_is_removed_without_leave(
    held: frozenset[Value], written: frozenset[Value], wanted: list[Record]
):
    plan = make_plan(held, written=written, wanted=wanted)
    assert plan.replace == ()
    assert held - written <= carried_out(held, plan)


@given(zones, st.frozensets(values(), max_size=6), wishes)
def test_with_leave_only_what_is_in_the_way_goes(
    held: frozenset[Value], written: frozenset[Value], wanted: list[Record]
):
    without = make_plan(held, written=written, wanted=wanted)
    plan = make_plan(held, written=written, wanted=wanted, replace=True)
    named = {value for conflict in without.conflicts if conflict.replaceable for value in conflict.held}
    assert set(plan.replace) == named
    assert not named & (written - {value_of(record) for record in wanted})
    assert held - written - named <= carried_out(held, plan)
    assert all(not conflict.replaceable for conflict in plan.conflicts)


@given(zones, st.frozensets(values(), max_size=6), wishes, st.booleans())
def test_what_we_want_is_there_afterwards_and_what_we_wrote_before_is_not(
    held: frozenset[Value], written: frozenset[Value], wanted: list[Record], replace: bool
):
    plan = make_plan(held, written=written, wanted=wanted, replace=replace)
    after = carried_out(held, plan)
    ours = {value_of(record) for record in wanted}
    assert ours - set(plan.replace) <= after
    assert not (written - ours) & after
    assert is_within(plan, before=held, after=after)


@given(zones, st.frozensets(values(), max_size=6), wishes)
def test_a_plan_is_done_once(held: frozenset[Value], written: frozenset[Value], wanted: list[Record]):
    plan = make_plan(held, written=written, wanted=wanted)
    after = carried_out(held, plan)
    again = make_plan(after, written=[*written, *plan.adds], wanted=wanted)
    assert (again.create, again.delete, again.replace) == ((), (), ())
    assert still_to_do(plan, after).is_empty


@given(zones, wishes)
def test_taking_ours_back_leaves_what_was_there(held: frozenset[Value], wanted: list[Record]):
    plan = make_plan(held, written=(), wanted=wanted)
    after = carried_out(held, plan)
    back = make_plan(after, written=plan.adds, wanted=())
    assert carried_out(after, back) == held


@given(zones, zones, wishes)
def test_any_other_change_is_outside_of_the_plan(held: frozenset[Value], other: frozenset[Value], wanted: list[Record]):
    plan = make_plan(held, written=(), wanted=wanted)
    foreign = (held ^ other) - plan.adds
    assert is_within(plan, before=held, after=other) == (not foreign)


def test_what_its_owner_has_put_there_himself_stays_his():
    spf = Record(RecordType.TXT, "@", "v=spf1 mx -all")
    plan = make_plan([value_of(spf)], written=(), wanted=[spf])
    assert plan.is_empty
    assert make_plan([value_of(spf)], written=plan.adds, wanted=()).is_empty


def test_conflicts_say_what_is_in_the_way_of_what():
    held = [
        Value("MX", "@", "aspmx.l.google.com", 1),
        Value("TXT", "@", "v=spf1 include:_spf.google.com ~all"),
        Value("TXT", "@", "spf1 of another kind"),
        Value("NS", "_domainkey", "ns1.dkim.example"),
        Value("CNAME", "_dmarc", "dmarc.example"),
    ]
    wanted = [
        Record(RecordType.MX, "@", "mail.litemail.test", priority=10),
        Record(RecordType.TXT, "@", "v=spf1 mx -all"),
        Record(RecordType.TXT, "lm1._domainkey", "v=DKIM1; p=AA"),
        Record(RecordType.TXT, "_dmarc", "v=DMARC1; p=none"),
    ]
    plan = make_plan(held, written=(), wanted=wanted)
    told = [(one.reason, one.held[0].content, one.replaceable) for one in plan.conflicts]
    assert told == [
        ("mx", "aspmx.l.google.com", True),
        ("spf", "v=spf1 include:_spf.google.com ~all", True),
        ("cname", "dmarc.example", True),
        ("delegated", "ns1.dkim.example", False),
    ]
    left = make_plan(held, written=(), wanted=wanted, replace=True).conflicts
    assert [one.reason for one in left] == ["delegated"]
