"""Sockets: ports, TCP framing and limits, and Debian's dig as a client not written by us."""

import asyncio
import contextlib
import shutil
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable

import dns.asyncquery
import dns.message
import dns.rcode
import pytest

from litemail.protocols.records import Record, RecordType
from litemail.servers.dns import DnsServer, ZoneData, Zones, serve

BIG = "x" * 4_000


def _zones() -> Zones:
    zones = Zones()
    zones.replace_all(
        [
            ZoneData(
                name="example.test",
                serial=1,
                primary_ns="ns1.litemail.test",
                contact="hostmaster@litemail.test",
                name_servers=("ns1.litemail.test",),
                records=(
                    Record(type=RecordType.A, name="@", content="192.0.2.1"),
                    *(Record(type=RecordType.TXT, name="big", content=f"{n}{BIG}") for n in range(4)),
                ),
            )
        ]
    )
    return zones


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    running = await serve("127.0.0.1", 0, _zones(), idle_timeout=0.3, max_connections=3)
    yield running
    await running.close()


def framed(name: str = "example.test", kind: str = "A") -> bytes:
    packet = dns.message.make_query(name, kind).to_wire()
    return struct.pack("!H", len(packet)) + packet


async def read_frame(reader: asyncio.StreamReader) -> dns.message.Message:
    (length,) = struct.unpack("!H", await asyncio.wait_for(reader.readexactly(2), 2))
    return dns.message.from_wire(await reader.readexactly(length))


async def is_cut(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(1), 2) == b""
    except ConnectionError:
        return True


@contextlib.asynccontextmanager
async def connected(server: DnsServer) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    yield reader, writer
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def until(condition: Callable[[], bool], seconds: float = 3.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


async def test_port_zero_is_the_same_free_port_for_udp_and_tcp(server: DnsServer) -> None:
    query = dns.message.make_query("example.test", "A")
    for way in (dns.asyncquery.udp, dns.asyncquery.tcp):
        assert (await way(query, "127.0.0.1", port=server.port, timeout=2)).answer
    assert server.queries == 2


async def test_a_port_whose_tcp_half_is_taken_is_passed_over() -> None:
    # Every port that the system offers for UDP is tried with TCP too; many servers at once make clashes likely.
    servers = [await serve("127.0.0.1", 0, _zones()) for _ in range(20)]
    assert len({server.port for server in servers}) == 20
    for server in servers:
        await server.close()


async def test_a_taken_port_is_an_error_and_leaves_nothing_open(server: DnsServer) -> None:
    with pytest.raises(OSError, match="in use"):
        await serve("127.0.0.1", server.port, _zones())
    with socket.create_server(("127.0.0.1", 0)) as tcp_only:
        port = tcp_only.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            await serve("127.0.0.1", port, _zones())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", port))


async def test_after_close_the_port_is_free_at_once() -> None:
    first = await serve("127.0.0.1", 0, _zones())
    async with connected(first) as (reader, writer):
        writer.write(framed())
        assert (await read_frame(reader)).answer
        await first.close()
        await first.close()
        assert await is_cut(reader)
    again = await serve("127.0.0.1", first.port, _zones())
    await again.close()


async def test_ipv6_is_served() -> None:
    try:
        server = await serve("::1", 0, _zones())
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    answer = await dns.asyncquery.udp(dns.message.make_query("example.test", "A"), "::1", port=server.port, timeout=2)
    assert answer.answer
    await server.close()


async def test_pipelined_queries_are_all_answered_in_order(server: DnsServer) -> None:
    async with connected(server) as (reader, writer):
        frames = [framed(f"n{number}.example.test") for number in range(50)]
        writer.write(b"".join(frames))
        ids = [(await read_frame(reader)).id for _ in frames]
        assert ids == [int.from_bytes(frame[2:4], "big") for frame in frames]


async def test_a_query_may_come_in_pieces_and_with_its_end_of_file(server: DnsServer) -> None:
    async with connected(server) as (reader, writer):
        for byte in framed():
            writer.write(bytes([byte]))
            await writer.drain()
        assert (await read_frame(reader)).answer
        writer.write(framed())
        writer.write_eof()
        assert (await read_frame(reader)).answer
        assert await is_cut(reader)


async def test_a_format_error_keeps_the_connection_and_rubbish_ends_it(server: DnsServer) -> None:
    async with connected(server) as (reader, writer):
        packet = framed()[2:-1]
        writer.write(struct.pack("!H", len(packet)) + packet)
        assert (await read_frame(reader)).rcode() == dns.rcode.FORMERR
        writer.write(framed())
        assert (await read_frame(reader)).answer
        writer.write(b"\0\0" + framed())
        assert await is_cut(reader)


@pytest.mark.parametrize("length", [0, 1, 10])
async def test_a_quiet_connection_is_cut(server: DnsServer, length: int) -> None:
    async with connected(server) as (reader, writer):
        writer.write(framed()[:length])
        assert await is_cut(reader)


async def test_dripping_bytes_do_not_keep_a_connection_open(server: DnsServer) -> None:
    async with connected(server) as (reader, writer):
        cut = asyncio.create_task(is_cut(reader))
        with contextlib.suppress(ConnectionError):
            for byte in framed() * 10:
                if cut.done():
                    break
                writer.write(bytes([byte]))
                await asyncio.wait([cut], timeout=0.02)
        assert await cut


async def test_queries_keep_a_connection_open(server: DnsServer) -> None:
    async with connected(server) as (reader, writer):
        ends = time.monotonic() + 0.8
        while time.monotonic() < ends:
            writer.write(framed())
            assert (await read_frame(reader)).answer
            await asyncio.sleep(0.05)


async def test_a_client_that_takes_no_answers_is_not_given_memory(server: DnsServer) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    flood = framed("big.example.test", "TXT") * 2_000  # 32 MB of answers
    with contextlib.suppress(ConnectionError):
        writer.write(flood)
        [connection] = server._connections._open
        transport = server._connections._open[connection]
        await until(lambda: transport.get_write_buffer_size() > 0)
        assert transport.get_write_buffer_size() < 200_000
        await until(lambda: not server._connections._open)  # and in the end it is cut
    writer.transport.abort()
    assert (await dns.asyncquery.tcp(dns.message.make_query("example.test", "A"), "127.0.0.1", port=server.port)).answer


async def test_a_slow_reader_gets_every_answer(server: DnsServer) -> None:
    async with connected(server) as (reader, writer):
        writer.write(framed("big.example.test", "TXT") * 100)
        for _ in range(100):
            assert len((await read_frame(reader)).answer[0]) == 4


async def test_at_the_limit_the_quietest_connection_makes_room(server: DnsServer) -> None:
    async with connected(server) as first, connected(server) as second, connected(server) as third:
        for reader, writer in (second, third, first):
            writer.write(framed())
            assert (await read_frame(reader)).answer
        async with connected(server) as (reader, writer):
            writer.write(framed())
            assert (await read_frame(reader)).answer
            assert await is_cut(second[0])
            first[1].write(framed())
            assert (await read_frame(first[0])).answer


@pytest.mark.skipif(shutil.which("dig") is None, reason="dig is not installed")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["example.test", "SOA", "+short"], ["ns1.litemail.test. hostmaster.litemail.test. 1 3600 600 1209600 300"]),
        (["eXample.test", "A", "+noall", "+answer", "+comments"], ["status: NOERROR", "flags: qr aa rd;", "192.0.2.1"]),
        (["nothing.example.test", "A"], ["status: NXDOMAIN", "SOA"]),
        (["example.com", "A"], ["status: REFUSED"]),
        (["big.example.test", "TXT", "+bufsize=1232"], ["Truncated, retrying in TCP mode", "status: NOERROR", "(TCP)"]),
        (["example.test", "A", "+edns=1", "+noednsnegotiation"], ["status: BADVERS"]),
        (["example.test", "ANY", "+notcp"], ["status: NOERROR", "ANSWER: 1"]),
        (["example.test", "A", "+opcode=4"], ["status: NOTIMP"]),
        (["example.test", "A", "+tcp", "+keepopen"], ["status: NOERROR", "192.0.2.1"]),
    ],
)
async def test_dig_reads_the_answers(server: DnsServer, arguments: list[str], words: list[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        "dig", "@127.0.0.1", "-p", str(server.port), "+time=2", "+tries=1", *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), 10)
    for word in words:
        assert word in output.decode()
    assert "WARNING: Messa" not in output.decode()
