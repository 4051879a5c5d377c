"""Keeping what a server holds in memory equal to what a backend knows: zones, redirects."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable
from typing import Final, Protocol, TypeVar

_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 10.0

log = logging.getLogger(__name__)


class Named(Protocol):
    @property
    def name(self) -> str: ...


Thing = TypeVar("Thing", bound=Named)
Thing_co = TypeVar("Thing_co", bound=Named, covariant=True)
Thing_contra = TypeVar("Thing_contra", bound=Named, contravariant=True)


class Backend(Protocol[Thing_co]):
    """Who knows the things."""

    async def load(self, names: Collection[str] | None = None) -> Collection[Thing_co]:
        """All things, or those of `names` that are to be served; a name that is left out is no longer served."""
        ...

    def changes(self) -> AsyncIterator[str | None]:
        """The name of each thing that changed, without end.

        None means that from now on no change is missed, so that everything has to be loaded again: first thing
        when listening has begun, and whenever changes may have been lost. An iterator that ends or raises is
        asked for anew.
        """
        ...


class Store(Protocol[Thing_contra]):
    """Where a server has them at hand."""

    def replace_all(self, things: Iterable[Thing_contra], /) -> None: ...

    def put(self, thing: Thing_contra, /) -> None: ...

    def remove(self, name: str, /) -> None: ...


async def follow(backend: Backend[Thing], store: Store[Thing], *, loaded: asyncio.Event | None = None) -> None:
    """Feed `store` from `backend` until cancelled; sets `loaded` once all things are there for the first time.

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
                    await _renew(backend, store, names)
                    wait = _FIRST_WAIT
                    if names is None and loaded is not None:
                        loaded.set()
        except* Exception as failures:
            log.warning("%s cannot be renewed, next try in %.1f s", type(store).__name__, wait, exc_info=failures)
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


async def _listen(backend: Backend[Named], stale: _Stale) -> None:
    async for name in backend.changes():
        stale.add(name)
    raise _ListeningEnded


async def _renew(backend: Backend[Thing], store: Store[Thing], names: frozenset[str] | None) -> None:
    found = await backend.load(names)
    if names is None:
        store.replace_all(found)
        return
    for thing in found:
        store.put(thing)
    for gone in names - {thing.name for thing in found}:
        store.remove(gone)
