"""Whole installations in processes of their own, as an operator runs them, seen through their public ports."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

READY = 60.0


class NotReady(AssertionError):
    """A process ended or stayed silent instead of saying that it is ready."""


@dataclass
class Installation:
    """One data folder and the processes that run on it."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    """What stands before the command: `setpriv ...` to be somebody else."""
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        ports = (
            "HTTP",
            "DNS",
            "SMTP",
            "SUBMISSION",
            "IMAP",
            "IMAPS",
            "REDIRECT",
            "REDIRECT_TLS",
            "SANDBOX_HTTP",
            "SANDBOX_IMAP",
            "SANDBOX_SMTP",
        )
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LITEMAIL_")}
        return {
            **kept,
            **{f"LITEMAIL_{port}_PORT": "0" for port in ports},
            "LITEMAIL_DATA_DIR": str(self.folder),
            "LITEMAIL_RATE_LIMIT": "0",
            "LITEMAIL_MAILBOXES_PER_DOMAIN": "1000",
            **self.settings,
        }

    def start(self, *arguments: str, ready: str = "is ready") -> subprocess.Popen[str]:
        """Starts a command and waits until it says that it is ready."""
        said = self.folder.parent / f"output-{len(self.processes)}.log"
        with said.open("w") as output, (self.folder.parent / "errors.log").open("a") as errors:
            process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", "litemail", *arguments],
                env=self.environment(),
                stdout=output,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        self.processes.append(process)
        deadline = time.monotonic() + READY
        while time.monotonic() < deadline and process.poll() is None:
            if ready in said.read_text():
                return process
            time.sleep(0.02)
        raise NotReady(said.read_text() + self.errors())

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "litemail", *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=READY,
            check=False,
        )

    def errors(self) -> str:
        return (self.folder.parent / "errors.log").read_text()[-5000:]

    @property
    def ports(self) -> dict[str, int]:
        found: dict[str, int] = json.loads((self.folder / "ports.json").read_text())
        return found

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['http']}"

    def stop(self, process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> int:
        """Asks a process to end and waits for it; its exit status."""
        process.send_signal(number)
        try:
            return process.wait(timeout=30)
        finally:
            process.kill()  # does nothing to one that ended
            self.processes.remove(process)

    def kill(self, process: subprocess.Popen[str]) -> None:
        self.stop(process, signal.SIGKILL)

    def postgres(self) -> int | None:
        """The embedded PostgreSQL's process, if it lives."""
        file = self.folder / "postgres" / "data" / "postmaster.pid"
        if not file.exists():
            return None
        pid = int(file.read_text().splitlines()[0])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        return pid

    def kill_postgres(self) -> None:
        pid = self.postgres()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def installation(folder: Path, **settings: str) -> Iterator[Installation]:
    """Ends whatever is left of it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Installation(folder / "data", settings)
    try:
        yield made
    finally:
        for process in list(made.processes):
            made.stop(process)


@dataclass
class Customer:
    """Somebody at the API with a key."""

    client: httpx.AsyncClient

    async def call(self, method: str, path: str, body: object = None, *, expect: int | None = None) -> Any:
        answer = await self.client.request(method, path, json=body)
        if expect is not None:
            assert answer.status_code == expect, answer.text
        else:
            assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def until(self, path: str, *statuses: str, seconds: float = 30) -> Any:
        """Reads a thing until its status is one of those."""
        async with asyncio.timeout(seconds):
            while (thing := await self.call("GET", path))["status"] not in statuses:
                await asyncio.sleep(0.05)
        return thing

    async def active_domain(self, name: str) -> None:
        await self.call("POST", "/v1/domains/connect", {"domains": [name]})
        servers = await self.call("GET", f"/v1/domains/name-servers?domain={name}")
        await self.call("POST", "/v1/sandbox/delegations", {"domain": name, "name_servers": servers["name_servers"]})
        await self.until(f"/v1/domains/{name}", "active")

    async def mailbox(self, domain: str, username: str, **more: object) -> Any:
        return await self.call(
            "POST",
            "/v1/mailboxes",
            {"domain": domain, "username": username, "first_name": "Ada", "last_name": "Lovelace", **more},
        )


@contextlib.asynccontextmanager
async def customer(url: str, *, email: str = "ada@example.com") -> Any:
    """Registers, makes a key with every scope, and calls with it."""
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
        registered = await client.post(
            "/v1/auth/register",
            json={"email": email, "password": "correct horse battery", "first_name": "Ada", "last_name": "Lovelace"},
        )
        assert registered.status_code == 201, registered.text
        key = await client.post(
            "/v1/api-keys",
            json={"name": "Journey", "scopes": ["*"]},
            headers={"authorization": f"Bearer {registered.json()['access_token']}"},
        )
        client.headers["x-api-key"] = key.json()["key"]
        yield Customer(client)
