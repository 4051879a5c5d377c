"""A platform and mail hosts made of memory, and a way to run a connection's job against them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from litemail.connections.jobs import run as run_job
from litemail.kit.actor import Mode
from litemail.kit.db import Database
from litemail.kit.errors import Error
from litemail.kit.outbound import Guard
from litemail.kit.ports import PortBook
from litemail.kit.secrets import Secrets
from litemail.mailboxes import MailAccess
from litemail.platforms import Doors, Pace
from litemail.providers.mailhost import BadCredentials as InboxRefused
from litemail.providers.mailhost import Found, Servers, ServersNotFound, ServersNotLookedUp, Unreachable
from litemail.providers.platform import (
    Accepted,
    Adapter,
    BadCredentials,
    Capability,
    Changes,
    CredentialField,
    Credentials,
    Declaration,
    Exchanged,
    InboxSignInRefused,
    InboxToAdd,
    Limits,
    Login,
    Outcome,
    OutcomeUnknown,
    PlatformWorkspace,
    RateLimited,
    Reach,
    Refused,
    Registry,
    RemoteInbox,
    Site,
    Standing,
    Unavailable,
    registry,
)

Call = Callable[..., Awaitable[httpx.Response]]
NAME = "Fake"
QUICK = Pace(first_wait=0.002, longest_wait=0.02, confirm_every=0.02, lease=1.0, renew=0.05, wind_down=0.3)


@dataclass
class Platform:
    """What the platform remembers, and how it misbehaves."""

    inboxes: dict[str, InboxToAdd] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    adds: Counter[str] = field(default_factory=Counter)
    workspaces_asked: list[str | None] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    warm: set[str] = field(default_factory=set)
    tagged: dict[str, set[str]] = field(default_factory=dict)
    latency: float = 0.0
    passwords_wrong: set[str] = field(default_factory=lambda: {"wrong-password"})
    refused: dict[str, Error] = field(default_factory=dict)
    failing: dict[str, list[Error]] = field(default_factory=dict)
    """Errors that the next calls of that name raise, in turn."""
    lost_answers: int = 0
    """So many adds happen and are not answered."""
    before: Callable[[str, str], Awaitable[None]] | None = None
    after: Callable[[str, str], Awaitable[None]] | None = None
    together: int = 0
    most_together: int = 0
    logins: bool = True
    duplicates_refused: bool = True
    capabilities: frozenset[Capability] = frozenset(Capability)
    pending_reads: int = 0
    """So many reads of each inbox show it as not ready."""
    limits: Limits = field(default_factory=lambda: Limits(10_000, 600_000, concurrency=50, confirm_within=1))

    @asynccontextmanager
    async def call(self, name: str, about: str, reach: Reach) -> AsyncIterator[None]:
        async with reach.pacer.turn():
            self.calls[name] += 1
            self.together += 1
            self.most_together = max(self.together, self.most_together)
            try:
                if self.before:
                    await self.before(name, about)
                await asyncio.sleep(self.latency)
                if self.failing.get(name):
                    error = self.failing[name].pop(0)
                    if isinstance(error, RateLimited):
                        reach.pacer.rest(error.retry_after or 0)
                    raise error
                yield
                if self.after:
                    await self.after(name, about)
            finally:
                self.together -= 1

    def adapter(self) -> Adapter:
        declaration = Declaration(
            platform_type="instantly",
            name=NAME,
            credentials=(CredentialField("api_key", "API key", "Settings"),),
            limits=self.limits,
            capabilities=self.capabilities,
            live=Site("https://api.fake.test", "https://app.fake.test"),
            refuses_duplicates=self.duplicates_refused,
            sandbox_twin=True,
            verified_live=False,
        )
        return Adapter(declaration, self.session, sign_in=self.sign_in, exchange=self.exchange)

    def session(self, credentials: Credentials, reach: Reach) -> "Session":
        return Session(self, credentials, reach)

    async def sign_in(self, login: Login, reach: Reach) -> tuple[PlatformWorkspace, ...]:
        async with self.call("sign_in", login.email, reach):
            if login.password in self.passwords_wrong:
                raise BadCredentials(name=NAME, words="no")
            return (PlatformWorkspace("w1", "Work"),)

    async def exchange(self, login: Login, reach: Reach, *, workspace: str | None, key_name: str) -> Exchanged:
        self.workspaces_asked.append(workspace)
        async with self.call("exchange", login.email, reach):
            if login.password in self.passwords_wrong:
                raise BadCredentials(name=NAME, words="no")
            self.keys.append(key_name)
            return Exchanged(Credentials(api_key=f"key-{len(self.keys)}"), PlatformWorkspace("w1", "Work"))


@dataclass
class Session:
    platform: Platform
    credentials: Credentials
    reach: Reach

    async def check(self) -> tuple[PlatformWorkspace, ...]:
        async with self.platform.call("check", "", self.reach):
            if self.credentials.api_key in self.platform.passwords_wrong:
                raise BadCredentials(name=NAME, words="no such key")
            return (PlatformWorkspace("w1", "Work"),)

    async def find(self, emails: Sequence[str]) -> Mapping[str, RemoteInbox]:
        async with self.platform.call("find", emails[0], self.reach):
            return {email: self._shown(email) for email in emails if email in self.platform.inboxes}

    async def add(self, inboxes: Sequence[InboxToAdd]) -> Sequence[Outcome]:
        (inbox,) = inboxes
        async with self.platform.call("add", inbox.email, self.reach):
            if inbox.email in self.platform.refused:
                return [Refused(inbox.email, self.platform.refused[inbox.email])]
            if inbox.email in self.platform.inboxes:
                return [Accepted(inbox.email, inbox.email, already=True)]
            self.platform.inboxes[inbox.email] = inbox
            self.platform.adds[inbox.email] += 1
            if self.platform.lost_answers:
                self.platform.lost_answers -= 1
                raise OutcomeUnknown(name=NAME, reason="the answer was lost")
        return [Accepted(inbox.email, inbox.email)]

    async def confirm(self, accepted: Sequence[Accepted]) -> Mapping[str, RemoteInbox]:
        async with self.platform.call("confirm", accepted[0].email, self.reach):
            return {one.email: self._shown(one.email) for one in accepted if one.email in self.platform.inboxes}

    def _shown(self, email: str) -> RemoteInbox:
        self.platform.calls[f"read {email}"] += 1
        pending = self.platform.calls[f"read {email}"] <= self.platform.pending_reads
        return RemoteInbox(email, email, Standing.PENDING if pending else Standing.CONNECTED)

    async def update(self, email: str, changes: Changes) -> None:
        async with self.platform.call("update", email, self.reach):
            changed = {name: value for name, value in vars(changes).items() if value is not None}
            self.platform.inboxes[email] = replace(self.platform.inboxes[email], **changed)

    async def update_credentials(self, inbox: InboxToAdd) -> None:
        async with self.platform.call("update_credentials", inbox.email, self.reach):
            before = self.platform.inboxes[inbox.email]
            self.platform.inboxes[inbox.email] = replace(before, imap=inbox.imap, smtp=inbox.smtp)

    async def set_warmup(self, emails: Sequence[str], *, on: bool) -> None:
        async with self.platform.call("warmup", emails[0], self.reach):
            self.platform.warm |= set(emails) if on else set()

    async def tag(self, emails: Sequence[str], tags: Sequence[str]) -> None:
        async with self.platform.call("tag", emails[0], self.reach):
            for email in emails:
                self.platform.tagged.setdefault(email, set()).update(tags)

    async def remove(self, email: str) -> None:
        raise NotImplementedError

    async def list_(self) -> AsyncIterator[RemoteInbox]:
        for email in self.platform.inboxes:
            yield self._shown(email)


@dataclass
class MailHosts:
    """Refuses `wrong-password`; is unreachable for `timeout`, so many times where `unreachable` says so."""

    asked: Counter[str] = field(default_factory=Counter)
    passwords: dict[str, str] = field(default_factory=dict)
    unreachable: Counter[str] = field(default_factory=Counter)
    together: int = 0
    most_together: int = 0
    latency: float = 0.0

    async def sign_in(self, *, address: str, password: str, servers: Servers, **_more: object) -> None:
        self.asked[address] += 1
        self.passwords[address] = password
        self.together += 1
        self.most_together = max(self.together, self.most_together)
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.together -= 1
        about = {"stage": "imap", "host": servers.imap.host, "port": servers.imap.port, "remedy": "Do it."}
        if password == "wrong-password":
            raise InboxRefused(said="no", **about)  # type: ignore[arg-type]  # data of the message
        if password == "timeout" or self.unreachable[address] > 0:
            self.unreachable[address] -= 1
            raise Unreachable(said="down", **about)  # type: ignore[arg-type]  # data of the message


@dataclass
class Domains:
    """Where the mail of each domain is; unknown ones have no servers."""

    known: dict[str, Found] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    silent: Counter[str] = field(default_factory=Counter)

    async def find(self, domain: str, **_more: object) -> Found:
        self.asked[domain] += 1
        if self.silent[domain] > 0:
            self.silent[domain] -= 1
            raise ServersNotLookedUp(stage="discovering", domain=domain)
        if domain not in self.known:
            raise ServersNotFound(stage="discovering", domain=domain)
        return self.known[domain]


@dataclass
class World:
    database: Database
    secrets: Secrets
    guards: dict[Mode, Guard]
    folder: Path
    call: Call
    platform: Platform = field(default_factory=Platform)
    hosts: MailHosts = field(default_factory=MailHosts)
    domains: Domains = field(default_factory=Domains)
    pace: Pace = field(default_factory=lambda: replace(QUICK))

    @property
    def registry(self) -> Registry:
        return registry([self.platform.adapter()])

    async def run(self, connection_id: str) -> None:
        async def no_rate(workspace_id: str, platform_type: str) -> int | None:
            return None

        ports = PortBook(self.folder / "ports.json")
        ports.write({"imaps": 8993, "submission": 8587})
        await run_job(
            database=self.database,
            secrets=self.secrets,
            platforms=self.registry,
            doors=Doors(self.guards, lambda *_: Site("http://127.0.0.1:1", "http://127.0.0.1:1"), no_rate),
            mail_access=MailAccess("127.0.0.1", ports),
            connection_id=connection_id,
            pace=self.pace,
            inbox_sign_in=self.hosts.sign_in,
            find_servers=self.domains.find,
        )

    @asynccontextmanager
    async def running(self, connection_id: str) -> AsyncIterator[asyncio.Task[None]]:
        """The job under way; killed at the end of the block if it still is."""
        task = asyncio.create_task(self.run(connection_id))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def begin(self, inboxes: int | list[dict[str, Any]] = 1, **more: Any) -> dict[str, Any]:
        answer = await self.call("POST", "/v1/connect-inbox", json=body(inboxes, **more))
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def show(self, connection_id: str) -> dict[str, Any]:
        shown: dict[str, Any] = (await self.call("GET", f"/v1/connect-inbox/{connection_id}")).json()
        return shown

    async def inboxes(self, connection_id: str, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            given = {"limit": "200", **query, **({"cursor": cursor} if cursor else {})}
            answer = await self.call("GET", f"/v1/connect-inbox/{connection_id}/inboxes", params=given)
            assert answer.status_code == 200, answer.text
            found += answer.json()["data"]
            cursor = answer.json()["next_cursor"]
        return found

    async def connect(self, inboxes: int | list[dict[str, Any]] = 1, **more: Any) -> dict[str, Any]:
        """Begins a connection, runs its job, and shows how it ended."""
        begun = await self.begin(inboxes, **more)
        await self.run(begun["id"])
        return await self.show(begun["id"])


def body(inboxes: int | list[dict[str, Any]] = 1, **more: Any) -> dict[str, Any]:
    """A good request: the contract's own example, or one with so many inboxes."""
    if isinstance(inboxes, int):
        inboxes = [{"email": f"box{number:04}@example.com", "pass": f"Secret-{number}"} for number in range(inboxes)]
    filled = {
        "platform_type": "instantly",
        "platform_email": "support@litemail.ai",
        "platform_pass": "Lite@Mail2024!",
        "inbox_type": "gmail",
        "inboxes": inboxes,
        **more,
    }
    return {name: value for name, value in filled.items() if value is not None}


def down(times: int) -> list[Error]:
    return [Unavailable(name=NAME, reason="HTTP 503") for _ in range(times)]


def refusal(email: str) -> Error:
    return InboxSignInRefused(name=NAME, email=email, words="no")
