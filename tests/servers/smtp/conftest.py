"""Real SMTP servers on free ports of the loopback."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from litemail.kit import local_ca
from litemail.servers.smtp import Limits, SmtpServer, serve_mx, serve_submission
from tests.servers.smtp.smtp_world import HOSTNAME, Backend


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> local_ca.LocalCa:
    return local_ca.ensure(tmp_path_factory.mktemp("smtp-ca"))


@pytest.fixture(scope="session")
def server_tls(authority: local_ca.LocalCa) -> ssl.SSLContext:
    return authority.server_context(["localhost", "127.0.0.1", "smtp.gmail.com"])


@pytest.fixture(scope="session")
def client_tls(authority: local_ca.LocalCa) -> ssl.SSLContext:
    return authority.client_context()


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
async def start(backend: Backend, server_tls: ssl.SSLContext) -> AsyncIterator[Callable[..., Awaitable[SmtpServer]]]:
    """`await start("mx", idle=1, ...)`: a server with these limits, closed at the end of the test."""
    servers: list[SmtpServer] = []

    async def begin(which: str, **limits: float) -> SmtpServer:
        serve = {"mx": serve_mx, "submission": serve_submission}[which]
        chosen = Limits(**{"connections_per_peer": 500, "drain": 2, **limits})  # type: ignore[arg-type]
        server = await serve(
            backend, host="127.0.0.1", port=0, ssl_context=server_tls, hostname=HOSTNAME, limits=chosen
        )
        servers.append(server)
        return server

    yield begin
    for server in servers:
        await server.close()


@pytest.fixture
async def mx(start: Callable[..., Awaitable[SmtpServer]]) -> SmtpServer:
    return await start("mx")


@pytest.fixture
async def submission(start: Callable[..., Awaitable[SmtpServer]]) -> SmtpServer:
    return await start("submission")
