"""When something has to happen for a domain whose term ends: warnings, attempts to renew it, the end."""

from datetime import datetime, timedelta

import msgspec

from litemail.kit.errors import Error, Kind

WARN_BEFORE = (30, 7, 1)
"""Days before the end on which the customer is told."""
TRY_FROM = 14
"""Days before the end on which automatic renewals begin; one that fails is tried again each day."""
_DAY = timedelta(days=1)
_MOMENTS = sorted({*WARN_BEFORE, *range(TRY_FROM + 1)}, reverse=True)


class Expired(Error):
    """Of a domain that was bought here."""

    kind = Kind.CONFLICT
    code = "domain.expired"
    message = "The term of {name} is over: it was not renewed."
    action = "Renew it with POST /v1/domains/renew, before its registry gives it to somebody else."


class Due(msgspec.Struct, frozen=True):
    """What the moments since the last look ask for. `days` are those left at the last of them."""

    warn: bool
    renew: bool
    expire: bool
    days: int


def next_moment(expires_at: datetime, *, after: datetime) -> datetime | None:
    """The first moment after that time; None when the term is over."""
    moments = (expires_at - days * _DAY for days in _MOMENTS)
    return next((moment for moment in moments if moment > after), None)


def due(expires_at: datetime, *, since: datetime, now: datetime) -> Due:
    """What falls due from `since` to `now`, both included."""
    passed = [days for days in _MOMENTS if since <= expires_at - days * _DAY <= now]
    return Due(
        warn=any(days in WARN_BEFORE for days in passed),
        renew=any(0 < days <= TRY_FROM for days in passed),
        expire=0 in passed,
        days=max(0, -((now - expires_at) // _DAY)),
    )
