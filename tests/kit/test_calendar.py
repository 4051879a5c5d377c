"""Durations and months."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.kit.calendar import BadDuration, Duration, add_months, parse_duration

JANUARY = datetime(2027, 1, 31, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("P1M", Duration(1, timedelta())),
        ("P1Y2M", Duration(14, timedelta())),
        ("P2W", Duration(0, timedelta(weeks=2))),
        ("P3DT4H5M6S", Duration(0, timedelta(days=3, hours=4, minutes=5, seconds=6))),
        ("PT36H", Duration(0, timedelta(hours=36))),
        ("PT1M", Duration(0, timedelta(minutes=1))),
        ("P0D", Duration(0, timedelta())),
    ],
)
def test_durations_are_read(text: str, duration: Duration):
    assert parse_duration(text) == duration


BAD = [
    "P",
    "PT",
    "P1",
    "1M",
    "P1DT",
    "p1m",
    "-P1M",
    "P-1M",
    "P+1M",
    "P1.5D",
    "P1,5D",
    "PT1D",
    "P1H",
    "P1M1Y",
    "P1W1M",
    "P99999999999D",
    "P1MT1M1H",
]


@pytest.mark.parametrize("text", [*BAD, "", "P 1M", "P1M ", "P1M\n", "P\u0661M"])
def test_what_is_no_duration_is_refused(text: str):
    with pytest.raises(BadDuration) as caught:
        parse_duration(text, field="advance")
    assert caught.value.field == "advance"


def test_months_come_before_days():
    assert Duration(1, timedelta(days=1)).after(JANUARY) == datetime(2027, 3, 1, 12, 30, tzinfo=UTC)
    assert Duration(13, timedelta()).after(JANUARY) == datetime(2028, 2, 29, 12, 30, tzinfo=UTC)


def test_after_the_last_year_there_is_nothing():
    with pytest.raises(OverflowError):
        add_months(JANUARY, 12 * 8000, anchor_day=31)
    with pytest.raises(OverflowError):
        Duration(0, timedelta(days=4_000_000)).after(JANUARY)


@given(
    start=st.integers(0, 3_000_000).map(lambda hours: datetime(1700, 1, 1, tzinfo=UTC) + timedelta(hours=hours)),
    months=st.integers(0, 2000),
    anchor=st.integers(1, 31),
)
def test_the_day_is_the_anchor_or_the_months_last(start: datetime, months: int, anchor: int):
    end = add_months(start, months, anchor_day=anchor)
    assert end.year * 12 + end.month == start.year * 12 + start.month + months
    assert end.time() == start.time()
    assert end.day == anchor or (end.day < anchor and (end + timedelta(days=1)).day == 1)
