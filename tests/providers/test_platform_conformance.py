"""What every adapter of a sending platform does, held against its sandbox twin or a server for tests, on a real socket.

The parameters are what the program itself connects to, so that no adapter can be left out.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from litemail.kit.errors import Error
from litemail.providers.platform import (
    PLATFORMS,
    Accepted,
    ActionNeeded,
    BadCredentials,
    Capability,
    Changes,
    Credentials,
    Exchanged,
    InboxSignInRefused,
    LimitReached,
    Login,
    NoPaidPlan,
    NotOffered,
    OutcomeUnknown,
    RateLimited,
    Standing,
    TotpRequired,
    Unavailable,
    WorkspaceNotFound,
)
from tests.providers.platform_worlds import ADAPTERS, EMAIL, Result, World, hand_over, inbox, world

LOGIN = Login("support@litemail.test", "Lite@Mail2024!")
TELLS_BY_MAIL = {"plusvibe"}
"""What such a platform cannot connect it says in a mail; by its API the inbox is only never there."""


@pytest.fixture(params=ADAPTERS)
async def platform(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with world(request.param) as one:
        yield one


def told(platform: World, result: Result) -> Error | None:
    """Why an inbox was not connected, as far as the platform tells by its API."""
    assert not result.connected
    assert (result.error is None) == (platform.adapter.declaration.platform_type in TELLS_BY_MAIL)
    return result.error


async def exchange(
    platform: World, login: Login = LOGIN, *, workspace: str | None = None, number: int = 1
) -> Exchanged:
    if platform.adapter.exchange is None:
        pytest.skip("no e-mail and password is exchanged for a key here")
    key_name = f"Litemail pfa_{number}"
    return await platform.adapter.exchange(login, platform.reach(), workspace=workspace, key_name=key_name)


def test_every_platform_by_api_has_an_adapter_that_declares_what_it_needs() -> None:
    assert list(ADAPTERS) == [known.platform_type for known in PLATFORMS if known.connects == "api"]
    for known in PLATFORMS:
        if known.connects == "api":
            declaration = ADAPTERS[known.platform_type].declaration
            assert declaration.name == known.name
            assert {"api_key"} <= {each.field for each in declaration.credentials}
            assert all(each.label and each.where for each in declaration.credentials)
            assert not declaration.verified_live
            assert declaration.limits.concurrency >= 1
            assert declaration.live is not None or "url" in {each.field for each in declaration.credentials}


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_login_is_exchanged_or_used_as_it_is_or_not_taken(name: str) -> None:
    adapter = ADAPTERS[name]
    fields = {each.field for each in adapter.declaration.credentials}
    ways = [adapter.exchange is not None, adapter.login_session is not None]
    assert sum(ways) <= 1
    assert (adapter.exchange is None) == (adapter.sign_in is None)
    assert any(ways) == (Capability.LOGIN in adapter.declaration.capabilities)
    assert any(ways) == ({"platform_email", "platform_pass"} <= fields)
    assert adapter.declaration.login_capabilities <= adapter.declaration.capabilities


async def test_a_good_key_signs_in_to_its_workspace(platform: World) -> None:
    """Of which not every platform says the name."""
    for workspace in await platform.session().check():
        assert workspace.id
        assert workspace.name


@pytest.mark.parametrize(
    ("key", "error"), [("wrong-password", BadCredentials), ("needs-totp", TotpRequired), ("no-paid-plan", NoPaidPlan)]
)
async def test_a_bad_key_says_what_to_do(platform: World, key: str, error: type[Error]) -> None:
    with pytest.raises(error) as raised:
        await platform.session(key).check()
    assert isinstance(raised.value, ActionNeeded)
    assert raised.value.problem().action


async def test_what_cannot_be_a_key_is_refused_without_a_call(platform: World) -> None:
    for text in ("", "two words", "schlüssel", "a\nb"):
        with pytest.raises(BadCredentials):
            platform.session(text)


async def test_an_added_inbox_is_read_back_as_connected(platform: World) -> None:
    session = platform.session()
    assert await session.find([EMAIL]) == {}
    [outcome] = await session.add([inbox(daily_limit=30)])
    assert isinstance(outcome, Accepted)
    assert not outcome.already
    async with asyncio.timeout(5):
        while (found := (await session.confirm([outcome])).get(EMAIL)) is None or found.standing is Standing.PENDING:
            await asyncio.sleep(0.02)
    assert (found.email, found.standing, found.problem) == (EMAIL, Standing.CONNECTED, None)
    assert found.external_id
    assert (await session.find([EMAIL]))[EMAIL] == found
    if platform.can(Capability.LIMIT_ON_ADD):
        assert found.daily_limit == 30
    assert await platform.peer.held() == [EMAIL]


async def test_addresses_with_unusual_characters_are_found_again(platform: World) -> None:
    session = platform.session()
    for email in ("o'neil+sales%1@getbrandmerge.test", "a&b=c?d#e@getbrandmerge.test", "Big@GetBrandMerge.test"):
        assert (await hand_over(platform, session, inbox(email))).connected
        assert email in await session.find([email])


async def test_adding_again_finds_the_inbox_already_there(platform: World) -> None:
    session = platform.session()
    assert not (await hand_over(platform, session, inbox())).already
    again = await hand_over(platform, session, inbox())
    assert again.connected
    assert again.already
    assert await platform.peer.held() == [EMAIL]


async def test_an_inbox_the_platform_cannot_sign_in_to_is_refused_by_itself(platform: World) -> None:
    session, good = platform.session(), "good@getbrandmerge.test"
    bad, fine = await asyncio.gather(
        hand_over(platform, session, inbox(password="wrong-password")), hand_over(platform, session, inbox(good))
    )
    error = told(platform, bad)
    if error is not None:
        assert isinstance(error, InboxSignInRefused)
        problem = error.problem()
        assert (problem.code, problem.stage) == ("inbox.bad_credentials", "connecting")
        assert "wrong-password" not in str(error)
    assert fine.connected
    found = await session.find([EMAIL])
    assert all(one.standing is Standing.FAILED for one in found.values())


async def test_a_full_account_says_so(platform: World) -> None:
    await platform.misbehave(account_limit=1)
    session = platform.session()
    assert (await hand_over(platform, session, inbox())).connected
    error = told(platform, await hand_over(platform, session, inbox("second@getbrandmerge.test")))
    assert error is None or isinstance(error, LimitReached)


async def test_a_platform_that_is_down_is_unavailable(platform: World) -> None:
    await platform.misbehave(down=True)
    for call in (platform.session().check(), platform.session().add([inbox()])):
        with pytest.raises(Unavailable) as raised:
            await call
        assert raised.value.retryable


async def test_a_platform_that_cannot_be_reached_is_unavailable_and_nothing_happened(platform: World) -> None:
    session = platform.session(reach=platform.reach(port=9))
    with pytest.raises(Unavailable) as raised:
        await session.add([inbox()])
    assert not isinstance(raised.value, OutcomeUnknown)


async def test_too_many_requests_are_answered_by_a_rest_of_the_pacer(platform: World) -> None:
    await platform.misbehave(rate_limit=0)
    session = platform.session()
    with pytest.raises(RateLimited) as raised:
        await session.check()
    assert raised.value.retry_after is not None
    await platform.misbehave()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await session.check()


async def test_an_add_whose_answer_is_lost_is_found_by_reading_back(platform: World) -> None:
    """Cut after the platform did it: the outcome is unknown, and reading back tells."""
    async with cutting(platform.peer.port) as port:
        lost = platform.session(reach=platform.reach(port=port))
        with pytest.raises(OutcomeUnknown):
            await lost.add([inbox()])
    session = platform.session()
    async with asyncio.timeout(5):
        while not await session.find([EMAIL]):
            await asyncio.sleep(0.02)
    again = await hand_over(platform, session, inbox(), attempted=True)
    assert again.connected
    assert await platform.peer.held() == [EMAIL]


async def test_an_add_that_is_cancelled_in_flight_may_be_repeated(platform: World) -> None:
    platform.peer.take_time(0.3)
    session = platform.session()
    with suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            await session.add([inbox()])
    assert (await hand_over(platform, session, inbox(), attempted=True, patience=5)).connected
    assert await platform.peer.held() == [EMAIL]


async def test_inboxes_that_go_in_one_call_have_an_outcome_each(platform: World) -> None:
    together = platform.adapter.declaration.limits.batch
    if together == 1:
        pytest.skip("the platform takes one at a time")
    session = platform.session()
    inboxes = [inbox(f"inbox{number}@getbrandmerge.test") for number in range(min(together, 7))]
    outcomes = await session.add([*inboxes, inbox(password="wrong-password")])
    accepted = [outcome for outcome in outcomes if isinstance(outcome, Accepted)]
    assert [outcome.email for outcome in outcomes] == [*(one.email for one in inboxes), EMAIL]
    async with asyncio.timeout(5):
        while len(await platform.peer.held()) < len(inboxes):
            await asyncio.sleep(0.02)
    there = await session.confirm(accepted)
    assert {email for email, one in there.items() if one.standing is Standing.CONNECTED} == {
        one.email for one in inboxes
    }


async def test_the_list_shows_every_inbox_once(platform: World) -> None:
    if not platform.can(Capability.LIST):
        pytest.skip("the platform has no list")
    session, together = platform.session(), platform.adapter.declaration.limits.batch
    platform.peer.take_time(0)
    emails = [f"inbox{number:03}@getbrandmerge.test" for number in range(105)]
    batches = [emails[start : start + together] for start in range(0, len(emails), together)]
    await asyncio.gather(*(session.add([inbox(email) for email in batch]) for batch in batches))
    async with asyncio.timeout(5):
        while len(await platform.peer.held()) < len(emails):
            await asyncio.sleep(0.02)
    assert sorted([one.email async for one in session.list_()]) == emails
    assert (await session.find(emails)).keys() == set(emails)


async def test_an_inbox_can_be_changed(platform: World) -> None:
    session = platform.session()
    assert (await hand_over(platform, session, inbox())).connected
    if platform.can(Capability.UPDATE):
        await session.update(EMAIL, Changes(last_name="Lovelace"))
    if platform.can(Capability.DAILY_LIMIT):
        for _ in range(2):
            await session.update(EMAIL, Changes(daily_limit=12))
        assert (await session.find([EMAIL]))[EMAIL].daily_limit == 12
    if platform.can(Capability.UPDATE) or platform.can(Capability.DAILY_LIMIT):
        await session.update(EMAIL, Changes())
    if platform.can(Capability.CREDENTIALS):
        await session.update_credentials(inbox(password="Another@2026"))
        with pytest.raises(InboxSignInRefused):
            await session.update_credentials(inbox(password="wrong-password"))


async def test_an_inbox_can_be_warmed_up_tagged_and_removed(platform: World) -> None:
    session = platform.session()
    assert (await hand_over(platform, session, inbox())).connected
    if platform.can(Capability.WARMUP):
        for on in (True, True, False):
            await session.set_warmup([EMAIL], on=on)
            assert (await session.find([EMAIL]))[EMAIL].warmup is on
    if platform.can(Capability.TAGS):
        for _ in range(2):
            await session.tag([EMAIL], ["Agency", "Q1"])
    if platform.can(Capability.REMOVE):
        for _ in range(2):
            await session.remove(EMAIL)
        assert await session.find([EMAIL]) == {}


async def test_what_is_not_declared_is_not_offered(platform: World) -> None:
    session = platform.session()
    calls: dict[Capability, Callable[[], Awaitable[None]]] = {
        Capability.UPDATE: lambda: session.update(EMAIL, Changes(first_name="Ada")),
        Capability.DAILY_LIMIT: lambda: session.update(EMAIL, Changes(daily_limit=12)),
        Capability.CREDENTIALS: lambda: session.update_credentials(inbox()),
        Capability.WARMUP: lambda: session.set_warmup([EMAIL], on=True),
        Capability.TAGS: lambda: session.tag([EMAIL], ["Agency"]),
        Capability.REMOVE: lambda: session.remove(EMAIL),
    }
    for capability, call in calls.items():
        if not platform.can(capability):
            with pytest.raises(NotOffered) as raised:
                await call()
            assert raised.value.problem().action


async def test_a_login_is_exchanged_for_a_key_that_works(platform: World) -> None:
    if platform.adapter.sign_in is None:
        pytest.skip("nobody signs in with e-mail and password here")
    [workspace] = await platform.adapter.sign_in(LOGIN, platform.reach())
    for name in (None, workspace.name, workspace.id):
        done = await exchange(platform, workspace=name)
        assert done.workspace == workspace
    session = platform.adapter.session(done.credentials, platform.reach())
    assert await session.check() in ((workspace,), ())
    assert (await hand_over(platform, session, inbox())).connected
    await session.set_warmup([EMAIL], on=True)
    await session.tag([EMAIL], ["Agency"])


async def test_an_exchange_leaves_one_key_however_often_it_is_repeated(platform: World) -> None:
    other = await exchange(platform, number=2)
    for _ in range(3):
        mine = await exchange(platform, number=1)
    for credentials in (other.credentials, mine.credentials):
        await platform.adapter.session(credentials, platform.reach()).check()
    # Where a user has one key, it is the same for whatever name.
    assert await platform.peer.made_keys() == len({other.credentials.api_key, mine.credentials.api_key})


@pytest.mark.parametrize(
    ("password", "error"),
    [("wrong-password", BadCredentials), ("needs-totp", TotpRequired), ("no-paid-plan", NoPaidPlan)],
)
async def test_a_bad_login_is_not_exchanged(platform: World, password: str, error: type[Error]) -> None:
    with pytest.raises(error) as raised:
        await exchange(platform, Login(LOGIN.email, password))
    assert password not in str(raised.value.problem())


async def test_a_workspace_that_the_login_has_not_is_named(platform: World) -> None:
    with pytest.raises(WorkspaceNotFound, match="Nobody"):
        await exchange(platform, workspace="Nobody's")


async def test_a_login_that_is_used_as_it_is_adds_inboxes_and_finds_them(platform: World) -> None:
    open_session = platform.adapter.login_session
    if open_session is None:
        pytest.skip("no e-mail and password is used as it is here")
    for password, error in (("wrong-password", BadCredentials), ("needs-totp", TotpRequired)):
        with pytest.raises(error):
            await open_session(Login(LOGIN.email, password), platform.reach(), workspace=None).check()
    session = open_session(LOGIN, platform.reach(), workspace=None)
    [workspace] = await session.check()
    assert (await hand_over(platform, session, inbox(daily_limit=30))).connected
    found = (await session.find([EMAIL]))[EMAIL]
    assert found.daily_limit == 30
    assert [one async for one in session.list_()] == [found]
    named = open_session(LOGIN, platform.reach(), workspace=workspace.name)
    assert (await named.find([EMAIL]))[EMAIL] == found
    with pytest.raises(WorkspaceNotFound, match="Nobody"):
        await open_session(LOGIN, platform.reach(), workspace="Nobody's").check()


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
