"""What every adapter of a sending platform does, held against its sandbox twin on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from litemail.app import vendors
from litemail.kit.errors import Error
from litemail.providers.platform import (
    Accepted,
    ActionNeeded,
    Adapter,
    BadCredentials,
    Capability,
    Changes,
    Credentials,
    Exchanged,
    InboxSignInRefused,
    InboxToAdd,
    LimitReached,
    Login,
    MailServer,
    NoPaidPlan,
    Outcome,
    OutcomeUnknown,
    Pacer,
    RateLimited,
    Reach,
    Refused,
    RemoteInbox,
    Session,
    Site,
    Standing,
    TotpRequired,
    Unavailable,
    WorkspaceNotFound,
    twin_limits,
)
from litemail.servers.sandbox.behaviour import key_hash
from litemail.servers.sandbox.store import Settings
from tests.contracts.contract import Contract, RequestsChecked, answers_checked, load
from tests.contracts.twins import MemoryStore, RunningTwins, running_twins

ADAPTERS = {
    adapter.declaration.platform_type: adapter for adapter in vendors.adapters() if adapter.declaration.sandbox_twin
}
LOGIN = Login("support@litemail.test", "Lite@Mail2024!")


@dataclass(frozen=True)
class Platform:
    """An adapter, its twin, and a client whose requests are held against the vendor's contract."""

    adapter: Adapter
    twins: RunningTwins
    client: httpx.AsyncClient
    contract: Contract

    def reach(self, *, port: int | None = None, pacer: Pacer | None = None) -> Reach:
        root = self.twins.root(platform_type=self.adapter.declaration.platform_type).replace(
            str(self.twins.port), str(port or self.twins.port)
        )
        limits = twin_limits(self.adapter.declaration.limits, None)
        return Reach(self.client, Site(api=root, login=root), pacer or Pacer(limits))

    def session(self, api_key: str = "any-key", reach: Reach | None = None) -> Session:
        return self.adapter.session(Credentials(api_key), reach or self.reach())

    def can(self, capability: Capability) -> bool:
        return capability in self.adapter.declaration.capabilities

    async def exchange(self, login: Login = LOGIN, *, workspace: str | None = None, number: int = 1) -> Exchanged:
        if self.adapter.exchange is None:
            pytest.skip("no e-mail and password is exchanged for a key here")
        key_name = f"Litemail pfa_{number}"
        return await self.adapter.exchange(login, self.reach(), workspace=workspace, key_name=key_name)

    async def misbehave(self, **how: Any) -> None:
        await self.twins.store.put_settings("ws_test", self.adapter.declaration.platform_type, Settings(**how))

    async def held(self) -> list[str]:
        held = await self.twins.store.held("ws_test", self.adapter.declaration.platform_type)
        return [account.email for account in held]


@pytest.fixture(params=ADAPTERS)
async def platform(request: pytest.FixtureRequest) -> AsyncIterator[Platform]:
    contract = load(request.param)
    async with running_twins(lambda app: answers_checked(contract, app)) as twins:
        transport = RequestsChecked(contract, httpx.AsyncHTTPTransport())
        async with httpx.AsyncClient(transport=transport) as client:
            yield Platform(ADAPTERS[request.param], twins, client, contract)
            assert len(client.cookies) == 0
    assert contract.violations == []


def inbox(email: str = "caroline@getbrandmerge.test", *, password: str = "Caroline@2025", **more: Any) -> InboxToAdd:
    imap = MailServer("imap.getbrandmerge.test", 993, "tls", email, password)
    smtp = MailServer("smtp.getbrandmerge.test", 587, "starttls", email, password)
    made = InboxToAdd(email, "Caroline", "Thompson", inbox_type="custom", imap=imap, smtp=smtp)
    return replace(made, **more)


async def connected(session: Session, *inboxes: InboxToAdd) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for one in inboxes:
        outcomes += await session.add([one])
    return outcomes


async def read_back(session: Session, email: str) -> RemoteInbox:
    """The inbox once it works or does not: some platforms take a moment."""
    async with asyncio.timeout(5):
        while True:
            inbox = (await session.find([email]))[email]
            if inbox.standing is not Standing.PENDING:
                return inbox
            await asyncio.sleep(0.05)


async def test_a_good_key_signs_in_to_its_workspace(platform: Platform) -> None:
    """Of which not every platform says the name."""
    for workspace in await platform.session().check():
        assert workspace.id
        assert workspace.name


@pytest.mark.parametrize(
    ("key", "error"), [("wrong-password", BadCredentials), ("needs-totp", TotpRequired), ("no-paid-plan", NoPaidPlan)]
)
async def test_a_bad_key_says_what_to_do(platform: Platform, key: str, error: type[Error]) -> None:
    with pytest.raises(error) as raised:
        await platform.session(key).check()
    assert isinstance(raised.value, ActionNeeded)
    assert raised.value.problem().action


async def test_what_cannot_be_a_key_is_refused_without_a_call(platform: Platform) -> None:
    for text in ("", "two words", "schlüssel", "a\nb"):
        with pytest.raises(BadCredentials):
            platform.session(text)


async def test_an_added_inbox_is_read_back_as_connected(platform: Platform) -> None:
    session = platform.session()
    assert await session.find(["caroline@getbrandmerge.test"]) == {}
    [outcome] = await session.add([inbox(daily_limit=30)])
    assert isinstance(outcome, Accepted)
    assert not outcome.already
    assert "caroline@getbrandmerge.test" in await session.confirm([outcome])
    found = await read_back(session, "caroline@getbrandmerge.test")
    assert (found.standing, found.problem) == (Standing.CONNECTED, None)
    assert found == (await session.confirm([outcome]))["caroline@getbrandmerge.test"]
    if platform.can(Capability.LIMIT_ON_ADD):
        assert found.daily_limit == 30
    assert await platform.held() == ["caroline@getbrandmerge.test"]


async def test_addresses_with_unusual_characters_are_found_again(platform: Platform) -> None:
    session = platform.session()
    for email in ("o'neil+sales%1@getbrandmerge.test", "a&b=c?d#e@getbrandmerge.test", "Big@GetBrandMerge.test"):
        [outcome] = await session.add([inbox(email)])
        assert isinstance(outcome, Accepted)
        assert (await read_back(session, email)).standing is Standing.CONNECTED


async def test_adding_again_finds_the_inbox_already_there(platform: Platform) -> None:
    session = platform.session()
    [_, again] = await connected(session, inbox(), inbox())
    assert isinstance(again, Accepted)
    assert again.already
    assert (await session.confirm([again])).keys() == {"caroline@getbrandmerge.test"}
    assert len(await platform.held()) == 1


async def test_an_inbox_the_platform_cannot_sign_in_to_is_refused_by_itself(platform: Platform) -> None:
    session = platform.session()
    [bad, good] = await connected(session, inbox(password="wrong-password"), inbox("good@getbrandmerge.test"))
    assert isinstance(bad, Refused)
    assert isinstance(bad.error, InboxSignInRefused)
    assert bad.error.problem().stage == "connecting"
    assert bad.error.problem().code == "inbox.bad_credentials"
    assert "wrong-password" not in str(bad.error)
    assert isinstance(good, Accepted)
    assert await session.find(["caroline@getbrandmerge.test"]) == {}


async def test_a_full_account_says_so(platform: Platform) -> None:
    await platform.misbehave(account_limit=1)
    [first, second] = await connected(platform.session(), inbox(), inbox("second@getbrandmerge.test"))
    assert isinstance(first, Accepted)
    assert isinstance(second, Refused)
    assert isinstance(second.error, LimitReached)


async def test_a_platform_that_is_down_is_unavailable(platform: Platform) -> None:
    await platform.misbehave(down=True)
    for call in (platform.session().check(), platform.session().add([inbox()])):
        with pytest.raises(Unavailable) as raised:
            await call
        assert raised.value.retryable


async def test_a_platform_that_cannot_be_reached_is_unavailable_and_nothing_happened(platform: Platform) -> None:
    session = platform.session(reach=platform.reach(port=9))
    with pytest.raises(Unavailable) as raised:
        await session.add([inbox()])
    assert not isinstance(raised.value, OutcomeUnknown)


async def test_too_many_requests_are_answered_by_a_rest_of_the_pacer(platform: Platform) -> None:
    await platform.misbehave(rate_limit=0)
    session = platform.session()
    with pytest.raises(RateLimited) as raised:
        await session.check()
    assert raised.value.retry_after is not None
    await platform.misbehave()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await session.check()


async def test_an_add_whose_answer_is_lost_is_found_by_reading_back(platform: Platform) -> None:
    """Cut after the platform did it: the outcome is unknown, and reading back tells."""
    async with cutting(platform.twins.port) as port:
        lost = platform.session(reach=platform.reach(port=port))
        with pytest.raises(OutcomeUnknown):
            await lost.add([inbox()])
    found = await read_back(platform.session(), "caroline@getbrandmerge.test")
    assert found.standing is Standing.CONNECTED
    [again] = await platform.session().add([inbox()])
    assert isinstance(again, Accepted)
    assert again.already


async def test_an_add_that_is_cancelled_in_flight_may_be_repeated(platform: Platform) -> None:
    platform.twins.mail.seconds = 0.3
    session = platform.session()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await session.add([inbox()])
    [again] = await session.add([inbox()])
    assert isinstance(again, Accepted)
    assert len(await platform.held()) == 1


async def test_faults_at_random_end_with_every_inbox_there_once(platform: Platform) -> None:
    await platform.misbehave(error_rate=0.3)
    session = platform.session()
    emails = [f"inbox{number}@getbrandmerge.test" for number in range(12)]
    for email in emails:
        for _ in range(60):
            try:
                if not await session.find([email]):
                    await session.add([inbox(email)])
                if email in await session.find([email]):
                    break
            except Unavailable:
                continue
    assert await platform.held() == sorted(emails)


async def test_the_list_shows_every_inbox_once(platform: Platform) -> None:
    if not platform.can(Capability.LIST):
        pytest.skip("the platform has no list")
    session = platform.session()
    emails = [f"inbox{number:03}@getbrandmerge.test" for number in range(105)]
    await asyncio.gather(*(session.add([inbox(email)]) for email in emails))
    assert sorted([one.email async for one in session.list_()]) == emails


async def test_an_inbox_can_be_changed_warmed_up_tagged_and_removed(platform: Platform) -> None:
    session, email = platform.session(), "caroline@getbrandmerge.test"
    await session.add([inbox()])
    if platform.can(Capability.UPDATE):
        await session.update(email, Changes(last_name="Lovelace"))
        await session.update(email, Changes())
    if platform.can(Capability.DAILY_LIMIT):
        await session.update(email, Changes(daily_limit=12))
        assert (await session.find([email]))[email].daily_limit == 12
    if platform.can(Capability.CREDENTIALS):
        await session.update_credentials(inbox(password="Another@2026"))
        with pytest.raises(InboxSignInRefused):
            await session.update_credentials(inbox(password="wrong-password"))
    if platform.can(Capability.WARMUP):
        for on in (True, True, False):
            await session.set_warmup([email], on=on)
            assert (await session.find([email]))[email].warmup is on
    if platform.can(Capability.TAGS):
        for _ in range(2):
            await session.tag([email], ["Agency", "Q1"])
    if platform.can(Capability.REMOVE):
        for _ in range(2):
            await session.remove(email)
        assert await session.find([email]) == {}


async def test_a_login_is_exchanged_for_a_key_that_works(platform: Platform) -> None:
    if platform.adapter.sign_in is None:
        pytest.skip("nobody signs in with e-mail and password here")
    [workspace] = await platform.adapter.sign_in(LOGIN, platform.reach())
    for name in (None, workspace.name, workspace.id):
        done = await platform.exchange(workspace=name)
        assert done.workspace == workspace
    session = platform.adapter.session(done.credentials, platform.reach())
    assert await session.check() in ((workspace,), ())
    [outcome] = await connected(session, inbox())
    assert isinstance(outcome, Accepted)
    await session.set_warmup([outcome.email], on=True)
    await session.tag([outcome.email], ["Agency"])


async def test_an_exchange_leaves_one_key_however_often_it_is_repeated(platform: Platform) -> None:
    other = await platform.exchange(number=2)
    for _ in range(3):
        mine = await platform.exchange(number=1)
    for credentials in (other.credentials, mine.credentials):
        await platform.adapter.session(credentials, platform.reach()).check()
    assert isinstance(platform.twins.store, MemoryStore)
    # Where a user has one key, it is the same for whatever name.
    keys = {other.credentials.api_key, mine.credentials.api_key}
    assert {key.hash for key in platform.twins.store.keys.values() if key.revoked_at is None} == set(
        map(key_hash, keys)
    )


@pytest.mark.parametrize(
    ("password", "error"),
    [("wrong-password", BadCredentials), ("needs-totp", TotpRequired), ("no-paid-plan", NoPaidPlan)],
)
async def test_a_bad_login_is_not_exchanged(platform: Platform, password: str, error: type[Error]) -> None:
    with pytest.raises(error) as raised:
        await platform.exchange(Login(LOGIN.email, password))
    assert password not in str(raised.value.problem())


async def test_a_workspace_that_the_login_has_not_is_named(platform: Platform) -> None:
    with pytest.raises(WorkspaceNotFound, match="Nobody"):
        await platform.exchange(workspace="Nobody's")


def test_secrets_are_not_shown() -> None:
    shown = repr((Credentials(api_key="s3cret", client_secret="s3cret"), Login("a@b.test", "s3cret"), inbox()))
    assert "s3cret" not in shown
    assert "Caroline@2025" not in shown


@asynccontextmanager
async def cutting(target: int) -> AsyncIterator[int]:
    """A relay to the port `target` that cuts the connection when the answer to a POST begins."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", target)
        posted = False

        async def forward() -> None:
            nonlocal posted
            while data := await reader.read(65536):
                posted = posted or data.startswith(b"POST ")
                inner_writer.write(data)

        forwarding = asyncio.create_task(forward())
        while (data := await inner_reader.read(65536)) and not posted:
            writer.write(data)
        forwarding.cancel()
        for one in (inner_writer, writer):
            one.close()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
