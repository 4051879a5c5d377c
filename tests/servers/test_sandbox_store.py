"""The state of the twins: the same in PostgreSQL and in the memory of other tests."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import timedelta

import httpx
import msgspec
import pytest

from litemail.kit import clock
from litemail.kit.db import Database
from litemail.providers.platform import (
    Accepted,
    InboxToAdd,
    Login,
    MailServer,
    Pacer,
    Reach,
    Site,
    instantly,
    twin_limits,
)
from litemail.servers.sandbox.backend import SqlStore
from litemail.servers.sandbox.store import Account, Added, ApiKey, Entry, Organisation, Settings, Store, Thing
from tests.conftest import NewPerson
from tests.contracts.twins import MemoryStore, running_twins


@pytest.fixture(params=["sql", "memory"])
async def place(request: pytest.FixtureRequest, database: Database, new_person: NewPerson) -> tuple[Store, str]:
    """A store and a sandbox workspace in it."""
    workspace_id = (await new_person()).workspace_id
    if request.param == "sql":
        return SqlStore(database), workspace_id
    return MemoryStore({workspace_id}), workspace_id


async def organisation(store: Store, workspace_id: str, login: str = "a@b.test") -> Organisation:
    fresh = Organisation(str(uuid.uuid4()), workspace_id, "instantly", login, "Workspace", clock.now())
    return await store.organisation(fresh)


def account(of: Organisation, email: str = "a@b.test", *, age: int = 0, data: bytes = b"{}") -> Account:
    return Account(of.id, email, data, clock.now() - timedelta(seconds=age))


async def test_settings_are_plain_until_set_and_only_in_sandbox_workspaces(place: tuple[Store, str]) -> None:
    store, workspace_id = place
    assert await store.settings(workspace_id, "instantly") == Settings()
    wanted = Settings(latency_ms=5, error_rate=0.5, rate_limit=3, account_limit=0, down=True)
    for settings in (wanted, msgspec.structs.replace(wanted, rate_limit=None), wanted):
        await store.put_settings(workspace_id, "instantly", settings)
        assert await store.settings(workspace_id, "instantly") == settings
    assert await store.settings(workspace_id, "smartlead") == Settings()
    for other in ("ws_01hzy9k5p8f2b8v4f3qk2m7xyz", "ws_test'", "", "nothing\x00"):
        assert await store.settings(other, "instantly") is None


async def test_a_login_has_one_organisation_whoever_comes_first(place: tuple[Store, str]) -> None:
    store, workspace_id = place
    made = await asyncio.gather(*(organisation(store, workspace_id) for _ in range(8)))
    assert len({one.id for one in made}) == 1
    assert (await organisation(store, workspace_id, "key:1")).id != made[0].id
    plain = Settings()
    hash_ = uuid.uuid4().bytes
    assert await store.enter(workspace_id, "instantly", key_hash=hash_, login="a@b.test") == Entry(plain, made[0], None)
    assert await store.enter(workspace_id, "instantly", key_hash=hash_, login="x@b.test") == Entry(plain, None, None)
    assert await store.enter(workspace_id, "smartlead", key_hash=hash_, login="a@b.test") == Entry(plain, None, None)
    for other in ("ws_01hzy9k5p8f2b8v4f3qk2m7xyz", "nothing\0"):
        assert await store.enter(other, "instantly", key_hash=hash_, login="a@b.test") is None


async def test_a_key_is_found_until_revoked_and_known_afterwards(place: tuple[Store, str]) -> None:
    store, workspace_id = place
    owner = await organisation(store, workspace_id)
    key = ApiKey("k1", owner.id, "Litemail", ("accounts:all",), uuid.uuid4().bytes, paid=True, created_at=clock.now())
    key = msgspec.structs.replace(key, id=str(uuid.uuid4()))
    await store.add_key(key)
    await store.add_key(msgspec.structs.replace(key, created_at=clock.now()))  # some vendors make the same one again
    await organisation(store, workspace_id, "other@b.test")
    settings = Settings(rate_limit=7)
    await store.put_settings(workspace_id, "instantly", settings)
    entry = await store.enter(workspace_id, "instantly", key_hash=key.hash, login="other@b.test")
    assert entry == Entry(settings, owner, key)
    assert await store.enter(workspace_id, "smartlead", key_hash=key.hash, login="") == Entry(Settings(), None, None)
    assert list(await store.list_keys(owner.id)) == [key]
    now = clock.now()
    assert await store.revoke_key(str(uuid.uuid4()), key.id, now=now) is None
    revoked = await store.revoke_key(owner.id, key.id, now=now)
    assert revoked == msgspec.structs.replace(key, revoked_at=now)
    assert await store.revoke_key(owner.id, key.id, now=now) is None
    entry = await store.enter(workspace_id, "instantly", key_hash=key.hash, login="other@b.test")
    assert entry == Entry(settings, owner, revoked)
    assert list(await store.list_keys(owner.id)) == []


async def test_an_account_is_added_exactly_once(place: tuple[Store, str]) -> None:
    store, workspace_id = place
    owner = await organisation(store, workspace_id)
    added = await asyncio.gather(*(store.add_account(account(owner), limit=None) for _ in range(8)))
    assert sorted(added) == sorted([Added.ADDED, *[Added.EXISTS] * 7])
    other = await organisation(store, workspace_id, "other@b.test")
    assert await store.add_account(account(other), limit=None) is Added.ADDED
    assert [one.email for one in await store.held(workspace_id, "instantly")] == ["a@b.test", "a@b.test"]
    assert await store.held(workspace_id, "smartlead") == []


async def test_a_limit_holds_also_for_those_who_come_together(place: tuple[Store, str]) -> None:
    store, workspace_id = place
    owner = await organisation(store, workspace_id)
    adding = (store.add_account(account(owner, f"{number}@b.test"), limit=3) for number in range(10))
    added = await asyncio.gather(*adding)
    assert (added.count(Added.ADDED), added.count(Added.FULL)) == (3, 7)


async def test_changes_of_one_account_follow_each_other(place: tuple[Store, str]) -> None:
    store, workspace_id = place
    owner = await organisation(store, workspace_id)
    await store.add_account(account(owner, data=b""), limit=None)

    def append(letter: bytes) -> Callable[[bytes], bytes]:
        return lambda data: data + letter

    await asyncio.gather(*(store.change_account(owner.id, "a@b.test", append(b"x")) for _ in range(8)))
    found = await store.find_account(owner.id, "a@b.test")
    assert found is not None
    assert found.data == b"x" * 8
    assert await store.change_account(owner.id, "nobody@b.test", append(b"x")) is None
    assert await store.remove_account(owner.id, "a@b.test") == found
    assert await store.remove_account(owner.id, "a@b.test") is None
    assert await store.find_account(owner.id, "a@b.test") is None


async def test_a_list_is_newest_first_and_goes_on_after_any_of_it(place: tuple[Store, str]) -> None:
    store, workspace_id = place
    owner = await organisation(store, workspace_id)
    same = account(owner, "c@b.test", age=10)
    for one in (
        account(owner, "old@b.test", age=20),
        same,
        msgspec.structs.replace(same, email="d@b.test"),
        account(owner, "new@x.test"),
    ):
        await store.add_account(one, limit=None)
    everything = await store.list_accounts(owner.id, limit=9)
    assert [one.email for one in everything] == ["new@x.test", "d@b.test", "c@b.test", "old@b.test"]
    for number, one in enumerate(everything):
        after = (one.created_at, one.email)
        rest = list(everything[number + 1 :])
        assert list(await store.list_accounts(owner.id, after=after, limit=9)) == rest
    assert [one.email for one in await store.list_accounts(owner.id, search="@X.", limit=9)] == ["new@x.test"]
    assert len(await store.list_accounts(owner.id, limit=2)) == 2


async def test_a_thing_is_kept_and_replaced(place: tuple[Store, str]) -> None:
    store, workspace_id = place
    owner = await organisation(store, workspace_id)
    thing = Thing(owner.id, "tag", "t1", b'{"label": "\\u0000"}', clock.now())
    for one in (thing, msgspec.structs.replace(thing, data=b"\x00")):
        await store.put(one)
        assert await store.find(owner.id, "tag", "t1") == one
    assert [one.id for one in await store.list_(owner.id, "tag")] == ["t1"]
    assert await store.find(owner.id, "job", "t1") is None
    assert await store.list_(owner.id, "job") == []


async def test_the_twin_and_the_adapter_work_over_it(place: tuple[Store, str]) -> None:
    store, workspace_id = place
    adapter = instantly.adapter()
    assert adapter.exchange
    async with running_twins(store=store) as twins, httpx.AsyncClient() as client:
        site = Site(twins.root(workspace_id), twins.root(workspace_id))
        reach = Reach(client, site, Pacer(twin_limits(adapter.declaration.limits, None)))
        login = Login("support@litemail.test", "right")
        done = await adapter.exchange(login, reach, workspace=None, key_name="Litemail pfa_1")
        session = adapter.session(done.credentials, reach)
        server = MailServer("imap.b.test", 993, "tls", "a@b.test", "right")
        emails = [f"inbox{number}@b.test" for number in range(20)]
        inboxes = [InboxToAdd(email, "Ada", "Lovelace", "custom", server, server) for email in emails]
        outcomes = await asyncio.gather(*(session.add([inbox]) for inbox in [*inboxes, *inboxes]))
        accepted = [one for [one] in outcomes if isinstance(one, Accepted)]
        assert sorted(one.already for one in accepted) == [False] * 20 + [True] * 20
        await session.set_warmup(emails, on=True)
        await session.tag(emails[:2], ["Agency"])
        assert {one.email for one in [one async for one in session.list_()] if one.warmup} == set(emails)
        assert [one.email for one in await store.held(workspace_id, "instantly")] == sorted(emails)
