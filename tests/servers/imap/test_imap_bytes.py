"""What is fetched is what was delivered, byte for byte."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.servers.imap.conftest import Imap

HEADER = b"From: Ann <ann@example.test>\r\nSubject: hello\r\n\r\n"
HOSTILE = {
    "plain": HEADER + b"body\r\n",
    "eight bit": HEADER + bytes(range(128, 256)) + b"\r\n",
    "bare line feeds": b"Subject: x\nTo: a@b\n\nline\nline\n",
    "mixed line ends": HEADER + b"one\ntwo\r\nthree\rfour\n\r\n",
    "bare carriage returns": HEADER + b"a\rb\r\r\nc",
    "no trailing newline": HEADER + b"the end",
    "long line": HEADER + b"x" * 100_000 + b"\r\n",
    "long header line": b"Subject: " + b"y" * 100_000 + b"\r\n\r\nbody\r\n",
    "dots": HEADER + b".\r\n..\r\n.\r\n",
    "binary without NUL": HEADER + bytes(1 + (number * 7) % 255 for number in range(70_000)),
    "literal look-alikes": HEADER + b"{10}\r\na1 LOGOUT\r\n{5+}\r\n)\r\n",
    "no header": b"\r\nonly a body",
    "no body": b"Subject: only a header",
    "no empty line": b"Subject: x\r\nTo: y\r\n",
    "nothing but line feeds": b"\n\n\n",
    "not mail at all": b"\xff\xfe\x01\x02 : \n :",
    "one byte": b"x",
    "trailing spaces and tabs": b"Subject: folded \t\r\n \t \r\nX: \r\n\r\n \t \r\n\t",
    "a signature that rewriting would break": (
        b"DKIM-Signature: v=1; a=rsa-sha256;\r\n\tbh=abc=;  b=d e\r\n f\r\nsubject:  two  spaces \r\n\r\n \r\n\r\n"
    ),
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE.keys())
async def test_fetched_bytes_equal_delivered_bytes(server: "Imap", message: bytes) -> None:
    def check() -> None:
        server.deliver(message)
        with server.client() as client:
            _, data = client.fetch("1", "(BODY.PEEK[])")
            assert _literal(data) == message
            _, data = client.fetch("1", "(RFC822.SIZE)")
            assert data == [b"1 (RFC822.SIZE %d)" % len(message)]
            header = _literal(client.fetch("1", "(BODY.PEEK[HEADER])")[1])
            assert header + _literal(client.fetch("1", "(BODY.PEEK[TEXT])")[1]) == message
            assert _literal(client.fetch("1", "(RFC822)")[1]) == message
            client.fetch("1", "(ENVELOPE BODYSTRUCTURE BODY)")

    await asyncio.to_thread(check)


async def test_partial_fetches_put_together_equal_the_message(server: "Imap") -> None:
    message = HOSTILE["binary without NUL"]

    def check() -> None:
        server.deliver(message)
        with server.client() as client:
            pieces = []
            for start in range(0, len(message) + 10_000, 10_000):
                _, data = client.fetch("1", f"(BODY.PEEK[]<{start}.10000>)")
                pieces.append(_literal(data))
            assert b"".join(pieces) == message
            assert pieces[-1] == b""

    await asyncio.to_thread(check)


async def test_appended_and_copied_bytes_stay_the_same(server: "Imap") -> None:
    def check() -> None:
        with server.client("Drafts") as client:
            for message in HOSTILE.values():
                # imaplib rewrites line ends in append(), so the literal is sent by hand
                client.send(b"X1 APPEND Drafts (\\Draft) {%d+}\r\n%b\r\n" % (len(message), message))
                while not (line := client.readline()).startswith(b"X1 "):
                    pass
                assert line.startswith(b"X1 OK [APPENDUID ")
            assert client.copy("1:*", "Sent")[0] == "OK"
            assert client.uid("MOVE", "1:*", "Trash")[0] == "OK"
            for folder in ("Sent", "Trash"):
                client.select(folder)
                for number, message in enumerate(HOSTILE.values(), 1):
                    assert _literal(client.fetch(str(number), "(BODY[])")[1]) == message

    await asyncio.to_thread(check)


async def test_large_messages_stream_in_order(server: "Imap") -> None:
    messages = [HEADER + b"%d " % number * 20_000 for number in range(30)]

    def check() -> None:
        for message in messages:
            server.deliver(message)
        with server.client() as client:
            _, data = client.fetch("1:*", "(UID BODY.PEEK[])")
            assert [item[1] for item in data if isinstance(item, tuple)] == messages

    await asyncio.to_thread(check)


def _literal(data: Sequence[object]) -> bytes:
    part = data[0]
    assert isinstance(part, tuple), data
    literal = part[1]
    assert isinstance(literal, bytes)
    return literal
