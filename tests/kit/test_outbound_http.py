import asyncio
import gzip
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import pytest

from litemail.kit.outbound import (
    BodyTooLarge,
    ConnectFailed,
    EncodingNotAsked,
    Guard,
    ListedOnly,
    OutsideHost,
    PublicOnly,
    TlsFailed,
    UrlInvalid,
    client_tls,
    read_capped,
)
from tests.providers.mail_peers import MAIL, Certificates, made_certificates, serving

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return made_certificates(tmp_path_factory.mktemp("tls"))


@dataclass
class Web:
    """An HTTP server that sends what it is told and remembers who asked."""

    answer: Callable[[str], bytes] = lambda _: OK
    keep: bool = True
    connections: int = 0
    alpn: list[str | None] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if tls := writer.get_extra_info("ssl_object"):
            self.alpn.append(tls.selected_alpn_protocol())
        while head := (await reader.readuntil(b"\r\n\r\n")).decode():
            length = next((line.split(": ")[1] for line in head.split("\r\n") if "content-length" in line.lower()), "0")
            body = (await reader.readexactly(int(length))).decode()
            self.requests.append(head + body)
            writer.write(self.answer(head))
            await writer.drain()
            if not self.keep:
                return


def to(port: int, certificates: Certificates) -> Guard:
    table = {(MAIL, 443): ("127.0.0.1", port), (MAIL, 80): ("127.0.0.1", port)}
    return Guard(policy=ListedOnly(table), tls=client_tls(ca=certificates.ca))


async def test_speaks_https_to_a_routed_host_and_keeps_the_connection(certificates: Certificates) -> None:
    web = Web()
    certificates.server.set_alpn_protocols(["http/1.1"])
    async with (
        serving(web, certificates.server) as port,
        to(port, certificates).http_client(base_url=f"https://{MAIL}/v2", headers={"x-key": "k"}) as client,
    ):
        assert (await client.post("/things", json={"a": 1})).text == "hi"
        assert (await client.get("/things")).status_code == 200
    assert web.connections == 1
    assert web.requests[0].startswith("POST /v2/things HTTP/1.1\r\n")
    assert web.requests[0].endswith('{"a":1}')
    assert "x-key: k" in web.requests[0]
    assert "accept-encoding: identity" in web.requests[0].lower()
    assert web.alpn == [None], "the context is shared with mail servers, which would refuse http/1.1"


async def test_a_kept_connection_that_the_server_closed_is_replaced(certificates: Certificates) -> None:
    web = Web(keep=False)
    async with serving(web, certificates.server) as port, to(port, certificates).http_client() as client:
        for _ in range(3):
            assert (await client.get(f"https://{MAIL}/")).text == "hi"
            await asyncio.sleep(0.02)
    assert web.connections == 3


async def test_unencrypted_only_where_the_policy_allows(certificates: Certificates) -> None:
    async with serving(Web()) as port:
        async with to(port, certificates).http_client() as client:
            assert (await client.get(f"http://{MAIL}/")).text == "hi"
        async with Guard(policy=PublicOnly()).http_client() as client:
            with pytest.raises(UrlInvalid):
                await client.get("http://example.com/")


async def test_other_hosts_are_refused(certificates: Certificates) -> None:
    async with to(1, certificates).http_client() as client:
        with pytest.raises(OutsideHost):
            await client.get("https://example.com/")


async def test_every_hop_of_a_redirect_is_checked(certificates: Certificates) -> None:
    web = Web(
        answer=lambda _: b"HTTP/1.1 302 Found\r\nlocation: https://169.254.169.254/x\r\ncontent-length: 0\r\n\r\n"
    )
    async with serving(web, certificates.server) as port:
        guard = to(port, certificates)
        async with guard.http_client() as client:
            assert (await client.get(f"https://{MAIL}/")).status_code == 302, "not followed unless asked for"
        async with guard.http_client(follow_redirects=True) as client:
            with pytest.raises(OutsideHost):
                await client.get(f"https://{MAIL}/")


async def test_the_environment_names_no_proxy(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(Web(), certificates.server) as port, to(port, certificates).http_client() as client:
        assert (await client.get(f"https://{MAIL}/")).text == "hi"


async def test_failures_to_connect_are_the_guards_errors(certificates: Certificates) -> None:
    async with serving(Web(), certificates.expired) as port, to(port, certificates).http_client() as client:
        with pytest.raises(TlsFailed, match="expired"):
            await client.get(f"https://{MAIL}/")
    async with to(port, certificates).http_client() as client:
        with pytest.raises(ConnectFailed):
            await client.get(f"https://{MAIL}/")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + b"x" * 5000,
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + (b"400\r\n" + b"x" * 1024 + b"\r\n") * 9,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000,
    ],
)  # fmt: skip
async def test_answers_have_a_largest_size(certificates: Certificates, answer: bytes) -> None:
    async with serving(Web(answer=lambda _: answer), certificates.server) as port:
        client = to(port, certificates).http_client(max_body=1500)
        with pytest.raises(BodyTooLarge):
            await client.get(f"https://{MAIL}/")
        await client.aclose()


async def test_a_caller_can_take_less(certificates: Certificates) -> None:
    async with serving(Web(), certificates.server) as port, to(port, certificates).http_client() as client:
        async with client.stream("GET", f"https://{MAIL}/") as response:
            with pytest.raises(BodyTooLarge):
                await read_capped(response, 1)
        async with client.stream("GET", f"https://{MAIL}/") as response:
            assert await read_capped(response, 2) == b"hi"


async def test_a_compressed_answer_is_not_unpacked(certificates: Certificates) -> None:
    body = gzip.compress(b"x" * 1_000_000)
    answer = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    async with serving(Web(answer=lambda _: answer), certificates.server) as port:
        client = to(port, certificates).http_client()
        with pytest.raises(EncodingNotAsked):
            await client.get(f"https://{MAIL}/")
        await client.aclose()


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n"])
async def test_an_answer_that_drips_ends(certificates: Certificates, head: bytes) -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.02)

    async with serving(drip, certificates.server) as port, to(port, certificates).http_client(total=0.4) as client:
        started = time.monotonic()
        with pytest.raises(httpx.ReadTimeout):
            await client.get(f"https://{MAIL}/")
        assert time.monotonic() - started < 2


@pytest.mark.parametrize("answer", [b"not http at all\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"])
async def test_broken_answers_are_transport_errors(certificates: Certificates, answer: bytes) -> None:
    async with serving(Web(answer=lambda _: answer, keep=False), certificates.server) as port:
        client = to(port, certificates).http_client()
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"https://{MAIL}/")
        await client.aclose()


async def test_cancelling_closes_the_connection(certificates: Certificates) -> None:
    closed = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()
        closed.set()

    async with serving(mute, certificates.server) as port, to(port, certificates).http_client() as client:
        task = asyncio.create_task(client.get(f"https://{MAIL}/"))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(2):
            await closed.wait()
