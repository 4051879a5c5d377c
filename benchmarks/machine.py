"""What the figures were measured on."""

import os
import platform
from pathlib import Path


def describe() -> str:
    """Cores, processor, memory, versions, and how busy it is."""
    processor = _field(Path("/proc/cpuinfo"), "model name") or platform.machine()
    total = _field(Path("/proc/meminfo"), "MemTotal") or "0 kB"
    gigabytes = int(total.split()[0]) / 2**20
    cores = len(os.sched_getaffinity(0))
    versions = f"Linux {platform.release()}, Python {platform.python_version()}"
    return (
        f"{cores} cores of {processor}, {gigabytes:.0f} GB, {versions}; load before the start: {os.getloadavg()[0]:.1f}"
    )


def processor_time(pid: int) -> float:
    """Seconds that a process has had a processor since it began: what other programs on the machine hardly change."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = fields[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def resident_bytes() -> int:
    """What this process holds in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def resident_of(pid: int) -> int:
    """What a process holds in memory now, in bytes."""
    return _kilobytes(pid, "VmRSS")


def peak_of(pid: int) -> int:
    """The most that a process has held in memory since it began, in bytes."""
    return _kilobytes(pid, "VmHWM")


def _kilobytes(pid: int, name: str) -> int:
    return int((_field(Path(f"/proc/{pid}/status"), name) or "0 kB").split()[0]) * 1024


def _field(file: Path, name: str) -> str | None:
    """The value of the first `name : value` line."""
    for line in file.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None
