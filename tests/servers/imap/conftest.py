"""A real IMAP server on free ports over mailboxes in a temporary folder, and real clients."""

import asyncio
import imaplib
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from litemail.kit import clock
from litemail.servers import imap
from litemail.servers.imap import maildir
from litemail.servers.imap.store import Store

USER = "ann@example.test"


class Accounts:
    """Knows everybody; what the password is decides the outcome."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[tuple[str, str, str | None]] = []
        self.stalled = 0
        self.cancelled = 0

    async def sign_in(self, *, username: str, password: str, peer: str, tls_name: str | None) -> imap.Account:
        self.asked.append((username, peer, tls_name))
        if password == "timeout":
            self.stalled += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled += 1
        if password == "stalled":
            raise imap.SignInStalled
        if password == "broken":
            raise RuntimeError("the database is gone")
        if password == "needs-app-password":
            raise imap.SignInRefused("[ALERT] Application-specific password required: https://example.test/1 (Failure)")
        if password != "right":
            raise imap.SignInRefused("Invalid credentials (Failure)")
        return imap.Account(mailbox_id=username, folder=self.root / username)


class Imap:
    """The running server, and how to reach it."""

    def __init__(self, root: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
        self.accounts = Accounts(root)
        self.root = root / USER
        self.store = Store()
        self.client_tls = client_tls
        self._server_tls = server_tls
        self._servers: list[imap.ImapServer] = []
        self.imaps_port = 0
        self.port = 0

    async def start(self, limits: imap.Limits | None = None) -> None:
        for implicit_tls in (True, False):
            server = await imap.serve(
                self.accounts,
                host="127.0.0.1",
                port=0,
                ssl_context=self._server_tls,
                implicit_tls=implicit_tls,
                store=self.store,
                limits=limits or imap.Limits(closing_seconds=1),
            )
            self._servers.append(server)
        self.imaps_port, self.port = (server.port for server in self._servers)

    async def stop(self) -> None:
        for server in self._servers:
            await server.close()
        self._servers.clear()
        await self.store.close()

    async def restart(self, limits: imap.Limits | None = None) -> None:
        """Everything in memory is lost; the ports are new."""
        await self.stop()
        self.store = Store()
        await self.start(limits)

    def connect(self, host: str = "localhost") -> imaplib.IMAP4_SSL:
        return imaplib.IMAP4_SSL(host, self.imaps_port, ssl_context=self.client_tls, timeout=20)

    def connect_plain(self) -> imaplib.IMAP4:
        return imaplib.IMAP4("localhost", self.port, timeout=20)

    @contextmanager
    def client(self, folder: str | None = "INBOX", *, readonly: bool = False) -> Iterator[imaplib.IMAP4_SSL]:
        """A signed-in client with a folder selected; log out at the end."""
        client = self.connect()
        try:
            client.login(USER, "right")
            if folder:
                assert client.select(folder, readonly=readonly)[0] == "OK"
            yield client
        except BaseException:
            client.shutdown()
            raise
        client.logout()

    def deliver(self, message: bytes, folder: str = "INBOX", flags: str = "") -> str:
        return maildir.deliver(self.root, message, folder=folder, flags=flags)


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server with a certificate of a CA made here, and of a client that trusts it."""
    folder = tmp_path_factory.mktemp("tls")
    authority_key, authority = _certificate("Test CA", names=[], issuer=None)
    key, certificate = _certificate("localhost", ["localhost", "imap.gmail.test"], (authority_key, authority))
    (folder / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem")
    return server, ssl.create_default_context(cafile=str(folder / "ca.pem"))


_Issuer = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]


def _certificate(name: str, names: list[str], issuer: _Issuer | None) -> _Issuer:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[1].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - timedelta(days=1))
        .not_valid_after(clock.now() + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(dns) for dns in names]), critical=False
        )
    return key, builder.sign(issuer[0] if issuer else key, hashes.SHA256())


@pytest.fixture
def make_imap() -> type[Imap]:
    """For a test that starts the server by itself."""
    return Imap


@pytest.fixture
async def server(tmp_path: Path, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> AsyncIterator[Imap]:
    running = Imap(tmp_path, *tls)
    maildir.create(running.root)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait until something is so; fail after ten seconds."""

    def wait(is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not is_so():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return wait
