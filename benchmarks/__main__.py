"""Measures all figures and prints them as one Markdown table; nothing is left behind."""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import uvloop

from benchmarks import (
    availability,
    bulk_creation,
    charges,
    cold_start,
    connecting,
    creation,
    dns_answers,
    dns_checks,
    dns_fuzz,
    dns_zones,
    exports,
    idle_memory,
    listing,
    machine,
    redirects,
    reference,
)
from benchmarks.row import HEADER, Row, Scale
from litemail.kit import logging

FIGURES: Mapping[str, Callable[[Scale], Awaitable[Sequence[Row]]]] = {
    "listing": listing.measure,
    "creation": creation.measure,
    "bulk_creation": bulk_creation.measure,
    "connecting": connecting.measure,
    "charges": charges.measure,
    "exports": exports.measure,
    "availability": availability.measure,
    "dns_answers": dns_answers.measure,
    "dns_zones": dns_zones.measure,
    "dns_checks": dns_checks.measure,
    "dns_fuzz": dns_fuzz.measure,
    "redirects": redirects.measure,
    "reference": reference.measure,
    "cold_start": cold_start.measure,
    "idle_memory": idle_memory.measure,
}
LONGEST = 180.0
LONGEST_A_ROW: Mapping[str, float] = {"exports": 0.002}
"""More of it for figures whose work grows with `--rows`: each mailbox is made, gets a password, and is streamed."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=FIGURES, metavar="NAME", help=", ".join(FIGURES))
    parser.add_argument(
        "--rows", type=int, default=Scale.rows, help="mailboxes of the workspace that is listed or exported"
    )
    parser.add_argument("--seconds", type=float, default=Scale.seconds, help="length of each load")
    given = parser.parse_args()
    logging.configure("warning")
    scale = Scale(rows=given.rows, seconds=given.seconds)
    return uvloop.run(_measure(given.only or list(FIGURES), scale))


async def _measure(names: Sequence[str], scale: Scale) -> int:
    print(f"Measured on {machine.describe()}; rate limit off, client on the same machine.\n\n{HEADER}", flush=True)
    failed = 0
    for name in names:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(LONGEST + LONGEST_A_ROW.get(name, 0.0) * scale.rows):
                rows = await FIGURES[name](scale)
        except Exception as error:  # noqa: BLE001 - the other figures are worth having
            failed += 1
            rows = [Row(name, f"failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}")]
        for row in rows:
            print(row.markdown(), flush=True)
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
