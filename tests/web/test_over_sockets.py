"""The API behind the real HTTP server: what only sockets can show."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from litestar import post
from litestar.params import JSONBody
from litestar.types import Receive, Scope, Send

from litemail.kit import http_server
from litemail.kit.actor import PUBLIC, requires
from litemail.kit.http_server import HttpServer, PortTaken
from litemail.kit.wire import RequestModel, operation
from tests.conftest import Person
from tests.web.conftest import MakeApp

LIMIT = 5 * 1024 * 1024


class Text(RequestModel):
    text: str


@post("/test/length", status_code=200, **operation("x", group="Test", scope=requires(PUBLIC)))
async def measure(data: JSONBody[Text]) -> dict[str, int]:
    return {"length": len(data.text)}


@pytest.fixture(scope="module")
async def server(make_app: MakeApp) -> AsyncIterator[HttpServer]:
    running = await http_server.serve(
        make_app(more_routes=[measure]), host="127.0.0.1", port=0, setting="LITEMAIL_HTTP_PORT"
    )
    yield running
    await running.close()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


async def send_raw(server: HttpServer, *chunks: bytes) -> Answer:
    """Sends bytes as they are and reads one answer; the server may stop reading before everything is sent."""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)

        async def send_all() -> None:
            for chunk in chunks:
                writer.write(chunk)
                await writer.drain()

        sending = asyncio.create_task(send_all())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()
    return Answer(int(status.split()[1]), headers, body)


def request(method: str, target: str, *headers: str) -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "host: litemail.test", *headers, "", ""]).encode("latin-1")


JSON = "content-type: application/json"


async def test_a_length_over_the_limit_is_refused_before_the_body_comes(server: HttpServer):
    answer = await send_raw(server, request("POST", "/v1/test/length", JSON, f"content-length: {LIMIT + 1}"))
    assert answer.status == 413
    assert b'"code":"request.too_large"' in answer.body
    assert answer.headers["x-request-id"].startswith("req_")


async def test_a_body_without_a_length_is_refused_when_it_passes_the_limit(server: HttpServer):
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    head = request("POST", "/v1/test/length", JSON, "transfer-encoding: chunked")
    answer = await send_raw(server, head, *[piece] * (LIMIT // 0x10000 + 2))
    assert answer.status == 413


async def test_clients_hear_413_although_they_are_still_sending(server: HttpServer, person: Person):
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        large = b'{"text": "' + b"x" * LIMIT + b'"}'
        headers = {"content-type": "application/json", **person.headers}
        answer = await client.post("/v1/test/length", content=large, headers=headers)
        assert answer.status_code == 413
        assert (await client.get("/v1/users", headers=person.headers)).status_code == 200


@pytest.mark.parametrize(("path", "status"), [("/v1/workspaces", 401), ("/nope", 404), ("/healthz", 405)])
async def test_clients_hear_every_early_refusal(server: HttpServer, path: str, status: int):
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        answer = await client.post(path, content=b"x" * 4_000_000, headers={"content-type": "application/json"})
        assert answer.status_code == status


async def test_who_waits_to_be_asked_for_the_body_is_not_asked_in_vain(server: HttpServer):
    head = request("POST", "/v1/workspaces", JSON, "content-length: 1000000", "expect: 100-continue")
    assert (await send_raw(server, head)).status == 401


async def test_the_largest_body_gets_through_in_chunks_too(server: HttpServer):
    text = b'{"text": "' + b"x" * (LIMIT - 12) + b'"}'
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(text), 1_000_000):
                yield text[start : start + 1_000_000]

        for content in (text, chunks()):
            answer = await client.post("/v1/test/length", content=content, headers={"content-type": "application/json"})
            assert answer.json() == {"length": LIMIT - 12}


async def test_a_chunked_body_is_checked_like_any_other(server: HttpServer):
    def chunked(body: bytes, *headers: str) -> bytes:
        head = request("POST", "/v1/test/length", "transfer-encoding: chunked", *headers)
        return head + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"

    assert (await send_raw(server, chunked(b'{"text": "a"}'))).status == 415
    assert (await send_raw(server, chunked(b'{"text": ', JSON))).status == 400
    assert (await send_raw(server, chunked(b'{"text": "\\u0000"}', JSON))).status == 422
    assert (await send_raw(server, chunked(b'{"text": "a"}', JSON))).status == 200


@pytest.mark.parametrize("length", ["-1", "x", "1.5", "99999999999999999999999", "5, 6"])
async def test_a_length_that_is_none_is_the_servers_to_refuse(server: HttpServer, length: str):
    answer = await send_raw(server, request("POST", "/v1/test/length", JSON, f"content-length: {length}") + b"{}")
    assert answer.status in {400, 413}


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/v1/workspaces/%ff", 404),
        ("/v1/workspaces/%ed%a0%80", 404),
        ("/v1/workspaces/%00", 404),
        ("/v1/workspaces/%zz", 404),
        ("/v1/workspaces/..%2f..%2fetc", 404),
        ("/v1/workspaces?cursor=%ff", 422),
        ("/v1/workspaces?limit=1&limit=2", 200),
        ("/v1/workspaces?" + "a=b&" * 5000, 200),
        ("/v1/workspaces/" + "x" * 20_000, 404),
        ("/v1//workspaces//", 200),
        ("/%2e%2e/healthz", 404),
        ("*", 404),
        ("http://elsewhere.test/v1/workspaces", 200),
    ],
)
async def test_odd_targets_are_no_crash(server: HttpServer, person: Person, target: str, status: int):
    credential = f"authorization: {person.headers['authorization']}"
    answer = await send_raw(server, request("GET", target, credential))
    assert answer.status == status, answer.body


async def test_head_sends_no_body(server: HttpServer):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request("HEAD", "/healthz", "connection: close"))
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b""


async def test_several_requests_share_a_connection(server: HttpServer, person: Person):
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        statuses = [(await client.get("/v1/users", headers=person.headers)).status_code for _ in range(20)]
    assert statuses == [200] * 20


class Slow:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "http.request"
        assert "http" in scope["type"]
        self.begun.set()
        await self.go_on.wait()
        headers = [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"done", "more_body": False})


async def start(app: Slow, port: int = 0) -> HttpServer:
    return await http_server.serve(app, host="127.0.0.1", port=port, setting="LITEMAIL_HTTP_PORT")


async def test_closing_waits_for_requests_under_way_and_turns_others_away():
    app = Slow()
    server = await start(app)
    first = asyncio.create_task(send_raw(server, request("GET", "/")))
    await app.begun.wait()
    closing = asyncio.create_task(server.close())
    await asyncio.sleep(0)
    late = await send_raw(server, request("GET", "/"))
    assert (late.status, late.headers["retry-after"]) == (503, "1")
    assert not closing.done()
    app.go_on.set()
    assert (await first).body == b"done"
    await closing
    with pytest.raises(OSError):  # noqa: PT011 - refused or reset, as the system likes
        await send_raw(server, request("GET", "/"))


async def test_closing_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http_server, "DRAIN_LIMIT", 0.05)
    app = Slow()
    server = await start(app)
    request_under_way = asyncio.create_task(send_raw(server, request("GET", "/")))
    await app.begun.wait()
    async with asyncio.timeout(5):
        await server.close()
    app.go_on.set()
    await asyncio.gather(request_under_way, return_exceptions=True)


async def test_the_port_is_free_again_after_closing():
    first = await start(Slow())
    await first.close()
    second = await start(Slow(), first.port)
    assert second.port == first.port
    await second.close()


async def test_a_taken_port_is_named_with_the_setting_that_changes_it():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            await start(Slow(), port)
    problem = caught.value.problem()
    assert str(port) in problem.message
    assert "LITEMAIL_HTTP_PORT" in str(problem.action)


async def test_a_host_that_is_not_here_is_told_too():
    with pytest.raises(PortTaken):
        await http_server.serve(Slow(), host="192.0.2.1", port=0, setting="LITEMAIL_HTTP_PORT")
