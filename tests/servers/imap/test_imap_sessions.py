"""Several clients of one mailbox, and news while they wait."""

import asyncio
import imaplib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from litemail.servers.imap import maildir
from litemail.servers.imap.flags import Change
from litemail.servers.imap.index import Index

if TYPE_CHECKING:
    from tests.servers.imap.conftest import Imap

MESSAGE = b"Subject: %d\r\n\r\nbody\r\n"


@contextmanager
def _idling(client: imaplib.IMAP4) -> Iterator[None]:
    client.send(b"IDLE1 IDLE\r\n")
    assert client.readline() == b"+ Idling.\r\n"
    yield
    client.send(b"DONE\r\n")
    while not (line := client.readline()).startswith(b"IDLE1 "):
        pass
    assert line.startswith(b"IDLE1 OK")


async def test_idle_tells_of_a_delivery_within_about_a_second(server: "Imap") -> None:
    def check() -> None:
        with server.client() as client, _idling(client):
            for number in range(1, 4):
                began = time.monotonic()
                server.deliver(MESSAGE % number)
                assert client.readline() == b"* %d EXISTS\r\n" % number
                assert client.readline() == b"* %d RECENT\r\n" % number
                assert time.monotonic() - began < 1.5

    await asyncio.to_thread(check)


async def test_idle_tells_at_once_of_a_delivery_that_this_process_announces(server: "Imap") -> None:
    loop = asyncio.get_running_loop()

    def check() -> None:
        with server.client() as client, _idling(client):
            server.deliver(MESSAGE % 1)
            loop.call_soon_threadsafe(server.store.delivered, server.root)
            assert client.readline() == b"* 1 EXISTS\r\n"

    await asyncio.to_thread(check)


async def test_idle_tells_of_flags_and_expunges_of_another_session(server: "Imap") -> None:
    def check() -> None:
        for number in range(3):
            server.deliver(MESSAGE % number)
        with server.client() as other, server.client() as client, _idling(client):
            other.store("2", "+FLAGS", r"(\Deleted)")
            assert client.readline() == b"* 2 FETCH (FLAGS (\\Deleted))\r\n"
            other.expunge()
            assert client.readline() == b"* 2 EXPUNGE\r\n"

    await asyncio.to_thread(check)


async def test_sessions_see_each_others_changes(server: "Imap") -> None:
    def check() -> None:
        for number in range(4):
            server.deliver(MESSAGE % number)
        with server.client() as one, server.client() as two:
            assert one.fetch("1", "(FLAGS)")[1] == [rb"1 (FLAGS (\Recent))"]
            assert two.fetch("1", "(FLAGS)")[1] == [b"1 (FLAGS ())"]
            one.store("1", "+FLAGS", r"(\Seen)")
            one.store("2:3", "+FLAGS.SILENT", r"(\Deleted)")
            two.noop()
            assert two.response("FETCH")[1] == [
                rb"1 (FLAGS (\Seen))",
                rb"2 (FLAGS (\Deleted))",
                rb"3 (FLAGS (\Deleted))",
            ]
            assert one.response("FETCH")[1] == [None]
            one.expunge()
            # Sequence numbers stay until a command that may tell of expunges (RFC 3501 7.4.1)
            assert two.fetch("4", "(UID)")[1] == [b"4 (UID 4)"]
            assert two.response("EXPUNGE")[1] == [None]
            two.noop()
            assert two.response("EXPUNGE")[1] == [b"3", b"2"]
            assert two.fetch("2", "(UID)")[1] == [b"2 (UID 4)"]
            two.append("INBOX", "", "", MESSAGE % 5)
            one.noop()
            assert one.response("EXISTS")[1][-1] == b"3"

    await asyncio.to_thread(check)


async def test_a_fetch_of_what_another_session_expunged_says_so(server: "Imap") -> None:
    def check() -> None:
        for number in range(3):
            server.deliver(MESSAGE % number)
        with server.client() as one, server.client() as two:
            one.store("2", "+FLAGS", r"(\Deleted)")
            one.expunge()
            answer = two.fetch("1:3", "(UID BODY.PEEK[])")
            assert [item[0][:8] for item in answer[1] if isinstance(item, tuple)] == [b"1 (UID 1", b"3 (UID 3"]

    await asyncio.to_thread(check)


async def test_setting_seen_by_a_fetch_is_told(server: "Imap") -> None:
    def check() -> None:
        server.deliver(MESSAGE % 1)
        with server.client() as client:
            data = client.fetch("1", "(BODY[TEXT])")[1]
            assert data[-1] == rb"1 (FLAGS (\Recent \Seen))"

    await asyncio.to_thread(check)


async def test_sessions_of_a_deleted_folder_are_sent_away(server: "Imap") -> None:
    def check() -> None:
        with server.client() as one:
            one.create("Gone")
            two, three = server.connect(), server.connect()
            for client in (two, three):
                client.login("ann@example.test", "right")
                client.select("Gone")
            three.send(b"i IDLE\r\n")
            assert three.readline().startswith(b"+")
            assert one.delete("Gone")[0] == "OK"
            assert three.readline() == b"* BYE [UNAVAILABLE] Selected mailbox no longer exists.\r\n"
            two.send(b"n NOOP\r\n")
            assert two.readline() == b"* BYE [UNAVAILABLE] Selected mailbox no longer exists.\r\n"
            two.shutdown()
            three.shutdown()

    await asyncio.to_thread(check)


async def test_changes_of_another_process_are_taken_over(server: "Imap") -> None:
    """An index of its own stands for another process: they share nothing but the disk."""

    def check() -> None:
        for number in range(5):
            server.deliver(MESSAGE % number)
        other = Index(server.root, server.root)
        with server.client() as client:
            other.refresh()
            assert list(other.entries) == [1, 2, 3, 4, 5]
            other.store([1], Change.ADD, frozenset({"\\Flagged", "Work"}))
            other.expunge([2])
            maildir.deliver(server.root, MESSAGE % 6)
            other.refresh()
            client.noop()
            assert client.response("EXPUNGE")[1] == [b"2"]
            assert client.response("EXISTS")[1][-1] == b"5"
            assert rb"1 (FLAGS (\Flagged \Recent Work))" in client.response("FETCH")[1]
            client.store("1", "-FLAGS", "(Work)")
            client.append("INBOX", "", "", MESSAGE % 7)
            other.refresh()
            assert list(other.entries) == [1, 3, 4, 5, 6, 7]
            assert other.flags(other.entries[1]) == {"\\Flagged"}

    await asyncio.to_thread(check)


async def test_many_sessions_appending_at_once_lose_nothing(server: "Imap") -> None:
    def append(worker: int) -> None:
        with server.client() as client:
            for number in range(10):
                assert client.append("INBOX", "", "", b"Subject: %d-%d\r\n\r\n" % (worker, number))[0] == "OK"
                server.deliver(MESSAGE % number)

    await asyncio.gather(*(asyncio.to_thread(append, worker) for worker in range(4)))

    def check() -> None:
        with server.client() as client:
            assert client.uid("SEARCH", "ALL")[1] == [b" ".join(b"%d" % uid for uid in range(1, 81))]

    await asyncio.to_thread(check)
