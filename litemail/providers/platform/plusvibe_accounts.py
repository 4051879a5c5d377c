"""What both ways into PlusVibe share, an API key and a login: inboxes are handed over and found in the list after.

A good answer to adding only says that the request was accepted; the result is sent by mail. So an inbox counts as
there when the list shows it as active, and an inbox that PlusVibe cannot sign in to may never be listed at all.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from litemail.providers.platform import plusvibe_wire as wire
from litemail.providers.platform.base import (
    Accepted,
    InboxToAdd,
    Outcome,
    PlatformWorkspace,
    Refused,
    RemoteInbox,
    Standing,
)
from litemail.providers.platform.errors import InboxSignInRefused, OutcomeUnknown, PlatformError, Rejected
from litemail.providers.platform.http import Caller
from litemail.providers.platform.identity import choose_workspace
from litemail.providers.platform.unoffered import Unoffered

NAME = "PlusVibe"
PAGE = 100

_FEW = 3
"""So many inboxes are looked for one by one, more in the whole list."""
_MOST_PAGES = 1_000
_SETTLES = 30.0
"""Seconds after which an inbox is probably listed that was handed over without an answer; earlier nobody looks."""
_ACTIVE = "ACTIVE"
# ACTIVE was seen by readers of the live API; the others are not documented and read with care.
_WORKING = {_ACTIVE, "INACTIVE", "PAUSED"}
_STARTING = {"PENDING", "PROCESSING"}
_BROKEN = {"ERROR", "DISCONNECTED"}


@dataclass(frozen=True)
class PlusVibeAccounts(Unoffered, ABC):
    """The part of `Session` that a key and a login do alike; what they do differently is abstract."""

    wanted_workspace: str | None
    chosen: list[PlatformWorkspace]
    """The workspace once it is known."""

    @abstractmethod
    async def workspaces(self) -> tuple[PlatformWorkspace, ...]:
        """All that the credentials reach."""

    @abstractmethod
    async def page(self, parameters: Mapping[str, str]) -> wire.Accounts:
        """A page of the list."""

    @abstractmethod
    async def hand_over(self, caller: Caller, accounts: list[wire.NewAccount]) -> PlatformError | None:
        """Raises what concerns the account; what the platform says against these inboxes is the result."""

    async def check(self) -> tuple[PlatformWorkspace, ...]:
        there = await self.workspaces()
        if self.wanted_workspace is not None:
            self.chosen[:] = [choose_workspace(NAME, there, self.wanted_workspace)]
        return there

    async def workspace_id(self) -> str:
        if not self.chosen:
            self.chosen[:] = [choose_workspace(NAME, await self.workspaces(), self.wanted_workspace)]
        return self.chosen[0].id

    async def find(self, emails: Sequence[str]) -> Mapping[str, RemoteInbox]:
        return {email: self._inbox(account) for email, account in (await self.accounts(emails)).items()}

    async def confirm(self, accepted: Sequence[Accepted]) -> Mapping[str, RemoteInbox]:
        return await self.find([one.email for one in accepted])

    async def add(self, inboxes: Sequence[InboxToAdd]) -> Sequence[Outcome]:
        """A request that is refused is halved until it is clear which inbox was meant."""
        passwords = [server.password for inbox in inboxes for server in (inbox.imap, inbox.smtp)]
        try:
            refused = await self.hand_over(self.caller.with_secrets(*passwords), [_new(inbox) for inbox in inboxes])
        except OutcomeUnknown as error:
            error.wait_at_least(_SETTLES)
            raise
        if refused is None:
            return [Accepted(inbox.email, ticket=inbox.email) for inbox in inboxes]
        if len(inboxes) > 1:
            half = len(inboxes) // 2
            return [*await self.add(inboxes[:half]), *await self.add(inboxes[half:])]
        return [await self._refused(inboxes[0].email, refused)]

    async def list_(self) -> AsyncIterator[RemoteInbox]:
        async for account in self._all({}):
            yield self._inbox(account)

    async def accounts(self, emails: Sequence[str]) -> dict[str, wire.Account]:
        """Those of the addresses that the workspace has."""
        there: dict[str, wire.Account] = {}
        for filters in [{"email": email.lower()} for email in emails] if len(emails) <= _FEW else [{}]:
            there |= {account.email.lower(): account async for account in self._all(filters)}
        return {email: there[email.lower()] for email in emails if email.lower() in there}

    async def _all(self, filters: Mapping[str, str]) -> AsyncIterator[wire.Account]:
        workspace_id, skip = await self.workspace_id(), 0
        for _ in range(_MOST_PAGES):
            parameters = {"workspace_id": workspace_id, "skip": str(skip), "limit": str(PAGE), **filters}
            accounts = (await self.page(parameters)).accounts
            for account in accounts:
                yield account
            if len(accounts) < PAGE:
                return
            skip += len(accounts)

    async def _refused(self, email: str, refused: PlatformError) -> Outcome:
        if await self.find([email]):
            return Accepted(email, ticket=email, already=True)
        return Refused(email, refused)

    def _inbox(self, account: wire.Account) -> RemoteInbox:
        email, status = account.email.lower(), account.status.upper()
        standing = Standing.FAILED
        if status in _WORKING:
            standing = Standing.CONNECTED
        elif status in _STARTING:
            standing = Standing.PENDING
        limit = account.payload.daily_limit
        return RemoteInbox(
            email=email,
            external_id=account.id or account.other_id,
            standing=standing,
            problem=self._trouble(email, status) if standing is Standing.FAILED else None,
            daily_limit=None if limit is None else int(limit),
            warmup=account.warmup_status.upper() == _ACTIVE,
        )

    def _trouble(self, email: str, status: str) -> PlatformError:
        words = self.caller.shown(f"its status is {status}")
        if status in _BROKEN:
            return InboxSignInRefused(name=NAME, email=email, words=words)
        return Rejected(name=NAME, words=f"{email}: {words}, which Litemail does not know")


def _new(inbox: InboxToAdd) -> wire.NewAccount:
    return wire.NewAccount(
        email=inbox.email,
        first_name=inbox.first_name,
        last_name=inbox.last_name,
        username=inbox.imap.username,
        password=inbox.imap.password,
        imap_host=inbox.imap.host,
        imap_port=inbox.imap.port,
        smtp_host=inbox.smtp.host,
        smtp_port=inbox.smtp.port,
        smtp_username=inbox.smtp.username,
        smtp_password=inbox.smtp.password,
        daily_limit=inbox.daily_limit,
        enable_warmup="yes" if inbox.warmup else None,
    )
