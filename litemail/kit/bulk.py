"""Bulk calls: one result for each item, by its place in the request."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from litemail.kit.errors import Detail, Error, Kind, Problem

ACCEPTED = 202


class BulkItem(msgspec.Struct, frozen=True):
    """What became of the item at `index`: accepted with its id, or rejected with the problem."""

    index: int
    status: Literal["accepted", "rejected"]
    id: str | None = None
    error: Problem | None = None


class BulkResult(msgspec.Struct, frozen=True):
    results: list[BulkItem]
    accepted: int
    rejected: int


class AllRejected(Error):
    kind = Kind.INVALID
    code = "bulk.rejected"
    message = "No item was accepted, of {count}; details says why."
    action = "Correct the items and send them again."


class NotAllAccepted(Error):
    kind = Kind.INVALID
    code = "bulk.not_all_accepted"
    message = "Of the items, {count} cannot be accepted, and all_or_nothing was asked for: nothing was done."
    action = "Correct the items that details names, or leave all_or_nothing out."


class NotDone(Error):
    kind = Kind.INVALID
    code = "bulk.not_done"
    message = "Nothing is wrong with this item; it was not done because of others."
    action = "Send it again when the others are corrected."


_UNDONE = NotDone().problem()


def settle(
    accepted: Mapping[int, str], rejected: Mapping[int, Error], *, key: str, all_or_nothing: bool = False
) -> BulkResult:
    """The results in the order of the request. `key` is the field of the request that holds the items.

    Raises AllRejected or NotAllAccepted, which carry the results, so that the transaction is undone.
    """
    items = [BulkItem(index, "accepted", id=item_id) for index, item_id in accepted.items()]
    items += [BulkItem(index, "rejected", error=error.problem()) for index, error in rejected.items()]
    items.sort(key=lambda item: item.index)
    if rejected and (all_or_nothing or not accepted):
        refusal = NotAllAccepted if all_or_nothing and accepted else AllRejected
        undone = [item if item.error else BulkItem(item.index, "rejected", error=_UNDONE) for item in items]
        raise refusal(
            count=len(rejected),
            details=_details(rejected, key),
            extra={"results": undone, "accepted": 0, "rejected": len(items)},
        )
    return BulkResult(items, len(accepted), len(rejected))


def _details(rejected: Mapping[int, Error], key: str) -> tuple[Detail, ...]:
    details: Sequence[Detail] = [
        Detail(f"{key}[{index}]" + (f".{error.field}" if error.field else ""), str(error))
        for index, error in sorted(rejected.items())
    ]
    return tuple(details)
