"""Salesforge (API v2). Inboxes are added one by one: it signs in to both servers, takes the inbox, and makes it work
moments later, so the inbox is polled until it does. Every call but two is in a workspace.

Warm-up is another product of the vendor (Warmforge) with keys of its own, and tags of mailboxes can only be read.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote

import msgspec

from litemail.kit.errors import Error
from litemail.providers.platform import salesforge_wire as wire
from litemail.providers.platform.base import (
    Accepted,
    Adapter,
    Capability,
    Changes,
    CredentialField,
    Credentials,
    Declaration,
    InboxToAdd,
    MailServer,
    Outcome,
    PlatformWorkspace,
    Reach,
    Refused,
    RemoteInbox,
    Site,
)
from litemail.providers.platform.errors import Rejected, TryAgain
from litemail.providers.platform.http import Answer, Caller, Method
from litemail.providers.platform.identity import choose_workspace, require_header_safe
from litemail.providers.platform.pacing import Limits
from litemail.providers.platform.salesforge_answers import (
    NAME,
    inbox_of,
    is_absent,
    raise_for_account,
    refusal_of,
)
from litemail.providers.platform.unoffered import Unoffered

Page = TypeVar("Page", wire.Workspaces, wire.Mailboxes)
Parameters = Sequence[tuple[str, str]]

# Its limits are not documented; this is slow enough for most, and a 429 is heeded.
_ADDRESSES = 50  # so many fit in a query
_LIMITS = Limits(per_second=5, per_minute=300, concurrency=10, look_together=_ADDRESSES, confirm_within=180)
_SIGN_IN_TIMEOUT = 50.0
_PAGE = 100
_MOST_PAGES = 10_000


def adapter() -> Adapter:
    declaration = Declaration(
        platform_type="salesforge",
        name=NAME,
        credentials=(
            CredentialField("api_key", "API key", "Settings → API"),
            CredentialField("workspace", "Workspace", "Only for several workspaces: its name or id"),
        ),
        limits=_LIMITS,
        capabilities=frozenset(
            {
                Capability.UPDATE,
                Capability.DAILY_LIMIT,
                Capability.LIMIT_ON_ADD,
                Capability.CREDENTIALS,
                Capability.REMOVE,
                Capability.LIST,
            }
        ),
        live=Site(api="https://api.salesforge.ai", login="https://app.salesforge.ai"),
        # A second add of an address in the same workspace is not documented, so it is looked for first.
        refuses_duplicates=False,
        sandbox_twin=True,
        verified_live=False,
    )
    return Adapter(declaration, open_session)


def open_session(credentials: Credentials, reach: Reach) -> "SalesforgeSession":
    """Raises `BadCredentials` for a key that no header can carry."""
    require_header_safe(NAME, credentials.api_key)
    # The bare key: with "Bearer" before it, it is refused.
    headers = {"authorization": credentials.api_key}
    return SalesforgeSession(Caller(NAME, reach, (credentials.api_key,)), headers, credentials.workspace)


@dataclass(frozen=True)
class SalesforgeSession(Unoffered):
    """`Session` at Salesforge, in the workspace named, or the only one."""

    headers: Mapping[str, str]
    workspace: str | None
    chosen: list[PlatformWorkspace] = field(default_factory=list)
    """The workspace, once it is known."""

    async def check(self) -> tuple[PlatformWorkspace, ...]:
        workspaces = await self._workspaces()
        if self.workspace is None:
            return workspaces
        return (choose_workspace(NAME, workspaces, self.workspace),)

    async def find(self, emails: Sequence[str]) -> Mapping[str, RemoteInbox]:
        found: dict[str, RemoteInbox] = {}
        for start in range(0, len(emails), _ADDRESSES):
            some = {email.lower(): email for email in emails[start : start + _ADDRESSES]}
            async for mailbox in self._mailboxes([("addresses[]", address) for address in some]):
                if mailbox.address.lower() in some:
                    found[some[mailbox.address.lower()]] = inbox_of(self.caller, mailbox)
        return found

    async def add(self, inboxes: Sequence[InboxToAdd]) -> Sequence[Outcome]:
        return [await self._add(inbox) for inbox in inboxes]

    async def confirm(self, accepted: Sequence[Accepted]) -> Mapping[str, RemoteInbox]:
        return await self.find([one.email for one in accepted])

    async def update(self, email: str, changes: Changes) -> None:
        last_name = None if changes.last_name is None else _last_name(changes.last_name, email)
        body = wire.Change(changes.first_name, last_name, changes.daily_limit)
        if body != wire.Change():
            answer = await self._change(email, "", body, self.caller)
            self.caller.parse(answer, wire.Mailbox)

    async def update_credentials(self, inbox: InboxToAdd) -> None:
        caller = self.caller.with_secrets(inbox.imap.password, inbox.smtp.password)
        answer = await self._change(
            inbox.email, "/connection-settings", wire.ChangeLegs(_leg(inbox.smtp), _leg(inbox.imap)), caller
        )
        _require_good(caller, answer)

    async def remove(self, email: str) -> None:
        found = (await self.find([email])).get(email)
        if found is not None:
            answer = await self._answer("DELETE", await self._path(found.external_id))
            if not is_absent(answer):
                _require_good(self.caller, answer)

    async def list_(self) -> AsyncIterator[RemoteInbox]:
        async for mailbox in self._mailboxes([]):
            yield inbox_of(self.caller, mailbox)

    async def _add(self, inbox: InboxToAdd) -> Outcome:
        caller = self.caller.with_secrets(inbox.imap.password, inbox.smtp.password)
        path = await self._path()
        answer = await self._answer("POST", path, body=_connect(inbox), timeout=_SIGN_IN_TIMEOUT, caller=caller)
        if answer.status in (400, 409, 422):
            found = (await self.find([inbox.email])).get(inbox.email)
            if found is not None:
                return Accepted(inbox.email, ticket=found.external_id, already=True)
            return Refused(inbox.email, _unless_for_now(refusal_of(caller, answer, email=inbox.email)))
        # 201 in the vendor's own contract, 200 in what was known of it before: any good status with a mailbox will do.
        mailbox = caller.parse(answer, wire.Mailbox)
        if mailbox.address.lower() != inbox.email.lower():
            raise caller.unexpected(answer, f"added {inbox.email}, got {mailbox.address}")
        return Accepted(inbox.email, ticket=mailbox.id)

    async def _change(self, email: str, what: str, body: msgspec.Struct, caller: Caller) -> Answer:
        found = (await self.find([email])).get(email)
        if found is None:
            raise Rejected(name=NAME, words=f"there is no mailbox {email}")
        path = await self._path(found.external_id) + what
        answer = await self._answer("PATCH", path, body=body, timeout=_SIGN_IN_TIMEOUT, caller=caller)
        if answer.status in (400, 409, 422):
            raise refusal_of(caller, answer, email=email)
        return answer

    async def _mailboxes(self, parameters: Parameters) -> AsyncIterator[wire.Mailbox]:
        async for page in self._pages(await self._path(), wire.Mailboxes, parameters):
            for mailbox in page.data:
                yield mailbox

    async def _workspaces(self) -> tuple[PlatformWorkspace, ...]:
        return tuple(
            [
                PlatformWorkspace(workspace.id, workspace.name)
                async for page in self._pages("/workspaces", wire.Workspaces, [])
                for workspace in page.data
            ]
        )

    async def _pages(self, path: str, shape: type[Page], parameters: Parameters) -> AsyncIterator[Page]:
        seen = 0
        for _ in range(_MOST_PAGES):
            window = [("limit", str(_PAGE)), ("offset", str(seen)), *parameters]
            page = self.caller.parse(await self._answer("GET", path, parameters=window), shape)
            yield page
            # A page may be shorter than asked for: the largest size is not documented.
            seen += len(page.data)
            if not page.data or seen >= page.total:
                return

    async def _path(self, mailbox_id: str = "") -> str:
        if not self.chosen:
            self.chosen.append(choose_workspace(NAME, await self._workspaces(), self.workspace))
        path = f"/workspaces/{quote(self.chosen[0].id, safe='')}/mailboxes"
        return f"{path}/{quote(mailbox_id, safe='')}" if mailbox_id else path

    async def _answer(
        self,
        method: Method,
        path: str,
        *,
        body: msgspec.Struct | None = None,
        parameters: Parameters | None = None,
        timeout: float = 20.0,  # noqa: ASYNC109 - a bound of the exchange with the vendor
        caller: Caller | None = None,
    ) -> Answer:
        caller = caller or self.caller
        url = f"{caller.reach.site.api}/public/v2{path}"
        answer = await caller.call(method, url, headers=self.headers, body=body, parameters=parameters, timeout=timeout)
        raise_for_account(caller, answer)
        return answer


def _require_good(caller: Caller, answer: Answer) -> None:
    """An answer whose body does not matter: 204 without one in the vendor's own contract, 200 in older descriptions."""
    if not answer.ok:
        raise caller.unexpected(answer, "unknown status")


def _unless_for_now(error: Error) -> Error:
    """A refusal that lasts; one that does not is raised, to be tried again."""
    if isinstance(error, TryAgain):
        raise error
    return error


def _connect(inbox: InboxToAdd) -> wire.Connect:
    return wire.Connect(
        address=inbox.email,
        first_name=inbox.first_name,
        last_name=_last_name(inbox.last_name, inbox.email),
        smtp=_leg(inbox.smtp),
        imap=_leg(inbox.imap),
        daily_email_limit=inbox.daily_limit,
    )


def _last_name(given: str, email: str) -> str:
    """A last name is required, and an empty one is taken for none: so sales@acme.com is Sales Acme."""
    return given or email.partition("@")[2].partition(".")[0].capitalize()


def _leg(server: MailServer) -> wire.Leg:
    return wire.Leg(server.host, server.port, server.username, server.password)
