"""For tests: a store in memory, and the twins on a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from granian.constants import Interfaces
from granian.server.embed import Server

from litemail.app import vendors
from litemail.servers.sandbox.app import create_app
from litemail.servers.sandbox.behaviour import Sandbox
from litemail.servers.sandbox.store import Account, Added, ApiKey, Entry, MailDoor, Organisation, Settings, Store, Thing


@dataclass
class MemoryStore:
    """`Store` in memory. A step never awaits, so it is atomic."""

    workspaces: set[str] = field(default_factory=lambda: {"ws_test"})
    kept: dict[tuple[str, str], Settings] = field(default_factory=dict)
    organisations: dict[tuple[str, str, str], Organisation] = field(default_factory=dict)
    keys: dict[bytes, ApiKey] = field(default_factory=dict)
    accounts: dict[tuple[str, str], Account] = field(default_factory=dict)
    things: dict[tuple[str, str, str], Thing] = field(default_factory=dict)

    async def settings(self, workspace_id: str, platform_type: str) -> Settings | None:
        if workspace_id not in self.workspaces:
            return None
        return self.kept.get((workspace_id, platform_type), Settings())

    async def put_settings(self, workspace_id: str, platform_type: str, settings: Settings) -> None:
        self.kept[workspace_id, platform_type] = settings

    async def organisation(self, fresh: Organisation) -> Organisation:
        return self.organisations.setdefault((fresh.workspace_id, fresh.platform_type, fresh.login), fresh)

    async def add_key(self, key: ApiKey) -> None:
        self.keys.setdefault(key.hash, key)

    async def enter(self, workspace_id: str, platform_type: str, *, key_hash: bytes, login: str) -> Entry | None:
        settings = await self.settings(workspace_id, platform_type)
        mine = {one.id: one for place, one in self.organisations.items() if place[:2] == (workspace_id, platform_type)}
        key = self.keys.get(key_hash)
        if key is None or key.organisation_id not in mine:
            key = None
            organisation = self.organisations.get((workspace_id, platform_type, login))
        else:
            organisation = mine[key.organisation_id]
        return None if settings is None else Entry(settings, organisation, key)

    async def list_keys(self, organisation_id: str) -> Sequence[ApiKey]:
        mine = (key for key in self.keys.values() if key.organisation_id == organisation_id)
        return [key for key in mine if key.revoked_at is None][::-1]

    async def revoke_key(self, organisation_id: str, key_id: str, *, now: datetime) -> ApiKey | None:
        for key in await self.list_keys(organisation_id):
            if key.id == key_id:
                self.keys[key.hash] = msgspec.structs.replace(key, revoked_at=now)
                return self.keys[key.hash]
        return None

    async def add_account(self, account: Account, *, limit: int | None) -> Added:
        place = (account.organisation_id, account.email)
        if place in self.accounts:
            return Added.EXISTS
        if limit is not None and len(self._of(account.organisation_id)) >= limit:
            return Added.FULL
        self.accounts[place] = account
        return Added.ADDED

    async def find_account(self, organisation_id: str, email: str) -> Account | None:
        return self.accounts.get((organisation_id, email))

    async def change_account(
        self, organisation_id: str, email: str, change: Callable[[bytes], bytes]
    ) -> Account | None:
        account = self.accounts.get((organisation_id, email))
        if account is None:
            return None
        self.accounts[organisation_id, email] = msgspec.structs.replace(account, data=change(account.data))
        return self.accounts[organisation_id, email]

    async def remove_account(self, organisation_id: str, email: str) -> Account | None:
        return self.accounts.pop((organisation_id, email), None)

    async def list_accounts(
        self, organisation_id: str, *, search: str = "", after: tuple[datetime, str] | None = None, limit: int
    ) -> Sequence[Account]:
        found = sorted(self._of(organisation_id), key=lambda one: (one.created_at, one.email), reverse=True)
        wanted = [one for one in found if search.lower() in one.email]
        return [one for one in wanted if after is None or (one.created_at, one.email) < after][:limit]

    async def held(self, workspace_id: str, platform_type: str) -> Sequence[Account]:
        mine = self._organisations(workspace_id, platform_type)
        return sorted((one for one in self.accounts.values() if one.organisation_id in mine), key=lambda one: one.email)

    async def put(self, thing: Thing) -> None:
        self.things[thing.organisation_id, thing.kind, thing.id] = thing

    async def find(self, organisation_id: str, kind: str, thing_id: str) -> Thing | None:
        return self.things.get((organisation_id, kind, thing_id))

    async def list_(self, organisation_id: str, kind: str) -> Sequence[Thing]:
        return [one for place, one in self.things.items() if place[:2] == (organisation_id, kind)]

    def _organisations(self, workspace_id: str, platform_type: str) -> set[str]:
        return {one.id for place, one in self.organisations.items() if place[:2] == (workspace_id, platform_type)}

    def _of(self, organisation_id: str) -> list[Account]:
        return [one for one in self.accounts.values() if one.organisation_id == organisation_id]


@dataclass
class MailSignIns:
    """Signs in like a mail provider with one wrong password; counts, and can be told to take its time."""

    seen: list[str] = field(default_factory=list)
    seconds: float = 0.0

    async def __call__(self, *, imap: MailDoor, smtp: MailDoor) -> str | None:
        self.seen.append(imap.username)
        await asyncio.sleep(self.seconds)
        if imap.password == "wrong-password":
            return f"IMAP {imap.host}: [AUTHENTICATIONFAILED] Invalid credentials for {imap.password}"
        if smtp.password == "wrong-password":
            return f"SMTP {smtp.host}: 535 5.7.8 Authentication failed"
        return None


@dataclass
class RunningTwins:
    sandbox: Sandbox
    store: Store
    mail: MailSignIns
    port: int

    def root(self, workspace_id: str = "ws_test", platform_type: str = "instantly") -> str:
        return f"http://127.0.0.1:{self.port}/{workspace_id}/{platform_type}"


@asynccontextmanager
async def running_twins(
    wrap: Callable[[Any], Any] = lambda app: app, *, store: Store | None = None
) -> AsyncIterator[RunningTwins]:
    """The twins on a free port. `wrap` may put an ASGI application around them."""
    store, mail = store or MemoryStore(), MailSignIns()
    sandbox = Sandbox(store, mail)
    app = create_app(sandbox, twins=vendors.twins())
    async with serving(wrap(app), closing=sandbox.closing) as port:
        yield RunningTwins(sandbox, store, mail, port)


@asynccontextmanager
async def serving(app: Any, *, closing: asyncio.Event | None = None) -> AsyncIterator[int]:
    """An ASGI application on a real socket of this loop; its port."""
    server, task, port = await _started(app)
    try:
        yield port
    finally:
        if closing:
            closing.set()  # the server waits for calls under way, also for those that are never answered
        server.stop()  # type: ignore[no-untyped-call]  # granian annotates it not
        await task


async def _started(app: Any) -> tuple[Server, asyncio.Task[None], int]:
    while True:
        # The server does not tell the port it got for 0, so one is picked first; it may be taken meanwhile.
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        server = Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False)
        task = asyncio.create_task(server.serve())
        try:
            await _listening(port, task)
        except RuntimeError as error:
            if "in use" not in str(error):
                raise
        else:
            return server, task, port


async def _listening(port: int, task: asyncio.Task[None]) -> None:
    async with asyncio.timeout(10):
        while not task.done():
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return
    task.result()
