"""What the servers do with messages that are to go on."""

import asyncio
import shutil
import smtplib
import subprocess

import pytest

from litemail.servers.smtp import SmtpServer
from litemail.servers.smtp.forwarding import MOST_HOPS
from tests.servers.smtp.smtp_world import MESSAGE, Backend, send


async def test_a_copy_goes_on_with_trace_fields_and_one_stays(mx: SmtpServer, backend: Backend) -> None:
    await asyncio.to_thread(send, mx, "copy@ours.test")
    (stored,), (gone_on,) = backend.stored["al"], backend.forwarded["copy@outside.test"]
    assert stored.startswith(b"Return-Path: <out@theirs.test>\r\nAuthentication-Results: mail.ours.test;")
    assert gone_on.message.startswith(b"Delivered-To: copy@ours.test\r\nAuthentication-Results: mail.ours.test;")
    assert gone_on.message.endswith(MESSAGE)
    assert (gone_on.reverse_path, gone_on.results) == ("out@theirs.test", "mail.ours.test;\r\n\tdkim=none")


async def test_a_redirect_leaves_nothing_behind(mx: SmtpServer, backend: Backend) -> None:
    await asyncio.to_thread(send, mx, "redirect@ours.test", "elsewhere@ours.test")
    assert not backend.stored
    assert {name: len(messages) for name, messages in backend.forwarded.items()} == {
        "redirect@outside.test": 1,
        "elsewhere@outside.test": 1,
    }


@pytest.mark.parametrize(
    ("header", "reply"),
    [
        (b"X-Spam-Flag: YES\r\n", 550),
        (b"X-Spam-Status: Yes, score=9.1\r\n", 550),
        (b"X-Spam: Yes\r\n", 550),
        (b"Received: from a by b; now\r\n" * (MOST_HOPS + 1), 550),
        (b"Delivered-To: ELSEWHERE@ours.test\r\nDelivered-To: redirect@ours.test\r\n", 550),
        (b"X-Spam-Flag: NO\r\nX-Spam-Status: No, score=-1\r\n", 250),
        (b"Delivered-To: somebody@ours.test\r\n", 250),
    ],
)
async def test_spam_and_what_went_round_stay_or_are_refused(
    mx: SmtpServer, backend: Backend, header: bytes, reply: int
) -> None:
    message = header + MESSAGE
    if reply == 250:
        await asyncio.to_thread(send, mx, "redirect@ours.test", "elsewhere@ours.test", message=message)
        assert sorted(backend.forwarded) == ["elsewhere@outside.test", "redirect@outside.test"]
        return
    await asyncio.to_thread(send, mx, "redirect@ours.test", message=message)
    assert len(backend.stored["al"]) == 1  # the mailbox keeps what it was to be forwarded from
    with pytest.raises(smtplib.SMTPDataError) as raised:
        await asyncio.to_thread(send, mx, "elsewhere@ours.test", message=message)
    assert raised.value.smtp_code == reply
    assert not backend.forwarded


async def test_what_cannot_go_on_now_stays_or_is_tried_again(mx: SmtpServer, backend: Backend) -> None:
    backend.broken = {"redirect@outside.test", "elsewhere@outside.test"}
    await asyncio.to_thread(send, mx, "redirect@ours.test")
    assert len(backend.stored["al"]) == 1
    with pytest.raises(smtplib.SMTPDataError) as raised:
        await asyncio.to_thread(send, mx, "elsewhere@ours.test", "bo@ours.test")
    assert raised.value.smtp_code == 451
    backend.broken = set()
    await asyncio.to_thread(send, mx, "elsewhere@ours.test", "bo@ours.test")
    assert (len(backend.stored["bo"]), len(backend.forwarded["elsewhere@outside.test"])) == (1, 1)


async def test_two_addresses_that_lead_to_one_target_send_one_copy(mx: SmtpServer, backend: Backend) -> None:
    await asyncio.to_thread(send, mx, "copy@ours.test", "COPY@ours.test")
    assert (len(backend.stored["al"]), len(backend.forwarded["copy@outside.test"])) == (1, 1)


@pytest.mark.parametrize(
    "local", ["srs0=abcd=ab=a-very-long-domain-of-a-sender.example=and-an-equally-long-local-part"]
)
async def test_bounce_addresses_may_be_longer_than_others(mx: SmtpServer, local: str) -> None:
    def ask() -> tuple[int, bytes]:
        with smtplib.SMTP("127.0.0.1", mx.port, timeout=10) as client:
            client.ehlo()
            client.mail("")
            return client.rcpt(f"{local}@ours.test")

    code, text = await asyncio.to_thread(ask)
    assert (code, text[:5]) == (550, b"5.1.1")  # understood, and unknown to this backend


@pytest.mark.skipif(shutil.which("swaks") is None, reason="swaks is not installed")
async def test_swaks_is_forwarded(mx: SmtpServer, backend: Backend) -> None:
    command = ["swaks", "--server", f"127.0.0.1:{mx.port}", "--from", "a@theirs.test", "--to", "copy@ours.test"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stdout
    assert (len(backend.stored["al"]), len(backend.forwarded["copy@outside.test"])) == (1, 1)
