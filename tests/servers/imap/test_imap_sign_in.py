"""Sign-in, TLS, limits, and clients that misbehave."""

import asyncio
import imaplib
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from litemail.servers import imap

if TYPE_CHECKING:
    from tests.servers.imap.conftest import Imap

USER = "ann@example.test"
Until = Callable[[Callable[[], bool]], None]


async def test_sign_in_is_refused_before_tls(server: "Imap") -> None:
    def check() -> None:
        client = server.connect_plain()
        assert "LOGINDISABLED" in client.capabilities
        assert "STARTTLS" in client.capabilities
        with pytest.raises(imaplib.IMAP4.error, match=r"\[PRIVACYREQUIRED\]"):
            client.login(USER, "right")
        with pytest.raises(imaplib.IMAP4.error, match=r"\[PRIVACYREQUIRED\]"):
            client.authenticate("PLAIN", lambda _: b"\0ann\0right")
        client.starttls(server.client_tls)
        assert "LOGINDISABLED" not in client.capabilities
        assert client.login(USER, "right")[0] == "OK"
        client.logout()

    await asyncio.to_thread(check)
    assert server.accounts.asked == [(USER, "127.0.0.1", "localhost")]


async def test_authenticate_plain_signs_in(server: "Imap") -> None:
    def check() -> None:
        client = server.connect()
        assert client.authenticate("PLAIN", lambda _: b"\0" + USER.encode() + b"\0right")[0] == "OK"
        assert client.list()[0] == "OK"
        client.logout()

    await asyncio.to_thread(check)


@pytest.mark.parametrize("reply", [b"no plain message", b"\0only-one", b"\xff\0\xff\0\xff", b"bob\0ann\0right"])
async def test_a_wrong_plain_message_is_refused_and_the_connection_goes_on(server: "Imap", reply: bytes) -> None:
    def check() -> None:
        client = server.connect()
        with pytest.raises(imaplib.IMAP4.error):
            client.authenticate("PLAIN", lambda _: reply)
        assert client.login(USER, "right")[0] == "OK"
        client.logout()

    await asyncio.to_thread(check)


async def test_the_text_of_a_refusal_is_sent_verbatim(server: "Imap") -> None:
    def check() -> None:
        client = server.connect()
        tag = b"A1"
        client.send(tag + b" LOGIN ann needs-app-password\r\n")
        expected = b"A1 NO [ALERT] Application-specific password required: https://example.test/1 (Failure)\r\n"
        assert client.readline() == expected
        client.send(b"A2 LOGIN ann wrong\r\n")
        assert client.readline() == b"A2 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n"
        client.logout()

    await asyncio.to_thread(check)


async def test_the_backend_learns_the_tls_host_name(server: "Imap") -> None:
    def check() -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        for name in ("imap.Gmail.test", None):
            raw = socket.create_connection(("127.0.0.1", server.imaps_port), timeout=10)
            with context.wrap_socket(raw, server_hostname=name) as client:
                client.recv(1000)
                client.sendall(b"a LOGIN ann wrong\r\n")
                assert client.recv(1000).startswith(b"a NO ")

    await asyncio.to_thread(check)
    assert [name for _, _, name in server.accounts.asked] == ["imap.gmail.test", None]


async def test_a_stalled_sign_in_ends_when_the_client_leaves(server: "Imap", until: Until) -> None:
    def check() -> None:
        for password in ("timeout", "stalled"):
            client = server.connect()
            client.send(b"a LOGIN ann %b\r\n" % password.encode())
            until(lambda: bool(server.accounts.asked))
            client.shutdown()
        until(lambda: server.accounts.stalled == server.accounts.cancelled == 1)

    await asyncio.to_thread(check)
    await _no_connection_left()


async def test_a_stalled_sign_in_ends_when_its_time_is_over(server: "Imap") -> None:
    await server.restart(imap.Limits(before_sign_in_seconds=0.2, closing_seconds=1))

    def check() -> None:
        client = server.connect()
        client.send(b"a LOGIN ann timeout\r\n")
        assert client.readline() == b"a NO [UNAVAILABLE] Sign-in is not possible now; try again.\r\n"
        client.shutdown()
        client = server.connect()
        client.send(b"a LOGIN ann stalled\r\n")
        assert client.readline() == b""
        client.shutdown()

    await asyncio.to_thread(check)
    assert server.accounts.cancelled == 1


async def test_a_broken_backend_is_a_temporary_failure(server: "Imap", caplog: pytest.LogCaptureFixture) -> None:
    def check() -> None:
        client = server.connect()
        with pytest.raises(imaplib.IMAP4.error, match=r"\[UNAVAILABLE\]"):
            client.login(USER, "broken")
        assert client.login(USER, "right")[0] == "OK"
        client.logout()

    await asyncio.to_thread(check)
    assert "the database is gone" in caplog.text


async def test_too_many_failed_sign_ins_end_the_connection(server: "Imap") -> None:
    def check() -> None:
        client = server.connect()
        for _ in range(4):
            client.send(b"a LOGIN ann wrong\r\n")
            assert client.readline().startswith(b"a NO")
        client.send(b"a LOGIN ann wrong\r\n")
        assert client.readline() == b"* BYE Too many failed sign-ins.\r\n"
        assert client.readline().startswith(b"a NO")
        assert client.readline() == b""
        client.shutdown()

    await asyncio.to_thread(check)


async def test_commands_sent_along_with_starttls_are_not_obeyed(server: "Imap") -> None:
    def check() -> None:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
            client.recv(1000)
            client.sendall(b"a STARTTLS\r\nb LOGIN ann right\r\n")
            answer = b""
            while piece := client.recv(1000):
                answer += piece
            assert b"Begin TLS" not in answer

    await asyncio.to_thread(check)
    assert server.accounts.asked == []


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"a SELECT &a\r\n", b"a BAD"),
        (b"a SELECT &AAA-\r\n", b"a BAD"),
        (b'a LIST "" &\r\n', b"a BAD"),
        (b"a SELECT " + b"(" * 5000 + b"\r\n", b"a BAD"),
        (b"a SEARCH " + b"(" * 5000 + b"\r\n", b"a BAD"),
        (b"a SEARCH SUBJECT \xff\r\n", b"a BAD"),
        (b"a FETCH 1:" + b"9" * 5000 + b" FLAGS\r\n", b"a BAD"),
        (b"\xff\xff\xff\r\n", b"* BAD"),
        (b"\r\n", b"* BAD"),
        (b"a\r\n", b"a BAD"),
        (b"a FETCH 1 BINARY[]\r\n", b"a BAD"),
        (b"a NONSENSE\r\n", b"a BAD"),
        (b"a SELECT INBOX\r\n", b"a BAD"),
        (b"x" * 70_000 + b"\r\n", b"* BYE [TOOBIG]"),
        (b"a LOGIN {9999999999999+}\r\n", b"* BYE [TOOBIG]"),
        (b"a APPEND INBOX {40000000}\r\n", b"a NO [TOOBIG]"),
        (b"a LOGIN {5000}\r\n", b"a NO [TOOBIG]"),
    ],
)
async def test_bad_input_before_sign_in_is_answered(server: "Imap", sent: bytes, answer: bytes) -> None:
    def check() -> None:
        client = server.connect()
        client.send(sent)
        assert client.readline().startswith(answer)
        client.shutdown()
        other = server.connect()
        assert other.noop()[0] == "OK"
        other.logout()

    await asyncio.to_thread(check)


async def test_a_message_over_the_limit_is_refused(server: "Imap") -> None:
    await server.restart(imap.Limits(literal=1000, closing_seconds=1))

    def check() -> None:
        with server.client() as client:
            assert "APPENDLIMIT=1000" in str(client.capability())
            client.send(b"a APPEND INBOX {1001}\r\n")
            assert client.readline().startswith(b"a NO [TOOBIG]")
            client.send(b"a APPEND INBOX {1000}\r\n")
            assert client.readline().startswith(b"+ ")
            client.send(b"x" * 1000 + b"\r\n")
            while not (line := client.readline()).startswith(b"a "):
                pass
            assert line.startswith(b"a OK")

    await asyncio.to_thread(check)


async def test_one_peer_gets_only_so_many_connections(server: "Imap", until: Until) -> None:
    await server.restart(imap.Limits(connections_per_peer=2, closing_seconds=1))

    def check() -> None:
        clients = [server.connect(), server.connect()]
        with pytest.raises(imaplib.IMAP4.error, match="Too many connections"):
            server.connect()
        for client in clients:
            client.logout()

        def is_free_again() -> bool:
            try:
                server.connect().logout()
            except imaplib.IMAP4.error:
                return False
            return True

        until(is_free_again)

    await asyncio.to_thread(check)


async def test_an_idle_client_is_logged_out(server: "Imap") -> None:
    await server.restart(imap.Limits(before_sign_in_seconds=0.2, closing_seconds=1))

    def before() -> None:
        client = server.connect()
        assert client.readline() == b"* BYE Autologout; idle for too long.\r\n"
        client.shutdown()

    await asyncio.to_thread(before)
    await server.restart(imap.Limits(idle_seconds=0.2, closing_seconds=1))

    def after() -> None:
        for command in (b"", b"i IDLE\r\n"):
            client = server.connect()
            client.login(USER, "right")
            client.select()
            client.send(command)
            while (line := client.readline()).startswith(b"+"):
                pass
            assert line == b"* BYE Autologout; idle for too long.\r\n"
            client.shutdown()

    await asyncio.to_thread(after)


async def test_a_client_that_does_not_read_is_given_up(server: "Imap") -> None:
    await server.restart(imap.Limits(stalled_seconds=0.3, closing_seconds=1))
    for _ in range(4):
        await asyncio.to_thread(server.deliver, b"Subject: big\r\n\r\n" + b"x" * 5_000_000)

    def ask() -> imaplib.IMAP4_SSL:
        client = server.connect()
        client.login(USER, "right")
        client.select()
        client.send(b"a FETCH 1:* BODY[]\r\n")
        return client

    client = await asyncio.to_thread(ask)
    await _no_connection_left()
    client.shutdown()


async def _no_connection_left() -> None:
    for _ in range(500):
        if not any(task.get_name() == "imap-connection" for task in asyncio.all_tasks()):
            return
        await asyncio.sleep(0.01)
    pytest.fail("a connection is still there")


async def test_closing_says_bye_and_finishes_quickly(server: "Imap") -> None:
    def connect() -> list[imaplib.IMAP4]:
        idle, resting = server.connect(), server.connect()
        for client in (idle, resting):
            client.login(USER, "right")
            client.select()
        idle.send(b"i IDLE\r\n")
        assert idle.readline().startswith(b"+")
        return [idle, resting, server.connect_plain()]

    clients = await asyncio.to_thread(connect)
    closing = asyncio.create_task(server.stop())

    def check() -> None:
        for client in clients:
            assert client.readline() == b"* BYE [UNAVAILABLE] The server is closing.\r\n"
            assert client.readline() == b""
            client.shutdown()

    await asyncio.to_thread(check)
    async with asyncio.timeout(5):
        await closing
