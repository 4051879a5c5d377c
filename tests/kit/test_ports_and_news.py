import asyncio
from collections.abc import AsyncIterator
from multiprocessing import get_context
from pathlib import Path

import pytest
from psycopg import AsyncConnection

from litemail.kit.db import Database
from litemail.kit.notify import RECONNECTED, Listener
from litemail.kit.ports import PortBook, ServerNotStarted
from tests.conftest import Databases, eventually

NEWS, MORE = "test_news", "test_more"


def test_a_server_that_is_not_there_is_told_by_name(tmp_path: Path):
    book = PortBook(tmp_path / "ports.json")
    with pytest.raises(ServerNotStarted, match="imap"):
        book["imap"]
    assert book.all() == {}


def test_other_processes_entries_stay_and_are_seen(tmp_path: Path):
    ours, theirs = PortBook(tmp_path / "ports.json"), PortBook(tmp_path / "ports.json")
    ours.write({"http": 1, "dns": 2})
    assert theirs["dns"] == 2
    theirs.write({"imap": 3, "dns": 4})
    assert ours.all() == {"http": 1, "dns": 4, "imap": 3}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ports.json", "ports.lock"]


def write_some(file: Path, first: int) -> None:
    for number in range(first, first + 20):
        PortBook(file).write({f"server{number}": number})


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path):
    file = tmp_path / "ports.json"
    writers = [get_context("fork").Process(target=write_some, args=(file, first)) for first in (0, 100, 200)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(PortBook(file).all()) == 60


@pytest.fixture
async def listener(database: Database) -> AsyncIterator[Listener]:
    made = Listener(database.system_url, channels=(NEWS, MORE), backlog=3)
    async with made.running():
        yield made


async def tell(database: Database, channel: str, *payloads: str) -> None:
    async with database.begin_system("tell") as tx:
        for payload in payloads:
            await tx.execute("SELECT pg_notify(%(channel)s, %(payload)s)", channel=channel, payload=payload)


async def test_everybody_who_listens_hears_what_is_told_on_the_channel(database: Database, listener: Listener):
    async with listener.subscribe(NEWS) as one, listener.subscribe(NEWS) as two, listener.subscribe(MORE) as other:
        await tell(database, NEWS, "a", "b")
        await tell(database, MORE, "c")
        async with asyncio.timeout(10):
            assert [await one.get(), await one.get()] == ["a", "b"]
            assert [await two.get(), await two.get(), await other.get()] == ["a", "b", "c"]


async def test_nothing_is_told_of_what_was_rolled_back(database: Database, listener: Listener):
    async with listener.subscribe(NEWS) as news:
        with pytest.raises(ZeroDivisionError):
            async with database.begin_system("tell") as tx:
                await tx.execute("SELECT pg_notify('test_news', 'never')")
                raise ZeroDivisionError
        await tell(database, NEWS, "after")
        async with asyncio.timeout(10):
            assert await news.get() == "after"


async def test_who_falls_behind_is_told_to_look_afresh(database: Database, listener: Listener):
    async with listener.subscribe(NEWS) as slow, listener.subscribe(MORE) as marker:
        await tell(database, NEWS, "1", "2", "3", "4")
        await tell(database, MORE, "told")
        async with asyncio.timeout(10):
            await marker.get()
        assert slow.get_nowait() == RECONNECTED
        assert slow.empty()


async def test_who_has_left_is_told_nothing(database: Database, listener: Listener):
    async with listener.subscribe(NEWS) as gone:
        pass
    async with listener.subscribe(NEWS) as news:
        await tell(database, NEWS, "a")
        async with asyncio.timeout(10):
            await news.get()
    assert gone.empty()


async def test_a_listener_comes_back_and_says_that_it_was_away(databases: Databases, database: Database):
    made = Listener(database.system_url, channels=(NEWS,))
    async with made.running(), made.subscribe(NEWS) as news:
        async with await AsyncConnection.connect(databases.cluster.url(), autocommit=True) as connection:
            query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query = 'LISTEN \"test_news\"'"
            cut = await (await connection.execute(query)).fetchone()
        assert cut
        assert cut[0] >= 1
        async with asyncio.timeout(15):
            assert await news.get() == RECONNECTED
        await tell(database, NEWS, "again")

        async def heard() -> bool:
            return not news.empty() and news.get_nowait() == "again"

        await eventually(heard)
