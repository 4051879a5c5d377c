"""Memory of an idle `litemail serve`, its PostgreSQL included: each page counted once (PSS)."""

import asyncio
import re
from collections.abc import Iterable
from pathlib import Path

from benchmarks import world
from benchmarks.row import Row, Scale

IDLE = 10.0
_KILOBYTES = 1024
_MEGABYTE = 1_000_000


async def measure(_scale: Scale) -> list[Row]:
    with world.fresh() as installed:
        process = installed.start("serve")
        await asyncio.sleep(IDLE)
        postmaster = installed.postgres()
        assert postmaster is not None
        own, database = _megabytes([process.pid]), _megabytes([postmaster, *_children(postmaster)])
    return [
        Row(
            f"memory of `serve`, {IDLE:.0f} s after ready",
            f"{own + database:.0f} MB (the process {own:.0f}, PostgreSQL {database:.0f})",
            goal="250 MB",
        )
    ]


def _megabytes(pids: Iterable[int]) -> float:
    total = 0
    for pid in pids:
        found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        assert found is not None
        total += int(found[1]) * _KILOBYTES
    return total / _MEGABYTE


def _children(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in children]
