"""Every adapter while its platform has a bad day: slow, limited, failing in bursts, cutting answers off.

At the end each inbox is there exactly once, and what was reported is true.
"""

import asyncio
import random
from dataclasses import dataclass, field

import httpx
import pytest

from litemail.providers.platform import Pacer, RateLimited, Session, TryAgain, gathered, twin_limits
from tests.providers.platform_worlds import ADAPTERS, Result, World, hand_over, inbox, world

INBOXES = 9
TRIES = 40
FATES = ("well", "burst", "limited", "told to wait", "cut")


@dataclass
class BadDay(httpx.AsyncBaseTransport):
    """Between the client and the platform. What a call meets is drawn anew each time, repeatably."""

    inner: httpx.AsyncBaseTransport
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    failing: int = 0
    """So many of the next calls meet a server error."""
    over: bool = False
    certain: list[str] = field(default_factory=lambda: [*FATES, "well", "cut", "well"])
    """What the first calls meet, the last one first, so that everything happens."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.over:
            return await self.inner.handle_async_request(request)
        await asyncio.sleep(self.chance.uniform(0, 0.01))
        if self.failing:
            self.failing -= 1
            return httpx.Response(500, text="oops")
        what = self.certain.pop() if self.certain else self.chance.choices(FATES, (60, 6, 6, 3, 25))[0]
        if what == "burst":
            self.failing = self.chance.randint(1, 4)
            return httpx.Response(503, html="<h1>Service Unavailable</h1>")
        if what == "limited":
            return httpx.Response(429)
        if what == "told to wait":
            return httpx.Response(429, headers={"retry-after": "1"})
        answer = await self.inner.handle_async_request(request)
        if what == "cut":  # after the effect
            await answer.aread()
            await answer.aclose()
            raise httpx.ReadError("the connection was cut")
        return answer

    async def aclose(self) -> None:
        await self.inner.aclose()


class Hasty(Pacer):
    """Rests a tenth of what it is asked for, so that the test is over soon."""

    def rest(self, seconds: float) -> None:
        super().rest(seconds / 10)


async def stubbornly(platform: World, session: Session, email: str) -> Result:
    """As callers do it: a failed attempt is followed by looking, then by another."""
    attempted = False
    for tries in range(TRIES):
        try:
            result = await hand_over(platform, session, inbox(email), attempted=attempted, patience=0.3)
        except RateLimited:
            pass
        except TryAgain:
            await asyncio.sleep(0.002 * tries)
        else:
            if result.connected:
                return result
        attempted = True
    pytest.fail(f"{email} is not there after {TRIES} tries")


@pytest.mark.parametrize("together", [False, True], ids=["alone", "gathered"])
@pytest.mark.parametrize("name", ADAPTERS)
async def test_every_inbox_is_there_once_whatever_happens_on_the_way(name: str, together: bool) -> None:
    days: list[BadDay] = []

    def spoil(transport: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
        days.append(BadDay(transport))
        return days[0]

    emails = [f"inbox{number}@getbrandmerge.test" for number in range(INBOXES)]
    async with world(name, spoil) as platform:
        limits = twin_limits(platform.adapter.declaration.limits, None)
        session = platform.session(reach=platform.reach(pacer=Hasty(limits)))
        if together:  # as the program does
            session = gathered(session, limits, name=name)
        results = await asyncio.gather(*(stubbornly(platform, session, email) for email in emails))
        assert {result.seen.email for result in results if result.seen} == set(emails)
        assert together or not days[0].certain
        days[0].over = True
        assert await platform.peer.held() == emails
        assert (await session.find(emails)).keys() == set(emails)


@pytest.mark.parametrize("name", ADAPTERS)
async def test_an_add_that_is_cut_off_is_never_reported_as_refused(name: str) -> None:
    """An unknown outcome asks to look, a refusal tells to give up: they must not be mixed up."""

    class Cut(httpx.AsyncBaseTransport):
        def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
            self.inner = inner

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            answer = await self.inner.handle_async_request(request)
            if request.method == "POST":
                await answer.aread()
                await answer.aclose()
                raise httpx.RemoteProtocolError("the connection was cut")
            return answer

        async def aclose(self) -> None:
            await self.inner.aclose()

    async with world(name, Cut) as platform:
        with pytest.raises(TryAgain):
            await platform.session().add([inbox()])
