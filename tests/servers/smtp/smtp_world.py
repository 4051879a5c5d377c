"""A backend of dictionaries for the SMTP servers, and a client that sends exactly what it is told."""

from __future__ import annotations

import asyncio
import smtplib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from litemail.protocols import dkim
from litemail.protocols.address import Address
from litemail.protocols.dkim import Algorithm, SigningKey
from litemail.servers.smtp import (
    CannotForward,
    Deliver,
    Delivery,
    Forward,
    Outgoing,
    OverLimit,
    Reason,
    Refuse,
    Route,
    Sender,
    SignInRefused,
    SmtpServer,
)

HOSTNAME = "mail.ours.test"
RSA = dkim.generate_rsa()
ED25519 = dkim.generate_ed25519()


def forwarding(address: Address) -> Deliver:
    """A copy for al and to outside, outside instead of al, outside alone."""
    al = Delivery("al", Path("/mail/al"))
    forward = Forward(
        address=address,
        target=f"{address.local}@outside.test",
        rule_id="rule",
        domain_id="dom",
        workspace_id="ws",
        instead=al if address.local == "redirect" else None,
    )
    return Deliver((al,) if address.local == "copy" else (), (forward,))


class Backend:
    """`al`, `bo`, `cy` at `ours.test` have mailboxes; `alias` is `al` too; `drop` takes mail and forgets it."""

    def __init__(self) -> None:
        self.stored: dict[str, list[bytes]] = defaultdict(list)
        self.records = {
            "r1._domainkey.ours.test": dkim.txt_value(RSA),
            "e1._domainkey.ours.test": dkim.txt_value(ED25519),
        }
        self.broken: set[str] = set()
        self.forwarded: dict[str, list[Outgoing]] = defaultdict(list)
        self.before_delivery: Callable[[], Awaitable[object]] | None = None
        self.admitted: list[tuple[str, int]] = []
        self.over_limit = False
        self.tls_names: list[str | None] = []
        self.peers: list[str] = []

    async def route(self, address: Address) -> Route:
        if address.domain not in {"ours.test", HOSTNAME}:
            return Refuse(Reason.FOREIGN_DOMAIN)
        refusals = {
            "off": Refuse(Reason.DISABLED),
            "full": Refuse(Reason.FULL, "No room for another message"),
            "later": Refuse(Reason.UNAVAILABLE),
        }
        if address.local in refusals:
            return refusals[address.local]
        if address.local == "crash":
            raise RuntimeError("the database is gone")
        if address.local == "drop":
            return Deliver()
        if address.local in {"copy", "redirect", "elsewhere"}:
            return forwarding(address)
        name = {"alias": "al", "postmaster": "al"}.get(address.local, address.local)
        if name not in {"al", "bo", "cy"} and not name.startswith("load"):
            return Refuse(Reason.UNKNOWN_USER)
        return Deliver((Delivery(name, Path("/mail") / name),))

    async def deliver(self, delivery: Delivery, message: bytes) -> None:
        if self.before_delivery:
            await self.before_delivery()
        if delivery.mailbox_id in self.broken:
            raise OSError("disk full")
        self.stored[delivery.mailbox_id].append(message)

    async def forward(self, forward: Forward, outgoing: Outgoing) -> None:
        if forward.target in self.broken:
            raise CannotForward("1,000 messages were forwarded today")
        self.forwarded[forward.target].append(outgoing)

    async def txt(self, name: str) -> str | None:
        return self.records.get(name)

    async def sign_in(self, *, username: str, password: str, peer: str, tls_name: str | None) -> Sender:
        self.tls_names.append(tls_name)
        self.peers.append(peer)
        if password == "slow":
            await asyncio.Event().wait()
        if password == "needs-app-password":
            raise SignInRefused("534-5.7.9 Application-specific password required.\n534 5.7.9 See https://help.test")
        if password != "right":
            raise SignInRefused("535 5.7.8 Username and Password not accepted")
        return Sender(username.partition("@")[0], username)

    async def may_send_as(self, sender: Sender, address: Address) -> bool:
        return str(address) in {sender.username, f"alias-of-{sender.username}"}

    async def signing_keys(self, domain: str) -> Sequence[SigningKey]:
        if domain != "ours.test":
            return ()
        return (
            SigningKey("r1", Algorithm.RSA, RSA.private_pem),
            SigningKey("e1", Algorithm.ED25519, ED25519.private_pem),
        )

    async def admit(self, sender: Sender, recipients: int) -> None:
        if self.over_limit:
            raise OverLimit("450 4.7.1 You have sent 100 messages this hour, go on later")
        self.admitted.append((sender.username, recipients))


MESSAGE = b"From: out@theirs.test\r\nTo: al@ours.test\r\nSubject: Hi\r\n\r\n.dot\r\n..dots\r\n\r\nBye \xc3\xa4.\r\n"


def send(server: SmtpServer, *recipients: str, sender: str = "out@theirs.test", message: bytes = MESSAGE) -> None:
    with smtplib.SMTP("127.0.0.1", server.port, timeout=20) as client:
        client.sendmail(sender, recipients, message)


class Raw:
    """A client that sends exactly what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, server: SmtpServer) -> Raw:
        self = cls(*await asyncio.open_connection("127.0.0.1", server.port))
        await self.reply()
        return self

    async def reply(self) -> str:
        async with asyncio.timeout(20):
            lines = [await self.reader.readline()]
            while lines[-1][3:4] == b"-":
                lines.append(await self.reader.readline())
        return b"".join(lines).decode().strip()

    async def say(self, octets: bytes) -> str:
        self.writer.write(octets)
        return await self.reply()

    async def open_data(self, recipient: bytes = b"al@ours.test") -> None:
        for line in (b"EHLO me", b"MAIL FROM:<out@theirs.test>", b"RCPT TO:<" + recipient + b">"):
            assert (await self.say(line + b"\r\n")).startswith("250"), line
        assert (await self.say(b"DATA\r\n")).startswith("354")

    async def ended(self) -> bool:
        async with asyncio.timeout(20):
            return await self.reader.read() == b""

    def close(self) -> None:
        self.writer.close()
