"""Quotes: what something would cost, and whether the wallet covers it."""

from collections.abc import Sequence

import msgspec

from litemail.billing import Line
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind


class MaxChargeExceeded(Error):
    kind = Kind.CONFLICT
    code = "order.max_charge_exceeded"
    message = "This would cost {total}, which is more than max_charge, {max_charge} (minor units)."
    action = "Look at the quote with ?dry_run=true and raise max_charge, or order less. Nothing was charged."


class Quote(msgspec.Struct, frozen=True):
    """What `?dry_run=true` shows. Amounts are minor units; `wallet_balance` is what is available, holds taken off."""

    lines: list[Line]
    total: int
    wallet_balance: int
    covered: bool


async def quote(tx: Tx, lines: Sequence[Line], *, workspace_id: str | None = None) -> Quote:
    """The quote for the actor's paying workspace, or for `workspace_id` as the one that pays. Changes nothing."""
    raise NotImplementedError
