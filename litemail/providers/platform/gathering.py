"""Questions about single inboxes, asked together: for platforms that take many inboxes in one call, or look for many
at the cost of one. Whoever works on one inbox need not know.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from litemail.providers.platform.base import (
    Accepted,
    Changes,
    InboxToAdd,
    Outcome,
    PlatformWorkspace,
    RemoteInbox,
    Session,
)
from litemail.providers.platform.errors import OutcomeUnknown, Unavailable
from litemail.providers.platform.pacing import Limits

Question = TypeVar("Question")
Reply = TypeVar("Reply")
Group = list[tuple[Question, asyncio.Future[Reply]]]

_MOMENT = 0.02
_TURNS = 5
"""For as many calls as this a question waits for company: at a slow platform, calls are what there is least of."""


def gathered(session: Session, limits: Limits, *, name: str) -> Session:
    """The session, in which calls about one inbox that come at the same time become one call where that pays."""
    return session if limits.batch == limits.look_together == 1 else GatheredSession(session, limits, name=name)


class GatheredSession:
    """`Session`. Only questions about one inbox are gathered; those about several go through as they are."""

    def __init__(self, session: Session, limits: Limits, *, name: str) -> None:
        self._session = session
        self._batch = limits.batch
        unknown, nothing = OutcomeUnknown(name=name, reason=_LEFT), Unavailable(name=name, reason=_LEFT)
        moment = max(_MOMENT, _TURNS / limits.per_second)
        self._find = Together(self._find_all, most=limits.look_together, lost=nothing, moment=moment)
        self._confirm = Together(self._confirm_all, most=limits.look_together, lost=nothing, moment=moment)
        self._add: Together[InboxToAdd, Outcome] = Together(session.add, most=limits.batch, lost=unknown, moment=moment)

    async def check(self) -> tuple[PlatformWorkspace, ...]:
        return await self._session.check()

    async def find(self, emails: Sequence[str]) -> Mapping[str, RemoteInbox]:
        if len(emails) != 1:
            return await self._session.find(emails)
        return _mapping(emails[0], await self._find.ask(emails[0]))

    async def add(self, inboxes: Sequence[InboxToAdd]) -> Sequence[Outcome]:
        # One by one they need not wait for each other.
        if len(inboxes) != 1 or self._batch == 1:
            return await self._session.add(inboxes)
        return [await self._add.ask(inboxes[0])]

    async def confirm(self, accepted: Sequence[Accepted]) -> Mapping[str, RemoteInbox]:
        if len(accepted) != 1:
            return await self._session.confirm(accepted)
        return _mapping(accepted[0].email, await self._confirm.ask(accepted[0]))

    async def update(self, email: str, changes: Changes) -> None:
        await self._session.update(email, changes)

    async def update_credentials(self, inbox: InboxToAdd) -> None:
        await self._session.update_credentials(inbox)

    async def set_warmup(self, emails: Sequence[str], *, on: bool) -> None:
        await self._session.set_warmup(emails, on=on)

    async def tag(self, emails: Sequence[str], tags: Sequence[str]) -> None:
        await self._session.tag(emails, tags)

    async def remove(self, email: str) -> None:
        await self._session.remove(email)

    def list_(self) -> AsyncIterator[RemoteInbox]:
        return self._session.list_()

    async def _find_all(self, emails: Sequence[str]) -> list[RemoteInbox | None]:
        found = await self._session.find(emails)
        return [found.get(email) for email in emails]

    async def _confirm_all(self, accepted: Sequence[Accepted]) -> list[RemoteInbox | None]:
        found = await self._session.confirm(accepted)
        return [found.get(one.email) for one in accepted]


class Together(Generic[Question, Reply]):
    """One call for several askers. Who asks first waits a moment, and for the call before, and then calls for all that
    have come; the others wait for it. `lost` is what they hear when it goes away in the middle.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Question]], Awaitable[Sequence[Reply]]],
        *,
        most: int,
        lost: Exception,
        moment: float = _MOMENT,
    ) -> None:
        self._call = call
        self._moment = moment
        self._most = most
        self._lost = lost
        self._turn = asyncio.Lock()
        self._open: Group[Question, Reply] | None = None

    async def ask(self, question: Question) -> Reply:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if self._open is not None and len(self._open) < self._most:
            self._open.append((question, future))
            return await future
        group = self._open = [(question, future)]
        try:
            replies = await self._call_for(group)
        except BaseException as error:
            for _, waiting in group[1:]:
                if not waiting.done():
                    waiting.set_exception(error if isinstance(error, Exception) else self._lost)
            raise
        for (_, waiting), reply in zip(group, replies, strict=True):
            if not waiting.done():
                waiting.set_result(reply)
        return replies[0]

    async def _call_for(self, group: Group[Question, Reply]) -> Sequence[Reply]:
        try:
            await asyncio.sleep(self._moment)
            async with self._turn:
                self._close(group)
                return await self._call([question for question, _ in group])
        finally:
            self._close(group)

    def _close(self, group: Group[Question, Reply]) -> None:
        if self._open is group:
            self._open = None


_LEFT = "the call was left in the middle"


def _mapping(email: str, inbox: RemoteInbox | None) -> Mapping[str, RemoteInbox]:
    return {} if inbox is None else {email: inbox}
