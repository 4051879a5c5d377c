"""Questions about single inboxes that become one call."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import httpx
import msgspec
import pytest

from litemail.providers.platform import (
    Accepted,
    InboxToAdd,
    Limits,
    Outcome,
    OutcomeUnknown,
    RemoteInbox,
    Standing,
    Unavailable,
    twin_limits,
)
from litemail.providers.platform.gathering import gathered
from litemail.providers.platform.http import Caller
from litemail.providers.platform.unoffered import Unoffered
from tests.providers.platform_worlds import World, hand_over, inbox, world

MANY = Limits(per_second=1000, per_minute=60_000, concurrency=1, batch=4, look_together=100)


@dataclass(frozen=True)
class Counting(Unoffered):
    """A platform in memory that counts calls."""

    there: dict[str, RemoteInbox] = field(default_factory=dict)
    calls: list[tuple[str, int]] = field(default_factory=list)
    seconds: float = 0.0
    error: Exception | None = None

    async def check(self) -> tuple[()]:
        return ()

    async def find(self, emails: Sequence[str]) -> Mapping[str, RemoteInbox]:
        await self._called("find", len(emails))
        return {email: self.there[email] for email in emails if email in self.there}

    async def add(self, inboxes: Sequence[InboxToAdd]) -> Sequence[Outcome]:
        await self._called("add", len(inboxes))
        for one in inboxes:
            self.there[one.email] = RemoteInbox(one.email, one.email, Standing.CONNECTED)
        return [Accepted(one.email, "ticket") for one in inboxes]

    async def confirm(self, accepted: Sequence[Accepted]) -> Mapping[str, RemoteInbox]:
        return await self.find([one.email for one in accepted])

    async def list_(self) -> AsyncIterator[RemoteInbox]:
        for one in self.there.values():
            yield one

    async def _called(self, name: str, count: int) -> None:
        self.calls.append((name, count))
        await asyncio.sleep(self.seconds)
        if self.error:
            raise self.error


@pytest.fixture
async def there() -> World:
    async with world("woodpecker") as one:
        return one


def counting(there: World, *, seconds: float = 0.0, error: Exception | None = None) -> Counting:
    return Counting(Caller("Memory", there.reach(), ()), seconds=seconds, error=error)


async def test_a_session_that_gains_nothing_stays_as_it_is(there: World) -> None:
    inner = counting(there)
    assert gathered(inner, Limits(1, 60, concurrency=1), name="Memory") is inner


async def test_what_comes_at_once_goes_in_one_call_and_each_hears_of_its_own(there: World) -> None:
    inner = counting(there)
    session = gathered(inner, MANY, name="Memory")
    emails = [f"inbox{number}@b.test" for number in range(10)]
    outcomes = await asyncio.gather(*(session.add([inbox(email)]) for email in emails))
    assert [outcome.email for [outcome] in outcomes] == emails
    found = await asyncio.gather(*(session.find([email]) for email in [*emails, "nobody@b.test"]))
    assert [list(one) for one in found] == [*([email] for email in emails), []]
    assert inner.calls == [("add", 4), ("add", 4), ("add", 2), ("find", 11)]


async def test_those_who_come_while_a_call_is_under_way_wait_together(there: World) -> None:
    inner = counting(there, seconds=0.1)
    session = gathered(inner, MANY, name="Memory")

    async def come(number: int) -> None:
        await asyncio.sleep(number * 0.01)
        await session.find([f"inbox{number}@b.test"])

    await asyncio.gather(*(come(number) for number in range(12)))
    assert len(inner.calls) <= 3
    assert sum(count for _, count in inner.calls) == 12


async def test_inboxes_that_are_added_one_by_one_do_not_wait_for_each_other(there: World) -> None:
    inner = counting(there, seconds=0.2)
    session = gathered(inner, msgspec.structs.replace(MANY, batch=1), name="Memory")
    async with asyncio.timeout(0.5):
        await asyncio.gather(*(session.add([inbox(f"inbox{number}@b.test")]) for number in range(10)))
    assert inner.calls == [("add", 1)] * 10


async def test_at_a_slow_platform_a_question_waits_longer_for_company(there: World) -> None:
    inner = counting(there)
    session = gathered(inner, msgspec.structs.replace(MANY, per_second=20), name="Memory")

    async def come(number: int) -> None:
        await asyncio.sleep(number * 0.02)
        await session.find([f"inbox{number}@b.test"])

    await asyncio.gather(*(come(number) for number in range(6)))
    assert inner.calls == [("find", 6)]


async def test_an_error_is_heard_by_all(there: World) -> None:
    session = gathered(counting(there, error=Unavailable(name="Memory", reason="no")), MANY, name="Memory")
    answers = await asyncio.gather(*(session.find([f"{n}@b.test"]) for n in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable] * 3


@pytest.mark.parametrize(("call", "error"), [("add", OutcomeUnknown), ("find", Unavailable)])
async def test_when_the_caller_goes_away_the_others_look_again(there: World, call: str, error: type[Exception]) -> None:
    session = gathered(counting(there, seconds=5), MANY, name="Memory")

    async def ask(number: int) -> object:
        email = f"inbox{number}@b.test"
        return await (session.add([inbox(email)]) if call == "add" else session.find([email]))

    first, second = asyncio.create_task(ask(1)), asyncio.create_task(ask(2))
    await asyncio.sleep(0.06)
    first.cancel()
    answers = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(answer) for answer in answers] == [asyncio.CancelledError, error]


async def test_who_waits_for_others_may_go_away(there: World) -> None:
    session = gathered(counting(there, seconds=0.05), MANY, name="Memory")
    first = asyncio.create_task(session.add([inbox("a@b.test")]))
    second = asyncio.create_task(session.add([inbox("b@b.test")]))
    await asyncio.sleep(0.03)
    second.cancel()
    [outcome] = await first
    assert outcome.email == "a@b.test"


@pytest.mark.parametrize("name", ["plusvibe", "woodpecker"])
async def test_a_thousand_inboxes_need_few_calls(name: str) -> None:
    emails = [f"inbox{number:04}@getbrandmerge.test" for number in range(1000)]
    counted: list[httpx.Request] = []

    class Counted(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            counted.append(request)
            return await super().handle_async_request(request)

    async with world(name, lambda _: Counted()) as platform:
        limits = twin_limits(platform.adapter.declaration.limits, None)
        session = gathered(platform.session(), limits, name="Platform")
        results = await asyncio.gather(*(hand_over(platform, session, inbox(email), patience=30) for email in emails))
        assert all(result.connected for result in results)
        assert await platform.peer.held() == emails
    assert len(counted) < 150
