"""lemlist. Inboxes are added one by one and at once, but adding signs in to nothing: a test of its own does.

So an inbox is connected when the test passed and the team shows it. One that fails right after it was added is taken
away again, since lemlist changes no password: a second try would find the wrong one.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote

import msgspec

from litemail.providers.platform import lemlist_wire as wire
from litemail.providers.platform.base import (
    Accepted,
    Adapter,
    Capability,
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
from litemail.providers.platform.errors import InboxSignInRefused, Rejected, Unavailable
from litemail.providers.platform.http import Answer, Caller, Method
from litemail.providers.platform.identity import choose_workspace, require_header_safe
from litemail.providers.platform.lemlist_answers import (
    NAME,
    GoogleOnly,
    StoredPasswordRefused,
    inbox_of,
    is_absent,
    raise_for_account,
    refusal_of,
)
from litemail.providers.platform.pacing import Limits
from litemail.providers.platform.sender_name import sender_name
from litemail.providers.platform.unoffered import Unoffered

# 20 requests in 2 seconds for a key (developer.lemlist.com, rate limits); what else uses the key needs room too.
# There is no list of mailboxes: they hang off the team's members, so all are read at the cost of one.
_LIMITS = Limits(per_second=7, per_minute=400, concurrency=20, look_together=1_000, confirm_within=60)
_TIMEOUT = 50.0  # it looks up the servers of the inbox before it adds it, and signs in to them for its test
_WARMUP_WITHIN = 60.0
_GOOGLE = ("gmail.com", "googlemail.com")
_WARMUP_PATHS = ("lemwarm", "warmup")


def adapter() -> Adapter:
    declaration = Declaration(
        platform_type="lemlist",
        name=NAME,
        credentials=(CredentialField("api_key", "API key", "Settings → Integrations → Generate a new API key"),),
        limits=_LIMITS,
        capabilities=frozenset({Capability.WARMUP, Capability.REMOVE, Capability.LIST}),
        live=Site(api="https://api.lemlist.com", login="https://app.lemlist.com"),
        # It does refuse them, but looking for many first costs less than one refused call for each.
        refuses_duplicates=False,
        sandbox_twin=True,
        verified_live=False,
    )
    return Adapter(declaration, open_session)


def open_session(credentials: Credentials, reach: Reach) -> "LemlistSession":
    """Raises `BadCredentials` for a key that cannot be one."""
    require_header_safe(NAME, credentials.api_key)
    pair = f":{credentials.api_key}"
    headers = {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return LemlistSession(Caller(NAME, reach, (credentials.api_key, pair)), headers, credentials.workspace)


@dataclass(frozen=True)
class LemlistSession(Unoffered):
    """`Session` at lemlist. A key is of one team, so a workspace that is named must be that team."""

    headers: Mapping[str, str]
    workspace: str | None
    working: set[str] = field(default_factory=set)
    """Addresses that passed the test in this session."""

    async def check(self) -> tuple[PlatformWorkspace, ...]:
        team = await self._team()
        return (choose_workspace(NAME, (PlatformWorkspace(team.id, team.name),), self.workspace),)

    async def find(self, emails: Sequence[str]) -> Mapping[str, RemoteInbox]:
        there = await self._those(emails)
        judged = await asyncio.gather(*map(self._judged, there.values()), return_exceptions=True)
        found: dict[str, RemoteInbox] = {}
        for email, inbox in zip(there, judged, strict=True):
            if isinstance(inbox, BaseException):
                raise inbox
            found[email] = inbox
        return found

    async def add(self, inboxes: Sequence[InboxToAdd]) -> Sequence[Outcome]:
        return [await self._add(inbox) for inbox in inboxes]

    async def confirm(self, accepted: Sequence[Accepted]) -> Mapping[str, RemoteInbox]:
        return await self.find([one.email for one in accepted])

    async def set_warmup(self, emails: Sequence[str], *, on: bool) -> None:
        wait = 0.1
        try:
            async with asyncio.timeout(_WARMUP_WITHIN):
                while wrong := [one for one in (await self._those(emails)).values() if one.lemwarm.active is not on]:
                    for mailbox in wrong:
                        await self._switch_warmup(mailbox.id, on=on)
                    await asyncio.sleep(wait)
                    wait = min(wait * 2, 5)
        except TimeoutError as error:
            raise Unavailable(name=NAME, reason="it does not show its warm-up as switched") from error

    async def remove(self, email: str) -> None:
        for mailbox in (await self._those([email])).values():
            await self._remove(mailbox.id)

    async def list_(self) -> AsyncIterator[RemoteInbox]:
        for mailbox in (await self._mailboxes()).values():
            yield inbox_of(self.caller, mailbox)

    async def _add(self, inbox: InboxToAdd) -> Outcome:
        if _is_google(inbox):
            return Refused(inbox.email, GoogleOnly())
        caller = self.caller.with_secrets(inbox.imap.password, inbox.smtp.password)
        answer = await self._answer(
            "POST", "/user/email-accounts", body=_account(inbox), timeout=_TIMEOUT, caller=caller
        )
        if answer.status == 400:  # noqa: PLR2004 - also one that is there already
            found = (await self._those([inbox.email])).get(inbox.email)
            if found is not None:
                return Accepted(inbox.email, ticket=found.id, already=True)
            return Refused(inbox.email, refusal_of(caller, answer, email=inbox.email))
        added = caller.parse(answer, wire.Added)
        if added.email.lower() != inbox.email.lower():
            raise caller.unexpected(answer, f"added {inbox.email}, got {added.email}")
        trouble = await self._trouble(added.id, caller)
        if trouble:
            await self._remove(added.id)
            return Refused(inbox.email, InboxSignInRefused(name=NAME, email=inbox.email, words=trouble))
        self.working.add(inbox.email.lower())
        return Accepted(inbox.email, ticket=added.id)

    async def _judged(self, mailbox: wire.Mailbox) -> RemoteInbox:
        """As it is now: lemlist says how it was when it last looked, and after adding it has not looked yet."""
        inbox = inbox_of(self.caller, mailbox)
        if inbox.email not in self.working:
            trouble = await self._trouble(mailbox.id, self.caller)
            if trouble:
                problem = StoredPasswordRefused(name=NAME, email=inbox.email, words=trouble)
                return replace(inbox, standing=Standing.FAILED, problem=problem)
            self.working.add(inbox.email)
        if isinstance(inbox.problem, Rejected):  # a bad status, and yet both sides let it in
            return replace(inbox, standing=Standing.PENDING, problem=None)
        return inbox

    async def _trouble(self, mailbox_id: str, caller: Caller) -> str | None:
        """What keeps lemlist from signing in to a mailbox; None when nothing does."""
        path = f"/user/email-accounts/{quote(mailbox_id, safe='')}/test"
        answer = await self._answer("POST", path, caller=caller, timeout=_TIMEOUT, reads=True)
        tested = caller.parse(answer, wire.Tested)
        failed = [
            f"{side}: {result.error or 'failed'}"
            for side, result in (("IMAP", tested.imap), ("SMTP", tested.smtp))
            if not result.success
        ]
        return caller.shown("; ".join(failed)) if failed else None

    async def _remove(self, mailbox_id: str) -> None:
        answer = await self._answer("DELETE", f"/user/email-accounts/{quote(mailbox_id, safe='')}")
        if not is_absent(answer) and not self.caller.parse(answer, wire.Done).ok:
            raise self.caller.unexpected(answer, "not ok")

    async def _those(self, emails: Sequence[str]) -> Mapping[str, wire.Mailbox]:
        mailboxes = await self._mailboxes()
        return {email: mailbox for email in emails if (mailbox := mailboxes.get(email.lower())) is not None}

    async def _switch_warmup(self, mailbox_id: str, *, on: bool) -> None:
        # The vendor's files name /lemwarm/{id}/start and pause, its newer pages /warmup/{id}/start.
        last = "start" if on else "pause"
        for first in _WARMUP_PATHS:
            answer = await self._answer("POST", f"/{first}/{quote(mailbox_id, safe='')}/{last}")
            if answer.status not in (404, 405):
                break
        self.caller.parse(answer, wire.Done)

    async def _team(self) -> wire.Team:
        return self.caller.parse(await self._answer("GET", "/team"), wire.Team)

    async def _mailboxes(self) -> Mapping[str, wire.Mailbox]:
        """All of the team, by address in lower case."""
        found: dict[str, wire.Mailbox] = {}
        for user_id in (await self._team()).user_ids:
            answer = await self._answer("GET", f"/users/{quote(user_id, safe='')}")
            if is_absent(answer):  # left the team meanwhile
                continue
            for mailbox in self.caller.parse(answer, wire.User).mailboxes:
                found.setdefault(mailbox.email.lower(), mailbox)
        return found

    async def _answer(
        self,
        method: Method,
        path: str,
        *,
        body: msgspec.Struct | None = None,
        timeout: float = 20.0,  # noqa: ASYNC109 - a bound of the exchange with the vendor
        reads: bool | None = None,
        caller: Caller | None = None,
    ) -> Answer:
        caller = caller or self.caller
        url = f"{caller.reach.site.api}/api{path}"
        answer = await caller.call(method, url, headers=self.headers, body=body, timeout=timeout, reads=reads)
        raise_for_account(caller, answer)
        return answer


def _account(inbox: InboxToAdd) -> wire.AddAccount:
    return wire.AddAccount(
        sender_name=sender_name(inbox),
        sender_email=inbox.email,
        smtp_host=inbox.smtp.host,
        smtp_port=inbox.smtp.port,
        smtp_login=inbox.smtp.username,
        smtp_password=inbox.smtp.password,
        smtp_secure=inbox.smtp.security == "tls",
        imap_host=inbox.imap.host,
        imap_port=inbox.imap.port,
        imap_login=inbox.imap.username,
        imap_password=inbox.imap.password,
        imap_secure=inbox.imap.security == "tls",
    )


def _is_google(inbox: InboxToAdd) -> bool:
    hosts = (inbox.imap.host.lower(), inbox.smtp.host.lower())
    return any(host == name or host.endswith(f".{name}") for host in hosts for name in _GOOGLE)
