"""Debian's PowerDNS on our PostgreSQL beside our own DNS server: the same 500 questions, the same answers.

Where the two differ is in DIFFERENT, and said in docs/how-to/serve-dns-with-powerdns.md. Additional records are not
compared.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from psycopg import AsyncConnection, errors, sql
from psycopg.conninfo import conninfo_to_dict

from litemail import domains, zones
from litemail.app.dataplane import PASSWORD_FILE, ROLE, render_powerdns
from litemail.config import Settings
from litemail.kit.db import Database
from litemail.zones.editing import Wanted, create_many
from tests.conftest import MAIL_HOSTNAME, NAME_SERVER_POOL, Databases, Dns, NewPerson
from tests.pdns import answers, free_port, needs_pdns, pdns_server

pytestmark = needs_pdns

PASSWORD = "a password for the tests"
TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "SOA", "SRV", "TLSA", "TXT", "TYPE65280", "HTTPS", "PTR")
LONG = "k=" + "0123456789" * 60

MAIN = "asked-both.com"
OTHER = "asked-too.com"
RECORDS = [
    Wanted("A", "@", "192.0.2.1", ttl=300),
    Wanted("A", "@", "192.0.2.2", ttl=600),
    Wanted("AAAA", "@", "2001:db8::1"),
    Wanted("CAA", "@", '0 issue "letsencrypt.org"'),
    Wanted("TXT", "@", 'with "quotes", a \\ and; more'),
    Wanted("TXT", "@", LONG),
    Wanted("TXT", "utf8", "Grüße aus Köln"),
    Wanted("CNAME", "www", MAIN),
    Wanted("CNAME", "chain1", f"chain2.{MAIN}"),
    Wanted("CNAME", "chain2", f"chain3.{MAIN}"),
    Wanted("A", "chain3", "192.0.2.3"),
    Wanted("CNAME", "outside", "www.elsewhere.example"),
    Wanted("CNAME", "chain-to-nothing", f"missing.{MAIN}"),
    Wanted("CNAME", "chain-to-nodata", f"mailed.{MAIN}"),
    Wanted("CNAME", "chain-into-cut", f"host.sub.{MAIN}"),
    Wanted("CNAME", "loop1", f"loop2.{MAIN}"),
    Wanted("CNAME", "loop2", f"loop1.{MAIN}"),
    Wanted("CNAME", "other-zone", f"www.{OTHER}"),
    Wanted("ALIAS", "dead-alias", "nowhere.elsewhere.example"),
    Wanted("A", "*.wild", "192.0.2.4"),
    Wanted("TXT", "*.wild", "wild"),
    Wanted("A", "tame.wild", "192.0.2.5"),
    Wanted("CNAME", "*.aliases", f"chain1.{MAIN}"),
    Wanted("A", "a.b.deep", "192.0.2.6"),
    Wanted("SRV", "_sip._tcp", f"20 5060 chain3.{MAIN}", priority=10),
    Wanted("TLSA", "_443._tcp.www2", "3 1 1 " + "ab" * 32),
    Wanted("A", "www2", "192.0.2.7"),
    Wanted("NS", "sub", f"ns1.sub.{MAIN}"),
    Wanted("NS", "sub", "ns2.elsewhere.example"),
    Wanted("A", "ns1.sub", "192.0.2.8"),
    Wanted("MX", "nomail", ".", priority=0),
    Wanted("MX", "mailed", "mx1.elsewhere.example", priority=10),
    Wanted("MX", "mailed", f"chain3.{MAIN}", priority=20),
    Wanted("ALIAS", "alias", f"chain3.{MAIN}"),
    *(Wanted("TXT", "big", f"{number:03} " + "x" * 196) for number in range(40)),
]
NAMES = [
    *("@", "www", "chain1", "chain2", "chain3", "outside", "utf8", "big", "alias"),
    *("wild", "*.wild", "any.wild", "a.b.wild", "tame.wild", "below.tame.wild", "x.aliases", "aliases"),
    *("deep", "b.deep", "a.b.deep", "c.a.b.deep", "missing", "missing.missing", "_tcp", "_sip._tcp"),
    *("_443._tcp.www2", "_tcp.www2", "www2", "x.www2", "nomail", "mailed", "_dmarc", "WwW", "A.b.DEEP"),
    *("sub", "host.sub", "ns1.sub", "chain-to-nothing", "chain-to-nodata", "chain-into-cut"),
]
DIFFERENT = {
    (f"loop1.{MAIN}", "A"): "ours gives the loop, PowerDNS fails",
    (f"other-zone.{MAIN}", "A"): "PowerDNS goes on into another zone that it serves",
    (f"alias.{MAIN}", "AAAA"): "of an ALIAS without such addresses PowerDNS gives no SOA",
    (OTHER, "AAAA"): "the same at the apex",
    (f"dead-alias.{MAIN}", "A"): "of an ALIAS that cannot be resolved ours gives nothing, PowerDNS fails",
    (f"x.aliases.{MAIN}", "CNAME"): "asked for a CNAME that comes of a wildcard, PowerDNS 4.7 follows it once",
    (MAIN, "ANY"): "ours gives one set (RFC 8482), PowerDNS sends to TCP and gives all",
}


@pytest.fixture(scope="module")
async def asked(
    database: Database,
    databases: Databases,
    dns_server: Dns,
    new_person: NewPerson,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[int]:
    """The port of a PowerDNS that serves what our own server does."""
    actor = (await new_person()).actor(mode="live")
    async with database.begin(actor) as tx:
        house = domains.Claiming(NAME_SERVER_POOL, MAIL_HOSTNAME, 5)
        made = await domains.connect(tx, [MAIN, OTHER], house, all_or_nothing=True)
        await create_many(tx, MAIN, RECORDS)
        await create_many(tx, OTHER, [Wanted("ALIAS", "@", f"chain3.{MAIN}"), Wanted("A", "www", "192.0.2.9")])
    async with database.begin_system("test") as tx:
        for item in made.results:
            await zones.publish(tx, str(item.id), [])
    name = str(conninfo_to_dict(database.app_url)["dbname"])
    folder = tmp_path_factory.mktemp("powerdns")
    url = databases.cluster.url(database=name)
    given: dict[str, Any] = {"database_url": url, "data_dir": folder}
    files = render_powerdns(Settings(**given))
    await _make_role(url, files["role.sql"])
    port = free_port()
    settings = dict(_read(files["pdns.conf"].replace(PASSWORD_FILE, str(_password_file(folder)))))
    settings |= {"local-address": "127.0.0.1", "local-port": str(port), "resolver": f"127.0.0.1:{port}"}
    async with pdns_server(folder, settings):
        await answers(port, log=folder / "log")
        yield port
    await databases.statement(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(ROLE)))


async def _make_role(url: str, script: str) -> None:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(script.encode())
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(ROLE), sql.Literal(PASSWORD))
        await connection.execute(statement)


def _password_file(folder: Path) -> Path:
    file = folder / "pgpass"
    file.write_text(f"*:*:*:{ROLE}:{PASSWORD}\n")
    file.chmod(0o600)
    return file


def _read(conf: str) -> Iterator[tuple[str, str]]:
    for line in conf.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield name, value


async def ask(port: int, name: str, kind: str) -> dns.message.Message:
    query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
    return (await dns.asyncquery.udp_with_fallback(query, "127.0.0.1", port=port, timeout=5))[0]


def told(response: dns.message.Message) -> tuple[object, ...]:
    """What has to be the same: outcome, authority of the answer, its records, and the SOA or the referral."""
    return (
        dns.rcode.to_text(response.rcode()),
        bool(response.flags & dns.flags.AA),
        _records(response.answer),
        [one for one in _records(response.authority) if one[1] == "SOA" or not response.answer],
    )


def _records(section: list[dns.rrset.RRset]) -> list[tuple[str, str, int, str]]:
    return sorted(
        (str(rrset.name).lower(), dns.rdatatype.to_text(rrset.rdtype), rrset.ttl, rdata.to_text())
        for rrset in section
        for rdata in rrset
    )


def questions() -> list[tuple[str, str]]:
    """At least 500: every name with every type, and names of nobody's zone and of the other one."""
    every = [(MAIN if name == "@" else f"{name}.{MAIN}", kind) for name in NAMES for kind in TYPES]
    every += [(name, kind) for name in (OTHER, f"www.{OTHER}", f"missing.{OTHER}") for kind in TYPES]
    every += [(name, kind) for name in ("nobodys-zone.example", "com", ".") for kind in ("A", "SOA", "NS")]
    asked = [question for question in every if question not in DIFFERENT]
    assert len(asked) >= 500
    return asked


async def test_both_answer_500_questions_alike(asked: int, dns_server: Dns):
    different = []
    limit = asyncio.Semaphore(20)

    async def compare(name: str, kind: str) -> None:
        async with limit:
            theirs, ours = await asyncio.gather(ask(asked, name, kind), ask(dns_server.port, name, kind))
        if told(theirs) != told(ours):
            different.append((name, kind, told(ours), told(theirs)))

    async with asyncio.TaskGroup() as group:
        for name, kind in questions():
            group.create_task(compare(name, kind))
    assert different == []


@pytest.mark.parametrize("question", DIFFERENT, ids=" ".join)
async def test_they_differ_where_the_docs_say_so(asked: int, dns_server: Dns, question: tuple[str, str]):
    theirs, ours = await ask(asked, *question), await ask(dns_server.port, *question)
    assert told(theirs) != told(ours)


async def test_a_change_is_served_within_seconds(asked: int, database: Database):
    async with database.begin_system("test") as tx:
        await tx.execute(
            """UPDATE records SET content = '192.0.2.77' WHERE name = 'www2' AND type = 'A'
               AND zone_id = (SELECT id FROM zones WHERE name = %(name)s AND served)""",
            name=MAIN,
        )
    async with asyncio.timeout(8):
        while "192.0.2.77" not in str((await ask(asked, f"www2.{MAIN}", "A")).answer):
            await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT name FROM public.zones",
        "SELECT private_sealed FROM public.dkim_keys",
        "UPDATE powerdns.domains SET name = 'x'",
        "CREATE TABLE powerdns.mine (id integer)",
    ],
)
async def test_its_role_reads_the_views_and_nothing_else(
    asked: int, databases: Databases, database: Database, statement: str
):
    name = str(conninfo_to_dict(database.app_url)["dbname"])
    where = conninfo_to_dict(databases.cluster.url(database=name))
    async with await AsyncConnection.connect(
        host=str(where["host"]), port=str(where["port"]), dbname=name, user=ROLE, password=PASSWORD, autocommit=True
    ) as connection:
        served = await (
            await connection.execute("SELECT count(*) FROM powerdns.domains WHERE name = %s", (MAIN,))
        ).fetchone()
        assert served == (1,)
        with pytest.raises((errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction)):
            await connection.execute(statement.encode())


async def test_only_served_zones_are_in_the_views(
    asked: int, database: Database, databases: Databases, new_person: NewPerson
):
    actor = (await new_person()).actor(mode="live")
    async with database.begin(actor) as tx:
        await domains.connect(
            tx, ["not-served-yet.com"], domains.Claiming(NAME_SERVER_POOL, MAIL_HOSTNAME, 5), all_or_nothing=True
        )
    name = str(conninfo_to_dict(database.app_url)["dbname"])
    async with await AsyncConnection.connect(databases.cluster.url(database=name)) as connection:
        await connection.execute("SET ROLE litemail_powerdns")
        found = await (
            await connection.execute("SELECT name FROM powerdns.records WHERE name LIKE '%not-served-yet%'")
        ).fetchall()
    assert found == []
