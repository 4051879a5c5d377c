"""Ten thousand messages: work grows with what is asked, and flags are told without reading messages."""

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.servers.imap.conftest import Imap

COUNT = 10_000


@pytest.fixture
async def full(server: "Imap") -> "Imap":
    """Files that are empty, whatever size their names tell: whoever read them would tell a wrong size."""

    def fill() -> None:
        new = server.root / "new"
        for number in range(COUNT):
            (new / f"{1_700_000_000 + number}.M{number}P1Q{number}.host,S=1234,W=1234").touch()

    await asyncio.to_thread(fill)
    return server


async def test_ten_thousand_messages_are_quick(full: "Imap") -> None:
    def check() -> None:
        with full.client(None) as client:
            began = time.monotonic()
            assert client.select()[1] == [b"10000"]
            assert time.monotonic() - began < 3
            began = time.monotonic()
            data = client.fetch("1:*", "(UID FLAGS RFC822.SIZE)")[1]
            assert time.monotonic() - began < 2
            assert len(data) == COUNT
            assert data[-1] == rb"10000 (UID 10000 FLAGS (\Recent) RFC822.SIZE 1234)"
            began = time.monotonic()
            assert client.store("1:*", "+FLAGS.SILENT", r"(\Seen)")[1] == [None]
            for number in range(1, 301):
                client.fetch(str(number), "(FLAGS)")
                client.noop()
            assert time.monotonic() - began < 5
            # An absurd sequence set costs no more than the messages in it
            began = time.monotonic()
            client.send(b"s FETCH " + b"1:*," * 15_000 + b"1 UID\r\n")
            lines = 0
            while not client.readline().startswith(b"s OK"):
                lines += 1
            assert lines == COUNT
            assert time.monotonic() - began < 3

    await asyncio.to_thread(check)


async def test_one_entry_takes_little_memory(full: "Imap") -> None:
    def check() -> None:
        with full.client() as client:
            assert client.noop()[0] == "OK"

    await asyncio.to_thread(check)
    index = full.store.folder(full.root, "INBOX").index
    assert len(index.entries) == COUNT
    letters = {id(entry.letters) for entry in index.entries.values()}
    assert len(letters) == 1
    assert not hasattr(index.entries[1], "__dict__")
