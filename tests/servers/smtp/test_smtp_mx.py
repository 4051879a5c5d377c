import asyncio
import re
import smtplib
import ssl
from collections.abc import Awaitable, Callable

import pytest

from litemail.kit import clock
from litemail.protocols import dkim
from litemail.servers.smtp import SmtpServer
from tests.servers.smtp.smtp_world import MESSAGE, Backend, Raw, send


async def refusal(server: SmtpServer, recipient: str) -> tuple[int, bytes]:
    with pytest.raises(smtplib.SMTPRecipientsRefused) as raised:
        await asyncio.to_thread(send, server, recipient)
    return raised.value.recipients[recipient]


async def test_a_message_is_stored_with_its_bytes_unchanged_below_the_trace_fields(
    mx: SmtpServer, backend: Backend
) -> None:
    await asyncio.to_thread(send, mx, "al@ours.test")
    (stored,) = backend.stored["al"]
    trace = stored.removesuffix(MESSAGE).decode()
    assert stored.endswith(MESSAGE)
    assert re.fullmatch(
        r"Return-Path: <out@theirs\.test>\r\n"
        r"Authentication-Results: mail\.ours\.test;\r\n\tdkim=none\r\n"
        r"Received: from \S+ \(\[127\.0\.0\.1\]\)\r\n\tby mail\.ours\.test with ESMTP id [0-9a-f]{16}\r\n"
        r"\tfor <al@ours\.test>;\r\n\t\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r\n",
        trace,
    ), trace


@pytest.mark.parametrize(
    ("recipient", "code", "text"),
    [
        ("nobody@ours.test", 550, b"5.1.1 There is no mailbox"),
        ("al@theirs.test", 550, b"5.7.1 Mail for this domain is not taken here"),
        ("off@ours.test", 550, b"5.2.1"),
        ("full@ours.test", 452, b"4.2.2 No room for another message"),
        ("later@ours.test", 451, b"4.3.0"),
        ("crash@ours.test", 451, b"4.3.0 Internal error, try again later"),
        ('"al"@ours.test', 553, b"5.1.3"),
        ("al@[127.0.0.1]", 553, b"5.1.3"),
        ("al%theirs.test@ours.test", 550, b"5.1.1"),
    ],
)
async def test_an_address_that_takes_no_mail_is_refused_with_its_reason(
    mx: SmtpServer, backend: Backend, recipient: str, code: int, text: bytes
) -> None:
    got, reply = await refusal(mx, recipient)
    assert got == code
    assert text in reply
    assert not backend.stored


async def test_addresses_of_one_mailbox_get_one_copy_and_blind_recipients_stay_blind(
    mx: SmtpServer, backend: Backend
) -> None:
    await asyncio.to_thread(send, mx, "AL@Ours.test", "alias@ours.test", "bo@ours.test", "drop@ours.test")
    assert {name: len(messages) for name, messages in backend.stored.items()} == {"al": 1, "bo": 1}
    assert b"for <" not in backend.stored["al"][0]


async def test_bounces_and_mail_to_the_postmaster_are_taken(mx: SmtpServer, backend: Backend) -> None:
    await asyncio.to_thread(send, mx, "al@ours.test", sender="")
    await asyncio.to_thread(send, mx, "postmaster")
    assert backend.stored["al"][0].startswith(b"Return-Path: <>\r\n")
    assert len(backend.stored["al"]) == 2


async def test_starttls_is_offered_and_forgets_what_was_said_before(
    mx: SmtpServer, backend: Backend, client_tls: ssl.SSLContext
) -> None:
    def session() -> None:
        with smtplib.SMTP("localhost", mx.port, timeout=20) as client:
            client.ehlo()
            assert client.has_extn("starttls")
            assert not client.has_extn("smtputf8")
            assert client.esmtp_features["size"] == str(50 * 1024 * 1024)
            client.mail("out@theirs.test")
            client.starttls(context=client_tls)
            assert client.rcpt("al@ours.test")[0] == 503
            client.ehlo()
            assert not client.has_extn("starttls")
            assert not client.has_extn("auth")
            assert client.docmd("STARTTLS")[0] == 503
            assert client.docmd("AUTH PLAIN AGEAYg==")[0] == 502
            client.sendmail("out@theirs.test", "al@ours.test", MESSAGE)

    await asyncio.to_thread(session)
    assert b"with ESMTPS id" in backend.stored["al"][0]


async def test_what_is_sent_before_the_tls_handshake_is_not_obeyed(
    mx: SmtpServer, backend: Backend, client_tls: ssl.SSLContext
) -> None:
    client = await Raw.connect(mx)
    await client.say(b"EHLO me\r\n")
    assert (await client.say(b"STARTTLS\r\nRCPT TO:<al@ours.test>\r\n")).startswith("220")
    await client.writer.start_tls(client_tls, server_hostname="localhost")
    assert (await client.say(b"NOOP\r\n")) == "250 OK"
    client.close()


async def test_a_client_that_is_no_tls_client_is_let_go(mx: SmtpServer) -> None:
    client = await Raw.connect(mx)
    await client.say(b"EHLO me\r\n")
    await client.say(b"STARTTLS\r\n")
    client.writer.write(b"MAIL FROM:<out@theirs.test>\r\n" * 10)
    async with asyncio.timeout(20):
        while await client.reader.read(1000):
            pass
    client.close()
    await mx.close()  # would wait for the connection if it had been forgotten


SMUGGLED = b"MAIL FROM:<admin@ours.test>\r\nRCPT TO:<bo@ours.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nHa\r\n.\r\n"


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n\x00.\r\n"])
async def test_only_crlf_dot_crlf_ends_a_message_and_smuggling_is_refused(
    mx: SmtpServer, backend: Backend, end: bytes
) -> None:
    client = await Raw.connect(mx)
    await client.open_data()
    reply = await client.say(b"Subject: a\r\n\r\nHi" + end + SMUGGLED)
    assert reply.startswith("550 5.6.0"), reply
    assert (await client.say(b"QUIT\r\n")).startswith("221")
    assert not backend.stored
    client.close()


async def test_commands_pipelined_before_the_go_ahead_end_the_connection(mx: SmtpServer, backend: Backend) -> None:
    client = await Raw.connect(mx)
    await client.say(b"EHLO me\r\n")
    await client.say(b"MAIL FROM:<out@theirs.test>\r\n")
    await client.say(b"RCPT TO:<al@ours.test>\r\n")
    assert (await client.say(b"DATA\r\nSubject: a\r\n\r\nHi\r\n.\r\n" + SMUGGLED)).startswith("421 4.5.0")
    assert await client.ended()
    assert not backend.stored
    client.close()


async def test_a_client_may_pipeline_where_the_rfc_allows_it(mx: SmtpServer, backend: Backend) -> None:
    client = await Raw.connect(mx)
    envelope = b"MAIL FROM:<out@theirs.test> BODY=8BITMIME\r\nRCPT TO:<al@ours.test>\r\nDATA\r\n"
    client.writer.write(b"EHLO me\r\n" + envelope)
    replies = [await client.reply() for _ in range(4)]
    assert [reply[:3] for reply in replies] == ["250", "250", "250", "354"]
    client.writer.write(MESSAGE.replace(b"\r\n.", b"\r\n..") + b".\r\n" + envelope)
    assert [(await client.reply())[:3] for _ in range(4)] == ["250", "250", "250", "354"]
    assert (await client.say(b".\r\n")).startswith("250")
    first, second = backend.stored["al"]
    assert first.endswith(b"+0000\r\n" + MESSAGE)
    assert second.endswith(b"+0000\r\n")
    client.close()


@pytest.mark.parametrize("size", [1, 7, 1000, 70_000])
async def test_content_is_the_same_however_it_is_cut_on_the_way(mx: SmtpServer, backend: Backend, size: int) -> None:
    body = b"".join(b"." * (n % 5) + b"x" * (n % 130) + b"\r\n" for n in range(40 * max(size, 10) // 10))
    message = b"Subject: cut\r\n\r\n" + body + b"y" * 3000 + b"\r\n.\r\n..\r\n"
    wire = re.sub(rb"(?m)^\.", b"..", message) + b".\r\n"
    client = await Raw.connect(mx)
    await client.open_data()
    for start in range(0, len(wire), size):
        client.writer.write(wire[start : start + size])
        await asyncio.sleep(0)
    assert (await client.reply()).startswith("250")
    assert backend.stored["al"][0].endswith(b"+0000\r\n" + message)
    client.close()


async def test_too_large_messages_are_refused_before_and_after(
    start: Callable[..., Awaitable[SmtpServer]], backend: Backend
) -> None:
    server = await start("mx", message_octets=100_000, header_octets=2000)
    with pytest.raises(smtplib.SMTPSenderRefused) as declared:
        await asyncio.to_thread(send, server, "al@ours.test", message=b"x" * 100_001)
    assert declared.value.smtp_code == 552
    client = await Raw.connect(server)
    await client.open_data()
    assert (await client.say(b"x\r\n" * 40_000 + b".\r\n")).startswith("552 5.3.4")
    await client.open_data()
    assert (await client.say(b"X: " + b"x" * 3000 + b"\r\n\r\n.\r\n")).startswith("552 5.3.4")
    await client.open_data()
    assert (await client.say(b"x\r\n" * 33_333 + b".\r\n")).startswith("552 5.3.4")  # no header end, all is header
    await client.open_data()
    assert (await client.say(b"\r\n" + b"x\r\n" * 33_332 + b".\r\n")).startswith("250")
    assert server.octets_in_flight == 0
    client.close()


async def test_memory_for_messages_is_bounded_over_all_connections(
    start: Callable[..., Awaitable[SmtpServer]], backend: Backend
) -> None:
    server = await start("mx", octets_in_flight=200_000)
    first, second = await Raw.connect(server), await Raw.connect(server)
    await first.open_data()
    await second.open_data()
    first.writer.write(b"\r\n" + b"x" * 150_000)
    async with asyncio.timeout(20):
        while server.octets_in_flight < 60_000:
            await asyncio.sleep(0.001)
    assert (await second.say(b"\r\n" + b"x" * 150_000 + b"\r\n.\r\n")).startswith("452 4.3.1")
    assert (await first.say(b"\r\n.\r\n")).startswith("250")
    first.close()
    second.close()


async def test_recipients_are_counted(start: Callable[..., Awaitable[SmtpServer]], backend: Backend) -> None:
    server = await start("mx", recipients=2)
    client = await Raw.connect(server)
    await client.say(b"EHLO me\r\n")
    await client.say(b"MAIL FROM:<out@theirs.test>\r\n")
    replies = [await client.say(b"RCPT TO:<%s@ours.test>\r\n" % name) for name in (b"al", b"bo", b"cy")]
    assert [reply[:9] for reply in replies] == ["250 2.1.5", "250 2.1.5", "452 4.5.3"]
    client.close()


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"MAIL FROM:<a@b.test> SIZE=99999999999\r\n", "552"),
        (b"MAIL FROM:<a@b.test> SMTPUTF8\r\n", "501"),
        (b"MAIL FROM:<a@b.test> FOO=1\r\n", "555"),
        (b"MAIL FROM:<a b@b.test>\r\n", "553"),
        (b"MAIL FROM:<a@b.test>\rRCPT TO:<al@ours.test>\r\n", "553"),
        ("MAIL FROM:<ä@b.test>\r\n".encode(), "500"),
        (b"MAIL FROM:<" + b"a" * 2000 + b"@b.test>\r\n", "500"),
        (b"RCPT TO:<al@ours.test>\r\n", "503"),
        (b"DATA\r\n", "503"),
        (b"VRFY al@ours.test\r\n", "252"),
        (b"EXPN al\r\n", "502"),
        (b"BDAT 10 LAST\r\n", "500"),
        (b"\r\n", "500"),
        (b"\xff\xfe\r\n", "500"),
        (b"A" * 300_000 + b"\r\n", "500"),
    ],
)
async def test_wrong_commands_get_a_negative_answer(mx: SmtpServer, line: bytes, reply: str) -> None:
    client = await Raw.connect(mx)
    await client.say(b"EHLO me\r\n")
    assert (await client.say(line)).startswith(reply)
    assert (await client.say(b"NOOP\r\n")).startswith("250")
    client.close()


async def test_a_client_with_too_many_errors_is_let_go(start: Callable[..., Awaitable[SmtpServer]]) -> None:
    server = await start("mx", errors=3)
    client = await Raw.connect(server)
    await client.say(b"EHLO me\r\n")
    await client.say(b"MAIL FROM:<out@theirs.test>\r\n")
    client.writer.write(b"RCPT TO:<nobody@ours.test>\r\n" * 50)
    assert [(await client.reply())[:3] for _ in range(4)] == ["550", "550", "550", "421"]
    assert await client.ended()
    client.close()


async def test_one_peer_has_only_so_many_connections(start: Callable[..., Awaitable[SmtpServer]]) -> None:
    server = await start("mx", connections_per_peer=2)
    first, second = await Raw.connect(server), await Raw.connect(server)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    assert (await reader.readline()).startswith(b"421 4.7.0")
    assert await reader.read() == b""
    writer.close()
    assert (await first.say(b"QUIT\r\n")).startswith("221")
    assert await first.ended()
    third = await Raw.connect(server)
    for client in (first, second, third):
        client.close()


@pytest.mark.parametrize("before", [b"", b"EHLO me\r\n", b"EHLO m"])
async def test_a_stalled_client_is_let_go(start: Callable[..., Awaitable[SmtpServer]], before: bytes) -> None:
    server = await start("mx", idle=0.2)
    client = await Raw.connect(server)
    client.writer.write(before)
    async with asyncio.timeout(20):
        assert (await client.reader.read()).endswith(b"421 4.4.2 mail.ours.test Timeout\r\n")
    client.close()


@pytest.mark.parametrize("limits", [{"idle": 0.2}, {"data": 0.2}])
async def test_a_client_that_stalls_within_a_message_is_let_go(
    start: Callable[..., Awaitable[SmtpServer]], backend: Backend, limits: dict[str, float]
) -> None:
    server = await start("mx", **limits)
    client = await Raw.connect(server)
    await client.open_data()
    client.writer.write(b"Subject: never")
    assert (await client.reply()).startswith("421 4.4.2")
    assert await client.ended()
    assert server.octets_in_flight == 0
    assert not backend.stored
    client.close()


async def test_dkim_is_verified_and_a_forged_verdict_is_removed(mx: SmtpServer, backend: Backend) -> None:
    keys = await backend.signing_keys("ours.test")
    message = dkim.sign(
        b"From: bo@ours.test\r\nSubject: Hi\r\n\r\nHello\r\n", domain="ours.test", keys=keys, now=clock.now()
    )
    forged = (
        b"Authentication-Results: Mail.Ours.TEST;\r\n\tdkim=pass header.d=bank.test\r\n"
        b"authentication-results : (x) mail.ours.test/1; spf=pass\r\n"
        b"Authentication-Results: other.test; dkim=pass\r\n"
    )
    await asyncio.to_thread(send, mx, "al@ours.test", message=forged + message)
    await asyncio.to_thread(send, mx, "bo@ours.test", message=message.replace(b"Hello", b"Hullo"))
    good, bad = backend.stored["al"][0], backend.stored["bo"][0]
    assert (
        b"Authentication-Results: mail.ours.test;\r\n"
        b"\tdkim=pass header.d=ours.test header.s=r1 header.a=rsa-sha256;\r\n"
        b"\tdkim=pass header.d=ours.test header.s=e1 header.a=ed25519-sha256\r\n"
    ) in good
    assert good.endswith(b"Authentication-Results: other.test; dkim=pass\r\n" + message)
    assert good.lower().count(b"authentication-results") == 2
    assert bad.count(b'dkim=fail reason="body hash did not verify"') == 2
    assert b"dkim=pass" not in bad


async def test_what_a_signature_claims_cannot_break_the_verdict(mx: SmtpServer, backend: Backend) -> None:
    evil = b'DKIM-Signature: v=1; a=x";s="; d=a; s=s s; bh=!; b=!; h=from; \xff=1\r\nFrom: a@b.test\r\n\r\nHi\r\n'
    await asyncio.to_thread(send, mx, "al@ours.test", message=evil)
    assert b'dkim=permerror reason="signature field is not ASCII"\r\nReceived' in backend.stored["al"][0]
