"""Keyset pagination: a page is everything after a key, so rows that come or go never shift it."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

import msgspec

from litemail.kit.errors import Error, Kind

Row = TypeVar("Row")
Shape = TypeVar("Shape")
Other = TypeVar("Other")

MAX_LIMIT = 200
DEFAULT_LIMIT = 50


class BadCursor(Error):
    kind = Kind.INVALID
    code = "request.bad_cursor"
    message = "This cursor was not made by this list."
    action = "Leave cursor out to start from the first page, or send next_cursor as it was received."


class Page(msgspec.Struct, Generic[Shape], frozen=True):
    """`next_cursor` is null on the last page; `total` is there when `?count=true` asked for it."""

    data: list[Shape]
    next_cursor: str | None
    total: int | msgspec.UnsetType = msgspec.UNSET

    def map(self, shape: Callable[[Shape], Other]) -> "Page[Other]":
        return Page([shape(row) for row in self.data], self.next_cursor, self.total)


class PageRequest(msgspec.Struct, frozen=True):
    """Where to go on (the key of the last row seen), how many rows at the most, and whether to count them all."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    after: str | None = None
    count: bool = False


def page(
    rows: Sequence[Row],
    request: PageRequest,
    *,
    key: Callable[[Row], str],
    total: int | None = None,
) -> Page[Row]:
    """Shows at most `limit` of the rows; the caller asked for one more, which tells whether there is a next page."""
    shown = rows[: request.limit]
    more = len(rows) > request.limit
    return Page(
        data=list(shown),
        next_cursor=encode_cursor(key(shown[-1])) if more else None,
        total=msgspec.UNSET if total is None else total,
    )


def encode_cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    try:
        key = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise BadCursor(field="cursor") from None
    if not key or "\x00" in key:
        raise BadCursor(field="cursor")
    return key
