"""The way of one inbox to its platform: hand it over, read it back. Each step may be begun again.

A crash between any two lines leaves a state to go on from: before an inbox is handed over the attempt is written down,
and whoever finds an attempt looks at the platform before making another.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import structlog

from litemail.kit.errors import Error, Kind, Problem
from litemail.platforms.claims import Claims
from litemail.platforms.finishing import Finishing
from litemail.platforms.lease import Lease, LeaseLost, Recorder
from litemail.platforms.pace import Gate, Pace, Place
from litemail.platforms.work import Work, given_up, problem_of
from litemail.providers.platform import (
    Accepted,
    ActionNeeded,
    Capability,
    Changes,
    Concerns,
    Declaration,
    InboxToAdd,
    Limits,
    RateLimited,
    Refused,
    Rejected,
    RemoteInbox,
    Session,
    Standing,
    TryAgain,
)

Question = TypeVar("Question")
Reply = TypeVar("Reply")
Thing = TypeVar("Thing", bound=Work)
MakeInbox = Callable[[], InboxToAdd]

log = structlog.get_logger("platforms")


class NotConfirmed(Error):
    kind = Kind.UNAVAILABLE
    code = "platform.not_confirmed"
    message = "{name} took the inbox but does not show it after {seconds:g} seconds."
    action = "Look at the platform whether it is there, then retry."
    retryable = True


class Fault(Error):
    """A mistake of ours, which must not stop the other inboxes."""

    code = "internal"
    message = "Something went wrong on our side."
    action = "Retry. If it lasts, report the id of the connection or export."
    retryable = True


class Stopped(Exception):
    """The batch was cancelled before the platform was given this inbox."""


class _Doomed(Exception):
    """The run's verdict holds for this inbox too."""


@dataclass
class HandOver:
    """What all inboxes of one batch share at their platform."""

    batch_id: str
    declaration: Declaration
    session: Session
    limits: Limits
    pace: Pace
    lease: Lease
    recorder: Recorder
    claims: Claims
    gate: Gate
    finishing: Finishing
    verdict: Problem | None = field(default=None, repr=False)
    """Why no inbox can go on: the platform refuses the account as a whole."""

    def go_on(self) -> None:
        """Before each call to the outside. Raises LeaseLost, and ends an inbox that the verdict holds for."""
        self.lease.check()
        if self.verdict is not None:
            raise _Doomed

    async def add(self, work: Work, inbox: MakeInbox, *, refresh: bool = False) -> None:
        """The inbox is at the platform, and works there. Raises what the platform says of it, and Stopped.

        `refresh`: one that was there before gets password, names and limit anew, as far as the platform changes them.
        """
        async with self.claims.holding(work.email):
            place = await self.gate.enter()
            try:
                await self._add(work, inbox, place, refresh=refresh)
            finally:
                place.leave()

    async def _add(self, work: Work, inbox: MakeInbox, place: Place, *, refresh: bool) -> None:
        seen = None
        if work.ticket is None:
            work.status, work.error = "connecting", None
            self.recorder.note(work)
            was_there, seen = await _add(self, work, inbox, Patience(self, work, place))
            if was_there and refresh and self._can(Capability.CREDENTIALS):
                await self._patiently(work, place, self.session.update_credentials, inbox())
                seen = None
        work.status, work.error = "confirming", None
        await self.recorder.save(work)
        await _confirm(self, work, seen, Patience(self, work, place))
        changes = self._changes(inbox(), refresh=refresh and work.already)
        if changes != Changes():
            await self._patiently(work, place, partial(self.session.update, work.email), changes)

    def _changes(self, inbox: InboxToAdd, *, refresh: bool) -> Changes:
        """What adding did not do."""
        limited = not refresh and self._can(Capability.LIMIT_ON_ADD)
        return Changes(
            first_name=inbox.first_name if refresh and self._can(Capability.UPDATE) else None,
            last_name=inbox.last_name if refresh and self._can(Capability.UPDATE) else None,
            daily_limit=inbox.daily_limit if self._can(Capability.DAILY_LIMIT) and not limited else None,
        )

    def _can(self, capability: Capability) -> bool:
        return capability in self.declaration.capabilities

    async def _patiently(
        self, work: Work, place: Place, call: Callable[[Question], Awaitable[Reply]], question: Question
    ) -> Reply:
        """A call about an inbox that is there, which is safe to repeat: tried again while that may help."""
        patience = Patience(self, work, place)
        while True:
            try:
                return await self.ask(call, question)
            except TryAgain as error:
                await patience.wait(error)

    async def ask(self, call: Callable[[Question], Awaitable[Reply]], question: Question) -> Reply:
        """One call, once."""
        self.go_on()
        return await call(question)


async def settle(run: HandOver, work: Thing, way: Callable[[HandOver, Thing], Awaitable[None]]) -> None:
    """Takes the inbox its way as far as it gets and writes that down. Raises LeaseLost."""
    try:
        await way(run, work)
    except Stopped:
        return
    except _Doomed:
        work.fail(run.verdict)
    except Error as error:
        problem = given_up(error, stage=work.status)
        if isinstance(error, ActionNeeded) and error.concerns is Concerns.ACCOUNT:
            run.verdict = problem
        work.fail(problem)
    except LeaseLost:
        raise
    except Exception:
        log.exception("an inbox failed unexpectedly", batch=run.batch_id, inbox=work.id)
        work.fail(problem_of(Fault(), stage=work.status))
    run.recorder.note(work)


async def _add(run: HandOver, work: Work, inbox: MakeInbox, patience: "Patience") -> tuple[bool, RemoteInbox | None]:
    """Sees to it that the platform has the inbox and that `work.ticket` is set.

    Whether it was there before, and how it stands there, where known.
    """
    while True:
        try:
            return await _look_and_add(run, work, inbox)
        except TryAgain as error:
            await patience.wait(error)


async def _look_and_add(run: HandOver, work: Work, inbox: MakeInbox) -> tuple[bool, RemoteInbox | None]:
    if work.attempted or not run.declaration.refuses_duplicates:
        found = (await run.ask(run.session.find, [work.email])).get(work.email)
        if found is not None:
            work.already, work.ticket = not work.attempted, found.external_id
            return True, found
    first, work.attempted = not work.attempted, True
    if not await run.recorder.save(work):
        work.attempted = False
        raise Stopped
    try:
        (outcome,) = await run.ask(run.session.add, [inbox()])
        if isinstance(outcome, Refused):
            raise outcome.error
    except TryAgain:
        raise
    except ActionNeeded:
        # A clear no: nothing of this attempt is left at the platform.
        work.attempted = False
        raise
    work.already, work.ticket = outcome.already and first, outcome.ticket
    return outcome.already, None


async def _confirm(run: HandOver, work: Work, seen: RemoteInbox | None, patience: "Patience") -> None:
    assert work.ticket is not None
    loop = asyncio.get_running_loop()
    deadline = loop.time() + run.limits.confirm_within
    wait = run.pace.first_wait / 4
    accepted = Accepted(work.email, work.ticket, already=work.already)
    while True:
        if seen is None:
            try:
                seen = (await run.ask(run.session.confirm, [accepted])).get(work.email)
            except TryAgain as error:
                await patience.wait(error)
                continue
        if seen is not None and seen.standing is Standing.CONNECTED:
            return
        if seen is not None and seen.standing is Standing.FAILED:
            raise seen.problem or Rejected(name=run.declaration.name, words="the inbox does not work there")
        if loop.time() >= deadline:
            raise NotConfirmed(name=run.declaration.name, seconds=run.limits.confirm_within)
        seen = None
        await patience.place.rest(wait)
        wait = min(wait * 2, run.pace.confirm_every)


class Patience:
    """Of one inbox in one step at its platform: so many failures, and a rate limit as long as it lasts."""

    def __init__(self, run: HandOver, work: Work, place: Place) -> None:
        self.place = place
        self._run = run
        self._work = work
        self._tries = 0

    async def wait(self, error: TryAgain) -> None:
        """Raises the error when it was one too many."""
        pace = self._run.pace
        if not isinstance(error, RateLimited):
            self._tries += 1
            if self._tries >= pace.platform_tries:
                raise error
        self._work.error = problem_of(error, stage=self._work.status)
        self._run.recorder.note(self._work)
        await self.place.rest(max(pace.wait(max(self._tries, 1)), error.retry_after or 0))
