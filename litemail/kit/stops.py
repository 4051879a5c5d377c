"""Named places where tests end the process, to see that work goes on from there after a restart.

A saga calls `await stop_here("renewal.captured")` between its steps. It does nothing unless that one name was armed.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class _Trap:
    how: Callable[[], None]
    times: int


_armed: dict[str, _Trap] = {}


def arm(name: str, how: Callable[[], None] | None = None) -> None:
    """The next `stop_here` of that name ends the process as `kill -9` does, or does `how`. `name#3`: the third one."""
    name, _, times = name.partition("#")
    _armed[name] = _Trap(how or _kill, int(times or 1))


def disarm() -> None:
    _armed.clear()


async def stop_here(name: str) -> None:
    if not _armed or (trap := _armed.get(name)) is None:
        return
    trap.times -= 1
    if trap.times == 0:
        del _armed[name]
        trap.how()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
