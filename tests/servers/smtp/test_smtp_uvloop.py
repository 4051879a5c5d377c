import asyncio
import smtplib
import ssl

import uvloop

from litemail.servers.smtp import serve_submission
from tests.servers.smtp.smtp_world import HOSTNAME, Backend


async def test_the_server_runs_in_the_loop_that_production_uses(
    backend: Backend, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    def session(port: int) -> None:
        with smtplib.SMTP("localhost", port, timeout=20) as client:
            client.starttls(context=client_tls)
            client.login("al@ours.test", "right")
            client.sendmail("al@ours.test", ["bo@ours.test"], b"From: al@ours.test\r\n\r\nHi\r\n")

    async def serve() -> None:
        server = await serve_submission(backend, host="127.0.0.1", port=0, ssl_context=server_tls, hostname=HOSTNAME)
        await asyncio.to_thread(session, server.port)
        await server.close()

    await asyncio.to_thread(lambda: uvloop.run(serve()))
    assert backend.tls_names == ["localhost"]
    assert b"dkim=pass" in backend.stored["bo"][0]
