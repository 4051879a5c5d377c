"""POST /v1/connect-inbox with 1,000 inboxes, at a platform that takes 50 ms for each call.

Once at a plain server, which shows what it costs us, and once at the twin, which signs in to every inbox over TLS, as
the real one does, and owns both ends of that. API, worker and platform are processes of their own.
"""

import time

from benchmarks import plain_platform, world
from benchmarks.machine import processor_time
from benchmarks.row import Row, Scale, milliseconds
from litemail.kit.ports import PortBook
from litemail.providers.platform import instantly
from tests.journeys.installation import Customer

INBOXES = 1000
LATENCY_MS = 50
CALLS = 2
"""Of each inbox to the platform: add, read back."""


async def measure(_scale: Scale) -> list[Row]:
    return [await _with_plain_platform(), *await _with_twin()]


async def _with_plain_platform() -> Row:
    """In place of the sandbox: its port is written where the worker looks for it. Nobody signs in to the inboxes."""
    with world.fresh() as installed, plain_platform.answering() as port:
        installed.start("api")
        PortBook(installed.folder / "ports.json").write(
            dict.fromkeys(("sandbox_http", "sandbox_imap", "sandbox_smtp"), port)
        )
        worker = installed.start("worker")
        async with world.registered(installed) as me:
            before = processor_time(worker.pid)
            seconds = await _connect(me, verify=False)
            spent = processor_time(worker.pid) - before
    return _row("a plain server", seconds, f"worker {milliseconds(spent / INBOXES)}", goal="1.3 times")


async def _with_twin() -> list[Row]:
    rows = []
    with world.fresh() as installed:
        twin, worker, _ = (installed.start(part) for part in ("sandbox", "worker", "api"))
        async with world.registered(installed) as me:
            await me.call("POST", "/v1/sandbox/platforms/instantly", {"latency_ms": LATENCY_MS})
            for verify in (False, True):
                before = processor_time(worker.pid), processor_time(twin.pid)
                seconds = await _connect(me, verify=verify)
                ours, theirs = processor_time(worker.pid) - before[0], processor_time(twin.pid) - before[1]
                spent = f"worker {milliseconds(ours / INBOXES)}, twin {milliseconds(theirs / INBOXES)}"
                rows.append(_row(f"the twin, `verify` {'on' if verify else 'off'}", seconds, spent))
    return rows


def _row(platform: str, seconds: float, spent: str, *, goal: str = "") -> Row:
    at_once = instantly.adapter().declaration.limits.concurrency
    limit = INBOXES * CALLS * LATENCY_MS / 1000 / at_once
    return Row(
        f"connect {INBOXES:,} inboxes, platform answering in {LATENCY_MS} ms: {platform}",
        f"{seconds:.2f} s; processor time for each: {spent}",
        f"{CALLS} calls an inbox, {at_once} at once: {limit:.1f} s",
        f"{seconds / limit:.2f} times",
        goal,
    )


async def _connect(me: Customer, *, verify: bool) -> float:
    """Seconds. Each connection is with a key, so an organisation, of its own."""
    order = {
        "platform_type": "instantly",
        "platform_api_key": f"benchmark-{verify}",
        "inbox_type": "gmail",
        "options": {"verify": verify},
        "inboxes": [{"email": f"box{n}@elsewhere.com", "pass": "any password"} for n in range(INBOXES)],
    }
    started = time.perf_counter()
    connection = await me.call("POST", "/v1/connect-inbox", order)
    done = await me.until(
        f"/v1/connect-inbox/{connection['id']}", "completed", "completed_with_errors", "failed", seconds=100
    )
    assert done["connected"] == INBOXES, done
    return time.perf_counter() - started
