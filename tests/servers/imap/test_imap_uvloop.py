"""The loop that production uses differs in when a connection begins to read, and in how TLS ends."""

import asyncio
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

if TYPE_CHECKING:
    from tests.servers.imap.conftest import Imap

USER = "ann@example.test"


async def test_the_server_runs_on_uvloop(
    tmp_path: Path, tls: tuple[ssl.SSLContext, ssl.SSLContext], make_imap: "type[Imap]"
) -> None:
    def session(server: "Imap") -> None:
        for _ in range(10):
            server.connect().logout()
            plain = server.connect_plain()
            plain.starttls(server.client_tls)
            plain.login(USER, "right")
            plain.logout()
        message = b"Subject: big\r\n\r\n" + b"x" * 2_000_000
        with server.client() as client:
            client.send(b"a APPEND INBOX {%d}\r\n" % len(message))
            assert client.readline().startswith(b"+")
            client.send(message + b"\r\n")
            while not (line := client.readline()).startswith(b"a "):
                pass
            assert line.startswith(b"a OK")
            part = client.fetch("1", "(BODY[])")[1][0]
            assert isinstance(part, tuple)
            assert part[1] == message
            client.send(b"i IDLE\r\n")
            assert client.readline() == b"+ Idling.\r\n"
            server.deliver(b"Subject: news")
            assert client.readline() == b"* 2 EXISTS\r\n"
            client.readline()
            client.send(b"DONE\r\n")
            assert client.readline().startswith(b"i OK")

    async def serve() -> None:
        server = make_imap(tmp_path, *tls)
        await server.start()
        await asyncio.to_thread(session, server)
        await server.stop()

    await asyncio.to_thread(lambda: uvloop.run(serve()))
