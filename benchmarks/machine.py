"""What the figures were measured on."""

import os
import platform
from pathlib import Path


def describe() -> str:
    """Cores, processor, memory, versions."""
    processor = _field(Path("/proc/cpuinfo"), "model name") or platform.machine()
    total = _field(Path("/proc/meminfo"), "MemTotal") or "0 kB"
    gigabytes = int(total.split()[0]) / 2**20
    cores = len(os.sched_getaffinity(0))
    versions = f"Linux {platform.release()}, Python {platform.python_version()}"
    return f"{cores} cores of {processor}, {gigabytes:.0f} GB, {versions}"


def _field(file: Path, name: str) -> str | None:
    """The value of the first `name : value` line."""
    for line in file.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None
