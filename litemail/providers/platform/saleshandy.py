"""Saleshandy (Open API v1). Inboxes are connected one by one: the call signs in to the inbox before it answers.

It has a call for many at once too, but that one tells what went wrong in a file to download, and this one at once.
The pages of developer.saleshandy.com do not say what wraps an answer: a list has `emails` there, and `payload.emails`
in a public client that says so of the live API (July 2026). Both are read, for a connected account alike.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from litemail.providers.platform import answers
from litemail.providers.platform import saleshandy_wire as wire
from litemail.providers.platform.base import (
    Accepted,
    Adapter,
    Capability,
    Changes,
    CredentialField,
    Credentials,
    Declaration,
    InboxToAdd,
    InboxType,
    MailServer,
    Outcome,
    PlatformWorkspace,
    Reach,
    Refused,
    RemoteInbox,
    Security,
    Site,
    Standing,
)
from litemail.providers.platform.errors import InboxSignInRefused, PlatformError, Rejected
from litemail.providers.platform.http import Answer, Caller
from litemail.providers.platform.identity import require_header_safe
from litemail.providers.platform.pacing import Limits
from litemail.providers.platform.sender_name import renamed, sender_name
from litemail.providers.platform.unoffered import Unoffered

Shape = TypeVar("Shape")

NAME = "Saleshandy"

# Its limits are not documented; a public client saw 20 calls in a window of unknown length.
_LIMITS = Limits(per_second=2, per_minute=60, concurrency=5, look_together=1_000, confirm_within=60)
_ADD_TIMEOUT = 50.0  # it signs in to the inbox
_PAGE = 100
_MOST_PAGES = 1_000
_FEW = 3
"""So many inboxes are looked for one by one, more in the whole list."""
_PERSONAL_GMAIL = ("@gmail.com", "@googlemail.com")
_PROVIDERS: Mapping[InboxType, str] = {"gmail": "gsuite", "outlook": "o365", "yahoo": "yahoo", "zoho": "zoho"}
_ENCRYPTION: Mapping[Security, wire.Encryption] = {"tls": "ssl", "starttls": "tls", "none": "none"}
_INACTIVE, _ACTIVE, _SUSPENDED = 0, 1, 2
_DAILY_LIMIT = "daily-sending-limit"


def adapter() -> Adapter:
    declaration = Declaration(
        platform_type="saleshandy",
        name=NAME,
        credentials=(CredentialField("api_key", "API key", "Settings → API (Pro plan or above)"),),
        limits=_LIMITS,
        capabilities=frozenset({Capability.UPDATE, Capability.DAILY_LIMIT, Capability.LIST}),
        live=Site(api="https://open-api.saleshandy.com", login="https://my.saleshandy.com"),
        refuses_duplicates=False,
        sandbox_twin=False,
        verified_live=False,
    )
    return Adapter(declaration, open_session)


def open_session(credentials: Credentials, reach: Reach) -> "SaleshandySession":
    """Raises `BadCredentials` for a key that no header can carry."""
    require_header_safe(NAME, credentials.api_key)
    return SaleshandySession(Caller(NAME, reach, (credentials.api_key,)), {"x-api-key": credentials.api_key})


@dataclass(frozen=True)
class SaleshandySession(Unoffered):
    """`Session` at Saleshandy, whose warm-up is another product (TrulyInbox). A key is of one account."""

    headers: Mapping[str, str]

    async def check(self) -> tuple[PlatformWorkspace, ...]:
        await self._page(wire.ListAccounts(page_size=1, page=1))
        return ()

    async def find(self, emails: Sequence[str]) -> Mapping[str, RemoteInbox]:
        return {email: self._inbox(account) for email, account in (await self._accounts(emails)).items()}

    async def add(self, inboxes: Sequence[InboxToAdd]) -> Sequence[Outcome]:
        return [await self._add(inbox) for inbox in inboxes]

    async def confirm(self, accepted: Sequence[Accepted]) -> Mapping[str, RemoteInbox]:
        return await self.find([one.email for one in accepted])

    async def update(self, email: str, changes: Changes) -> None:
        """The answer says nothing, so the limit is read back."""
        if changes == Changes():
            return
        account = (await self._accounts([email])).get(email)
        if account is None:
            raise Rejected(name=NAME, words=f"{email} is not there")
        first, _, last = (renamed(account.from_name, changes) or account.from_name).partition(" ")
        names_change = changes.first_name is not None or changes.last_name is not None
        body = wire.Update([account.id], first or email, last if names_change else None, changes.daily_limit)
        answer = await self._answer("/email-accounts/bulk-update", body, caller=self.caller)
        answers.raise_for_body(self.caller, answer)
        if not answer.ok:
            raise self.caller.unexpected(answer, "unknown status")
        after = (await self._accounts([email])).get(email)
        if changes.daily_limit is not None and (after is None or _daily_limit(after) != changes.daily_limit):
            raise Rejected(name=NAME, words=f"the daily limit of {email} did not change")

    async def list_(self) -> AsyncIterator[RemoteInbox]:
        async for account in self._all():
            yield self._inbox(account)

    async def _accounts(self, emails: Sequence[str]) -> dict[str, wire.Account]:
        if len(emails) > _FEW:
            there = {account.from_email.lower(): account async for account in self._all()}
        else:
            there = {
                account.from_email.lower(): account for email in emails async for account in self._all(search=email)
            }
        return {email: there[email.lower()] for email in emails if email.lower() in there}

    async def _all(self, search: str = "") -> AsyncIterator[wire.Account]:
        for number in range(1, _MOST_PAGES):
            page = await self._page(wire.ListAccounts(page_size=_PAGE, page=number, search=search))
            for account in page.emails:
                yield account
            if len(page.emails) < _PAGE:
                return

    async def _page(self, body: wire.ListAccounts) -> wire.Accounts:
        answer = await self._answer("/email-accounts", body, caller=self.caller, reads=True)
        answers.raise_for_body(self.caller, answer)
        wrapped = _decoded(answer, wire.AccountsWrapped)
        return wrapped.payload if wrapped else self.caller.parse(answer, wire.Accounts)

    async def _add(self, inbox: InboxToAdd) -> Outcome:
        caller = self.caller.with_secrets(inbox.imap.password, inbox.smtp.password)
        answer = await self._answer(
            "/email-accounts/smtp-imap/connect", _connect(inbox), caller=caller, timeout=_ADD_TIMEOUT
        )
        if answers.is_refused(answer):
            if await self.find([inbox.email]):
                return Accepted(inbox.email, ticket=inbox.email, already=True)
            return Refused(inbox.email, answers.refusal_of(caller, answer, email=inbox.email))
        wrapped = _decoded(answer, wire.ConnectedWrapped)
        connected = wrapped.payload if wrapped else caller.parse(answer, wire.Connected)
        if connected.status == _ACTIVE:
            return Accepted(inbox.email, ticket=inbox.email)
        sides = {"SMTP": connected.smtp_connection, "IMAP": connected.imap_connection}
        said = "; ".join(f"{name}: {side.error}" for name, side in sides.items() if side and side.error)
        words = caller.shown(said or "the sign-in to the inbox failed") + f" ({_KEPT})"
        return Refused(inbox.email, InboxSignInRefused(name=NAME, email=inbox.email, words=words))

    def _inbox(self, account: wire.Account) -> RemoteInbox:
        standing = Standing.CONNECTED if account.status == _ACTIVE else Standing.FAILED
        email = account.from_email.lower()
        return RemoteInbox(
            email=email,
            external_id=account.id,
            standing=standing,
            problem=_trouble(email, account.status) if standing is Standing.FAILED else None,
            daily_limit=_daily_limit(account),
        )

    async def _answer(
        self,
        path: str,
        body: msgspec.Struct,
        *,
        caller: Caller,
        timeout: float = 20.0,  # noqa: ASYNC109 - a bound of the exchange with the vendor
        reads: bool = False,
    ) -> Answer:
        url = f"{caller.reach.site.api}/v1{path}"
        answer = await caller.call("POST", url, headers=self.headers, body=body, timeout=timeout, reads=reads)
        answers.raise_for_account(caller, answer)
        return answer


_KEPT = "it keeps the inbox as inactive: correct the password there, or delete it there and try again"


def _trouble(email: str, status: int) -> PlatformError:
    if status == _INACTIVE:
        return InboxSignInRefused(name=NAME, email=email, words=f"not connected ({_KEPT})")
    state = "suspended" if status == _SUSPENDED else f"in a state that Litemail does not know ({status})"
    return Rejected(name=NAME, words=f"{email} is {state}")


def _connect(inbox: InboxToAdd) -> wire.Connect:
    return wire.Connect(
        email_service_provider=_provider(inbox),
        from_name=sender_name(inbox),
        from_first_name=inbox.first_name,
        from_last_name=inbox.last_name or inbox.first_name,
        payload=wire.Servers(smtp=_server(inbox.email, inbox.smtp), imap=_server(inbox.email, inbox.imap)),
    )


def _provider(inbox: InboxToAdd) -> str:
    if inbox.inbox_type == "gmail" and inbox.email.lower().endswith(_PERSONAL_GMAIL):
        return "gmail"
    return _PROVIDERS.get(inbox.inbox_type, "other")


def _server(email: str, server: MailServer) -> wire.Server:
    return wire.Server(email, server.username, server.password, server.host, server.port, _ENCRYPTION[server.security])


def _daily_limit(account: wire.Account) -> int | None:
    value = next((each.value for each in account.settings if each.code == _DAILY_LIMIT), None)
    try:
        return None if value is None else int(value)
    except ValueError:
        return None


def _decoded(answer: Answer, shape: type[Shape]) -> Shape | None:
    """The body when it is of that shape, which is one of two that are known."""
    try:
        return msgspec.json.decode(answer.body, type=shape) if answer.ok else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
