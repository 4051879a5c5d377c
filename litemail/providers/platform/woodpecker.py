"""Woodpecker (API v2). Inboxes are handed over in batches, worked on in the background, and found in the list after.

Its two sets of pages differ: the list is an array (docs.woodpecker.co, "Listing mailboxes") or has `content` and
`pagination_data` (developers.woodpecker.co, "Get a list of mailboxes"); both are read. Neither says what a failed
mailbox of a batch looks like, how to remove a mailbox, or how to switch warm-up; only the footer can be changed.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from litemail.providers.platform import answers
from litemail.providers.platform import woodpecker_wire as wire
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
from litemail.providers.platform.errors import OutcomeUnknown
from litemail.providers.platform.http import Answer, Caller, Method
from litemail.providers.platform.identity import require_header_safe
from litemail.providers.platform.pacing import Limits
from litemail.providers.platform.sender_name import sender_name
from litemail.providers.platform.unoffered import Unoffered
from litemail.providers.platform.wording import refusal

NAME = "Woodpecker"

# "Only 1 request can be processed at time", at most 6 wait, for 15 s (docs.woodpecker.co, "API reference").
_LIMITS = Limits(per_second=5, per_minute=300, concurrency=1, batch=200, look_together=1_000, confirm_within=900)
_NO_CONTENT = 204
_GONE = 404
_MOST_PAGES = 1_000
_SETTLES = 30.0
"""Seconds after which a batch without an answer is probably worked on; earlier nobody looks for its inboxes."""
_CONDITIONALLY = "connected conditionally"
_WARMING_UP = "RUNNING"


def adapter() -> Adapter:
    declaration = Declaration(
        platform_type="woodpecker",
        name=NAME,
        credentials=(
            CredentialField("api_key", "API key", "Marketplace → Integrations → API keys (needs the API add-on)"),
            CredentialField("workspace", "Company id", "Only with an agency's own key: the id of the client's company"),
        ),
        limits=_LIMITS,
        capabilities=frozenset({Capability.LIMIT_ON_ADD, Capability.LIST}),
        live=Site(api="https://api.woodpecker.co", login="https://app.woodpecker.co"),
        refuses_duplicates=False,
        sandbox_twin=False,
        verified_live=False,
    )
    return Adapter(declaration, open_session)


def open_session(credentials: Credentials, reach: Reach) -> "WoodpeckerSession":
    """Raises `BadCredentials` for a key that no header can carry."""
    require_header_safe(NAME, credentials.api_key, credentials.workspace)
    headers = {"x-api-key": credentials.api_key}
    if credentials.workspace:
        headers["x-company-id"] = credentials.workspace
    return WoodpeckerSession(Caller(NAME, reach, (credentials.api_key,)), headers)


@dataclass(frozen=True)
class WoodpeckerSession(Unoffered):
    """`Session` at Woodpecker. The ticket of an accepted inbox is its batch."""

    headers: Mapping[str, str]

    async def check(self) -> tuple[PlatformWorkspace, ...]:
        answer = await self._answer("GET", "/v1/me")
        self.caller.parse(answer, dict[str, msgspec.Raw])  # its fields are not documented
        return ()

    async def find(self, emails: Sequence[str]) -> Mapping[str, RemoteInbox]:
        there = {inbox.email: inbox async for inbox in self.list_()}
        return {email: there[email.lower()] for email in emails if email.lower() in there}

    async def add(self, inboxes: Sequence[InboxToAdd]) -> Sequence[Outcome]:
        """A batch that is refused is halved until it is clear which inbox was meant."""
        passwords = [server.password for inbox in inboxes for server in (inbox.imap, inbox.smtp)]
        caller = self.caller.with_secrets(*passwords)
        body = wire.AddMailboxes([_new(inbox) for inbox in inboxes])
        try:
            answer = await self._answer("POST", "/v2/mailboxes/manual_connection/bulk", body=body, caller=caller)
        except OutcomeUnknown as error:
            error.wait_at_least(_SETTLES)
            raise
        if not answers.is_refused(answer):
            ticket = str(caller.parse(answer, wire.Batch).batch_id)
            return [Accepted(inbox.email, ticket) for inbox in inboxes]
        if len(inboxes) > 1:
            half = len(inboxes) // 2
            return [*await self.add(inboxes[:half]), *await self.add(inboxes[half:])]
        email = inboxes[0].email
        if await self.find([email]):
            return [Accepted(email, ticket="", already=True)]
        return [Refused(email, answers.refusal_of(caller, answer, email=email))]

    async def confirm(self, accepted: Sequence[Accepted]) -> Mapping[str, RemoteInbox]:
        found = dict(await self.find([one.email for one in accepted]))
        missing: dict[str, list[str]] = {}
        for one in accepted:
            if one.email not in found and one.ticket:
                missing.setdefault(one.ticket, []).append(one.email)
        for ticket, emails in missing.items():
            found |= await self._failed(ticket, emails)
        return found

    async def list_(self) -> AsyncIterator[RemoteInbox]:
        mailboxes = [mailbox async for mailbox in self._mailboxes()]
        imap_errors = {one.id: one.details.error for one in mailboxes if one.type == "IMAP"}
        for mailbox in mailboxes:
            if mailbox.type == "SMTP":
                yield self._inbox(mailbox, imap_errors)

    async def _mailboxes(self) -> AsyncIterator[wire.Mailbox]:
        for number in range(_MOST_PAGES):
            answer = await self._answer("GET", "/v2/mailboxes", parameters={"page": str(number)})
            if answer.status == _NO_CONTENT:
                return
            if answer.body.lstrip().startswith(b"["):
                for mailbox in self.caller.parse(answer, list[wire.Mailbox]):
                    yield mailbox
                return
            page = self.caller.parse(answer, wire.Page)
            for mailbox in page.content:
                yield mailbox
            if number + 1 >= page.pagination_data.total_pages:
                return

    def _inbox(self, mailbox: wire.Mailbox, imap_errors: Mapping[int, str | None]) -> RemoteInbox:
        details = mailbox.details
        imap_error = imap_errors.get(details.imap_id) if details.imap_id is not None else None
        words = next((error for error in (details.error, imap_error) if _is_trouble(error)), None)
        email = details.email.lower()
        return RemoteInbox(
            email=email,
            external_id=str(mailbox.id),
            standing=Standing.CONNECTED if words is None else Standing.FAILED,
            problem=None if words is None else refusal(name=NAME, email=email, words=self.caller.shown(words)),
            daily_limit=details.daily_limit,
            warmup=details.warmup_data is not None and details.warmup_data.status == _WARMING_UP,
        )

    async def _failed(self, ticket: str, emails: Sequence[str]) -> dict[str, RemoteInbox]:
        """Those of a batch's inboxes that its summary names as failed, with all that it says of each."""
        answer = await self._answer("GET", f"/v2/mailboxes/manual_connection/bulk/{quote(ticket, safe='')}/summary")
        if answer.status == _GONE and answers.words_of(self.caller, answer) is not None:
            return {}  # an old batch; the list alone decides
        failed = {}
        for said in map(list, map(_texts, self.caller.parse(answer, wire.Summary).failed_mailboxes)):
            for email in emails:
                if email.lower() in map(str.lower, said):
                    words = "; ".join(text for text in said if text.lower() != email.lower())
                    problem = refusal(name=NAME, email=email, words=self.caller.shown(words or "it did not say why"))
                    failed[email] = RemoteInbox(email.lower(), "", Standing.FAILED, problem)
        return failed

    async def _answer(
        self,
        method: Method,
        path: str,
        *,
        body: msgspec.Struct | None = None,
        parameters: Mapping[str, str] | None = None,
        caller: Caller | None = None,
    ) -> Answer:
        caller = caller or self.caller
        url = f"{caller.reach.site.api}/rest{path}"
        answer = await caller.call(method, url, headers=self.headers, body=body, parameters=parameters)
        answers.raise_for_account(caller, answer)
        return answer


def _new(inbox: InboxToAdd) -> wire.NewMailbox:
    return wire.NewMailbox(
        smtp_email=inbox.email,
        smtp_login=inbox.smtp.username,
        smtp_password=inbox.smtp.password,
        smtp_server=inbox.smtp.host,
        smtp_port=inbox.smtp.port,
        smtp_from_name=sender_name(inbox),
        # There is no `imap_login`: Woodpecker signs in with this address, so another one can stand here.
        imap_email=inbox.imap.username if "@" in inbox.imap.username else inbox.email,
        imap_password=inbox.imap.password,
        imap_server=inbox.imap.host,
        imap_port=inbox.imap.port,
        daily_sending_limit=inbox.daily_limit,
    )


def _texts(value: object) -> Iterator[str]:
    """All texts in a value of JSON, wherever they are."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def _is_trouble(error: str | None) -> bool:
    """`error` is null or empty for a good mailbox, and also says "Connected conditionally." of one that works."""
    return bool(error) and _CONDITIONALLY not in (error or "").lower()
