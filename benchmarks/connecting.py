"""POST /v1/connect-inbox with 1,000 inboxes, at a platform that takes 50 ms for each call."""

import time

from benchmarks import world
from benchmarks.row import Row, Scale
from litemail.providers.platform import instantly
from tests.journeys.installation import Customer

INBOXES = 1000
LATENCY_MS = 50
CALLS = 2
"""Of each inbox to the platform: add, read back."""


async def measure(_scale: Scale) -> list[Row]:
    at_once = instantly.adapter().declaration.limits.concurrency
    limit = INBOXES * CALLS * LATENCY_MS / 1000 / at_once
    with world.fresh() as installed:
        installed.start("serve")
        async with world.registered(installed) as me:
            await me.call("POST", "/v1/sandbox/platforms/instantly", {"latency_ms": LATENCY_MS})
            took = {verify: await _connect(me, verify=verify) for verify in (False, True)}
    return [
        Row(
            f"connect {INBOXES:,} inboxes, platform answering in {LATENCY_MS} ms, `verify` {'on' if verify else 'off'}",
            f"{seconds:.2f} s",
            f"{CALLS} calls an inbox, {at_once} at once: {limit:.1f} s",
            f"{seconds / limit:.2f} times",
            "" if verify else "1.3 times",
        )
        for verify, seconds in took.items()
    ]


async def _connect(me: Customer, *, verify: bool) -> float:
    """Seconds from the call to `completed`. Each is with a key, so an organisation, of its own."""
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
