"""A million packets nobody should send, to the DNS server's engine: no crash, no growth, an answer or silence."""

import asyncio
import random
import time

from benchmarks import machine
from benchmarks.row import Row, Scale
from litemail.protocols.record_types import Record, RecordType
from litemail.servers.dns import Delegation, ZoneData, Zones
from litemail.servers.dns.respond import respond
from tests.servers.dns_packets import fault, mutated, well_made

PACKETS = 1_000_000
_WARM = 100_000
_READ_EVERY = 50


async def measure(_scale: Scale) -> list[Row]:
    return [await asyncio.to_thread(_fuzz)]


def _fuzz() -> Row:
    chance, zones = random.Random(8906), _zones()
    started, before = time.perf_counter(), 0
    for number, packet in enumerate(mutated(chance, well_made(), count=PACKETS)):
        tcp = number % 5 == 0
        answer = respond(zones, packet, tcp=tcp)
        wrong = fault(packet, answer, tcp=tcp, read=number % _READ_EVERY == 0)
        assert wrong is None, f"{wrong}: {packet.hex()}"
        if number == _WARM:
            before = machine.resident_bytes()
    grown = (machine.resident_bytes() - before) / 1_000_000
    return Row(
        f"DNS: {PACKETS:,} mutated packets",
        f"none unanswered or answered wrongly, {time.perf_counter() - started:.0f} s",
        f"growth after the first {_WARM:,}: {grown:.1f} MB",
        goal="no crash, no growth",
    )


def _zones() -> Zones:
    records = (
        Record(RecordType.A, "@", "192.0.2.1"),
        Record(RecordType.A, "www", "192.0.2.1"),
        Record(RecordType.A, "*.w", "192.0.2.2"),
        Record(RecordType.CNAME, "c", "www.example.test"),
        Record(RecordType.ALIAS, "shop", "www.example.test"),
        Record(RecordType.NS, "sub", "ns1.sub.example.test"),
        Record(RecordType.A, "ns1.sub", "192.0.2.3"),
        Record(RecordType.TXT, "long", "x" * 3_000),
    )
    name_servers = ("ns1.litemail.test",)
    contact = "hostmaster@litemail.test"
    made = Zones()
    made.replace_all(
        [
            ZoneData("example.test", 1, name_servers[0], contact, name_servers, records),
            ZoneData("test", 1, name_servers[0], contact, name_servers, (), (Delegation("example", name_servers),)),
        ]
    )
    return made
