"""Keeps calls ahead of a platform's limits: so many at once, so many a second, in the order they came."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

_MARGIN = 0.9  # a vendor's seconds begin at other moments than ours


class Limits(msgspec.Struct, frozen=True):
    """What an adapter allows itself per platform account, kept below the vendor's own limits."""

    per_second: float
    per_minute: float
    concurrency: int
    batch: int = 1
    """How many inboxes one `add` takes."""
    confirm_within: float = 60
    """Seconds after which an accepted inbox that cannot be read back counts as failed."""


def twin_limits(limits: Limits, rate_limit: int | None) -> Limits:
    """The limits towards a sandbox twin: the rate it was told to keep, in requests a second, or no rate at all."""
    rate = math.inf if rate_limit is None else max(rate_limit, 1) * _MARGIN
    return msgspec.structs.replace(limits, per_second=rate, per_minute=math.inf)


class Pacer:
    """One per platform account and process. Its turns are given in the order they were asked for."""

    def __init__(self, limits: Limits) -> None:
        self._interval = max(1 / limits.per_second, 60 / limits.per_minute)
        self._concurrency = asyncio.Semaphore(limits.concurrency)
        self._next = 0.0
        self._resume = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits for a turn and holds it while a call runs."""
        async with self._concurrency:
            loop = asyncio.get_running_loop()
            while True:
                start = max(loop.time(), self._next, self._resume)
                self._next = start + self._interval
                await asyncio.sleep(start - loop.time())
                if start >= self._resume:  # else the platform asked for a rest meanwhile
                    break
            yield

    def rest(self, seconds: float) -> None:
        """Gives no turn for so many seconds: the platform answered that it is too much."""
        self._resume = max(self._resume, asyncio.get_running_loop().time() + seconds)
