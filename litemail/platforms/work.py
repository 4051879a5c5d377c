"""One inbox on its way to a platform: what is known of it, whichever slice sends it there."""

from dataclasses import dataclass
from typing import Literal

import msgspec

from litemail.kit.errors import Error, Problem
from litemail.providers import mailhost
from litemail.providers.platform import TryAgain

WorkStatus = Literal[
    "queued", "verifying", "connecting", "confirming", "connected", "action_required", "failed", "skipped", "cancelled"
]
OPEN: tuple[WorkStatus, ...] = ("queued", "verifying", "connecting", "confirming")
"""The statuses from which an inbox still goes on."""

_GIVEN_UP = "It was tried several times. Retry when the other side answers again."


class MayBeThere(Error):
    code = "connection.cancelled_midway"
    message = "It was cancelled while the platform was adding this inbox, so the inbox may be there."
    action = "Look at the platform, and remove the inbox there if it should not be."


class Change(msgspec.Struct, frozen=True):
    """How an inbox stands now, to be written down."""

    id: str
    status: WorkStatus
    already: bool
    attempted: bool
    ticket: str | None
    error: Problem | None


@dataclass(eq=False)
class Work:
    """The state of an inbox as its run knows it. `attempted` is written before the platform is given the inbox, so
    that whoever goes on after a crash looks there first.
    """

    id: str
    email: str
    status: WorkStatus
    already: bool
    attempted: bool
    ticket: str | None
    error: Problem | None = None

    @property
    def decided(self) -> bool:
        return self.status not in OPEN

    def fail(self, problem: Problem | None) -> None:
        """A later retry looks at the platform afresh, so nothing of this way there is kept but the attempt."""
        self.status, self.error, self.ticket = "failed", problem, None

    def change(self) -> Change:
        return Change(
            id=self.id,
            status=self.status,
            already=self.already,
            attempted=self.attempted,
            ticket=self.ticket,
            error=self.error,
        )


def problem_of(error: Error, *, stage: str) -> Problem:
    return msgspec.structs.replace(error.problem(), stage=error.stage or stage)


def given_up(error: Error, *, stage: str) -> Problem:
    """The problem of what is not tried again by itself, although that is what it says while it is."""
    problem = problem_of(error, stage=stage)
    tried = isinstance(error, TryAgain | mailhost.Unreachable)
    return msgspec.structs.replace(problem, action=_GIVEN_UP) if tried else problem
