"""The clock. Only edges (a request, a job, a server session) read it; everything below takes `now`."""

from datetime import UTC, datetime


def now() -> datetime:
    """The current time in UTC, cut to milliseconds, which is what the API shows and the database keeps."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def rfc3339(moment: datetime) -> str:
    """`2026-01-29T18:41:56.867Z`: RFC 3339 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
