"""`litemail serve` from its command to its ready line."""

import statistics
import time
from dataclasses import dataclass

from benchmarks import machine, world
from benchmarks.row import Row, Scale
from tests.journeys.installation import Installation

RUNS = 3


async def measure(_scale: Scale) -> list[Row]:
    first: list[_Start] = []
    later: list[_Start] = []
    for _ in range(RUNS):
        with world.fresh() as installed:
            first.append(_start(installed))
            later.append(_start(installed))
    return [
        Row("`serve` on an empty folder to ready", _shown(first), _beside(first), goal="3 s"),
        Row("`serve` to ready, later", _shown(later), _beside(later), goal="1.5 s"),
    ]


@dataclass(frozen=True)
class _Start:
    seconds: float
    processor: float


def _start(installed: Installation) -> _Start:
    started = time.perf_counter()
    process = installed.start("serve")
    made = _Start(time.perf_counter() - started, machine.processor_time(process.pid))
    installed.stop(process)
    return made


def _beside(starts: list[_Start]) -> str:
    return f"processor time of the process: {statistics.median(start.processor for start in starts):.2f} s"


def _shown(starts: list[_Start]) -> str:
    took = [start.seconds for start in starts]
    return f"{statistics.median(took):.2f} s (median of {RUNS}; {min(took):.2f} to {max(took):.2f})"
