"""Prices, periods and proration: arithmetic without a database."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.subscriptions.terms import MONTHS, Interval, Plan, Terms, period_end, period_lines, prorate, share

STARTER = Plan("starter", 1, "Starter", 10, 3700, 9990, 37000, 370, 999, 3700)
GROWTH = Plan("growth", 1, "Growth", 30, 9900, 26730, 99000, 330, 891, 3300)
START = datetime(2027, 1, 1, tzinfo=UTC)
END = datetime(2027, 2, 1, tzinfo=UTC)

plans = st.builds(
    Plan,
    id=st.just("p"),
    version=st.just(1),
    name=st.just("P"),
    included_mailboxes=st.integers(0, 1000),
    **{
        name: st.integers(0, 10**9)
        for name in ("month", "quarter", "year", "addon_month", "addon_quarter", "addon_year")
    },
)
terms = st.builds(Terms, plans, st.sampled_from(list(MONTHS)), st.integers(0, 10_000))


def test_months_end_where_months_end():
    ends = [datetime(2027, 1, 31, 12, 30, tzinfo=UTC)]
    for _ in range(13):
        ends.append(period_end(ends[-1], "month", anchor_day=31))
    assert [(end.month, end.day) for end in ends[1:]] == [
        (2, 28), (3, 31), (4, 30), (5, 31), (6, 30), (7, 31), (8, 31), (9, 30), (10, 31), (11, 30), (12, 31), (1, 31),
        (2, 29),
    ]  # fmt: skip
    assert all((end.hour, end.minute) == (12, 30) for end in ends)


@pytest.mark.parametrize(
    ("interval", "start", "end"),
    [
        ("quarter", datetime(2026, 11, 30, tzinfo=UTC), datetime(2027, 2, 28, tzinfo=UTC)),
        ("quarter", datetime(2027, 8, 31, tzinfo=UTC), datetime(2027, 11, 30, tzinfo=UTC)),
        ("year", datetime(2028, 2, 29, tzinfo=UTC), datetime(2029, 2, 28, tzinfo=UTC)),
    ],
)
def test_quarters_and_years_do_too(interval: Interval, start: datetime, end: datetime):
    assert period_end(start, interval, anchor_day=start.day) == end


def test_a_leap_day_comes_back():
    assert period_end(datetime(2031, 2, 28, tzinfo=UTC), "year", anchor_day=29) == datetime(2032, 2, 29, tzinfo=UTC)


def test_a_period_is_the_plan_and_its_add_ons():
    lines = period_lines(Terms(GROWTH, "quarter", 4), start=START, end=END)
    assert [(line.quantity, line.unit_price, line.amount) for line in lines] == [(1, 26730, 26730), (4, 891, 3564)]
    assert sum(line.amount for line in lines) == Terms(GROWTH, "quarter", 4).price
    assert len(period_lines(Terms(GROWTH, "month", 0), start=START, end=END)) == 1


def test_an_upgrade_in_the_middle_of_a_month():
    """January has 31 days. At noon on the 16th, 15.5 of them have passed and half is left."""
    noon = datetime(2027, 1, 16, 12, tzinfo=UTC)
    proration, lines = prorate(
        Terms(STARTER, "month", 0), Terms(GROWTH, "month", 0), now=noon, start=START, end=END, until=END
    )
    assert (proration.credit, proration.charge, proration.amount) == (1850, 4950, 3100)
    assert [line.amount for line in lines] == [4950, -1850]


def test_seconds_count():
    month = 2_678_400  # cents, one for each second of January
    for seconds in (0, 1, 59, 86_399, 2_678_399):
        assert share(month, now=START + timedelta(seconds=seconds), start=START, end=END) == month - seconds
    assert share(month, now=START + timedelta(milliseconds=1999), start=START, end=END) == month - 1
    assert share(month, now=END, start=START, end=END) == 0
    assert share(month, now=END + timedelta(days=1), start=START, end=END) == 0


def test_a_longer_interval_starts_a_new_period_at_its_full_price():
    now = START + timedelta(days=15, hours=12)
    until = period_end(now, "year", anchor_day=now.day)
    proration, _ = prorate(
        Terms(STARTER, "month", 0), Terms(STARTER, "year", 0), now=now, start=START, end=END, until=until
    )
    assert (proration.credit, proration.charge, proration.amount) == (1850, 37000, 35150)


def test_nothing_is_paid_out():
    """Ninety add-ons to a small plan cost more than a plan that includes them."""
    proration, lines = prorate(
        Terms(STARTER, "month", 80), Terms(GROWTH, "month", 70), now=START, start=START, end=END, until=END
    )
    assert (proration.credit, proration.charge, proration.amount) == (33300, 33000, 0)
    assert sum(line.amount for line in lines) == 0


@given(old=terms, new=terms, seconds=st.integers(0, 40 * 86_400), longer=st.booleans())
def test_proration_is_never_negative_and_its_lines_add_up(old: Terms, new: Terms, seconds: int, longer: bool):
    now = START + timedelta(seconds=seconds)
    until = END + timedelta(days=300) if longer else END
    proration, lines = prorate(old, new, now=now, start=START, end=END, until=until)
    assert 0 <= proration.amount == max(proration.charge - proration.credit, 0)
    assert sum(line.amount for line in lines) == proration.amount
    assert all(line.amount == line.quantity * line.unit_price for line in lines)
    assert proration.credit <= old.price
    assert proration.charge <= new.price


@given(price=st.integers(0, 10**12), seconds=st.lists(st.integers(0, 2_678_400), min_size=2, max_size=2))
def test_later_is_never_dearer(price: int, seconds: list[int]):
    early, late = sorted(seconds)
    shares = [share(price, now=START + timedelta(seconds=at), start=START, end=END) for at in (early, late)]
    assert shares[0] >= shares[1]


@given(
    start=st.integers(0, 36_500 * 86_400).map(lambda seconds: START + timedelta(seconds=seconds)),
    interval=st.sampled_from(list(MONTHS)),
    count=st.integers(1, 30),
)
def test_periods_never_drift(start: datetime, interval: Interval, count: int):
    """However many renewals: the day is the anchor's, or the month's last."""
    end = start
    for _ in range(count):
        end = period_end(end, interval, anchor_day=start.day)
    months = start.year * 12 + start.month - 1 + count * MONTHS[interval]
    assert (end.year, end.month) == (months // 12, months % 12 + 1)
    assert end.day == start.day or (end + timedelta(days=1)).day == 1
