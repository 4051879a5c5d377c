"""SEARCH: every kind of key."""

import asyncio
import imaplib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.servers.imap.conftest import Imap

MESSAGES = [
    (
        b"From: Ann <ann@example.test>\r\nTo: bob@example.test\r\nSubject: Quarterly report\r\n"
        b"Date: Mon, 02 Feb 2026 23:30:00 -0800\r\n\r\nAll is well.\r\n"
    ),
    (
        b"From: bob@example.test\r\nCc: carl@example.test\r\nBcc: dora@example.test\r\n"
        b"Subject: =?utf-8?q?M=C3=BCller?=\r\nX-Label: Blue\r\n"
        b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"Gr=FC=DFe\r\n"
    ),
    (
        b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\nPGI+aGlkZGVuPC9iPg==\r\n--b\r\n"
        b"Content-Type: image/png\r\n\r\nhidden\r\n--b--\r\n"
    ),
    b"Subject: large\r\n\r\n" + b"x" * 2000,
]

KEYS = [
    ("ALL", "1 2 3 4"),
    ("SEEN", "1"),
    ("UNSEEN", "2 3 4"),
    ("FLAGGED UNSEEN", "2"),
    ("OR SEEN FLAGGED", "1 2"),
    ("NOT SEEN", "2 3 4"),
    ("NOT (OR SEEN FLAGGED)", "3 4"),
    ("KEYWORD work", "3"),
    ("UNKEYWORD work", "1 2 4"),
    ("RECENT", "1 2 3 4"),
    ("NEW", "2 3 4"),
    ("OLD", ""),
    ("2:3", "2 3"),
    ("4,2", "2 4"),
    ("*", "4"),
    ("UID 3:*", "3 4"),
    ("UID 100:*", "4"),
    ("NOT UID 2:*", "1"),
    ("SUBJECT report", "1"),
    ('SUBJECT "REPORT"', "1"),
    ("FROM ann", "1"),
    ("TO bob", "1"),
    ("CC carl", "2"),
    ("BCC dora", "2"),
    ("HEADER X-Label blue", "2"),
    ('HEADER X-Label ""', "2"),
    ("HEADER X-Nothing x", ""),
    ("BODY well", "1"),
    ("BODY hidden", "3"),
    ("BODY Quarterly", ""),
    ("TEXT Quarterly", "1"),
    ("LARGER 1000", "4"),
    ("SMALLER 1000", "1 2 3"),
    ("SENTON 2-Feb-2026", "1"),
    ("SENTBEFORE 3-Feb-2026", "1"),
    ("SENTSINCE 3-Feb-2026", ""),
    ("SINCE 1-Jan-2026", "1 2 3 4"),
    ("BEFORE 1-Jan-2020", ""),
    ("ON 1-Jan-2020", ""),
    ("CHARSET UTF-8 SUBJECT report", "1"),
]


def _prepare(server: "Imap") -> None:
    for message in MESSAGES:
        server.deliver(message)


async def test_every_kind_of_key(server: "Imap") -> None:
    def check() -> None:
        _prepare(server)
        with server.client() as client:
            client.store("1", "+FLAGS", r"(\Seen)")
            client.store("2", "+FLAGS", r"(\Flagged)")
            client.store("3", "+FLAGS", "(Work)")
            answers = {keys: client.search(None, keys)[1][0].decode() for keys, _ in KEYS}
            assert answers == dict(KEYS)

    await asyncio.to_thread(check)


@pytest.mark.parametrize(("key", "text", "found"), [("SUBJECT", "müller", b"2"), ("BODY", "GRÜSSE", b"2")])
async def test_text_beyond_ascii_is_found_without_regard_to_case(
    server: "Imap", key: str, text: str, found: bytes
) -> None:
    def check() -> None:
        _prepare(server)
        with server.client() as client:
            client.literal = text.encode()  # type: ignore[assignment]  # typeshed says str, imaplib sends bytes
            assert client.search("UTF-8", key)[1] == [found]

    await asyncio.to_thread(check)


async def test_an_unknown_charset_and_an_unsupported_key_are_refused(server: "Imap") -> None:
    def check() -> None:
        with server.client() as client:
            answer = client.search("x-unknown", "ALL")
            assert answer[0] == "NO"
            assert b"[BADCHARSET]" in answer[1][0]
            assert client.search(None, "EMAILID Mabc")[0] == "NO"
            with pytest.raises(imaplib.IMAP4.error):
                client.search(None, "NONSENSE")

    await asyncio.to_thread(check)
