"""What is set at the platform once an inbox is there, warm-up and tags: for many inboxes in one call."""

import asyncio
from collections.abc import Sequence

from litemail.platforms.lease import Lease
from litemail.platforms.pace import Pace
from litemail.providers.platform import PlatformError, RateLimited, Session, TryAgain

_BATCH = 100


class Finishing:
    """Inboxes that come while one call is under way go together in the next."""

    def __init__(self, session: Session, *, warmup: bool, tags: Sequence[str], pace: Pace, lease: Lease) -> None:
        self._session = session
        self._warmup = warmup
        self._tags = list(tags)
        self._pace = pace
        self._lease = lease
        self._waiting: dict[str, asyncio.Future[PlatformError | None]] = {}
        self._wake = asyncio.Event()

    async def finish(self, email: str) -> None:
        """Returns when warm-up and tags of this inbox are as wanted. Raises what the platform says."""
        if not (self._warmup or self._tags):
            return
        done: asyncio.Future[PlatformError | None] = asyncio.get_running_loop().create_future()
        self._waiting[email] = done
        self._wake.set()
        error = await done
        if error is not None:
            raise error

    async def run(self) -> None:
        """Works until it is cancelled. Raises LeaseLost."""
        while True:
            await self._wake.wait()
            emails = list(self._waiting)[:_BATCH]
            batch = {email: self._waiting.pop(email) for email in emails}
            if not self._waiting:
                self._wake.clear()
            error = await self._apply(emails)
            for done in batch.values():
                if not done.done():
                    done.set_result(error)

    async def _apply(self, emails: list[str]) -> PlatformError | None:
        tries = 0
        while True:
            self._lease.check()
            try:
                if self._warmup:
                    await self._session.set_warmup(emails, on=True)
                if self._tags:
                    await self._session.tag(emails, self._tags)
            except TryAgain as error:
                tries += not isinstance(error, RateLimited)
                if tries >= self._pace.platform_tries:
                    return error
                await asyncio.sleep(max(self._pace.wait(max(tries, 1)), error.retry_after or 0))
            except PlatformError as error:
                return error
            else:
                return None
