"""Mailboxes of a workspace, a platform made of memory, and a way to run the jobs of exports against it."""

import asyncio
import csv
import io
import secrets as random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from litemail import platforms as platform_accounts
from litemail.exports import jobs
from litemail.kit.actor import Mode
from litemail.kit.db import Database
from litemail.kit.outbound import Guard
from litemail.kit.ports import PortBook
from litemail.kit.secrets import Secrets
from litemail.mailboxes import MailAccess
from litemail.platforms import Pace
from litemail.providers.platform import registry
from tests.conftest import Person, nowhere
from tests.connections.world import QUICK, Call, Platform


@dataclass
class World:
    """A sandbox workspace with mailboxes."""

    database: Database
    secrets: Secrets
    guards: dict[Mode, Guard]
    folder: Path
    call: Call
    person: Person
    platform: Platform = field(default_factory=Platform)
    pace: Pace = field(default_factory=lambda: replace(QUICK))

    async def mailboxes(self, *names: str, **more: Any) -> list[dict[str, Any]]:
        """Mailboxes of these names on a fresh active domain with room for them, in this order."""
        domain = f"d{random.token_hex(6)}.test"
        connected = await self.call("POST", "/v1/domains/connect", json={"domains": [domain]})
        assert connected.status_code == 202, connected.text
        async with self.database.begin_system("test") as tx:
            await tx.execute(
                "UPDATE domains SET status = 'active', mailbox_limit = 1000 WHERE name = %(name)s", name=domain
            )
        made = []
        for name in names:
            wanted = {"domain": domain, "username": name, "first_name": "Ada", "last_name": "Lovelace", **more}
            answer = await self.call("POST", "/v1/mailboxes", json=wanted)
            assert answer.status_code == 201, answer.text
            made.append(answer.json())
        return made

    async def account(self, *, email: str = "support@litemail.ai", platform_type: str = "instantly") -> str:
        """A platform account with a key that the platform takes."""
        async with self.database.begin(self.person.actor()) as tx:
            found = await platform_accounts.find_or_create(
                tx,
                platform_type=platform_type,
                platform_email=email,
                api_key="key-1",
                url=None,
                workspace=None,
                secrets=self.secrets,
            )
        return found.id

    async def order(self, destination: str = "csv", **more: Any) -> httpx.Response:
        body = {"destination": destination, "filter": {"all": True}, **more}
        return await self.call("POST", "/v1/exports", json=body)

    async def begin(self, destination: str = "csv", **more: Any) -> dict[str, Any]:
        answer = await self.order(destination, **more)
        assert answer.status_code == 202, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def run(self, export_id: str) -> None:
        ports = PortBook(self.folder / "ports.json")
        ports.write({"imaps": 8993, "submission": 8587})
        await jobs.run(
            database=self.database,
            secrets=self.secrets,
            platforms=registry([self.platform.adapter()]),
            doors=nowhere(),
            mail_access=MailAccess("127.0.0.1", ports),
            export_id=export_id,
            pace=self.pace,
        )

    @asynccontextmanager
    async def running(self, export_id: str) -> AsyncIterator["asyncio.Task[None]"]:
        """The job under way; killed at the end of the block if it still is."""
        task = asyncio.create_task(self.run(export_id))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def export(self, destination: str = "csv", **more: Any) -> dict[str, Any]:
        """Begins an export, runs its job, and shows how it ended."""
        begun = await self.begin(destination, **more)
        await self.run(begun["id"])
        return await self.show(begun["id"])

    async def show(self, export_id: str) -> dict[str, Any]:
        shown: dict[str, Any] = (await self.call("GET", f"/v1/exports/{export_id}")).json()
        return shown

    async def items(self, export_id: str, **query: str) -> list[dict[str, Any]]:
        answer = await self.call("GET", f"/v1/exports/{export_id}/items", params={"limit": "200", **query})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    async def rows(self, export_id: str) -> list[dict[str, str]]:
        """The CSV file, by the names of its columns."""
        answer = await self.call("GET", f"/v1/exports/{export_id}/file")
        assert answer.status_code == 200, answer.text
        return list(csv.DictReader(io.StringIO(answer.text, newline="")))

    async def audited(self, mailbox_id: str) -> list[dict[str, Any]]:
        """What the audit log has of credentials of that mailbox handed over, and who did it."""
        async with self.database.begin_system("test") as tx:
            found = await tx.connection.execute(
                """SELECT data, user_id FROM events WHERE subject = %(id)s AND audience = 'audit'
                   AND type = 'mailbox.credentials_handed_over' ORDER BY number""",
                {"id": mailbox_id},
            )
            return [{**data, "user_id": user_id} for data, user_id in await found.fetchall()]
