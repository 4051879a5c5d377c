"""For tests of sending platforms: an adapter and what it speaks to, the sandbox twin or else a server for tests."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

import httpx

from litemail.app import vendors
from litemail.kit.errors import Error
from litemail.providers.platform import (
    Accepted,
    Adapter,
    Capability,
    Credentials,
    InboxToAdd,
    MailServer,
    Pacer,
    Reach,
    Refused,
    RemoteInbox,
    Session,
    Site,
    Standing,
    twin_limits,
)
from litemail.servers.sandbox.store import Settings
from tests.contracts.contract import Contract, RequestsChecked, answers_checked, load
from tests.contracts.twins import MemoryStore, RunningTwins, running_twins, serving
from tests.providers.vendors.plusvibe import PlusVibe
from tests.providers.vendors.saleshandy import Saleshandy
from tests.providers.vendors.server import Vendor
from tests.providers.vendors.woodpecker import Woodpecker

ADAPTERS = {adapter.declaration.platform_type: adapter for adapter in vendors.adapters()}
EMAIL = "caroline@getbrandmerge.test"
SERVERS: Mapping[str, type[Vendor]] = {"plusvibe": PlusVibe, "saleshandy": Saleshandy, "woodpecker": Woodpecker}
"""Of the platforms without a twin."""


class Peer(Protocol):
    """What stands for the platform."""

    @property
    def port(self) -> int: ...

    @property
    def path(self) -> str: ...

    async def misbehave(self, settings: Settings) -> None: ...

    async def held(self) -> list[str]: ...

    async def made_keys(self) -> int:
        """How many API keys were made of logins and work."""
        ...

    def take_time(self, seconds: float) -> None:
        """Signing in to an inbox takes so long from now on."""
        ...


@dataclass(frozen=True)
class TwinPeer:
    twins: RunningTwins
    platform_type: str

    @property
    def port(self) -> int:
        return self.twins.port

    @property
    def path(self) -> str:
        return f"/ws_test/{self.platform_type}"

    async def misbehave(self, settings: Settings) -> None:
        await self.twins.store.put_settings("ws_test", self.platform_type, settings)

    async def held(self) -> list[str]:
        return [account.email for account in await self.twins.store.held("ws_test", self.platform_type)]

    async def made_keys(self) -> int:
        assert isinstance(self.twins.store, MemoryStore)
        return sum(key.revoked_at is None for key in self.twins.store.keys.values())

    def take_time(self, seconds: float) -> None:
        self.twins.mail.seconds = seconds


@dataclass(frozen=True)
class ServerPeer:
    vendor: Vendor
    port: int
    path: str = ""

    async def misbehave(self, settings: Settings) -> None:
        self.vendor.settings = settings

    async def held(self) -> list[str]:
        return sorted(self.vendor.inboxes)

    async def made_keys(self) -> int:
        return 0

    def take_time(self, seconds: float) -> None:
        self.vendor.seconds = seconds


@dataclass(frozen=True)
class World:
    """An adapter, its platform, and a client whose requests are held against the vendor's contract."""

    adapter: Adapter
    peer: Peer
    client: httpx.AsyncClient
    contract: Contract

    def reach(self, *, port: int | None = None, pacer: Pacer | None = None) -> Reach:
        root = f"http://127.0.0.1:{port or self.peer.port}{self.peer.path}"
        limits = twin_limits(self.adapter.declaration.limits, None)
        return Reach(self.client, Site(api=root, login=root), pacer or Pacer(limits))

    def session(self, api_key: str = "any-key", reach: Reach | None = None) -> Session:
        return self.adapter.session(Credentials(api_key), reach or self.reach())

    def can(self, capability: Capability) -> bool:
        return capability in self.adapter.declaration.capabilities

    async def misbehave(self, **how: Any) -> None:
        await self.peer.misbehave(Settings(**how))


Wrap = Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport]


@asynccontextmanager
async def world(platform_type: str, wrap: Wrap = lambda transport: transport) -> AsyncIterator[World]:
    """The platform on a free port. `wrap` may put something between the client and it; requests are checked inside.

    Fails when a request or an answer was not as the contract has it.
    """
    contract = load(platform_type)
    transport = wrap(RequestsChecked(contract, httpx.AsyncHTTPTransport()))
    async with _peer(platform_type, contract) as peer, httpx.AsyncClient(transport=transport) as client:
        yield World(ADAPTERS[platform_type], peer, client, contract)
        assert len(client.cookies) == 0
    assert contract.violations == []


@asynccontextmanager
async def _peer(platform_type: str, contract: Contract) -> AsyncIterator[Peer]:
    if platform_type in SERVERS:
        vendor = SERVERS[platform_type](contract)
        async with serving(answers_checked(contract, vendor)) as port:
            yield ServerPeer(vendor, port)
            await vendor.rest()
    else:
        async with running_twins(lambda app: answers_checked(contract, app)) as twins:
            yield TwinPeer(twins, platform_type)


def inbox(email: str = EMAIL, *, password: str = "Caroline@2025", **more: Any) -> InboxToAdd:
    imap = MailServer("imap.getbrandmerge.test", 993, "tls", email, password)
    smtp = MailServer("smtp.getbrandmerge.test", 587, "starttls", email, password)
    made = InboxToAdd(email, "Caroline", "Thompson", inbox_type="custom", imap=imap, smtp=smtp)
    return replace(made, **more)


@dataclass(frozen=True)
class Result:
    """How it went with one inbox. Without `seen` and `error` the platform never showed it."""

    already: bool = False
    seen: RemoteInbox | None = None
    error: Error | None = None

    @property
    def connected(self) -> bool:
        return self.seen is not None and self.seen.standing is Standing.CONNECTED


async def hand_over(
    world: World, session: Session, given: InboxToAdd, *, attempted: bool = False, patience: float = 0.6
) -> Result:
    """The way of an inbox as callers go it: look where that is needed, add, read back until it is decided."""
    email, already = given.email, False
    if attempted or not world.adapter.declaration.refuses_duplicates:
        found = (await session.find([email])).get(email)
        if found is not None and found.standing is not Standing.PENDING:
            return Result(already=not attempted, seen=found, error=found.problem)
        already = found is not None and not attempted
    accepted = Accepted(email, "")
    if not already:
        [outcome] = await session.add([given])
        if isinstance(outcome, Refused):
            return Result(error=outcome.error)
        accepted, already = outcome, outcome.already
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            while True:
                seen = (await session.confirm([accepted])).get(email)
                if seen is not None and seen.standing is not Standing.PENDING:
                    return Result(already, seen, seen.problem)
                await asyncio.sleep(0.02)
    return Result(already)
