"""A platform that takes whatever it is given, after 50 ms: what a connection costs us, without what a twin costs.

It speaks just enough of Instantly's API for one connection, remembers nothing, and checks nothing.
"""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import msgspec

from litemail.servers.sandbox.instantly_models import Account, Workspace

_SECONDS = 0.05
_NOW = "2026-01-29T18:41:56.867Z"
_WORKSPACE = msgspec.json.encode(Workspace("w1", _NOW, _NOW, "u1", "Work"))
_READY = 30.0


@contextmanager
def answering() -> Iterator[int]:
    """Its port. It runs in a process of its own while the block lasts."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(theirs,), daemon=True)
    process.start()
    try:
        assert ours.poll(_READY), "the platform did not start"
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _run(told: Connection) -> None:
    asyncio.run(_serve(told))


async def _serve(told: Connection) -> None:
    server = await asyncio.start_server(_answer_all, "127.0.0.1", 0, backlog=200)
    told.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").lower()
            length = head.partition("content-length: ")[2].partition("\r\n")[0]
            given = await reader.readexactly(int(length or 0))
            path = head.split()[1]
            await asyncio.sleep(_SECONDS)
            body = _WORKSPACE if path.endswith("/workspaces/current") else _account(path, given)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
            writer.write(b"content-length: %d\r\n\r\n%b" % (len(body), body))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _account(path: str, given: bytes) -> bytes:
    email = msgspec.json.decode(given)["email"] if given else path.rpartition("/")[2].replace("%40", "@")
    return msgspec.json.encode(
        Account(
            email=email,
            timestamp_created=_NOW,
            timestamp_updated=_NOW,
            first_name="Caroline",
            last_name="Thompson",
            organization="w1",
            provider_code=1,
        )
    )
