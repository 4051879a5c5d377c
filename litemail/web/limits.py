"""The rate limit: a token bucket for each caller, kept by each API process."""

import math
import time
from collections import OrderedDict
from dataclasses import dataclass

from litemail.kit.errors import Error, Kind


class TooManyRequests(Error):
    kind = Kind.RATE_LIMITED
    code = "request.rate_limited"
    message = "More than {rate} requests a second."
    action = "Wait as many seconds as the retry-after header says."
    retryable = True


@dataclass
class _Bucket:
    tokens: float
    at: float


@dataclass(frozen=True)
class Limit:
    """What the ratelimit headers say: the burst, what is left of it, seconds until it is whole again."""

    rate: int
    burst: int
    remaining: int
    reset: int
    admitted: bool

    def check(self) -> None:
        """Raises TooManyRequests."""
        if not self.admitted:
            raise TooManyRequests(rate=self.rate, retry_after=1 / self.rate)


class RateLimiter:
    """`rate` requests a second, twice as many at once; 0 is no limit. Forgets who has been quiet longest."""

    def __init__(self, rate: int, *, remembered: int = 100_000) -> None:
        self._rate = rate
        self._burst = 2 * rate
        self._remembered = remembered
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def admit(self, caller: str) -> Limit | None:
        """Counts a request of the caller; None where there is no limit."""
        if self._rate == 0:
            return None
        now = time.monotonic()
        bucket = self._buckets.get(caller)
        if bucket is None:
            bucket = self._buckets[caller] = _Bucket(self._burst, now)
            if len(self._buckets) > self._remembered:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(caller)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)
        bucket.at = now
        admitted = bucket.tokens >= 1
        if admitted:
            bucket.tokens -= 1
        return Limit(
            rate=self._rate,
            burst=self._burst,
            remaining=int(bucket.tokens),
            reset=math.ceil((self._burst - bucket.tokens) / self._rate),
            admitted=admitted,
        )
