"""All zones of a server, found by their closest enclosing name, and the answers packed for them."""

import logging
from collections.abc import Iterable
from typing import Final

from litemail.protocols.record_wire import name_to_wire
from litemail.servers.dns.data import ZoneData
from litemail.servers.dns.wire import Packed
from litemail.servers.dns.zone import Zone

# About 16 MB when full. Only names that exist are kept, so that made-up ones cannot push them out.
CACHED_ANSWERS: Final = 32_768
# Zones that were asked for and are kept ready, about 5 kB each; the others are plain values. Making one takes some 50
# microseconds, five times what its answer takes.
READY_ZONES: Final = 16_384

log = logging.getLogger(__name__)


class Slot:
    """One served zone. Answers point to it, and die with it when it is replaced."""

    __slots__ = ("broken", "data", "live", "zone")

    def __init__(self, data: ZoneData) -> None:
        self.data = data
        self.zone: Zone | None = None
        self.live = True
        self.broken = False


class Zones:
    """The zones that a server answers for. Used in one event loop only; every change is seen by the next query."""

    def __init__(self, *, cached_answers: int = CACHED_ANSWERS, ready_zones: int = READY_ZONES) -> None:
        self._slots: dict[bytes, Slot] = {}
        self._ready: list[Slot] = []
        self._max_ready = ready_zones
        self._max_cached = cached_answers
        self.cache: dict[bytes, tuple[Slot, Packed]] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def replace_all(self, zones: Iterable[ZoneData]) -> None:
        """Serve exactly these. Zones that are equal to what is served stay as they are."""
        before = self._slots
        self._slots = {}
        for data in zones:
            key = _key(data.name)
            if key is None:
                continue
            slot = before.pop(key, None)
            if slot is None or slot.data != data:
                self._retire(slot)
                slot = Slot(data)
            self._slots[key] = slot
        for slot in before.values():
            self._retire(slot)
        self.cache.clear()

    def put(self, zone: ZoneData) -> None:
        """Serve this zone, in place of an earlier one of its name."""
        key = _key(zone.name)
        if key is None:
            return
        slot = self._slots.get(key)
        if slot is None:
            self.cache.clear()  # answers of the zone above it may be for names that are now in this one
        self._retire(slot)
        self._slots[key] = Slot(zone)

    def remove(self, name: str) -> None:
        """Stop serving a zone; unknown names are no error."""
        key = _key(name)
        slot = self._slots.pop(key, None) if key is not None else None
        if slot is not None:
            self._retire(slot)
            self.cache.clear()

    def closest(self, name: bytes) -> Slot | None:
        """The zone with the longest apex at or above a name in wire form and lower case."""
        slots, position = self._slots, 0
        while name[position]:
            slot = slots.get(name[position:])
            if slot is not None:
                return slot
            position += name[position] + 1
        return None

    def above(self, apex: bytes) -> Slot | None:
        """The closest zone that encloses another one."""
        return self.closest(apex[apex[0] + 1 :])

    def ready(self, slot: Slot) -> Zone | None:
        """The zone made ready to be asked; None when its data cannot be served."""
        if slot.zone is None and not slot.broken:
            try:
                slot.zone = Zone(slot.data)
            except ValueError as reason:
                slot.broken = True
                log.error("Zone %s cannot be served: %s", slot.data.name, reason)  # noqa: TRY400  the reason says it all
                return None
            if len(self._ready) >= self._max_ready:
                for other in self._ready:
                    other.zone = None
                self._ready.clear()
            self._ready.append(slot)
        return slot.zone

    def keep(self, key: bytes, slot: Slot, packed: Packed) -> None:
        """Remember an answer by its question: the name in lower case, type and class, as on the wire."""
        if len(self.cache) >= self._max_cached:
            self.cache.clear()
        self.cache[key] = (slot, packed)

    def _retire(self, slot: Slot | None) -> None:
        if slot is not None:
            slot.live = False
            slot.zone = None


def _key(name: str) -> bytes | None:
    try:
        return name_to_wire(name)
    except ValueError as reason:
        log.error("A zone is left out: %s", reason)  # noqa: TRY400  the reason says it all
        return None
