"""Smartlead (API v1). Inboxes are added one by one and at once: the call signs in to the inbox before it answers.

Accounts have numbers, which are the tickets. Facts: the vendor's pages at api.smartlead.ai (published as
Smartlead-Public/docs), its older help centre, and a community specification; where they differ, both are accepted.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from litemail.providers.platform import smartlead_wire as wire
from litemail.providers.platform.answers import raise_for_account
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
from litemail.providers.platform.errors import InboxSignInRefused, PlatformError, Rejected, WorkspaceNotFound
from litemail.providers.platform.http import Answer, Caller, Method
from litemail.providers.platform.identity import require_header_safe
from litemail.providers.platform.pacing import Limits
from litemail.providers.platform.sender_name import renamed, renames, sender_name
from litemail.providers.platform.smartlead_answers import (
    NAME,
    failure_of,
    is_absent,
    is_refusal,
    raise_for_body,
    refusal_of,
)
from litemail.providers.platform.smartlead_login import exchange, sign_in

Shape = TypeVar("Shape")

_API_KEY = CredentialField("api_key", "API key", "Settings → API Key")
_LOGIN = (
    CredentialField("platform_email", "E-mail", "What you sign in to Smartlead with"),
    CredentialField("platform_pass", "Password", "Exchanged for your API key at once and then erased"),
)

# Its standard plan may do 10 a second, 60 a minute and 1,000 an hour (older text: 10 in 2 seconds), shared with what
# else uses the key. Its larger plan may do twice or three times that; which one it is, no call tells.
_LIMITS = Limits(per_second=5, per_minute=50, per_hour=900, concurrency=10, confirm_within=120)
_ADD_TIMEOUT = 60.0  # it signs in to the mailbox first
_PAGE = 100
_TAGGED_AT_ONCE = 25
_MOST_PAGES = 10_000


def adapter(*, login: bool = True) -> Adapter:
    """`login`: whether people may sign in with e-mail and password, which goes through an undocumented call."""
    capabilities = set(Capability) - {Capability.LOGIN}
    declaration = Declaration(
        platform_type="smartlead",
        name=NAME,
        credentials=(_API_KEY, *(_LOGIN if login else ())),
        limits=_LIMITS,
        capabilities=frozenset(capabilities | ({Capability.LOGIN} if login else set())),
        live=Site(api="https://server.smartlead.ai", login="https://server.smartlead.ai"),
        refuses_duplicates=True,
        sandbox_twin=True,
        verified_live=False,
    )
    return Adapter(declaration, open_session, sign_in=sign_in if login else None, exchange=exchange if login else None)


def open_session(credentials: Credentials, reach: Reach) -> "SmartleadSession":
    """Raises `BadCredentials` for what is no key, and `WorkspaceNotFound` for any workspace: Smartlead has none."""
    require_header_safe(NAME, credentials.api_key)
    if credentials.workspace:
        raise WorkspaceNotFound(name=NAME, wanted=credentials.workspace, known="none, a key is of one account")
    return SmartleadSession(Caller(NAME, reach, (credentials.api_key,)), credentials.api_key)


@dataclass(frozen=True)
class SmartleadSession:
    """`Session` at Smartlead."""

    caller: Caller
    api_key: str = field(repr=False)
    _ids: dict[str, int] = field(default_factory=dict)
    """The numbers of accounts seen so far, by address in lower case; a number never changes."""

    async def check(self) -> tuple[PlatformWorkspace, ...]:
        """A key is of one account, of which no documented call tells the name."""
        await self._get("/email-accounts/", list[wire.Account], {"offset": "0", "limit": "1"})
        return ()

    async def find(self, emails: Sequence[str]) -> Mapping[str, RemoteInbox]:
        found = {email: await self._find(email) for email in emails}
        return {email: self._inbox(account) for email, account in found.items() if account is not None}

    async def add(self, inboxes: Sequence[InboxToAdd]) -> Sequence[Outcome]:
        return [await self._add(inbox) for inbox in inboxes]

    async def confirm(self, accepted: Sequence[Accepted]) -> Mapping[str, RemoteInbox]:
        found = {one.email: await self._read(int(one.ticket), one.email) for one in accepted}
        return {email: self._inbox(account) for email, account in found.items() if account is not None}

    async def update(self, email: str, changes: Changes) -> None:
        if changes == Changes():
            return
        name = renamed((await self._must_find(email)).from_name, changes) if renames(changes) else None
        path = f"/email-accounts/{await self._id_of(email)}"
        await self._change("POST", path, wire.ChangeAccount(name, changes.daily_limit))

    async def update_credentials(self, inbox: InboxToAdd) -> None:
        """Saves the account again under its number. Its name and warm-up go along as they are, since both must."""
        account = await self._must_find(inbox.email)
        body = msgspec.structs.replace(
            _to_save(inbox), id=account.id, from_name=account.from_name, warmup_enabled=_warms_up(account)
        )
        answer = await self._save(inbox, body)
        if _saved(answer) is None:
            raise refusal_of(self._caller_for(inbox), answer, email=inbox.email)

    async def set_warmup(self, emails: Sequence[str], *, on: bool) -> None:
        for email in emails:
            path = f"/email-accounts/{await self._id_of(email)}/warmup"
            await self._change("POST", path, wire.ChangeWarmup(on))

    async def tag(self, emails: Sequence[str], tags: Sequence[str]) -> None:
        if not emails or not tags:
            return
        tag_ids = await self._tag_ids(tags)
        ids = [await self._id_of(email) for email in emails]
        for start in range(0, len(ids), _TAGGED_AT_ONCE):
            body = wire.MapTags(ids[start : start + _TAGGED_AT_ONCE], tag_ids)
            mapped = await self._call("POST", "/email-accounts/tag-mapping", wire.TagsMapped, body=body)
            if not mapped.ok or (mapped.summary and mapped.summary.failed):
                raise Rejected(name=NAME, words="the tags were not attached")

    async def remove(self, email: str) -> None:
        account = await self._find(email)
        if account is None:
            return
        answer = await self._answer("DELETE", f"/email-accounts/{account.id}")
        if not is_absent(answer):
            self._expect_done(answer)

    async def list_(self) -> AsyncIterator[RemoteInbox]:
        for number in range(_MOST_PAGES):
            page = await self._page(number, {})
            for account in page:
                yield self._inbox(account)
            if len(page) < _PAGE:
                return

    async def _add(self, inbox: InboxToAdd) -> Outcome:
        answer = await self._save(inbox, _to_save(inbox))
        saved = _saved(answer)
        if saved is not None and saved.account_id is not None:
            self._ids[inbox.email.lower()] = saved.account_id
            return Accepted(inbox.email, ticket=str(saved.account_id))
        caller = self._caller_for(inbox)
        if saved is not None or not is_refusal(answer):
            raise caller.unexpected(answer, "neither an account nor a refusal")
        found = await self._find(inbox.email) or await self._read_named(answer, inbox.email)
        if found is not None:
            return Accepted(inbox.email, ticket=str(found.id), already=True)
        return Refused(inbox.email, refusal_of(caller, answer, email=inbox.email))

    async def _read_named(self, refusal: Answer, email: str) -> wire.Account | None:
        """The account that a refusal names as the customer's own. An address that was entered there with capitals is
        found only so.
        """
        failure = failure_of(refusal)
        return await self._read(failure.emailAccountId, email) if failure and failure.emailAccountId else None

    async def _save(self, inbox: InboxToAdd, body: wire.SaveAccount) -> Answer:
        caller = self._caller_for(inbox)
        return await self._answer("POST", "/email-accounts/save", body=body, timeout=_ADD_TIMEOUT, caller=caller)

    async def _find(self, email: str) -> wire.Account | None:
        """By the vendor's newer call, which takes an address. Servers that do not have it take its name for an
        account's number and refuse it; then the list is searched, as its older pages say.
        """
        answer = await self._answer("GET", "/email-accounts/fetch-email-account-details", parameters={"email": email})
        if is_absent(answer):
            return None
        if answer.status in (400, 422):
            return await self._search(email)
        return self._noted(answer, self.caller.parse(answer, wire.Account), email)

    async def _search(self, email: str) -> wire.Account | None:
        """Through the user names, which are addresses unless somebody chose otherwise; a part of one is enough."""
        for number in range(_MOST_PAGES):
            page = await self._page(number, {"username": email})
            for account in page:
                if account.from_email.lower() == email.lower():
                    self._ids[email.lower()] = account.id
                    return account
            if len(page) < _PAGE:
                break
        return None

    async def _read(self, account_id: int, email: str) -> wire.Account | None:
        answer = await self._answer("GET", f"/email-accounts/{account_id}")
        if is_absent(answer):
            return None
        return self._noted(answer, self.caller.parse(answer, wire.Account), email)

    def _noted(self, answer: Answer, account: wire.Account, email: str) -> wire.Account:
        if account.from_email.lower() != email.lower():
            raise self.caller.unexpected(answer, f"asked for {email}, got {account.from_email}")
        self._ids[email.lower()] = account.id
        return account

    async def _must_find(self, email: str) -> wire.Account:
        account = await self._find(email)
        if account is None:
            raise Rejected(name=NAME, words=f"{email} is not there")
        return account

    async def _id_of(self, email: str) -> int:
        known = self._ids.get(email.lower())
        return known if known is not None else (await self._must_find(email)).id

    async def _page(self, number: int, more: Mapping[str, str]) -> list[wire.Account]:
        parameters = {"offset": str(number * _PAGE), "limit": str(_PAGE), **more}
        return await self._get("/email-accounts/", list[wire.Account], parameters)

    async def _tag_ids(self, names: Sequence[str]) -> list[int]:
        """Makes those that are missing. `POST /tags` makes another one of the same name, so it is looked for first."""
        shown = await self._get("/email-accounts/tags", list[wire.Tag] | wire.Tags)  # type: ignore[arg-type]
        known = {tag.name.lower(): tag.id for tag in (shown.data if isinstance(shown, wire.Tags) else shown)}
        for name in names:
            if name.lower() not in known:
                made = await self._call("POST", "/tags", wire.MadeTag, body=wire.NewTag(name))
                known[name.lower()] = made.data.id
        return [known[name.lower()] for name in names]

    def _inbox(self, account: wire.Account) -> RemoteInbox:
        tried = (account.is_smtp_success, account.is_imap_success)
        said = account.smtp_failure_error or account.imap_failure_error
        standing, problem = Standing.PENDING, None
        if all(tried):
            standing = Standing.CONNECTED
        elif False in tried and said:  # without words it was not tried yet
            standing, problem = Standing.FAILED, self._trouble(account, said)
        return RemoteInbox(
            email=account.from_email.lower(),
            external_id=str(account.id),
            standing=standing,
            problem=problem,
            daily_limit=account.message_per_day,
            warmup=_warms_up(account),
        )

    def _trouble(self, account: wire.Account, said: str) -> PlatformError:
        return InboxSignInRefused(name=NAME, email=account.from_email, words=self.caller.shown(said))

    def _caller_for(self, inbox: InboxToAdd) -> Caller:
        return self.caller.with_secrets(inbox.imap.password, inbox.smtp.password)

    async def _get(self, path: str, shape: type[Shape], parameters: Mapping[str, str] | None = None) -> Shape:
        return self.caller.parse(await self._answer("GET", path, parameters=parameters), shape)

    async def _change(self, method: Method, path: str, body: msgspec.Struct) -> None:
        answer = await self._answer(method, path, body=body)
        raise_for_body(self.caller, answer)
        self._expect_done(answer)

    def _expect_done(self, answer: Answer) -> None:
        if not self.caller.parse(answer, wire.Done).ok:
            raise self.caller.unexpected(answer, "not done")

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
        url = f"{caller.reach.site.api}/api/v1{path}"
        answer = await caller.call(
            method,
            url,
            headers={},
            body=body,
            parameters={"api_key": self.api_key, **(parameters or {})},
            timeout=timeout,
        )
        raise_for_account(caller, answer)
        return answer


def _to_save(inbox: InboxToAdd) -> wire.SaveAccount:
    same = (inbox.imap.username, inbox.imap.password) == (inbox.smtp.username, inbox.smtp.password)
    return wire.SaveAccount(
        from_name=sender_name(inbox),
        from_email=inbox.email,
        user_name=inbox.smtp.username,
        password=inbox.smtp.password,
        smtp_host=inbox.smtp.host,
        smtp_port=inbox.smtp.port,
        imap_host=inbox.imap.host,
        imap_port=inbox.imap.port,
        imap_user_name=None if same else inbox.imap.username,
        imap_password=None if same else inbox.imap.password,
        warmup_enabled=inbox.warmup,
        max_email_per_day=inbox.daily_limit,
    )


def _saved(answer: Answer) -> wire.Saved | None:
    """The account as saved; None for any other answer, also one with 200 that says it is not ok."""
    try:
        saved = msgspec.json.decode(answer.body, type=wire.Saved)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return saved if answer.ok and saved.ok else None


def _warms_up(account: wire.Account) -> bool:
    return account.warmup_details is not None and account.warmup_details.status == "ACTIVE"
