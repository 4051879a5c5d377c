"""The redirect engine over real sockets: httpx as a client with manners, raw bytes as one without."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from litemail.kit import local_ca
from litemail.servers.redirect import Certificates, Limits, Redirect, RedirectServer, Rules, serve

REDIRECTS = (
    Redirect("plain.test", "https://example.com/landing?from=plain"),
    Redirect("path.test", "https://example.com/base/?a=1#part", permanent=False, keep_path=True),
    Redirect("one.test", "http://www.two.test/"),
    Redirect("two.test", "https://one.test"),
    Redirect("into-the-loop.test", "https://one.test"),
    Redirect("chain.test", "https://plain.test"),
)


@pytest.fixture
async def rules() -> Rules:
    made = Rules()
    made.replace_all(REDIRECTS)
    return made


@pytest.fixture
async def server(rules: Rules) -> AsyncIterator[RedirectServer]:
    running = await serve(rules, host="127.0.0.1", port=0)
    yield running
    await running.close()


@pytest.fixture
async def visit(server: RedirectServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
        yield client


async def raw(server: RedirectServer, octets: bytes) -> bytes:
    """What comes back until the server ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(octets)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("host", "path", "status", "location"),
    [
        ("plain.test", "/", 301, "https://example.com/landing?from=plain"),
        ("www.plain.test", "/any/thing?x=1", 301, "https://example.com/landing?from=plain"),
        ("PLAIN.test.:8080", "/", 301, "https://example.com/landing?from=plain"),
        ("path.test", "/", 302, "https://example.com/base/?a=1#part"),
        ("path.test", "/a%20b/c?x=1&y=2", 302, "https://example.com/base/a%20b/c?a=1&x=1&y=2#part"),
        ("chain.test", "/", 301, "https://plain.test"),
    ],
)
async def test_a_host_is_sent_where_its_owner_said(
    visit: httpx.AsyncClient, host: str, path: str, status: int, location: str
) -> None:
    answer = await visit.get(path, headers={"host": host})
    assert (answer.status_code, answer.headers["location"]) == (status, location)
    assert answer.headers["date"].endswith("GMT")
    assert answer.headers.get("cache-control") == ("max-age=3600" if status == 301 else None)


@pytest.mark.parametrize("host", ["nobody.test", "mail.plain.test", "[::1]", "127.0.0.1", "www.www.plain.test", "..."])
async def test_other_hosts_are_not_sent_anywhere(visit: httpx.AsyncClient, host: str) -> None:
    answer = await visit.get("/", headers={"host": host})
    assert (answer.status_code, "location" in answer.headers) == (404, False)


@pytest.mark.parametrize("host", ["one.test", "two.test", "www.one.test", "into-the-loop.test"])
async def test_a_loop_is_told_instead_of_walked(visit: httpx.AsyncClient, host: str) -> None:
    answer = await visit.get("/", headers={"host": host})
    assert (answer.status_code, "location" in answer.headers) == (508, False)


async def test_a_change_is_seen_by_the_next_request(visit: httpx.AsyncClient, rules: Rules) -> None:
    rules.put(Redirect("plain.test", "https://elsewhere.test/", permanent=False))
    answer = await visit.get("/", headers={"host": "plain.test"})
    assert (answer.status_code, answer.headers["location"]) == (302, "https://elsewhere.test/")
    rules.remove("plain.test")
    assert (await visit.get("/", headers={"host": "plain.test"})).status_code == 404


async def test_a_connection_is_kept_and_a_head_can_come_in_pieces(server: RedirectServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    request = b"GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n"
    for piece in (request[:10], request[10:40], request[40:] + request + request[:-1], request[-1:]):
        writer.write(piece)
        await asyncio.sleep(0)
    for _ in range(3):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 301 ")
        assert b"connection: close" not in head
    writer.close()


@pytest.mark.parametrize(
    "octets",
    [
        b"HEAD / HTTP/1.1\r\nHost: nobody.test\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: plain.test\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 5\r\n\r\nGET / HTTP/1.1\r\nHost: plain.test\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: plain.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_one_answer_ends_the_connection(server: RedirectServer, octets: bytes) -> None:
    answer = await raw(server, octets)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nconnection: close\r\n" in answer
    assert not octets.startswith(b"HEAD") or answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: plain.test\r\nHost: two.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : plain.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: plain.test\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\nHost: plain.test\n\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: plain.test\r\nX: a\rb\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: plain.test\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: plain.test\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: plain.test\r\n\r\n",
        b"CONNECT plain.test:80 HTTP/1.1\r\nHost: plain.test\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: plain.test\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ],
)
async def test_what_could_be_read_in_two_ways_is_refused(server: RedirectServer, head: bytes) -> None:
    assert (await raw(server, head)).startswith(b"HTTP/1.1 400 ")


async def test_an_absolute_target_counts_more_than_the_host_field(server: RedirectServer) -> None:
    answer = await raw(server, b"GET http://plain.test?x HTTP/1.1\r\nHost: two.test\r\nConnection: close\r\n\r\n")
    assert b"\r\nlocation: https://example.com/landing?from=plain\r\n" in answer


async def test_no_path_leads_to_another_host(server: RedirectServer) -> None:
    for path in (b"//evil.test/x", b"/@evil.test", b"/\\evil.test"):
        answer = await raw(server, b"GET " + path + b" HTTP/1.1\r\nHost: path.test\r\nConnection: close\r\n\r\n")
        assert b"\r\nlocation: https://example.com/base/" in answer


async def test_octets_that_a_url_cannot_hold_are_escaped(server: RedirectServer) -> None:
    answer = await raw(server, b'GET /\xc3\xa4"<> HTTP/1.1\r\nHost: path.test\r\nConnection: close\r\n\r\n')
    assert b"\r\nlocation: https://example.com/base/%C3%A4%22%3C%3E?a=1#part\r\n" in answer


async def test_a_head_has_a_size_and_a_time(rules: Rules) -> None:
    server = await serve(rules, host="127.0.0.1", port=0, limits=Limits(idle=0.2, connections=1))
    assert (await raw(server, b"GET /" + b"a" * 20_000)).startswith(b"HTTP/1.1 431 ")
    assert await raw(server, b"GET / HTTP/1.1\r\nHost: pla") == b""
    first = await asyncio.open_connection("127.0.0.1", server.port)
    with pytest.raises(ConnectionResetError):  # one more than there may be
        await raw(server, b"GET / HTTP/1.1\r\n")
        raise ConnectionResetError
    first[1].close()
    await server.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> local_ca.LocalCa:
    return local_ca.ensure(tmp_path_factory.mktemp("redirect-ca"))


def issue(authority: local_ca.LocalCa, folder: Path, *names: str) -> None:
    """A certificate as an operator would put it into the folder."""
    before = set(authority.folder.glob("leaf-*.pem"))
    authority.server_context(names)
    (leaf,) = set(authority.folder.glob("leaf-*.pem")) - before
    (folder / f"{names[0]}.pem").write_bytes(leaf.read_bytes())
    leaf.unlink()


async def test_https_with_a_certificate_for_each_name(
    rules: Rules, authority: local_ca.LocalCa, tmp_path: Path
) -> None:
    issue(authority, tmp_path, "plain.test", "www.plain.test")
    issue(authority, tmp_path, "nobody.test")
    (tmp_path / "path.test.pem").write_text("not a certificate")
    certificates = Certificates(tmp_path, knows=lambda name: rules.find(name) is not None)
    server = await serve(rules, host="127.0.0.1", port=0, ssl_context=certificates.server_context())

    async def get(host: str) -> httpx.Response:
        async with httpx.AsyncClient(verify=authority.client_context(), trust_env=False) as client:
            return await client.get(
                f"https://127.0.0.1:{server.port}/", headers={"host": host}, extensions={"sni_hostname": host}
            )

    for host in ("plain.test", "www.plain.test"):
        assert (await get(host)).headers["location"] == "https://example.com/landing?from=plain"
    for host in ("chain.test", "path.test", "nobody.test"):
        with pytest.raises(httpx.ConnectError):
            await get(host)
    issue(authority, tmp_path, "chain.test")  # a renewed or new file counts from the next connection on
    assert (await get("chain.test")).status_code == 301
    await server.close()


def test_contexts_without_certificate_refuse_clients_that_name_nobody(tmp_path: Path) -> None:
    context = Certificates(tmp_path, knows=lambda _: True).server_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    hello = client.wrap_bio(ssl.MemoryBIO(), incoming)
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    with pytest.raises(ssl.SSLError):
        context.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
