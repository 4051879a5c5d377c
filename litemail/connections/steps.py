"""The way of one inbox: sign in to it, hand it to the platform, read it back. Each step may be begun again.

A crash between any two lines leaves a state to go on from: before an inbox is handed over the attempt is written down,
and whoever finds an attempt looks at the platform before making another.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import msgspec
import structlog

from litemail.connections.finishing import Finishing
from litemail.connections.pace import Gate, Pace, Place
from litemail.connections.recorder import Lease, LeaseLost, Recorder
from litemail.connections.run_queries import Claim
from litemail.connections.servers import can_be_verified, servers_of
from litemail.connections.work import Work, to_add
from litemail.kit.errors import Error, Kind, Problem
from litemail.kit.outbound import Guard
from litemail.kit.secrets import Secrets
from litemail.mailboxes import MailAccess
from litemail.platforms import SecretsExpired
from litemail.providers import mailhost
from litemail.providers.mailhost import Servers
from litemail.providers.platform import (
    Accepted,
    ActionNeeded,
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

_GIVEN_UP = "It was tried several times. Retry the connection when the other side answers again."

log = structlog.get_logger("connections")


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
    action = "Retry. If it lasts, report the connection's id."
    retryable = True


class SignIn(Protocol):
    """`mailhost.sign_in`."""

    def __call__(
        self, *, address: str, username: str | None, password: str, servers: Servers, guard: Guard, timeout: float
    ) -> Awaitable[None]: ...


@dataclass
class Run:
    """What all inboxes of one connection share."""

    claim: Claim
    declaration: Declaration
    session: Session
    limits: Limits
    guard: Guard
    mail_access: MailAccess
    secrets: Secrets
    pace: Pace
    lease: Lease
    recorder: Recorder
    gate: Gate
    finishing: Finishing
    sign_in: SignIn
    verdict: Problem | None = field(default=None, repr=False)
    """Why no inbox can go on: the platform refuses the account as a whole."""

    def servers_of(self, work: Work) -> Servers:
        if work.row.servers is not None:
            return work.row.servers
        return servers_of(self.claim.inbox_type, self.claim.mode, guard=self.guard, mail_access=self.mail_access)

    def password_of(self, work: Work) -> str:
        if work.row.password is None:
            raise SecretsExpired(which="the password of the inbox")
        return self.secrets.open(work.row.password, row=work.row.id)


class _Stopped(Exception):
    """The connection was cancelled before the platform was given this inbox."""


class _Doomed(Exception):
    """The run's verdict holds for this inbox too."""


async def connect(run: Run, work: Work) -> None:
    """Takes the inbox as far as it gets and writes that down. Raises LeaseLost."""
    try:
        await _verify(run, work)
        await _hand_over(run, work)
        await run.finishing.finish(work.row.email)
        work.status, work.error = "connected", None
    except _Stopped:
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
        log.exception("an inbox failed unexpectedly", connection=run.claim.id, inbox=work.row.id)
        work.fail(problem_of(Fault(), stage=work.status))
    run.recorder.note(work)


def problem_of(error: Error, *, stage: str) -> Problem:
    return msgspec.structs.replace(error.problem(), stage=error.stage or stage)


def given_up(error: Error, *, stage: str) -> Problem:
    """The problem of what is not tried again by itself, although that is what it says while it is."""
    problem = problem_of(error, stage=stage)
    tried = isinstance(error, TryAgain | mailhost.Unreachable)
    return msgspec.structs.replace(problem, action=_GIVEN_UP) if tried else problem


def _go_on(run: Run) -> None:
    """Before each call to the outside. Raises LeaseLost, _Doomed."""
    run.lease.check()
    if run.verdict is not None:
        raise _Doomed


async def _ask(run: Run, call: Callable[[Question], Awaitable[Reply]], question: Question) -> Reply:
    _go_on(run)
    return await call(question)


async def _verify(run: Run, work: Work) -> None:
    # What was handed over, or was about to be, has been verified before.
    if not run.claim.options.verify or work.status in ("connecting", "confirming"):
        return
    if not can_be_verified(run.claim.inbox_type, run.claim.mode):
        return
    servers, password = run.servers_of(work), run.password_of(work)
    tries = 0
    while True:
        async with run.pace.door_of(run.claim.mode, servers):
            _go_on(run)
            if work.status != "verifying":
                work.status = "verifying"
                run.recorder.note(work)
            try:
                await run.sign_in(
                    address=work.row.email,
                    username=work.row.username,
                    password=password,
                    servers=servers,
                    guard=run.guard,
                    timeout=run.pace.sign_in_within,
                )
            except mailhost.Unreachable as error:
                tries += 1
                if tries >= run.pace.host_tries:
                    raise
                work.error = problem_of(error, stage=work.status)
                run.recorder.note(work)
            else:
                return
        await asyncio.sleep(run.pace.wait(tries))


async def _hand_over(run: Run, work: Work) -> None:
    """The inbox is at the platform, and works there. Raises what the platform says of it."""
    place = await run.gate.enter()
    try:
        seen = None
        if work.ticket is None:
            work.status, work.error = "connecting", None
            run.recorder.note(work)
            seen = await _add(run, work, _Patience(run, work, place))
        work.status, work.error = "confirming", None
        await run.recorder.save(work)
        await _confirm(run, work, seen, _Patience(run, work, place))
    finally:
        place.leave()


async def _add(run: Run, work: Work, patience: "_Patience") -> RemoteInbox | None:
    """Sees to it that the platform has the inbox and that `work.ticket` is set; how it stands there, where known."""
    while True:
        try:
            return await _look_and_add(run, work)
        except TryAgain as error:
            await patience.wait(error)


async def _look_and_add(run: Run, work: Work) -> RemoteInbox | None:
    if work.attempted or not run.declaration.refuses_duplicates:
        found = (await _ask(run, run.session.find, [work.row.email])).get(work.row.email)
        if found is not None:
            work.already, work.ticket = not work.attempted, found.external_id
            return found
    first, work.attempted = not work.attempted, True
    if not await run.recorder.save(work):
        work.attempted = False
        raise _Stopped
    try:
        (outcome,) = await _ask(run, run.session.add, [_inbox_of(run, work)])
        if isinstance(outcome, Refused):
            raise outcome.error
    except TryAgain:
        raise
    except ActionNeeded:
        # A clear no: nothing of this attempt is left at the platform.
        work.attempted = False
        raise
    work.already, work.ticket = outcome.already and first, outcome.ticket
    return None


def _inbox_of(run: Run, work: Work) -> InboxToAdd:
    return to_add(
        work.row,
        inbox_type=run.claim.inbox_type,
        servers=run.servers_of(work),
        password=run.password_of(work),
        daily_limit=run.claim.options.daily_limit,
        warmup=run.claim.options.warmup,
    )


async def _confirm(run: Run, work: Work, seen: RemoteInbox | None, patience: "_Patience") -> None:
    assert work.ticket is not None
    loop = asyncio.get_running_loop()
    deadline = loop.time() + run.limits.confirm_within
    wait = run.pace.first_wait / 4
    accepted = Accepted(work.row.email, work.ticket, already=work.already)
    while True:
        if seen is None:
            try:
                seen = (await _ask(run, run.session.confirm, [accepted])).get(work.row.email)
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


class _Patience:
    """Of one inbox in one step at its platform: so many failures, and a rate limit as long as it lasts."""

    def __init__(self, run: Run, work: Work, place: Place) -> None:
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
