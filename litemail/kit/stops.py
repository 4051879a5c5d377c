"""Named places where tests end the process, to see that work goes on from there after a restart.

A saga calls `await stop_here("renewal.charged")` between its steps. It does nothing unless that one name was armed.
"""

import os
import signal
from collections.abc import Callable

_armed: dict[str, Callable[[], None]] = {}


def arm(name: str, how: Callable[[], None] | None = None) -> None:
    """The next `stop_here` of that name ends the process as `kill -9` does, or does `how`."""
    _armed[name] = how or _kill


def disarm() -> None:
    _armed.clear()


async def stop_here(name: str) -> None:
    if _armed and (how := _armed.pop(name, None)) is not None:
        how()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
