"""Instantly (API v2). Inboxes are added one by one and at once: the call signs in to the inbox before it answers.

What is not documented is its words for a refused inbox, for one it has already, and for a full workspace. So whether
an inbox is there is only ever decided by status and by reading it back; words only choose the name of a failure.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import quote

import msgspec

from litemail.providers.platform import instantly_wire as wire
from litemail.providers.platform.base import (
    Accepted,
    Adapter,
    Capability,
    Changes,
    CredentialField,
    Credentials,
    Declaration,
    InboxToAdd,
    Outcome,
    PlatformWorkspace,
    Reach,
    Refused,
    RemoteInbox,
    Site,
    Standing,
)
from litemail.providers.platform.errors import (
    BadCredentials,
    InboxSignInRefused,
    PlatformError,
    Rejected,
    Unavailable,
    WorkspaceNotFound,
)
from litemail.providers.platform.http import Answer, Caller, Method
from litemail.providers.platform.identity import require_header_safe
from litemail.providers.platform.instantly_answers import (
    NAME,
    is_absent,
    raise_for_account,
    raise_for_body,
    refusal_of,
)
from litemail.providers.platform.instantly_login import exchange, sign_in
from litemail.providers.platform.pacing import Limits
from litemail.providers.platform.unoffered import Unoffered

Shape = TypeVar("Shape")

_API_KEY = CredentialField("api_key", "API key", "Settings → Integrations → API Keys")
_WORKSPACE = CredentialField("workspace", "Workspace", "Only for several workspaces: its name, or with a key its id")
_LOGIN = (
    CredentialField("platform_email", "E-mail", "What you sign in to Instantly with"),
    CredentialField("platform_pass", "Password", "Exchanged for an API key at once and then erased"),
)

# A workspace may do 100 a second and 6,000 a minute; what else uses its keys needs room too.
_LIMITS = Limits(per_second=50, per_minute=3_000, concurrency=50, confirm_within=60)
_ADD_TIMEOUT = 50.0  # it signs in to the mailbox, about 3 s each; clients that left after 10 s lost answers
_JOB_WITHIN = 60.0
_WORKSPACE_HEADER = "x-as-workspace"
_PAGE = 100
_BATCH = 100
_MOST_PAGES = 10_000


def adapter(*, login: bool = True) -> Adapter:
    """`login`: whether people may sign in with e-mail and password, which goes through undocumented calls."""
    capabilities = {
        Capability.UPDATE,
        Capability.DAILY_LIMIT,
        Capability.LIMIT_ON_ADD,
        Capability.WARMUP,
        Capability.TAGS,
        Capability.REMOVE,
        Capability.LIST,
    }
    declaration = Declaration(
        platform_type="instantly",
        name=NAME,
        credentials=(_API_KEY, *(_LOGIN if login else ()), _WORKSPACE),
        limits=_LIMITS,
        capabilities=frozenset(capabilities | ({Capability.LOGIN} if login else set())),
        live=Site(api="https://api.instantly.ai", login="https://app.instantly.ai"),
        refuses_duplicates=True,
        sandbox_twin=True,
        verified_live=False,
    )
    return Adapter(declaration, open_session, sign_in=sign_in if login else None, exchange=exchange if login else None)


def open_session(credentials: Credentials, reach: Reach) -> "InstantlySession":
    """Raises `BadCredentials` for a key that no header can carry."""
    require_header_safe(NAME, credentials.api_key, credentials.workspace)
    headers = {"authorization": f"Bearer {credentials.api_key}"}
    if credentials.workspace:
        headers[_WORKSPACE_HEADER] = credentials.workspace
    return InstantlySession(Caller(NAME, reach, (credentials.api_key,)), headers)


@dataclass(frozen=True)
class InstantlySession(Unoffered):
    """`Session` at Instantly. Its PATCH takes no credentials, and adding anew would lose warm-up and campaigns."""

    caller: Caller
    headers: Mapping[str, str]

    async def check(self) -> tuple[PlatformWorkspace, ...]:
        try:
            workspace = await self._get("/workspaces/current", wire.Workspace)
        except BadCredentials:
            wanted = self.headers.get(_WORKSPACE_HEADER)
            if wanted is None:
                raise
            # Instantly says the same to a wrong key and to a workspace that the key is not of.
            own = {name: value for name, value in self.headers.items() if name != _WORKSPACE_HEADER}
            (known,) = await replace(self, headers=own).check()
            raise WorkspaceNotFound(name=NAME, wanted=wanted, known=known.name) from None
        return (PlatformWorkspace(workspace.id, workspace.name),)

    async def find(self, emails: Sequence[str]) -> Mapping[str, RemoteInbox]:
        found = {email: await self._find(email) for email in emails}
        return {email: inbox for email, inbox in found.items() if inbox is not None}

    async def add(self, inboxes: Sequence[InboxToAdd]) -> Sequence[Outcome]:
        return [await self._add(inbox) for inbox in inboxes]

    async def confirm(self, accepted: Sequence[Accepted]) -> Mapping[str, RemoteInbox]:
        return await self.find([one.email for one in accepted])

    async def update(self, email: str, changes: Changes) -> None:
        body = wire.ChangeAccount(changes.first_name, changes.last_name, changes.daily_limit)
        if body != wire.ChangeAccount():
            await self._call("PATCH", _path(email), wire.Account, body=body)

    async def set_warmup(self, emails: Sequence[str], *, on: bool) -> None:
        path = "/accounts/warmup/enable" if on else "/accounts/warmup/disable"
        for start in range(0, len(emails), _BATCH):
            body = wire.Emails(list(emails[start : start + _BATCH]))
            await self._finished(await self._call("POST", path, wire.Job, body=body))

    async def tag(self, emails: Sequence[str], tags: Sequence[str]) -> None:
        if not emails or not tags:
            return
        ids = [await self._tag_id(tag) for tag in tags]
        toggled = await self._call(
            "POST", "/custom-tags/toggle-resource", wire.Toggled, body=wire.ToggleTag(ids, list(emails))
        )
        if not toggled.success:
            raise Rejected(name=NAME, words="the tags were not attached")

    async def remove(self, email: str) -> None:
        answer = await self._answer("DELETE", _path(email))
        if not is_absent(answer):
            self.caller.parse(answer, wire.Account)

    async def list_(self) -> AsyncIterator[RemoteInbox]:
        cursor: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            page = await self._get("/accounts", wire.Accounts, {"limit": str(_PAGE), **cursor})
            for account in page.items:
                yield self._inbox(account)
            # The last page may come with a cursor too, so only an empty one is surely the end.
            if not page.items or not page.next_starting_after:
                return
            cursor = {"starting_after": page.next_starting_after}

    async def _find(self, email: str) -> RemoteInbox | None:
        answer = await self._answer("GET", _path(email))
        if is_absent(answer):
            return None
        account = self.caller.parse(answer, wire.Account)
        if account.email.lower() != email.lower():
            raise self.caller.unexpected(answer, f"asked for {email}, got {account.email}")
        return self._inbox(account)

    async def _add(self, inbox: InboxToAdd) -> Outcome:
        body = wire.AddAccount(
            email=inbox.email,
            first_name=inbox.first_name,
            last_name=inbox.last_name,
            imap_username=inbox.imap.username,
            imap_password=inbox.imap.password,
            imap_host=inbox.imap.host,
            imap_port=inbox.imap.port,
            smtp_username=inbox.smtp.username,
            smtp_password=inbox.smtp.password,
            smtp_host=inbox.smtp.host,
            smtp_port=inbox.smtp.port,
            provider_code=wire.CUSTOM_IMAP_SMTP,
            daily_limit=inbox.daily_limit,
        )
        caller = self.caller.with_secrets(inbox.imap.password, inbox.smtp.password)
        answer = await self._answer("POST", "/accounts", body=body, timeout=_ADD_TIMEOUT, caller=caller)
        if answer.status in (400, 409):
            if await self._find(inbox.email) is not None:
                return Accepted(inbox.email, ticket=inbox.email, already=True)
            return Refused(inbox.email, refusal_of(caller, answer, email=inbox.email))
        account = caller.parse(answer, wire.Account)
        if account.email.lower() != inbox.email.lower():
            raise caller.unexpected(answer, f"added {inbox.email}, got {account.email}")
        return Accepted(inbox.email, ticket=account.email)

    def _inbox(self, account: wire.Account) -> RemoteInbox:
        standing, problem = Standing.CONNECTED, None
        if account.setup_pending or account.status is None:
            standing = Standing.PENDING
        elif account.status < 0:
            standing, problem = Standing.FAILED, self._trouble(account, account.status)
        limit = account.daily_limit
        return RemoteInbox(
            email=account.email.lower(),
            external_id=account.email,
            standing=standing,
            problem=problem,
            daily_limit=None if limit is None else int(limit),
            warmup=account.warmup_status == 1,
        )

    def _trouble(self, account: wire.Account, status: wire.AccountStatus) -> PlatformError:
        said = account.status_message
        words = self.caller.shown((said and (said.e_message or said.response)) or status.name.lower().replace("_", " "))
        if status is wire.AccountStatus.CONNECTION_ERROR:
            return InboxSignInRefused(name=NAME, email=account.email, words=words)
        return Rejected(name=NAME, words=words)

    async def _tag_id(self, label: str) -> str:
        found = await self._find_tag(label)
        if found is None:
            answer = await self._answer("POST", "/custom-tags", body=wire.NewTag(label))
            if answer.status != 409:  # noqa: PLR2004 - else somebody made it meanwhile
                return self.caller.parse(answer, wire.Tag).id
            found = await self._find_tag(label)
        if found is None:
            raise Rejected(name=NAME, words=f"the tag {label!r} exists and is not shown")
        return found

    async def _find_tag(self, label: str) -> str | None:
        cursor: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            page = await self._get("/custom-tags", wire.Tags, {"limit": str(_PAGE), "search": label, **cursor})
            for tag in page.items:
                if tag.label.lower() == label.lower():
                    return tag.id
            if not page.items or not page.next_starting_after:
                break
            cursor = {"starting_after": page.next_starting_after}
        return None

    async def _finished(self, job: wire.Job) -> None:
        wait = 0.1
        try:
            async with asyncio.timeout(_JOB_WITHIN):
                while job.status in ("pending", "in-progress", "draining"):
                    await asyncio.sleep(wait)
                    wait = min(wait * 2, 5)
                    job = await self._get(f"/background-jobs/{quote(job.id, safe='')}", wire.Job)
        except TimeoutError as error:
            raise Unavailable(name=NAME, reason="its job is not done yet") from error
        if job.status != "success":
            raise Rejected(name=NAME, words=f"its job ended as {job.status}")

    async def _get(self, path: str, shape: type[Shape], parameters: Mapping[str, str] | None = None) -> Shape:
        return self.caller.parse(await self._answer("GET", path, parameters=parameters), shape)

    async def _call(self, method: Method, path: str, shape: type[Shape], *, body: msgspec.Struct) -> Shape:
        answer = await self._answer(method, path, body=body)
        raise_for_body(self.caller, answer)
        return self.caller.parse(answer, shape)

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
        url = f"{caller.reach.site.api}/api/v2{path}"
        answer = await caller.call(method, url, headers=self.headers, body=body, parameters=parameters, timeout=timeout)
        raise_for_account(caller, answer)
        return answer


def _path(email: str) -> str:
    return f"/accounts/{quote(email, safe='@')}"
