"""Keeps calls ahead of a platform's limits: so many at once, so many a second, in the order they came."""

import asyncio
import math
import random
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec

_MARGIN = 0.9  # a vendor's seconds begin at other moments than ours
_FIRST_REST = 0.5
_LONGEST_REST = 60.0


class Limits(msgspec.Struct, frozen=True):
    """What an adapter allows itself per platform account, kept below the vendor's own limits.

    Calls are spaced evenly by `per_second`; no minute and no hour, begun at whatever moment, has more than theirs.
    """

    per_second: float
    per_minute: float
    concurrency: int
    batch: int = 1
    """How many inboxes one `add` takes."""
    look_together: int = 1
    """How many inboxes one `find` or `confirm` looks for at about the cost of one: those that read a list anyway."""
    confirm_within: float = 60
    """Seconds after which an accepted inbox that cannot be read back counts as failed."""
    per_hour: float = math.inf


def twin_limits(limits: Limits, rate_limit: int | None) -> Limits:
    """The limits towards a sandbox twin: the rate it was told to keep, in requests a second, or no rate at all."""
    rate = math.inf if rate_limit is None else max(rate_limit, 1) * _MARGIN
    return msgspec.structs.replace(limits, per_second=rate, per_minute=math.inf, per_hour=math.inf)


class Pacer:
    """One per platform account and process. Its turns are given in the order they were asked for."""

    def __init__(self, limits: Limits) -> None:
        self._interval = 1 / limits.per_second
        self._windows = tuple(_windows(limits))
        self._concurrency = asyncio.Semaphore(limits.concurrency)
        self._next = 0.0
        self._resume = 0.0
        self._refusals = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits for a turn and holds it while a call runs."""
        async with self._concurrency:
            loop = asyncio.get_running_loop()
            while True:
                earliest = (window.earliest for window in self._windows)
                start = max(loop.time(), self._next, self._resume, *earliest)
                self._next = start + self._interval
                for window in self._windows:
                    window.note(start)
                await asyncio.sleep(start - loop.time())
                if start >= self._resume:  # else the platform asked for a rest meanwhile
                    break
            yield

    def rest(self, seconds: float) -> None:
        """Gives no turn for so many seconds: the platform answered that it is too much."""
        self._resume = max(self._resume, asyncio.get_running_loop().time() + seconds)

    def refused(self, asked: float | None) -> float:
        """Rests as long as the platform `asked` for, else longer each time that it refuses; says for how long.

        Calls that were under way together when it began to refuse count as one.
        """
        if asyncio.get_running_loop().time() >= self._resume:
            self._refusals += 1
        seconds = asked
        if seconds is None:
            full = min(_FIRST_REST * 2.0 ** (self._refusals - 1), _LONGEST_REST)
            seconds = full * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, protects nothing
        self.rest(seconds)
        return seconds

    def heard(self) -> None:
        """The platform answered a call: it takes calls again."""
        self._refusals = 0


class _Window:
    """Lets at most so many turns begin in any stretch of so many seconds."""

    def __init__(self, turns: int, seconds: float) -> None:
        self._seconds = seconds
        self._starts: deque[float] = deque(maxlen=turns)

    @property
    def earliest(self) -> float:
        return self._starts[0] + self._seconds if len(self._starts) == self._starts.maxlen else 0.0

    def note(self, start: float) -> None:
        self._starts.append(start)


def _windows(limits: Limits) -> Iterator[_Window]:
    for turns, seconds in ((limits.per_minute, 60.0), (limits.per_hour, 3600.0)):
        if turns < math.inf:
            yield _Window(max(int(turns), 1), seconds)
