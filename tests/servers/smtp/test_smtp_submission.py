import asyncio
import base64
import re
import shutil
import smtplib
import ssl
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.kit import clock, local_ca
from litemail.protocols import dkim
from litemail.protocols.address import Address
from litemail.protocols.header_fields import MalformedHeader
from litemail.protocols.header_fields import parse as parse_message
from litemail.servers.smtp import SmtpServer
from litemail.servers.smtp.submission import Unacceptable, authors_of
from tests.servers.smtp.smtp_world import Backend, Raw

BODY = b"From: Al <al@ours.test>\r\nTo: bo@ours.test\r\nSubject: Hi\r\n\r\nHello\r\n"


def b64(text: bytes) -> bytes:
    return base64.b64encode(text)


def sign_in(
    server: SmtpServer, tls: ssl.SSLContext, *, user: str = "al@ours.test", host: str = "localhost"
) -> smtplib.SMTP:
    client = smtplib.SMTP(timeout=20)
    client._host = host  # type: ignore[attr-defined]  # the SNI name, apart from where it connects
    client.connect("127.0.0.1", server.port)
    client.starttls(context=tls)
    client.login(user, "right")
    return client


async def send(
    server: SmtpServer, tls: ssl.SSLContext, *recipients: str, sender: str = "al@ours.test", message: bytes = BODY
) -> None:
    def session() -> None:
        with sign_in(server, tls) as client:
            client.sendmail(sender, recipients or ["bo@ours.test"], message)

    await asyncio.to_thread(session)


async def refused(server: SmtpServer, tls: ssl.SSLContext, message: bytes) -> str:
    with pytest.raises(smtplib.SMTPDataError) as raised:
        await send(server, tls, message=message)
    return f"{raised.value.smtp_code} {raised.value.smtp_error!r}"


async def secured(server: SmtpServer, tls: ssl.SSLContext) -> Raw:
    client = await Raw.connect(server)
    await client.say(b"EHLO me\r\n")
    await client.say(b"STARTTLS\r\n")
    await client.writer.start_tls(tls, server_hostname="localhost")
    assert "AUTH PLAIN LOGIN" in await client.say(b"EHLO me\r\n")
    return client


async def test_a_message_arrives_signed_completed_and_verified(
    submission: SmtpServer, backend: Backend, client_tls: ssl.SSLContext
) -> None:
    await send(submission, client_tls, "bo@ours.test", "alias@ours.test")
    stored = backend.stored["bo"][0]
    assert stored == backend.stored["al"][0]
    assert stored.startswith(b"Return-Path: <al@ours.test>\r\nAuthentication-Results: mail.ours.test;\r\n\tdkim=pass ")
    assert stored.endswith(BODY)
    message = parse_message(stored)
    (date,) = message.all("date")
    assert abs((parsedate_to_datetime(date.value.decode()) - clock.now()).total_seconds()) < 60
    (message_id,) = message.all("message-id")
    assert re.fullmatch(rb" <[0-9a-f]{32}@ours\.test>\r\n", message_id.value)
    results = await dkim.verify(stored, txt_lookup=backend.txt, now=clock.now())
    assert [(result.selector, result.result.value) for result in results] == [("r1", "pass"), ("e1", "pass")]
    assert backend.admitted == [("al@ours.test", 2)]


async def test_where_the_sender_is_stays_out_of_the_message(
    submission: SmtpServer, backend: Backend, client_tls: ssl.SSLContext
) -> None:
    await send(submission, client_tls)
    (field,) = parse_message(backend.stored["bo"][0]).all("received")
    assert field.value.startswith(b" by mail.ours.test with ESMTPSA id ")
    assert b"127.0.0.1" not in backend.stored["bo"][0]
    assert backend.peers == ["127.0.0.1"]


async def test_date_and_message_id_of_the_client_stay(
    submission: SmtpServer, backend: Backend, client_tls: ssl.SSLContext
) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "alias-of-al@ours.test", "bo@ours.test", "Grüße"
    message["Date"], message["Message-ID"] = "Thu, 29 Jan 2026 18:41:56 +0000", "<mine@ours.test>"
    message.set_content("Hallo, schöne Welt\n")
    octets = message.as_bytes(policy=message.policy.clone(linesep="\r\n"))
    await send(submission, client_tls, sender="alias-of-al@ours.test", message=octets)
    stored = backend.stored["bo"][0]
    assert stored.endswith(octets)
    assert len(parse_message(stored).all("message-id")) == len(parse_message(stored).all("date")) == 1
    assert b"dkim=pass" in stored


async def test_mail_of_a_domain_without_keys_goes_out_unsigned(
    submission: SmtpServer, backend: Backend, client_tls: ssl.SSLContext
) -> None:
    def session() -> None:
        with sign_in(submission, client_tls, user="jo@new.test") as client:
            client.sendmail("jo@new.test", ["bo@ours.test"], b"From: jo@new.test\r\n\r\nHi\r\n")

    await asyncio.to_thread(session)
    assert b"dkim=none" in backend.stored["bo"][0]


async def test_nothing_is_possible_without_tls_and_sign_in(
    submission: SmtpServer, backend: Backend, client_tls: ssl.SSLContext
) -> None:
    client = await Raw.connect(submission)
    assert "AUTH" not in await client.say(b"EHLO me\r\n")
    assert (await client.say(b"AUTH PLAIN " + base64.b64encode(b"\0al@ours.test\0right") + b"\r\n")).startswith(
        "538 5.7.11"
    )
    assert (await client.say(b"AUTH LOGIN\r\n")).startswith("538 5.7.11")
    assert (await client.say(b"MAIL FROM:<al@ours.test>\r\n")).startswith("530 5.7.0")
    client.close()
    client = await secured(submission, client_tls)
    for command in (b"MAIL FROM:<al@ours.test>\r\n", b"RCPT TO:<bo@ours.test>\r\n", b"DATA\r\n", b"VRFY bo\r\n"):
        assert (await client.say(command)).startswith("530 5.7.0")
    assert backend.tls_names == []
    client.close()


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        ([b"AUTH PLAIN " + b64(b"\0al@ours.test\0right")], "235 2.7.0"),
        ([b"auth plain " + b64(b"al@ours.test\0al@ours.test\0right")], "235 2.7.0"),
        ([b"AUTH PLAIN", b64(b"\0al@ours.test\0right")], "235 2.7.0"),
        ([b"AUTH LOGIN", b64(b"al@ours.test"), b64(b"right")], "235 2.7.0"),
        ([b"AUTH LOGIN " + b64(b"al@ours.test"), b64(b"right")], "235 2.7.0"),
        ([b"AUTH PLAIN " + b64(b"\0al@ours.test\0wrong")], "535 5.7.8 Username and Password not accepted"),
        ([b"AUTH PLAIN " + b64(b"bo@ours.test\0al@ours.test\0right")], "535 5.7.8"),
        ([b"AUTH PLAIN " + b64(b"al@ours.test\0right")], "501 5.5.2"),
        ([b"AUTH PLAIN " + b64(b"\0\xff\0\xff")], "501 5.5.2"),
        ([b"AUTH PLAIN !!!"], "501 5.5.2"),
        ([b"AUTH PLAIN ="], "501 5.5.2"),
        ([b"AUTH PLAIN", b"*"], "501 5.7.0"),
        ([b"AUTH LOGIN", b64(b"al@ours.test"), b"*"], "501 5.7.0"),
        ([b"AUTH CRAM-MD5"], "504 5.5.4"),
        ([b"AUTH"], "504 5.5.4"),
        ([b"AUTH PLAIN", b"A" * 100_000], "500 5.5.6"),
        ([b"AUTH PLAIN " + b64(b"\0al@ours.test\0" + b"x" * 3000)], "535 5.7.8"),
    ],
)
async def test_sign_in_exchanges(
    submission: SmtpServer, client_tls: ssl.SSLContext, lines: list[bytes], reply: str
) -> None:
    client = await secured(submission, client_tls)
    for line in lines[:-1]:
        assert (await client.say(line + b"\r\n")).startswith("334")
    assert (await client.say(lines[-1] + b"\r\n")).startswith(reply)
    client.close()


async def test_a_second_sign_in_is_refused(submission: SmtpServer, client_tls: ssl.SSLContext) -> None:
    client = await secured(submission, client_tls)
    line = b"AUTH PLAIN " + b64(b"\0al@ours.test\0right") + b"\r\n"
    assert (await client.say(line)).startswith("235")
    assert (await client.say(line)).startswith("503")
    client.close()


async def test_a_refusal_of_the_backend_is_sent_as_it_is(submission: SmtpServer, client_tls: ssl.SSLContext) -> None:
    client = await secured(submission, client_tls)
    reply = await client.say(b"AUTH PLAIN " + b64(b"\0al@ours.test\0needs-app-password") + b"\r\n")
    assert reply == "534-5.7.9 Application-specific password required.\r\n534 5.7.9 See https://help.test"
    client.close()


async def test_three_wrong_passwords_end_the_connection(submission: SmtpServer, client_tls: ssl.SSLContext) -> None:
    client = await secured(submission, client_tls)
    line = b"AUTH PLAIN " + b64(b"\0al@ours.test\0wrong") + b"\r\n"
    client.writer.write(line * 10)
    assert [(await client.reply())[:9] for _ in range(4)] == ["535 5.7.8", "535 5.7.8", "535 5.7.8", "421 4.7.0"]
    assert await client.ended()
    client.close()


async def test_a_sign_in_that_is_never_answered_ends_with_the_client_or_the_server(
    start: Callable[..., Awaitable[SmtpServer]], client_tls: ssl.SSLContext
) -> None:
    server = await start("submission")
    first, second = await secured(server, client_tls), await secured(server, client_tls)
    for client in (first, second):
        client.writer.write(b"AUTH PLAIN " + b64(b"\0al@ours.test\0slow") + b"\r\n")
    first.close()
    closing = asyncio.create_task(server.close())
    assert (await second.reply()).startswith("421")
    async with asyncio.timeout(10):
        await closing
    second.close()


async def test_the_backend_learns_the_host_name_that_the_client_asked_for(
    submission: SmtpServer, backend: Backend, client_tls: ssl.SSLContext
) -> None:
    def session() -> None:
        sign_in(submission, client_tls, host="smtp.gmail.com").quit()
        sign_in(submission, client_tls, host="127.0.0.1").quit()

    await asyncio.to_thread(session)
    assert backend.tls_names == ["smtp.gmail.com", None]


async def test_recipients_elsewhere_are_refused_with_the_reason(
    submission: SmtpServer, backend: Backend, client_tls: ssl.SSLContext
) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused) as raised:
        await send(submission, client_tls, "someone@gmail.com", "nobody@ours.test", "not an address")
    replies = raised.value.recipients
    assert replies["someone@gmail.com"] == (
        550,
        b"5.7.1 Mail to other servers is not delivered by this installation yet",
    )
    assert replies["nobody@ours.test"][0] == 550
    assert replies["not an address"][0] in {501, 553}


@pytest.mark.parametrize("sender", ["bo@ours.test", "al@theirs.test", "postmaster"])
async def test_a_foreign_envelope_sender_is_refused(
    submission: SmtpServer, backend: Backend, client_tls: ssl.SSLContext, sender: str
) -> None:
    with pytest.raises(smtplib.SMTPSenderRefused) as raised:
        await send(submission, client_tls, sender=sender)
    assert raised.value.smtp_code in {550, 553}
    assert not backend.stored


@pytest.mark.parametrize(
    ("header", "reply"),
    [
        (b"From: bo@ours.test", "550 b'5.7.1 You may not send as bo@ours.test"),
        (b"From: al@ours.test, bo@ours.test", "550 b'5.7.1"),
        (b"From: al@ours.test\r\nFrom: bo@ours.test", "550 b'5.6.0 The message must have one From"),
        (b"FROM : bo@ours.test", "550 b'5.7.1"),
        (b'From: "al@ours.test" <bo@ours.test>', "550 b'5.7.1"),
        (b"From: al@ours.test <bo@ours.test>", "550 b'5.6.0"),
        (b"From: <al@ours.test> <bo@ours.test>", "550 b'5.6.0"),
        (b"From: =?utf-8?q?al=40ours=2Etest?=", "550 b'5.6.0"),
        (b"From: <al@ours.test\r\n bo@ours.test>", "550 b'5.6.0"),
        (b"From: bo@ours.test (al@ours.test)", "550 b'5.7.1"),
        (b"From:", "550 b'5.6.0"),
        (b"From: undisclosed:;", "550 b'5.6.0"),
        (b"From: " + b"a" * 5000 + b"@ours.test", "550 b'5.6.0 The From field is too long"),
        (b"Subject: no author", "550 b'5.6.0 The message must have one From"),
        (b" From: al@ours.test", "550 b'5.6.0 The message header is malformed"),
        (b"From al@ours.test Mon", "550 b'5.6.0 The message header is malformed"),
    ],
)
async def test_a_foreign_or_ambiguous_author_is_refused(
    submission: SmtpServer, backend: Backend, client_tls: ssl.SSLContext, header: bytes, reply: str
) -> None:
    assert (await refused(submission, client_tls, header + b"\r\nTo: bo@ours.test\r\n\r\nHi\r\n")).startswith(reply)
    assert not backend.stored
    assert not backend.admitted


@pytest.mark.parametrize(
    "header",
    [
        b"From: AL@OURS.TEST",
        b'From: "Al, the first" <al@ours.test>',
        b"From: =?utf-8?q?=C3=84l?= <al@ours.test>",
        "From: Äl <al@ours.test>".encode(),
        b"From: Al\r\n <al@ours.test>",
        b"From: al@ours.test (Al)",
        b"From: al@ours.test, alias-of-al@ours.test",
    ],
)
async def test_an_own_author_is_taken_however_it_is_written(
    submission: SmtpServer, backend: Backend, client_tls: ssl.SSLContext, header: bytes
) -> None:
    await send(submission, client_tls, message=header + b"\r\n\r\nHi\r\n")
    assert b"dkim=pass" in backend.stored["bo"][0]


@given(st.binary(max_size=60) | st.text('al@ours.test<>",():; =?', max_size=40).map(str.encode))
def test_no_author_makes_the_parser_fail(value: bytes) -> None:
    clean = value.replace(b"\r", b"").replace(b"\n", b"")
    try:
        authors = authors_of(parse_message(b"From: " + clean + b"\r\n\r\n"))
    except (Unacceptable, MalformedHeader):
        return
    assert authors
    assert all(isinstance(author, Address) for author in authors)


async def test_receipts_have_a_null_sender(
    submission: SmtpServer, backend: Backend, client_tls: ssl.SSLContext
) -> None:
    await send(submission, client_tls, sender="")
    assert backend.stored["bo"][0].startswith(b"Return-Path: <>\r\n")


async def test_over_the_limit_the_reply_of_the_backend_is_sent(
    submission: SmtpServer, backend: Backend, client_tls: ssl.SSLContext
) -> None:
    backend.over_limit = True
    reply = await refused(submission, client_tls, BODY)
    assert reply == "450 b'4.7.1 You have sent 100 messages this hour, go on later'"
    assert not backend.stored


async def test_a_backend_can_take_mail_and_drop_it(
    submission: SmtpServer, backend: Backend, client_tls: ssl.SSLContext
) -> None:
    await send(submission, client_tls, "drop@ours.test")
    assert not backend.stored


async def test_a_hundred_people_send_at_once(
    submission: SmtpServer, backend: Backend, client_tls: ssl.SSLContext
) -> None:
    async def one(number: int) -> None:
        client = await secured(submission, client_tls)
        await client.say(b"AUTH PLAIN " + b64(b"\0al@ours.test\0right") + b"\r\n")
        await client.say(b"MAIL FROM:<al@ours.test> AUTH=<>\r\n")
        await client.say(b"RCPT TO:<load%d@ours.test>\r\n" % number)
        await client.say(b"DATA\r\n")
        assert (await client.say(BODY + b".\r\n")).startswith("250")
        client.close()

    await asyncio.gather(*(one(number) for number in range(100)))
    assert len(backend.stored) == 100
    assert all(messages[0].count(b"dkim=pass") == 2 for messages in backend.stored.values())


@pytest.mark.skipif(shutil.which("swaks") is None, reason="swaks is not installed")
async def test_swaks_signs_in_and_delivers(
    submission: SmtpServer, mx: SmtpServer, backend: Backend, authority: local_ca.LocalCa
) -> None:
    async def swaks(server: SmtpServer, *options: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "swaks", "--server", "127.0.0.1", "--port", str(server.port), "--helo", "me.test", "--to", "bo@ours.test",
            "--from", "al@ours.test", *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(30):
            output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        return output.decode()

    tls = ["-tls", "--tls-verify", "--tls-ca-path", str(authority.ca_file)]
    output = await swaks(submission, *tls, "--auth", "LOGIN", "--auth-user", "al@ours.test", "--auth-password", "right")
    assert "235 2.7.0" in output
    assert b"dkim=pass" in backend.stored["bo"][0]
    await swaks(mx, "--pipeline")
    await swaks(mx, "-tls")
    assert len(backend.stored["bo"]) == 3
