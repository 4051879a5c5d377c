"""Answers a second of `litemail dns` over loopback; beside it a server that sends every packet back as it came."""

import asyncio
import contextlib
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.rcode

from benchmarks import world
from benchmarks.row import Row, Scale

ZONE = "bench.test"
SOCKETS = 4
UNDER_WAY = 16
WAIT = 1
_LONGEST = 4096
_QUESTIONS = (("@", "MX"), ("@", "TXT"), ("@", "SOA"), ("@", "NS"), ("_dmarc", "TXT"))

ECHO = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    server.sendto(*server.recvfrom(4096))
"""


async def measure(scale: Scale) -> list[Row]:
    with world.fresh() as installed:
        everything = installed.start("serve")
        async with world.registered(installed) as me:
            await me.active_domain(ZONE)
        installed.stop(everything)
        installed.start("dns")
        queries = [
            dns.message.make_query(ZONE if name == "@" else f"{name}.{ZONE}", kind, use_edns=True).to_wire()
            for name, kind in _QUESTIONS
        ]
        port = installed.ports["dns"]
        for query in queries:
            _check(port, query)
        rate = await asyncio.to_thread(_load, port, queries, scale.seconds)
        with _echo() as echo_port:
            limit = await asyncio.to_thread(_load, echo_port, queries, scale.seconds)
    return [
        Row(
            f"DNS answers of `litemail dns`, UDP, {SOCKETS * UNDER_WAY} under way",
            f"{rate:,.0f}/s",
            f"a Python loop that sends packets back, same client: {limit:,.0f}/s",
            f"{rate / limit:.2f}",
            "25,000/s",
        )
    ]


def _check(port: int, query: bytes) -> None:
    with _socket(port) as asking:
        asking.send(query)
        answer = dns.message.from_wire(asking.recv(_LONGEST))
    assert answer.rcode() == dns.rcode.NOERROR, answer
    assert answer.flags & dns.flags.AA, answer
    assert answer.answer, answer


def _load(port: int, queries: list[bytes], seconds: float) -> float:
    """Answers a second. Each socket has so many queries under way; one that is lost is not waited for long."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(_socket(port)) for _ in range(SOCKETS)]
        answers = 0
        started = time.perf_counter()
        while (now := time.perf_counter()) < started + seconds:
            for asking in sockets:
                for number in range(UNDER_WAY):
                    asking.send(queries[(answers + number) % len(queries)])
            for asking in sockets:
                with contextlib.suppress(BlockingIOError):
                    for _ in range(UNDER_WAY):
                        asking.recv(_LONGEST)
                        answers += 1
    return answers / (now - started)


def _socket(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.connect(("127.0.0.1", port))
    # A limit of the kernel's: Python's own would ask poll() before every packet.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", WAIT, 0))
    return made


@contextlib.contextmanager
def _echo() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()
