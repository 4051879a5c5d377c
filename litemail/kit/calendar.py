"""Months that end where months end, and durations as ISO 8601 writes them."""

import re
from calendar import monthrange
from datetime import MAXYEAR, datetime, timedelta

import msgspec

from litemail.kit.errors import Error, Kind

_MONTHS_A_YEAR = 12
_DURATION = re.compile(
    r"P(?=[\dT])(?:(?P<years>\d{1,4})Y)?(?:(?P<months>\d{1,5})M)?(?:(?P<weeks>\d{1,5})W)?(?:(?P<days>\d{1,6})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,7})H)?(?:(?P<minutes>\d{1,8})M)?(?:(?P<seconds>\d{1,9})S)?)?",
    re.ASCII,
)


class BadDuration(Error):
    kind = Kind.INVALID
    code = "request.bad_duration"
    message = "{text!r} is not a duration of ISO 8601 such as P1M, P7D or PT1H."
    action = "Write P, then years, months, weeks, days, and after a T hours, minutes, seconds, in whole numbers."


class Duration(msgspec.Struct, frozen=True):
    """Months have no length of their own, so they are kept apart from the rest."""

    months: int
    rest: timedelta

    def after(self, moment: datetime) -> datetime:
        """Months first, to the same day or the month's last, then the rest. Raises OverflowError after year 9999."""
        return add_months(moment, self.months, anchor_day=moment.day) + self.rest


def parse_duration(text: str, *, field: str | None = None) -> Duration:
    """A duration without sign and fractions, ISO 8601-1:2019 section 5.5.2. Raises BadDuration, which names `field`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise BadDuration(text=text[:50], field=field)
    numbers = {name: int(digits or 0) for name, digits in match.groupdict().items()}
    return Duration(
        months=numbers.pop("years") * _MONTHS_A_YEAR + numbers.pop("months"),
        rest=timedelta(**numbers),
    )


def add_months(moment: datetime, months: int, *, anchor_day: int) -> datetime:
    """That many months later, on `anchor_day` or the month's last day when it is shorter; the time of day stays.

    From January 31 with anchor day 31: February 28, then from there March 31. Raises OverflowError after year 9999.
    """
    years, month = divmod(moment.year * _MONTHS_A_YEAR + moment.month - 1 + months, _MONTHS_A_YEAR)
    if years > MAXYEAR:
        raise OverflowError("after year 9999")
    day = min(anchor_day, monthrange(years, month + 1)[1])
    return moment.replace(year=years, month=month + 1, day=day)
