"""A real PowerDNS of Debian's packages as a child process, with PostgreSQL behind it and its API on loopback."""

import asyncio
import secrets as random
import shutil
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dns.asyncquery
import dns.exception
import dns.message
import httpx
import pytest
from psycopg import AsyncConnection, sql

from tests.conftest import Databases

SCHEMA = Path("/usr/share/pdns-backend-pgsql/schema/schema.pgsql.sql")
API_KEY = "a-key-of-the-customer"

needs_pdns = pytest.mark.skipif(
    shutil.which("pdns_server") is None or not SCHEMA.exists(),
    reason="Debian's pdns-server and pdns-backend-pgsql are not installed",
)


@dataclass(frozen=True)
class Pdns:
    """A running server: DNS on `port`, UDP and TCP; the API on `api_port`."""

    port: int
    api_port: int

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @asynccontextmanager
    async def api(self) -> AsyncIterator[httpx.AsyncClient]:
        """As the server's owner uses it."""
        base = f"{self.api_url}/api/v1/servers/localhost"
        async with httpx.AsyncClient(base_url=base, headers={"x-api-key": API_KEY}, trust_env=False) as client:
            yield client

    async def sets(self, zone: str) -> dict[tuple[str, str], Any]:
        """Every record set of a zone but its SOA, whose serial counts the changes."""
        async with self.api() as client:
            found = (await client.get(f"/zones/{zone}.")).raise_for_status().json()["rrsets"]
        for one in found:
            one["records"].sort(key=lambda record: record["content"])
        return {(one["name"], one["type"]): one for one in found if one["type"] != "SOA"}

    async def create(self, zone: str, rrsets: Sequence[dict[str, object]] = ()) -> None:
        """A zone with two name servers and these sets."""
        body = {
            "name": f"{zone}.",
            "kind": "Native",
            "nameservers": ["ns1.his-dns.example.", "ns2.his-dns.example."],
            "rrsets": list(rrsets),
        }
        async with self.api() as client:
            (await client.post("/zones", json=body)).raise_for_status()


def free_port() -> int:
    """One that nobody had a moment ago, UDP and TCP."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        port: int = tcp.getsockname()[1]
        return port


@asynccontextmanager
async def pdns_server(folder: Path, settings: Mapping[str, object]) -> AsyncIterator[None]:
    """Runs `pdns_server` with these settings and nothing else until the block ends."""
    fixed = {
        "daemon": "no",
        "guardian": "no",
        "disable-syslog": "yes",
        "write-pid": "no",
        "socket-dir": folder,
        "loglevel": 4,
    }
    _write(folder, {**settings, **fixed})
    with (folder / "log").open("w") as log:
        process = await asyncio.create_subprocess_exec("pdns_server", f"--config-dir={folder}", stdout=log, stderr=log)
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _write(folder: Path, settings: Mapping[str, object]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "pdns.conf").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))


async def answers(port: int, *, log: Path) -> None:
    """Waits until a server answers anything."""
    query = dns.message.make_query("id.server", "TXT", "CH")
    for _ in range(200):
        try:
            await dns.asyncquery.udp(query, "127.0.0.1", timeout=0.1, port=port)
        except (dns.exception.DNSException, OSError):
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError(f"no answer on port {port}, see {log}")


def gpgsql(url: str) -> dict[str, object]:
    """The settings of the backend for a libpq URL with its socket folder as host."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return {
        "launch": "gpgsql",
        "gpgsql-host": query["host"],
        "gpgsql-port": query["port"],
        "gpgsql-dbname": parts.path.removeprefix("/"),
        "gpgsql-user": parts.username,
        "gpgsql-password": parts.password,
    }


@asynccontextmanager
async def customers_pdns(databases: Databases, folder: Path) -> AsyncIterator[Pdns]:
    """A PowerDNS with a database and an API of its own, as a customer runs it."""
    name = f"pdns_{random.token_hex(6)}"
    identifier = sql.Identifier(name)
    await databases.statement(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(identifier))
    url = databases.cluster.url(database=name)
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(SCHEMA.read_bytes())  # noqa: ASYNC240 - a test may
    running = Pdns(free_port(), free_port())
    settings = {
        **gpgsql(url),
        "local-address": "127.0.0.1",
        "local-port": running.port,
        "api": "yes",
        "api-key": API_KEY,
        "webserver-address": "127.0.0.1",
        "webserver-port": running.api_port,
        "cache-ttl": 0,
        "query-cache-ttl": 0,
        "negquery-cache-ttl": 0,
        "zone-cache-refresh-interval": 0,
    }
    try:
        async with pdns_server(folder, settings):
            await answers(running.port, log=folder / "log")
            yield running
    finally:
        await databases.statement(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


def twenty_records(zone: str) -> list[dict[str, object]]:
    """What the owner of a zone has there already: 20 records, none of which mail depends on, some of them odd."""
    apex = f"{zone}."
    long = "k=" + "x" * 300
    return [
        _set(apex, "A", "192.0.2.1", "192.0.2.2"),
        _set(apex, "AAAA", "2001:db8::1"),
        _set(apex, "CAA", '0 issue "letsencrypt.org"'),
        _set(
            apex,
            "TXT",
            '"google-site-verification=abc; def"',
            '"with \\"quotes\\" and a \\\\ in it"',
            f'"{long[:100]}" "{long[100:250]}" "{long[250:]}"',
            '"\\195\\164 not ASCII"',
            disabled='"switched off"',
            ttl=120,
        )
        | {"comments": [{"content": "do not touch", "account": "him"}]},
        _set(f"www.{apex}", "CNAME", apex),
        _set(f"*.app.{apex}", "A", "192.0.2.3"),
        _set(f"sub.{apex}", "NS", "ns1.elsewhere.example."),
        _set(f"_sip._tcp.{apex}", "SRV", f"10 20 5060 sip.{apex}"),
        _set(f"google._domainkey.{apex}", "TXT", '"v=DKIM1; k=rsa; p=MIIB"'),
        _set(f"_443._tcp.www.{apex}", "TLSA", "3 1 1 " + "ab" * 32),
        _set(f"host.{apex}", "SSHFP", "1 1 " + "cd" * 20),
        _set(f"place.{apex}", "LOC", "51 56 0.123 N 5 54 0.000 E 4.00m 1.00m 10000.00m 10.00m"),
        _set(f"tel.{apex}", "NAPTR", '100 10 "u" "sip+E2U" "!^.*$!sip:info@example.com!" .'),
        _set(f"mailer.{apex}", "MX", "5 relay.elsewhere.example."),
    ]


def _set(name: str, kind: str, *contents: str, disabled: str | None = None, ttl: int = 3600) -> dict[str, object]:
    records = [{"content": content, "disabled": False} for content in contents]
    if disabled is not None:
        records.append({"content": disabled, "disabled": True})
    return {"name": name, "type": kind, "ttl": ttl, "changetype": "REPLACE", "records": records}
