"""EmailBison. Each customer has an instance of its own, so the account's URL is where everything goes.

Inboxes are added one by one. There is a call for many too, but it takes a CSV file whose columns only third parties
know, and answers with what it took, without a word on what it did not.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import httpx
import msgspec

from litemail.providers.platform import emailbison_wire as wire
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
    Standing,
)
from litemail.providers.platform.emailbison_answers import (
    NAME,
    KeyOfSeveral,
    is_absent,
    raise_for_account,
    raise_for_body,
    refusal_of,
)
from litemail.providers.platform.errors import InboxSignInRefused, PlatformError, Rejected, Unavailable
from litemail.providers.platform.http import Answer, Caller, Method
from litemail.providers.platform.identity import choose_workspace, require_header_safe
from litemail.providers.platform.pacing import Limits
from litemail.providers.platform.sender_name import renamed, renames, sender_name
from litemail.providers.platform.unoffered import Unoffered

Shape = TypeVar("Shape")

_CREDENTIALS = (
    CredentialField("url", "Address of your instance", "What the browser shows, as in https://dedi.emailbison.com"),
    CredentialField("api_key", "API key", "Settings → Developer API → New API Token, in the workspace meant"),
)

# Its documentation is said to allow 3,000 a minute. Adding signs in to the inbox, and many adds at once were seen to
# be answered by 500, so few go together.
_LIMITS = Limits(per_second=25, per_minute=1_500, concurrency=10, confirm_within=120)
_ADD_TIMEOUT = 60.0
_PAGE = "100"  # an instance that does not know `per_page` gives 15, and says how many pages there are
_MOST_PAGES = 100_000
_WARMUP_WITHIN = 60.0
_CONNECTED = "connected"
_DISCONNECTED = ("not connected", "disconnected")


def adapter() -> Adapter:
    declaration = Declaration(
        platform_type="emailbison",
        name=NAME,
        credentials=_CREDENTIALS,
        limits=_LIMITS,
        capabilities=frozenset(
            {
                Capability.UPDATE,
                Capability.DAILY_LIMIT,
                Capability.WARMUP,
                Capability.TAGS,
                Capability.REMOVE,
                Capability.LIST,
            }
        ),
        live=None,
        refuses_duplicates=True,
        sandbox_twin=True,
        verified_live=False,
    )
    return Adapter(declaration, open_session)


def open_session(credentials: Credentials, reach: Reach) -> "EmailBisonSession":
    """Raises `BadCredentials` for a key that no header can carry."""
    require_header_safe(NAME, credentials.api_key)
    headers = {"authorization": f"Bearer {credentials.api_key}"}
    return EmailBisonSession(Caller(NAME, reach, (credentials.api_key,)), headers, credentials.workspace)


@dataclass(frozen=True)
class EmailBisonSession(Unoffered):
    """`Session` at an instance of EmailBison."""

    headers: Mapping[str, str] = field(repr=False)
    workspace: str | None
    """The one that inboxes are meant for, if somebody said so."""
    _ids: dict[str, int] = field(default_factory=dict)
    """The numbers of senders seen so far, by address in lower case; a number never changes."""

    async def check(self) -> tuple[PlatformWorkspace, ...]:
        """Raises `KeyOfSeveral` for a super admin's key, which acts in whichever workspace its owner looks at, and
        `WorkspaceNotFound` for another workspace than the one meant.
        """
        shown = (await self._get("/workspaces/v1.1", wire.Workspaces)).data
        workspaces = tuple(PlatformWorkspace(str(workspace.id), workspace.name) for workspace in shown)
        if len(workspaces) > 1:
            raise KeyOfSeveral(name=NAME, known=", ".join(workspace.name for workspace in workspaces))
        return (choose_workspace(NAME, workspaces, self.workspace),) if self.workspace else workspaces

    async def find(self, emails: Sequence[str]) -> Mapping[str, RemoteInbox]:
        found = {email: await self._find(email) for email in emails}
        return {email: self._inbox(sender) for email, sender in found.items() if sender is not None}

    async def add(self, inboxes: Sequence[InboxToAdd]) -> Sequence[Outcome]:
        return [await self._add(inbox) for inbox in inboxes]

    async def confirm(self, accepted: Sequence[Accepted]) -> Mapping[str, RemoteInbox]:
        found = {one.email: await self._read(int(one.ticket), one.email) for one in accepted}
        return {email: self._inbox(sender) for email, sender in found.items() if sender is not None}

    async def update(self, email: str, changes: Changes) -> None:
        if changes == Changes():
            return
        name = renamed((await self._must_find(email)).name, changes) if renames(changes) else None
        path = f"/sender-emails/{await self._id_of(email)}"
        await self._call("PATCH", path, wire.OneSender, body=wire.ChangeSender(name, changes.daily_limit))

    async def set_warmup(self, emails: Sequence[str], *, on: bool) -> None:
        ids = {email: await self._id_of(email) for email in emails}
        path = "/warmup/sender-emails/enable" if on else "/warmup/sender-emails/disable"
        await self._do("PATCH", path, wire.SenderIds(list(ids.values())))
        await self._warmed_up(ids, on=on)

    async def tag(self, emails: Sequence[str], tags: Sequence[str]) -> None:
        if not emails or not tags:
            return
        tag_ids = await self._tag_ids(tags)
        ids = [await self._id_of(email) for email in emails]
        await self._do("POST", "/tags/attach-to-sender-emails", wire.AttachTags(tag_ids, ids))

    async def remove(self, email: str) -> None:
        sender = await self._find(email)
        if sender is None:
            return
        answer = await self._answer("DELETE", f"/sender-emails/{sender.id}")
        if not is_absent(answer):
            self._expect_success(answer)

    async def list_(self) -> AsyncIterator[RemoteInbox]:
        async for sender in self._senders({}):
            yield self._inbox(sender)

    async def _add(self, inbox: InboxToAdd) -> Outcome:
        if not _is_sayable(inbox):
            words = "it signs in with the address as user name, and with one password, on both sides"
            return Refused(inbox.email, Rejected(name=NAME, words=words))
        body = wire.AddSender(
            name=sender_name(inbox),
            email=inbox.email,
            password=inbox.imap.password,
            imap_server=inbox.imap.host,
            imap_port=inbox.imap.port,
            smtp_server=inbox.smtp.host,
            smtp_port=inbox.smtp.port,
            smtp_secure=_secure(inbox.smtp),
            imap_secure=_secure(inbox.imap),
        )
        caller = self.caller.with_secrets(inbox.imap.password)
        answer = await self._answer("POST", "/sender-emails/imap-smtp", body=body, timeout=_ADD_TIMEOUT, caller=caller)
        if answer.status in (400, 409, 422):
            found = await self._find(inbox.email)
            if found is not None:
                return Accepted(inbox.email, ticket=str(found.id), already=True)
            return Refused(inbox.email, refusal_of(caller, answer, email=inbox.email))
        # The documentation says 200, users of the API saw 201.
        sender = self._noted(answer, caller.parse(answer, wire.OneSender).data, inbox.email)
        return Accepted(inbox.email, ticket=str(sender.id))

    async def _find(self, email: str) -> wire.Sender | None:
        async for sender in self._senders({"search": email}):
            if sender.email.lower() == email.lower():
                self._ids[email.lower()] = sender.id
                return sender
        return None

    async def _read(self, sender_id: int, email: str) -> wire.Sender | None:
        answer = await self._answer("GET", f"/sender-emails/{sender_id}")
        if is_absent(answer):
            return None
        return self._noted(answer, self.caller.parse(answer, wire.OneSender).data, email)

    def _noted(self, answer: Answer, sender: wire.Sender, email: str) -> wire.Sender:
        if sender.email.lower() != email.lower():
            raise self.caller.unexpected(answer, f"asked for {email}, got {sender.email}")
        self._ids[email.lower()] = sender.id
        return sender

    async def _must_find(self, email: str) -> wire.Sender:
        sender = await self._find(email)
        if sender is None:
            raise Rejected(name=NAME, words=f"{email} is not there")
        return sender

    async def _id_of(self, email: str) -> int:
        known = self._ids.get(email.lower())
        return known if known is not None else (await self._must_find(email)).id

    async def _senders(self, more: Mapping[str, str]) -> AsyncIterator[wire.Sender]:
        for number in range(1, _MOST_PAGES):
            parameters = {"page": str(number), "per_page": _PAGE, **more}
            page = await self._get("/sender-emails", wire.Senders, parameters)
            for sender in page.data:
                yield sender
            if number >= page.meta.last_page:
                return

    async def _tag_ids(self, names: Sequence[str]) -> list[int]:
        """Makes those that are missing."""
        known = {tag.name.lower(): tag.id for tag in (await self._get("/tags", wire.Tags)).data}
        for name in names:
            if name.lower() not in known:
                made = await self._call("POST", "/tags", wire.OneTag, body=wire.NewTag(name))
                known[name.lower()] = made.data.id
        return [known[name.lower()] for name in names]

    async def _warmed_up(self, ids: Mapping[str, int], *, on: bool) -> None:
        """It "can take a few minutes if your list is long", so each is read until it shows."""
        wait = 0.1
        try:
            async with asyncio.timeout(_WARMUP_WITHIN):
                for email, sender_id in ids.items():
                    while (sender := await self._read(sender_id, email)) and sender.warmup_enabled is not on:
                        await asyncio.sleep(wait)
                        wait = min(wait * 2, 5)
        except TimeoutError as error:
            raise Unavailable(name=NAME, reason="warm-up is not switched yet") from error

    def _inbox(self, sender: wire.Sender) -> RemoteInbox:
        problem = self._trouble(sender)
        return RemoteInbox(
            email=sender.email.lower(),
            external_id=str(sender.id),
            standing=Standing.FAILED if problem else Standing.CONNECTED,
            problem=problem,
            daily_limit=sender.daily_limit,
            warmup=sender.warmup_enabled,
        )

    def _trouble(self, sender: wire.Sender) -> PlatformError | None:
        """Only `Connected` is documented. A status that is not known spoils no list, but is no success."""
        status = sender.status.lower().replace("_", " ")
        if status == _CONNECTED:
            return None
        if status in _DISCONNECTED:
            return InboxSignInRefused(name=NAME, email=sender.email, words=f"it shows the inbox as {status}")
        shown = Answer("GET /api/sender-emails", 200, httpx.Headers(), msgspec.json.encode(sender))
        return self.caller.unexpected(shown, f"status {sender.status}")

    async def _get(self, path: str, shape: type[Shape], parameters: Mapping[str, str] | None = None) -> Shape:
        return self.caller.parse(await self._answer("GET", path, parameters=parameters), shape)

    async def _call(self, method: Method, path: str, shape: type[Shape], *, body: msgspec.Struct) -> Shape:
        answer = await self._answer(method, path, body=body)
        raise_for_body(self.caller, answer)
        return self.caller.parse(answer, shape)

    async def _do(self, method: Method, path: str, body: msgspec.Struct) -> None:
        answer = await self._answer(method, path, body=body)
        raise_for_body(self.caller, answer)
        self._expect_success(answer)

    def _expect_success(self, answer: Answer) -> None:
        if not self.caller.parse(answer, wire.Done).data.success:
            raise self.caller.unexpected(answer, "no success")

    async def _answer(
        self,
        method: Method,
        path: str,
        *,
        body: msgspec.Struct | None = None,
        parameters: Mapping[str, str] | None = None,
        timeout: float = 20.0,  # noqa: ASYNC109 - a bound of the exchange with the vendor
        caller: Caller | None = None,
    ) -> Answer:
        caller = caller or self.caller
        url = f"{caller.reach.site.api}/api{path}"
        answer = await caller.call(method, url, headers=self.headers, body=body, parameters=parameters, timeout=timeout)
        raise_for_account(caller, answer)
        return answer


def _is_sayable(inbox: InboxToAdd) -> bool:
    """The call has one password and no user name."""
    names = {inbox.imap.username.lower(), inbox.smtp.username.lower()}
    return names == {inbox.email.lower()} and inbox.imap.password == inbox.smtp.password


def _secure(server: MailServer) -> bool:
    """TLS from the start; without it, a server may still be asked for STARTTLS, as on the port 587 of its example."""
    return server.security == "tls"
