"""Redirects a second of `litemail redirect` over loopback; beside it a server that says the same to everybody."""

import contextlib
import itertools
import subprocess
import sys
from collections.abc import Iterator, Sequence

from benchmarks import load, world
from benchmarks.row import Row, Scale

CLIENTS = 32
DOMAINS = 10_000

SAME_TO_ALL = """
import asyncio, uvloop
ANSWER = b"HTTP/1.1 301 Moved Permanently\\r\\nlocation: https://example.com/\\r\\ncontent-length: 0\\r\\n\\r\\n"
class Same(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write(ANSWER)
async def serve():
    server = await asyncio.get_running_loop().create_server(Same, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
uvloop.run(serve())
"""


async def measure(scale: Scale) -> list[Row]:
    with world.fresh() as installed:
        everything = installed.start("serve")
        async with world.registered(installed) as me, world.inside(installed) as house:
            workspace_id = (await me.call("GET", "/v1/users"))["default_workspace_id"]
            names = await world.add_forwardings(house.database, workspace_id=workspace_id, count=DOMAINS)
        installed.stop(everything)
        installed.start("redirect")
        measured = await _load(installed.ports["redirect"], names, scale.seconds)
        with _same_to_all() as other_port:
            limit = await _load(other_port, names, scale.seconds)
    return [
        Row(
            f"redirects of `litemail redirect`, {DOMAINS:,} domains, {CLIENTS} connections",
            f"{measured.rate:,.0f}/s, p99 {measured.p99 * 1000:.1f} ms",
            f"a Python loop that says the same to everybody, same client: {limit.rate:,.0f}/s",
            f"{measured.rate / limit.rate:.2f}",
            "5,000/s",
        )
    ]


async def _load(port: int, names: Sequence[str], seconds: float) -> load.Load:
    asked = [f"GET /some/page?q=1 HTTP/1.1\r\nhost: {name}\r\naccept: */*\r\n\r\n".encode() for name in names]

    def requests(client: int) -> Iterator[bytes]:
        return itertools.cycle(asked[client::CLIENTS])

    return await load.run(port, requests, clients=CLIENTS, seconds=seconds, status=b"301")


@contextlib.contextmanager
def _same_to_all() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", SAME_TO_ALL], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()
