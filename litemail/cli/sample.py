"""The sample: performs the main job against the running servers, through their public ports, and says how.

It does what a customer would do: register, make a key, connect a domain, create mailboxes, send a message, connect the
inboxes to a sending platform. What it made is kept in `sample.json`, so that a later start only shows it.
"""

import asyncio
import imaplib
import secrets
import smtplib
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.message
import dns.rdatatype
import httpx
import msgspec
from rich.console import Console
from rich.text import Text

from litemail.app import Running
from litemail.kit import clock, local_ca
from litemail.kit.errors import Error, Kind
from litemail.protocols import dkim

DOMAIN = "brandmerge.test"
PEOPLE = (("caroline", "Caroline", "Thompson"), ("daniel", "Daniel", "Reyes"))
PLATFORM_LOGIN = {"platform_email": "support@litemail.ai", "platform_pass": "Lite@Mail2024!"}
_PATIENCE = 30.0
_WIDTH = 72

console = Console(highlight=False, soft_wrap=True)


class SampleFailed(Error):
    kind = Kind.UNAVAILABLE
    code = "sample.failed"
    message = "The sample stopped at: {step}. {reason}"
    action = "Look into the log above; `litemail doctor` checks the installation."


class Sample(msgspec.Struct, frozen=True):
    """What the first start made."""

    email: str
    password: str
    api_key: str
    domain: str
    mailboxes: list[str]


class Credentials(msgspec.Struct, frozen=True):
    email: str
    password: str
    imap_port: int
    smtp_port: int


async def perform(running: Running) -> None:
    """Performs the sample on the first start, shows what it made on later ones. Raises SampleFailed."""
    file = running.house.settings.data_dir / "sample.json"
    if file.exists():
        sample = msgspec.json.decode(file.read_bytes(), type=Sample)
        console.print(f"Litemail is ready: {running.url}")
        _show(running, sample)
        return
    console.print("Litemail performs its main job in a sample sandbox workspace:\n")
    started = time.perf_counter()
    async with httpx.AsyncClient(base_url=running.url, timeout=_PATIENCE, trust_env=False) as client:
        sample = await _Thread(running, client).run()
    _write(file, sample)
    console.print(f"\nAll of it took {time.perf_counter() - started:.1f} s.\n")
    console.print(f"Litemail is ready: {running.url}")
    _show(running, sample)


class _Thread:
    """The steps, one after the other."""

    def __init__(self, running: Running, client: httpx.AsyncClient) -> None:
        self._running = running
        self._client = client
        self._host = running.house.settings.reachable_host

    async def run(self) -> Sample:
        email, password = "ada@example.com", secrets.token_urlsafe(12)
        async with _step(f"user {email} registered, with a sandbox workspace"):
            email, token = await self._register(email, password)
        async with _step("API key made"):
            key = await self._call(
                "POST",
                "/v1/api-keys",
                {"name": "Sample", "scopes": ["*"]},
                headers={"authorization": f"Bearer {token}"},
            )
            self._client.headers["x-api-key"] = str(key["key"])
        domain = await self._domain()
        async with _step("zone served: SOA, MX, SPF and DMARC from our name server"):
            await self._zone(domain)
        async with _step("DKIM keys published under two selectors"):
            for selector in ("lm1", "lm2"):
                await self._txt(f"{selector}._domainkey.{domain}")
        async with _step(f"mailboxes created: {' and '.join(f'{name}@{domain}' for name, _, _ in PEOPLE)}"):
            boxes = await self._mailboxes(domain)
        async with _step("IMAP and SMTP sign-in of both"):
            await asyncio.gather(*(asyncio.to_thread(self._sign_in, box) for box in boxes))
        async with _step("message delivered from one to the other, DKIM pass"):
            await self._message(boxes[0], boxes[1])
        async with _step("both inboxes connected to the sandbox Instantly"):
            await self._connect(boxes)
        return Sample(email, password, str(key["key"]), domain, [box.email for box in boxes])

    async def _register(self, email: str, password: str) -> tuple[str, str]:
        body = {"password": password, "first_name": "Ada", "last_name": "Lovelace", "workspace_name": "Sample"}
        for address in (email, f"ada-{secrets.token_hex(3)}@example.com"):
            answer = await self._client.post("/v1/auth/register", json={"email": address, **body})
            if answer.is_success:
                return address, answer.json()["access_token"]
        raise SampleFailed(step="register", reason=answer.text)

    async def _domain(self) -> str:
        for domain in (DOMAIN, f"brandmerge-{secrets.token_hex(3)}.test"):
            answer = await self._client.post("/v1/domains/connect", json={"domains": [domain]})
            if answer.is_success:
                break
        else:
            raise SampleFailed(step="connect a domain", reason=answer.text)
        async with _step(f"domain {domain} delegated and verified"):
            servers = await self._call("GET", f"/v1/domains/name-servers?domain={domain}")
            await self._call(
                "POST", "/v1/sandbox/delegations", {"domain": domain, "name_servers": servers["name_servers"]}
            )
            await self._until(f"/v1/domains/{domain}", "active")
        return domain

    async def _zone(self, domain: str) -> None:
        for name, kind in ((domain, "SOA"), (domain, "MX"), (domain, "TXT"), (f"_dmarc.{domain}", "TXT")):
            await self._ask(name, kind)

    async def _mailboxes(self, domain: str) -> Sequence[Credentials]:
        wanted = [
            {"domain": domain, "username": user, "first_name": first, "last_name": last} for user, first, last in PEOPLE
        ]
        made = await self._call("POST", "/v1/mailboxes", {"mailboxes": wanted, "all_or_nothing": True})
        boxes = [await self._call("GET", f"/v1/mailboxes/{item['id']}/credentials") for item in made["results"]]
        return [Credentials(box["email"], box["password"], box["imap"]["port"], box["smtp"]["port"]) for box in boxes]

    def _sign_in(self, box: Credentials) -> None:
        with imaplib.IMAP4_SSL(self._host, box.imap_port, ssl_context=self._tls(), timeout=_PATIENCE) as imap:
            imap.login(box.email, box.password)
        with smtplib.SMTP(self._host, box.smtp_port, timeout=_PATIENCE) as smtp:
            smtp.starttls(context=self._tls())
            smtp.login(box.email, box.password)

    async def _message(self, sender: Credentials, receiver: Credentials) -> None:
        subject = f"Hello from Litemail {secrets.token_hex(4)}"
        await asyncio.to_thread(self._send, sender, receiver, subject)
        async with asyncio.timeout(_PATIENCE):
            while (message := await asyncio.to_thread(self._fetch, receiver, subject)) is None:
                await asyncio.sleep(0.05)
        results = await dkim.verify(message, txt_lookup=self._txt, now=clock.now())
        if not results or any(result.result is not dkim.Verdict.PASS for result in results):
            raise SampleFailed(step="verify DKIM", reason=str(results))

    def _send(self, sender: Credentials, receiver: Credentials, subject: str) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender.email, receiver.email, subject
        message.set_content("Sent through submission, signed, delivered, read over IMAP.")
        with smtplib.SMTP(self._host, sender.smtp_port, timeout=_PATIENCE) as smtp:
            smtp.starttls(context=self._tls())
            smtp.login(sender.email, sender.password)
            smtp.send_message(message)

    def _fetch(self, box: Credentials, subject: str) -> bytes | None:
        with imaplib.IMAP4_SSL(self._host, box.imap_port, ssl_context=self._tls(), timeout=_PATIENCE) as imap:
            imap.login(box.email, box.password)
            imap.select("INBOX", readonly=True)
            _, (found,) = imap.search(None, "SUBJECT", f'"{subject}"')
            if not found:
                return None
            _, parts = imap.fetch(found.split()[0].decode(), "(BODY.PEEK[])")
            return next(part[1] for part in parts if isinstance(part, tuple))

    async def _connect(self, boxes: Sequence[Credentials]) -> None:
        body = {
            "platform_type": "instantly",
            **PLATFORM_LOGIN,
            "inbox_type": "litemail",
            "inboxes": [{"email": box.email} for box in boxes],
        }
        connection = await self._call("POST", "/v1/connect-inbox", body)
        await self._until(f"/v1/connect-inbox/{connection['id']}", "completed")

    def _tls(self) -> ssl.SSLContext:
        return local_ca.ensure(self._running.house.settings.data_dir / "ca").client_context()

    async def _txt(self, name: str) -> str | None:
        answer = await self._ask(name, "TXT")
        return b"".join(answer.answer[0][0].strings).decode()

    async def _ask(self, name: str, kind: str) -> dns.message.Message:
        query = dns.message.make_query(name, dns.rdatatype.from_text(kind))
        answer, _ = await dns.asyncquery.udp_with_fallback(
            query, self._host, port=self._running.ports["dns"], timeout=_PATIENCE
        )
        if not answer.answer:
            raise SampleFailed(step=f"ask {kind} of {name}", reason="The name server has no answer.")
        return answer

    async def _until(self, path: str, status: str) -> None:
        async with asyncio.timeout(_PATIENCE):
            while (state := await self._call("GET", path))["status"] != status:
                if state["status"] in ("failed", "completed_with_errors", "cancelled"):
                    raise SampleFailed(step=path, reason=str(state))
                await asyncio.sleep(0.05)

    async def _call(
        self, method: str, path: str, body: object = None, *, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        answer = await self._client.request(method, path, json=body, headers=headers)
        if not answer.is_success:
            raise SampleFailed(step=f"{method} {path}", reason=answer.text)
        found: dict[str, Any] = answer.json()
        return found


@asynccontextmanager
async def _step(what: str) -> AsyncIterator[None]:
    started = time.perf_counter()
    try:
        yield
    except (TimeoutError, OSError, httpx.HTTPError, smtplib.SMTPException, imaplib.IMAP4.error) as error:
        raise SampleFailed(step=what, reason=repr(error)) from error
    seconds = f"{time.perf_counter() - started:6.2f} s"
    console.print(Text("  ✓ ", style="green") + Text(what.ljust(_WIDTH)) + Text(seconds, style="dim"))


def _write(file: Path, sample: Sample) -> None:
    fresh = file.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(msgspec.json.encode(sample))
    fresh.replace(file)


def _show(running: Running, sample: Sample) -> None:
    host, ports = running.house.settings.reachable_host, running.ports
    lines = (
        ("API", running.url),
        ("docs", f"{running.url}/docs"),
        ("contract", f"{running.url}/openapi.json"),
        (
            "mail",
            f"SMTP {host}:{ports['smtp']}, submission {host}:{ports['submission']}, IMAPS {host}:{ports['imaps']}",
        ),
        ("DNS", f"{host}:{ports['dns']}"),
        ("sign-in", f"{sample.email} with {sample.password}"),
        ("API key", sample.api_key),
    )
    for name, value in lines:
        console.print(f"  {name:9} {value}")
    console.print(
        f"""
Connect an inbox to a sending platform:

  curl -s {running.url}/v1/connect-inbox -H 'x-api-key: {sample.api_key}' \\
    -H 'content-type: application/json' -d '{{"platform_type": "instantly",
    "platform_email": "support@litemail.ai", "platform_pass": "Lite@Mail2024!", "inbox_type": "gmail",
    "inboxes": [{{"email": "caroline@getbrandmerge.com", "pass": "Caroline@Thompson2025"}}]}}'

Ctrl-C stops everything."""
    )
