"""Zones follow their backend: at once, without losing a change, and through its failures."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Collection

import dns.asyncquery
import dns.message
import dns.rcode
import pytest

from litemail.protocols.records import Record, RecordType
from litemail.servers.dns import Backend, ZoneData, Zones, follow, serve


def zone(name: str, address: str = "192.0.2.1") -> ZoneData:
    return ZoneData(
        name=name,
        serial=1,
        primary_ns="ns1.litemail.test",
        contact="hostmaster@litemail.test",
        name_servers=("ns1.litemail.test",),
        records=(Record(type=RecordType.A, name="@", content=address),),
    )


class FakeBackend:
    """Zones in a dict, and a queue in the place of LISTEN."""

    def __init__(self, *zones: ZoneData) -> None:
        self.zones = {made.name: made for made in zones}
        self.queue: asyncio.Queue[str | Exception | None] = asyncio.Queue()
        self.loads: list[Collection[str] | None] = []
        self.load_failures = 0
        self.gate: asyncio.Event | None = None

    async def load(self, names: Collection[str] | None = None) -> list[ZoneData]:
        self.loads.append(names)
        if self.gate is not None:
            await self.gate.wait()
        if self.load_failures:
            self.load_failures -= 1
            raise ConnectionError("the database is away")
        return [made for name, made in self.zones.items() if names is None or name in names]

    async def changes(self) -> AsyncIterator[str | None]:
        yield None
        while True:
            change = await self.queue.get()
            if isinstance(change, Exception):
                raise change
            if change == "end":
                return
            yield change

    def put(self, made: ZoneData) -> None:
        self.zones[made.name] = made
        self.queue.put_nowait(made.name)

    def remove(self, name: str) -> None:
        del self.zones[name]
        self.queue.put_nowait(name)


@contextlib.asynccontextmanager
async def following(backend: Backend[ZoneData], zones: Zones) -> AsyncIterator[None]:
    loaded = asyncio.Event()
    task = asyncio.create_task(follow(backend, zones, loaded=loaded))
    try:
        await asyncio.wait_for(loaded.wait(), 3)
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()


async def until(condition: Callable[[], bool], seconds: float = 3.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.002)


async def test_a_change_is_served_within_100_ms() -> None:
    backend, zones = FakeBackend(zone("a.test")), Zones()
    server = await serve("127.0.0.1", 0, zones)

    async def address(name: str) -> str:
        answer = await dns.asyncquery.udp(dns.message.make_query(name, "A"), "127.0.0.1", port=server.port, timeout=2)
        return str(answer.answer[0][0]) if answer.answer else dns.rcode.to_text(answer.rcode())

    async def takes(name: str, expected: str) -> float:
        start = time.monotonic()
        while await address(name) != expected:
            assert time.monotonic() < start + 3
        return time.monotonic() - start

    async with following(backend, zones):
        assert await address("a.test") == "192.0.2.1"
        times = []
        for last in range(2, 12):
            backend.put(zone("a.test", f"192.0.2.{last}"))
            times.append(await takes("a.test", f"192.0.2.{last}"))
        backend.put(zone("b.test"))
        times.append(await takes("b.test", "192.0.2.1"))
        backend.remove("b.test")
        times.append(await takes("b.test", "REFUSED"))
        assert sorted(times)[len(times) // 2] < 0.1
    await server.close()


async def test_changes_that_come_during_a_load_are_loaded_together() -> None:
    backend, zones = FakeBackend(), Zones()
    async with following(backend, zones):
        backend.gate = asyncio.Event()
        backend.put(zone("z0.test"))
        await until(lambda: len(backend.loads) == 2)
        for number in range(1, 50):
            backend.put(zone(f"z{number}.test"))
        await until(backend.queue.empty)
        backend.gate.set()
        await until(lambda: len(zones) == 50)
        assert len(backend.loads) <= 4


@pytest.mark.parametrize("failure", [ConnectionError("lost"), "end"])
async def test_when_listening_breaks_everything_is_loaded_again(failure: Exception | str) -> None:
    backend, zones = FakeBackend(zone("a.test"), zone("b.test")), Zones()
    async with following(backend, zones):
        del backend.zones["b.test"]  # a change that nobody hears of
        backend.zones["c.test"] = zone("c.test")
        backend.queue.put_nowait(failure)
        await until(lambda: backend.loads.count(None) == 2)
        await until(lambda: zones.closest(b"\1c\4test\0") is not None)
        assert zones.closest(b"\1b\4test\0") is None


async def test_while_the_backend_fails_the_old_zones_are_served_and_it_is_tried_again() -> None:
    backend, zones = FakeBackend(zone("a.test")), Zones()
    async with following(backend, zones):
        backend.load_failures = 2
        backend.put(zone("b.test"))
        await until(lambda: backend.load_failures == 0)
        assert zones.closest(b"\1a\4test\0") is not None
        await until(lambda: zones.closest(b"\1b\4test\0") is not None)


async def test_ten_thousand_zones_are_there_in_less_than_three_seconds() -> None:
    backend, zones = FakeBackend(*(zone(f"z{number}.test") for number in range(10_000))), Zones()
    start = time.monotonic()
    async with following(backend, zones):
        assert len(zones) == 10_000
    assert time.monotonic() - start < 3
