"""`litemail serve` from its command to its ready line."""

import statistics
import time

from benchmarks import world
from benchmarks.row import Row, Scale
from tests.journeys.installation import Installation

RUNS = 3


async def measure(_scale: Scale) -> list[Row]:
    first: list[float] = []
    later: list[float] = []
    for _ in range(RUNS):
        with world.fresh() as installed:
            first.append(_start(installed))
            later.append(_start(installed))
    return [
        Row("`serve` on an empty folder to ready", _shown(first), goal="3 s"),
        Row("`serve` to ready, later", _shown(later), goal="1.5 s"),
    ]


def _start(installed: Installation) -> float:
    started = time.perf_counter()
    process = installed.start("serve")
    took = time.perf_counter() - started
    installed.stop(process)
    return took


def _shown(took: list[float]) -> str:
    return f"{statistics.median(took):.2f} s (median of {RUNS}; {min(took):.2f} to {max(took):.2f})"
