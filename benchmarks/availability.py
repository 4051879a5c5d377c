"""GET /v1/domains/available for 50 names at a registrar that takes 0.3 s for each."""

import math
import secrets as random
import statistics
import time

from benchmarks import world
from benchmarks.row import Row, Scale
from litemail.servers.sandbox.registrar import SandboxRegistrar
from litemail.servers.sandbox.registrar_names import SLOW_ANSWER
from tests.journeys.installation import Customer

NAMES = 50
RUNS = 5


async def measure(_scale: Scale) -> list[Row]:
    with world.fresh() as installed:
        installed.start("api")
        async with world.registered(installed) as me:
            seconds = statistics.median([await _look_up(me) for _ in range(RUNS)])
    limit = math.ceil(NAMES / SandboxRegistrar.at_once) * SLOW_ANSWER
    return [
        Row(
            f"look {NAMES} names up, registrar answering in {SLOW_ANSWER} s",
            f"{seconds:.2f} s",
            f"{SandboxRegistrar.at_once} at once: {limit:.1f} s",
            f"{seconds / limit:.2f} times",
            "3 s",
        )
    ]


async def _look_up(me: Customer) -> float:
    label = random.token_hex(6)
    names = ",".join(f"slow-{label}{number}.test" for number in range(NAMES))
    began = time.perf_counter()
    found = (await me.call("GET", f"/v1/domains/available?names={names}"))["data"]
    seconds = time.perf_counter() - began
    assert len(found) == NAMES
    assert all(each["available"] for each in found)
    return seconds
