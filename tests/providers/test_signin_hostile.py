"""Sign-ins that meet broken, hostile or slow servers, and secrets that must not leak."""

import asyncio
import base64
import contextlib
import time
import tracemalloc

import pytest

from litemail.kit.outbound import OutsideHost, client_tls
from litemail.providers import mailhost
from litemail.providers.mailhost import Security, Server, Servers, sign_in
from tests.providers.mail_peers import (
    ADDRESS,
    GMAIL,
    PASSWORD,
    Certificates,
    Handler,
    Imap,
    Smtp,
    custom,
    inbox,
    made_certificates,
    serving,
)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return made_certificates(tmp_path_factory.mktemp("tls"))


async def test_tls_is_verified_and_its_failure_is_told_in_words(certificates: Certificates) -> None:
    async with serving(Imap(), certificates.expired) as port, inbox(certificates) as box:
        box.imap = ("127.0.0.1", port)
        with pytest.raises(mailhost.TlsFailed, match="expired"):
            await box.sign_in(GMAIL)
    async with inbox(certificates, smtp=Smtp(starttls=certificates.expired)) as box:
        with pytest.raises(mailhost.TlsFailed, match="expired") as caught:
            await box.sign_in(GMAIL)
        assert caught.value.stage == "smtp"
    async with inbox(certificates) as box:
        box.tls = client_tls()
        with pytest.raises(mailhost.TlsFailed, match="unknown authority"):
            await box.sign_in(GMAIL)
    async with inbox(certificates) as box:
        other = Servers(imap=Server("other.example.test", 993, Security.TLS), smtp=GMAIL.smtp)
        with pytest.raises(mailhost.TlsFailed, match="another name"):
            await box.sign_in(other)
    async with inbox(certificates, imap_tls=False) as box:
        with pytest.raises(mailhost.TlsFailed, match="does not speak TLS"):
            await box.sign_in(GMAIL)


@pytest.mark.parametrize("stage", ["imap", "smtp"])
async def test_starttls_is_never_skipped(certificates: Certificates, stage: str) -> None:
    imap = Imap(starttls=None if stage == "imap" else certificates.server)
    smtp = Smtp(starttls=None if stage == "smtp" else certificates.server)
    async with inbox(certificates, imap, smtp, imap_tls=False) as box:
        with pytest.raises(mailhost.TlsFailed, match="STARTTLS") as caught:
            await box.sign_in(custom(Security.STARTTLS))
    assert caught.value.stage == stage
    assert not any("LOGIN" in line for line in imap.heard if stage == "imap")
    assert not any("AUTH" in line for line in smtp.heard)


async def test_words_injected_before_the_encryption_end_the_session(certificates: Certificates) -> None:
    imap = Imap(starttls=certificates.server, injected=b"a2 OK trust me\r\n")
    async with inbox(certificates, imap, imap_tls=False) as box:
        with pytest.raises(mailhost.WrongServer, match="before the encryption"):
            await box.sign_in(custom(Security.STARTTLS))
    assert not any(PASSWORD in line for line in imap.heard)


async def _endless_line(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"\xff\x00binary" * 1000)
        await writer.drain()


async def _endless_talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"* OK hi\r\n")
    while True:
        writer.write(b"* SEARCH 1 2 3\r\n" * 1000)
        await writer.drain()


async def _endless_reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"220-welcome\r\n" * 1000)
        await writer.drain()


async def _drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"*")
        await asyncio.sleep(0.02)


async def _silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def _hang_up(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    return


@pytest.mark.parametrize(
    ("hostile", "expected"),
    [
        (_endless_line, mailhost.WrongServer),
        (_endless_talk, mailhost.WrongServer),
        (_endless_reply, mailhost.WrongServer),
        (_drip, mailhost.Unreachable),
        (_silence, mailhost.Unreachable),
        (_hang_up, mailhost.Unreachable),
    ],
)
@pytest.mark.parametrize("stage", ["imap", "smtp"])
async def test_hostile_servers_are_bounded(
    certificates: Certificates, hostile: Handler, expected: type[mailhost.SignInFailed], stage: str
) -> None:
    handlers = {stage: hostile}
    async with inbox(certificates, handlers.get("imap"), handlers.get("smtp"), smtp_tls=stage == "smtp") as box:
        tracemalloc.start()
        started = time.monotonic()
        with pytest.raises(expected) as caught:
            await box.sign_in(custom(smtp=Security.TLS if stage == "smtp" else Security.STARTTLS), seconds=1.0)
        took = time.monotonic() - started
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert caught.value.stage == stage
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()
    assert took < 3
    assert peak < 4_000_000


async def test_cancelling_ends_at_once_and_closes_the_connection(certificates: Certificates) -> None:
    closed = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
        closed.set()

    async with inbox(certificates, silent) as box:
        task = asyncio.create_task(box.sign_in(GMAIL, seconds=30))
        await asyncio.sleep(0.1)
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(2):
            await closed.wait()
        assert time.monotonic() - started < 0.5


@pytest.mark.parametrize("echo", [PASSWORD, base64.b64encode(f"\0{ADDRESS}\0{PASSWORD}".encode()).decode()])
async def test_an_echoed_password_shows_nowhere(certificates: Certificates, echo: str) -> None:
    async with inbox(certificates, Imap(login=f"NO wrong: {echo} is not it")) as box:
        with pytest.raises(mailhost.BadCredentials) as caught:
            await box.sign_in(GMAIL)
    assert "***" in str(caught.value)
    assert echo not in f"{caught.value} {caught.value.problem()} {caught.value.data}"
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


async def test_line_ends_in_a_password_never_reach_a_server(certificates: Certificates) -> None:
    imap = Imap()
    async with inbox(certificates, imap) as box:
        with pytest.raises(mailhost.BadCredentials):
            await box.sign_in(GMAIL, 'x"\r\na9 LOGOUT')
    assert imap.heard == []


async def test_a_sandbox_reaches_no_other_host(certificates: Certificates) -> None:
    async with inbox(certificates) as box:
        other = Servers(imap=GMAIL.imap, smtp=Server("smtp.example.com", 587, Security.STARTTLS))
        with pytest.raises(OutsideHost, match=r"smtp\.example\.com") as caught:
            await sign_in(address=ADDRESS, password=PASSWORD, servers=other, guard=box.guard(GMAIL), timeout=5)
    assert caught.value.stage == "smtp"


async def test_a_closed_port_is_worth_another_try(certificates: Certificates) -> None:
    async with inbox(certificates) as box:
        pass
    with pytest.raises(mailhost.Unreachable, match="refused the connection") as caught:
        await box.sign_in(GMAIL)
    assert caught.value.problem().retryable
