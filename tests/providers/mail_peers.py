"""Mail servers for tests: real asyncio servers on loopback that follow a script, with TLS under a CA of our own."""

import asyncio
import contextlib
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from litemail.kit.outbound import Guard, ListedOnly, client_tls
from litemail.providers import mailhost
from litemail.providers.mailhost import Security, Server, Servers, sign_in

PASSWORD = "Caroline@Thompson2025"
ADDRESS = "caroline@getbrandmerge.test"
MAIL = "mail.example.test"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Certificates:
    ca: str
    server: ssl.SSLContext
    expired: ssl.SSLContext


def _certificate(
    names: list[str], *, days: int, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=9))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def made_certificates(folder: Path) -> Certificates:
    authority = _certificate(["Test CA"], days=9, issuer=None)

    def context(days: int) -> ssl.SSLContext:
        certificate, key = _certificate([MAIL, *mailhost.preset_hosts()], days=days, issuer=authority)
        pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / f"{days}.pem").write_bytes(pem)
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(folder / f"{days}.pem")
        return made

    pem = authority[0].public_bytes(serialization.Encoding.PEM).decode()
    return Certificates(ca=pem, server=context(9), expired=context(-1))


@contextlib.asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    tasks: set[asyncio.Task[None]] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            await handler(reader, writer)
        writer.transport.abort()
        tasks.discard(task)

    server = await asyncio.start_server(run, "127.0.0.1", 0, ssl=tls, backlog=1024)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


@dataclass
class Imap:
    """An IMAP server that answers from a script and remembers what it was told."""

    greeting: str = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready"
    capabilities: str = "IMAP4rev1 AUTH=PLAIN SASL-IR"
    login: str = "OK done"
    noop: str = "OK done"
    starttls: ssl.SSLContext | None = None
    injected: bytes = b""
    latency: float = 0.0
    heard: list[str] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{self.greeting}\r\n".encode())
        while line := await reader.readline():
            await asyncio.sleep(self.latency)
            text = line.decode().rstrip("\r\n")
            self.heard.append(text)
            tag, verb, *_ = text.split(" ")
            if verb == "CAPABILITY":
                writer.write(f"* CAPABILITY {self.capabilities}\r\n{tag} OK done\r\n".encode())
            elif verb == "STARTTLS" and self.starttls:
                writer.write(f"{tag} OK begin\r\n".encode() + self.injected)
                await writer.start_tls(self.starttls)
            elif verb == "AUTHENTICATE" and text.count(" ") == 2:
                writer.write(b"+ \r\n")
                self.heard.append((await reader.readline()).decode().strip())
                writer.write(f"{tag} {self.login}\r\n".encode())
            elif verb in {"LOGIN", "AUTHENTICATE"}:
                # A script that begins with an untagged response says where the tag goes.
                raw = self.login.replace("$", tag) if self.login.startswith("*") else f"{tag} {self.login}"
                writer.write(f"{raw}\r\n".encode())
            elif verb == "NOOP":
                writer.write(f"{tag} {self.noop}\r\n".encode())
            elif verb == "LOGOUT":
                writer.write(f"* BYE bye\r\n{tag} OK done\r\n".encode())
                await writer.drain()
                return
            else:
                writer.write(f"{tag} BAD what\r\n".encode())


@dataclass
class Smtp:
    """An SMTP server that answers from a script and remembers what it was told."""

    greeting: str = "220 mail ESMTP"
    auth: str = "AUTH PLAIN LOGIN XOAUTH2"
    reply: tuple[str, ...] = ("235 2.7.0 Accepted",)
    starttls: ssl.SSLContext | None = None
    latency: float = 0.0
    heard: list[str] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        encrypted = False
        writer.write(f"{self.greeting}\r\n".encode())
        while line := await reader.readline():
            await asyncio.sleep(self.latency)
            text = line.decode().rstrip("\r\n")
            self.heard.append(text)
            verb = text.split(" ")[0].upper()
            if verb == "EHLO":
                offer = "STARTTLS" if self.starttls and not encrypted else self.auth
                writer.write(f"250-mail\r\n250-SIZE 1000\r\n250 {offer}\r\n".encode())
            elif verb == "STARTTLS" and self.starttls:
                writer.write(b"220 go\r\n")
                await writer.start_tls(self.starttls)
                encrypted = True
            elif text.upper() == "AUTH LOGIN":
                writer.write(b"334 UGFzc3dvcmQ6\r\n")
                self.heard.append((await reader.readline()).decode().strip())
                writer.write("".join(f"{part}\r\n" for part in self.reply).encode())
            elif verb == "AUTH":
                writer.write("".join(f"{part}\r\n" for part in self.reply).encode())
            elif verb == "QUIT":
                writer.write(b"221 bye\r\n")
                await writer.drain()
                return
            else:
                writer.write(b"500 what\r\n")


class Inbox:
    """A pair of servers, and sign-ins to it under the names of a provider."""

    def __init__(self, certificates: Certificates, imap: int, smtp: int) -> None:
        self.tls = client_tls(ca=certificates.ca)
        self.imap = ("127.0.0.1", imap)
        self.smtp = ("127.0.0.1", smtp)

    def guard(self, servers: Servers) -> Guard:
        table = {
            (servers.imap.host, servers.imap.port): self.imap,
            (servers.smtp.host, servers.smtp.port): self.smtp,
        }
        return Guard(policy=ListedOnly(table), tls=self.tls)

    async def sign_in(self, servers: Servers, password: str = PASSWORD, seconds: float = 5.0) -> None:
        await sign_in(address=ADDRESS, password=password, servers=servers, guard=self.guard(servers), timeout=seconds)


@contextlib.asynccontextmanager
async def inbox(
    certificates: Certificates,
    imap: Handler | None = None,
    smtp: Handler | None = None,
    *,
    imap_tls: bool = True,
    smtp_tls: bool = False,
) -> AsyncIterator[Inbox]:
    """Like a provider: IMAP with TLS from the start, SMTP with STARTTLS, unless told otherwise."""
    context = certificates.server
    async with (
        serving(imap or Imap(), context if imap_tls else None) as imap_port,
        serving(smtp or Smtp(starttls=context), context if smtp_tls else None) as smtp_port,
    ):
        yield Inbox(certificates, imap_port, smtp_port)


def custom(imap: Security = Security.TLS, smtp: Security = Security.STARTTLS) -> Servers:
    return Servers(imap=Server(MAIL, 993, imap), smtp=Server(MAIL, 587, smtp))


GMAIL = mailhost.PRESETS["gmail"]
