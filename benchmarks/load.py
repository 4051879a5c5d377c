"""A client that costs little: raw HTTP/1.1 over kept connections, each sending its next request after the answer."""

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from benchmarks.row import percentile

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STATUS = slice(9, 12)


class Refused(Exception):
    """An answer that was not the success that the figure is about."""


@dataclass(frozen=True)
class Load:
    """What came of it. Times are seconds, from the first byte sent to the last one received."""

    seconds: float
    times: list[float]

    @property
    def rate(self) -> float:
        return len(self.times) / self.seconds

    @property
    def p50(self) -> float:
        return percentile(self.times, 50)

    @property
    def p99(self) -> float:
        return percentile(self.times, 99)


def together(loads: Sequence[Load]) -> Load:
    return Load(sum(load.seconds for load in loads), [took for load in loads for took in load.times])


@dataclass(frozen=True)
class Caller:
    """Writes requests to one server with one key."""

    port: int
    headers: Mapping[str, str]

    def request(self, method: str, path: str, body: object = None) -> bytes:
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"host": f"127.0.0.1:{self.port}", "content-length": str(len(content)), **self.headers}
        if content:
            headers["content-type"] = "application/json"
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode() + content


class _Client(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], deadline: float, status: bytes) -> None:
        self.times: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._deadline = deadline
        self._status = status
        self._received = bytearray()
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are not instances of it
        self._next()

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(Refused("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._received, 0, end)
        if len(self._received) < end + 4 + (int(length[1]) if length else 0):
            return
        now = time.perf_counter()
        if not self._received.startswith(self._status, _STATUS.start):
            self.done.set_exception(Refused(self._received.decode(errors="replace")))
            self._transport.close()
            return
        self.times.append(now - self._sent)
        self._received.clear()
        if now < self._deadline:
            self._next()
        else:
            self.done.set_result(None)
            self._transport.close()

    def _next(self) -> None:
        request = next(self._requests)
        self._sent = time.perf_counter()
        self._transport.write(request)


async def run(
    port: int, requests: Callable[[int], Iterator[bytes]], *, clients: int, seconds: float, status: bytes = b"2"
) -> Load:
    """Loads a server. `requests` gives each client, by number, what it sends; `status` is how success begins.

    Raises Refused.
    """
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    made = [_Client(requests(number), started + seconds, status) for number in range(clients)]
    for client in made:
        await loop.create_connection(partial(_itself, client), "127.0.0.1", port)
    await asyncio.gather(*(client.done for client in made))
    return Load(time.perf_counter() - started, [took for client in made for took in client.times])


def _itself(client: _Client) -> _Client:
    return client
