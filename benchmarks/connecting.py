"""POST /v1/connect-inbox with 1,000 inboxes, at a platform that takes 50 ms for each call.

API, worker and the platform's twin are processes of their own: the twin signs in to every inbox over TLS, as the real
one does, and owns both ends of that, so its work must not stand in the way of ours.
"""

import time
from dataclasses import dataclass

from benchmarks import world
from benchmarks.machine import processor_time
from benchmarks.row import Row, Scale, milliseconds
from litemail.providers.platform import instantly
from tests.journeys.installation import Customer

INBOXES = 1000
LATENCY_MS = 50
CALLS = 2
"""Of each inbox to the platform: add, read back."""


@dataclass(frozen=True)
class _Run:
    """Seconds from the call to `completed`, and of processor time for each inbox."""

    seconds: float
    worker: float
    twin: float


async def measure(_scale: Scale) -> list[Row]:
    at_once = instantly.adapter().declaration.limits.concurrency
    limit = INBOXES * CALLS * LATENCY_MS / 1000 / at_once
    runs: dict[bool, _Run] = {}
    with world.fresh() as installed:
        twin, worker, _ = (installed.start(part) for part in ("sandbox", "worker", "api"))
        async with world.registered(installed) as me:
            await me.call("POST", "/v1/sandbox/platforms/instantly", {"latency_ms": LATENCY_MS})
            for verify in (False, True):
                before = processor_time(worker.pid), processor_time(twin.pid)
                seconds = await _connect(me, verify=verify)
                spent = processor_time(worker.pid) - before[0], processor_time(twin.pid) - before[1]
                runs[verify] = _Run(seconds, spent[0] / INBOXES, spent[1] / INBOXES)
    return [
        Row(
            f"connect {INBOXES:,} inboxes, platform answering in {LATENCY_MS} ms, `verify` {'on' if verify else 'off'}",
            f"{run.seconds:.2f} s; processor time for each: worker {milliseconds(run.worker)}, "
            f"twin {milliseconds(run.twin)}",
            f"{CALLS} calls an inbox, {at_once} at once: {limit:.1f} s",
            f"{run.seconds / limit:.2f} times",
            "" if verify else "1.3 times",
        )
        for verify, run in runs.items()
    ]


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
