"""How fast, how often, how long: what work towards platforms and mail hosts of others allows itself."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias
from weakref import WeakValueDictionary

from litemail.kit.actor import Mode
from litemail.providers.mailhost import Servers

Host: TypeAlias = tuple[Mode, str]


@dataclass(frozen=True)
class Pace:
    """One per process, for the limits that hold across connections. All times are seconds."""

    first_wait: float = 0.5
    longest_wait: float = 20.0
    platform_tries: int = 12
    """How often a call to a platform that fails for the moment is made; a rate limit does not count."""
    host_tries: int = 4
    """How often a mail host that cannot be reached is tried. Each of these waits long by itself."""
    sign_in_within: float = 15.0
    sign_ins_per_host: int = 10
    confirm_every: float = 5.0
    lease: float = 8.0
    """How long a run that is not heard of keeps its connection."""
    renew: float = 0.5
    wind_down: float = 1.25
    """How long a cancelled run waits for what the platform is doing just now."""
    _hosts: WeakValueDictionary[Host, asyncio.Semaphore] = field(default_factory=WeakValueDictionary, repr=False)

    def wait(self, tries: int) -> float:
        """How long to wait after so many failures: twice as long each time, less a random part of up to a half, so
        that what failed together does not come back together.
        """
        full = min(self.first_wait * 2.0 ** (tries - 1), self.longest_wait)
        return full * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, protects nothing

    def door_of(self, mode: Mode, servers: Servers) -> asyncio.Semaphore:
        """Lets in so many sign-ins at once at one mail host."""
        host = (mode, servers.imap.host)
        door = self._hosts.get(host)
        if door is None:
            door = self._hosts[host] = asyncio.Semaphore(self.sign_ins_per_host)
        return door


class HostDoors:
    """One batch's way to mail hosts. Of each batch only so many wait at a host's door as may go in at once: so a batch
    of one inbox waits for a few others, not for all of a batch of a thousand.
    """

    def __init__(self, pace: Pace, mode: Mode) -> None:
        self._pace = pace
        self._mode = mode
        self._lines: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def open(self, servers: Servers) -> AsyncIterator[None]:
        line = self._lines.setdefault(servers.imap.host, asyncio.Semaphore(self._pace.sign_ins_per_host))
        async with line, self._pace.door_of(self._mode, servers):
            yield


class Gate:
    """How many inboxes are with the platform at once. An inbox that has to wait steps out and lets another in."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)

    async def enter(self) -> "Place":
        await self._places.acquire()
        return Place(self._places)


class Place:
    """One inbox's place behind the gate. Safe to leave whenever it is cancelled."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._held = True

    def leave(self) -> None:
        if self._held:
            self._held = False
            self._places.release()

    async def rest(self, seconds: float) -> None:
        """Waits outside."""
        self.leave()
        await asyncio.sleep(seconds)
        await self._places.acquire()
        self._held = True
