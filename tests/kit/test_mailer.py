"""The mailer against a relay of our own making, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from litemail.kit.mailer import BadRelay, Mail, Mailer, Relay, RelayRefused, RelayUnavailable, parse_relay

MAIL = Mail("fwm_1", "ada@acme.test", "bob@example.com", b"Subject: Hi\r\n\r\n.dots\r\n\xc3\xa4\r\n")


@dataclass
class Peer:
    """An SMTP server that answers each command as it is told."""

    replies: dict[str, str] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    port: int = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 relay.test\r\n")
        while line := await reader.readline():
            said = line.decode("latin-1").rstrip("\r\n")
            self.heard.append(said)
            verb = said.split(" ")[0].upper()
            reply = self.replies.get(verb, "354 go on" if verb == "DATA" else "250 ok")
            writer.write(reply.encode() + b"\r\n")
            if verb == "DATA" and reply.startswith("354"):
                text = await reader.readuntil(b"\r\n.\r\n")
                self.heard.append(text.decode("latin-1"))
                writer.write(self.replies.get(".", "250 queued").encode() + b"\r\n")
            if verb == "QUIT":
                break
        writer.close()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    made = Peer()
    server = await asyncio.start_server(made.talk, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
    await server.wait_closed()


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


async def test_without_a_relay_mail_is_a_file(tmp_path: Path) -> None:
    mailer = Mailer(tmp_path / "outbox")
    for _ in range(2):  # sent again after a crash
        await mailer.send(MAIL, outside=True)
    (file,) = files(tmp_path / "outbox")
    assert file.name == "fwm_1.eml"
    envelope = b"Return-Path: <ada@acme.test>\r\nEnvelope-To: bob@example.com\r\n"
    assert file.read_bytes() == envelope + MAIL.message


async def test_a_relay_gets_it_unless_it_must_stay_inside(tmp_path: Path, peer: Peer) -> None:
    mailer = Mailer(tmp_path, Relay("127.0.0.1", peer.port, tls=False), hostname="mail.litemail.test")
    await mailer.send(MAIL, outside=True)
    assert peer.heard[0] == "EHLO mail.litemail.test"
    assert [line for line in peer.heard if line.startswith(("MAIL", "RCPT"))] == [
        "MAIL FROM:<ada@acme.test>",
        "RCPT TO:<bob@example.com>",
    ]
    assert "Subject: Hi\r\n\r\n..dots\r\n\xc3\xa4\r\n.\r\n" in peer.heard
    peer.heard.clear()
    await mailer.send(MAIL, outside=False)
    assert not peer.heard
    assert [file.name for file in files(tmp_path)] == ["fwm_1.eml"]


@pytest.mark.parametrize(
    ("command", "reply", "expected"),
    [
        ("RCPT", "550 5.1.1 no such user", RelayRefused),
        ("RCPT", "450 4.2.0 greylisted", RelayUnavailable),
        ("MAIL", "553 5.1.8 not from you", RelayRefused),
        (".", "554 5.7.1 this is spam", RelayRefused),
        (".", "451 4.3.0 later", RelayUnavailable),
        ("EHLO", "421 4.3.2 closing", RelayUnavailable),
    ],
)
async def test_what_the_relay_says_decides_whether_to_try_again(
    tmp_path: Path, peer: Peer, command: str, reply: str, expected: type[Exception]
) -> None:
    peer.replies[command] = reply
    if command == "EHLO":
        peer.replies["HELO"] = reply
    with pytest.raises(expected, match=reply[:3]):
        await Mailer(tmp_path, Relay("127.0.0.1", peer.port, tls=False)).send(MAIL, outside=True)


async def test_a_relay_that_is_away_or_without_tls_is_tried_again_later(tmp_path: Path, peer: Peer) -> None:
    with_password = Relay("127.0.0.1", peer.port, tls=False, username="me", password="secret")
    for relay in (Relay("127.0.0.1", 1, tls=False), with_password):
        with pytest.raises(RelayUnavailable):
            await Mailer(tmp_path, relay).send(MAIL, outside=True)
    assert not any("AUTH" in line for line in peer.heard)


@pytest.mark.parametrize(
    ("url", "relay"),
    [
        ("smtp://relay.test", Relay("relay.test", 25, tls=False)),
        ("smtp://relay.test:587/", Relay("relay.test", 587, tls=False)),
        ("smtps://a%40b:p%2Fw@relay.test", Relay("relay.test", 465, tls=True, username="a@b", password="p/w")),
        ("smtp://[::1]:2525", Relay("::1", 2525, tls=False)),
    ],
)
def test_a_relay_is_written_as_a_url(url: str, relay: Relay) -> None:
    assert parse_relay(url) == relay


@pytest.mark.parametrize(
    "url", ["relay.test:25", "http://relay.test", "smtp://", "smtp://a@relay.test", "smtp://r.test/x", "smtp://r:x"]
)
def test_a_malformed_relay_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(BadRelay):
        parse_relay(url)
