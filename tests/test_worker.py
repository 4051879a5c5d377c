"""The worker as a whole: jobs, events and schedules of the program."""

import asyncio

import httpx
import pytest

from litemail import worker
from litemail.kit import outbox
from litemail.kit.db import Database
from litemail.kit.ids import new_id
from litemail.kit.notify import Listener
from tests.conftest import Databases, Person, eventually


async def test_tidying_forgets_what_has_served_its_time(client: httpx.AsyncClient, person: Person, database: Database):
    headers = {**person.headers, "idempotency-key": "k1"}
    for name in ("Old", "New"):
        headers["idempotency-key"] = name
        await client.post("/v1/workspaces", json={"name": name}, headers=headers)
    async with database.begin_system("a day passes") as tx:
        await tx.execute("UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = 'Old'")
    await worker.tidy(database=database)
    async with database.begin_system("look") as tx:
        query = "SELECT key FROM idempotency_keys WHERE workspace_id = %(id)s"
        assert await tx.values(str, query, id=person.workspace_id) == ["New"]


async def test_an_event_becomes_a_job_that_runs(databases: Databases, monkeypatch: pytest.MonkeyPatch):
    """The job and its handler are made up; everything between them is the program's."""
    heard: list[tuple[str, str, int]] = []

    async def hear(*, answer: int, workspace_id: str, subject: str) -> None:
        heard.append((workspace_id, subject, answer))

    monkeypatch.setattr(worker, "JOBS", {"test.hear": hear})
    monkeypatch.setattr(worker, "SCHEDULES", {})
    monkeypatch.setattr(worker, "HANDLERS", {"test.happened": ["test.hear"]})
    workspace_id = new_id("ws")
    async with databases.fresh(size=4) as database:
        listener = Listener(database.system_url, channels=(outbox.CHANNEL,))
        running = worker.running(database=database, listener=listener, resources={"answer": 42}, concurrency=2)
        async with listener.running(), running:
            async with database.begin_system("emit") as tx:
                await tx.emit("test.happened", workspace_id=workspace_id, subject="thing")

            async def done() -> bool:
                return bool(heard)

            await eventually(done, seconds=20)
            await asyncio.sleep(0)
    assert heard == [(workspace_id, "thing", 42)]


def test_every_job_is_registered_under_the_name_of_its_slice():
    for name, job in worker.JOBS.items():
        assert job.__module__.startswith(f"litemail.{name.partition('.')[0]}"), name
