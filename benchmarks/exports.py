"""POST /v1/exports of all mailboxes as CSV, and GET .../file: how fast it streams, what the API holds meanwhile.

Making an app password for each mailbox comes before, in the worker; it is told apart. The client counts rows and
throws them away.
"""

import asyncio
import time
from dataclasses import dataclass

from benchmarks import machine, world
from benchmarks.row import Row, Scale
from litemail.app.house import House
from tests.journeys.installation import Customer, Installation

GOAL = 100_000
_CELL = b"\nCaroline Thompson,"
_PART = 1 << 20


@dataclass(frozen=True)
class _Streamed:
    rows: int
    bytes: int
    seconds: float


async def measure(scale: Scale) -> list[Row]:
    with world.fresh() as installed:
        installed.start("mail")
        api, worker = installed.start("api"), installed.start("worker")
        async with world.registered(installed) as me, world.inside(installed) as house:
            await _fill(installed, house, me, count=scale.rows)
            before = machine.processor_time(worker.pid)
            started = time.perf_counter()
            export = await me.call("POST", "/v1/exports", {"destination": "csv", "filter": {"all": True}})
            taken = time.perf_counter() - started
            await me.until(f"/v1/exports/{export['id']}", "completed", seconds=60 + scale.rows / 1000)
            made = time.perf_counter() - started
            spent_making = machine.processor_time(worker.pid) - before
            await world.tidy(installed, "app_passwords")
            idle, before = machine.resident_of(api.pid), machine.processor_time(api.pid)
            streamed = await _stream(installed, me, f"/v1/exports/{export['id']}/file")
            spent = machine.processor_time(api.pid) - before
            peak = machine.peak_of(api.pid)
    rate = streamed.rows / streamed.seconds
    return [
        Row(
            f"`GET /v1/exports/{{id}}/file`, CSV, {streamed.rows:,} mailboxes",
            f"{rate:,.0f} rows/s, {streamed.bytes / streamed.seconds / 2**20:.0f} MiB/s; processor time of the API "
            f"{spent / streamed.rows * 1e6:.1f} µs a row",
            goal=f"{GOAL:,}/s",
        ),
        Row(
            "the same: most memory that the API process held",
            f"{peak / 2**20:.0f} MiB",
            f"before: {idle / 2**20:.0f} MiB",
            goal="200 MB",
        ),
        Row(
            f"`POST /v1/exports` of {scale.rows:,} mailboxes as CSV, until the file can be read",
            f"{made:.0f} s, {taken:.1f} s until the answer; {scale.rows / (made - taken):,.0f} app passwords/s "
            "({SSHA512}, AES-256-GCM, audit line), "
            f"{spent_making / scale.rows * 1e6:.0f} µs of the worker's time each",
        ),
    ]


async def _fill(installed: Installation, house: House, owner: Customer, *, count: int) -> None:
    workspace_id: str = (await owner.call("GET", "/v1/users"))["default_workspace_id"]
    await world.add_mailboxes(house.database, workspace_id=workspace_id, first=0, count=count)
    await world.tidy(installed, "mailboxes")


async def _stream(installed: Installation, me: Customer, path: str) -> _Streamed:
    """Over a bare socket: what a client's own library costs is not the server's."""
    request = world.caller(installed, me).request("GET", path)
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", installed.ports["http"], limit=4 * _PART)
    writer.write(request.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
    rows = size = 0
    tail = b""
    while part := await reader.read(_PART):
        rows += (tail + part).count(_CELL)
        size += len(part)
        tail = part[-len(_CELL) + 1 :]
    writer.close()
    return _Streamed(rows, size, time.perf_counter() - started)
