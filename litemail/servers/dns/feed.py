"""Keeping the zones in memory equal to those of a backend."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from typing import Final, Protocol

from litemail.servers.dns.data import ZoneData
from litemail.servers.dns.zones import Zones

_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 10.0

log = logging.getLogger(__name__)


class Backend(Protocol):
    """Who knows the zones."""

    async def load(self, names: Collection[str] | None = None) -> list[ZoneData]:
        """All zones, or those of `names` that are to be served; a name that is left out is no longer served."""
        ...

    def changes(self) -> AsyncIterator[str | None]:
        """The name of each zone that changed, without end.

        None means that from now on no change is missed, so that everything has to be loaded again: first thing
        when listening has begun, and whenever changes may have been lost. An iterator that ends or raises is
        asked for anew.
        """
        ...


async def follow(backend: Backend, zones: Zones, *, loaded: asyncio.Event | None = None) -> None:
    """Feed `zones` from `backend` until cancelled; sets `loaded` once all zones are there for the first time.

    When the backend fails, what is in memory goes on being served and the backend is tried again.
    """
    wait = _FIRST_WAIT
    while True:
        stale = _Stale()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_listen(backend, stale))
                while True:
                    names = await stale.take()
                    await _renew(backend, zones, names)
                    wait = _FIRST_WAIT
                    if names is None and loaded is not None:
                        loaded.set()
        except* Exception as failures:
            log.warning("The zones cannot be renewed, next try in %.1f s", wait, exc_info=failures)
        await asyncio.sleep(wait)
        wait = min(wait * 2, _LONGEST_WAIT)


class _ListeningEnded(Exception):
    pass


class _Stale:
    """What has to be loaded again. Changes that come while a load runs are put together for the next one."""

    def __init__(self) -> None:
        self._all = False
        self._names: set[str] = set()
        self._some = asyncio.Event()

    def add(self, name: str | None) -> None:
        if name is None:
            self._all = True
        else:
            self._names.add(name)
        self._some.set()

    async def take(self) -> frozenset[str] | None:
        await self._some.wait()
        self._some.clear()
        names = None if self._all else frozenset(self._names)
        self._all = False
        self._names.clear()
        return names


async def _listen(backend: Backend, stale: _Stale) -> None:
    async for name in backend.changes():
        stale.add(name)
    raise _ListeningEnded


async def _renew(backend: Backend, zones: Zones, names: frozenset[str] | None) -> None:
    found = await backend.load(names)
    if names is None:
        zones.replace_all(found)
        return
    for zone in found:
        zones.put(zone)
    for gone in names - {zone.name for zone in found}:
        zones.remove(gone)
