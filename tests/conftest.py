"""The tests' world: a real PostgreSQL, one database a worker made from a template, and no network but loopback."""

import asyncio
import ipaddress
import secrets as random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import argon2
import httpx
import pytest
from psycopg import AsyncConnection, sql
from psycopg.conninfo import make_conninfo

from litemail.app import vendors
from litemail.connections import CHANNEL as CONNECTIONS
from litemail.domains import DnsDoors, Margin, Market, Parents
from litemail.kit import embedded_pg, passwords
from litemail.kit.actor import Actor, Mode, Role
from litemail.kit.db import Database
from litemail.kit.migrate import migrate
from litemail.kit.notify import Listener
from litemail.kit.outbound import CUSTOMER_MAIL, Guard, ListedOnly, own_routes
from litemail.kit.ports import PortBook
from litemail.kit.secrets import Secrets
from litemail.mailboxes.schemas import MailAccess
from litemail.platforms import Doors
from litemail.protocols.record_types import Record, RecordType
from litemail.providers import mailhost
from litemail.providers.dns import FixedParent, Resolvers
from litemail.providers.dns.publishing import cloudflare, powerdns, providers
from litemail.providers.payments import Gateways
from litemail.providers.payments.sandbox import PayLinks, SandboxGateway
from litemail.providers.platform import Site, registry
from litemail.providers.registrar import Registrars
from litemail.servers.dns import ZoneData, Zones, follow
from litemail.servers.dns import serve as serve_dns
from litemail.servers.dns.backend import REGISTRY, ZONES, DatabaseBackend
from litemail.servers.sandbox import api as sandbox_api
from litemail.servers.sandbox import clock_api as sandbox_clock_api
from litemail.servers.sandbox import pay
from litemail.servers.sandbox import registrar_api as sandbox_registrar_api
from litemail.servers.sandbox import registry as sandbox_registry
from litemail.servers.sandbox import wallet_api as sandbox_wallet_api
from litemail.servers.sandbox.gateway import SqlBooks
from litemail.servers.sandbox.registrar import SandboxRegistrar
from litemail.web import api, confirmations, internal, purchase_page
from litemail.workflows import sign_up
from litemail.workflows.purchase_links import PurchaseLinks
from litemail.workspaces import roles

NAME_SERVER_POOL = tuple(f"ns{number:02}.litemail.test" for number in range(1, 17))
MAIL_HOSTNAME = "mail.litemail.test"
REDIRECT_ADDRESSES = ("192.0.2.80", "2001:db8::80")
PURCHASE_LINKS = PurchaseLinks(lambda: "http://litemail.test", b"the key of purchase links")
PAY_LINKS = PayLinks(lambda: "http://litemail.test", b"the key of pay links")
GATEWAY_SECRET = b"the secret that the sandbox's gateway signs with"
OWN_ZONE = ZoneData(
    name="litemail.test",
    serial=1,
    primary_ns=NAME_SERVER_POOL[0],
    contact="hostmaster@litemail.test",
    name_servers=NAME_SERVER_POOL[:2],
    records=tuple(Record(RecordType.A, name, "127.0.0.1") for name in ("mail", "ns01", "ns02")),
)
MIGRATIONS = Path(api.__file__).parent.parent / "migrations"

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


def _refuse_outside(address: object) -> None:
    if isinstance(address, tuple) and not ipaddress.ip_address(address[0].partition("%")[0]).is_loopback:
        raise AssertionError(f"a test tried to reach {address}")


@pytest.fixture(scope="session", autouse=True)
def no_network() -> None:
    """Fails the test that tries to leave the machine."""

    def connect(self: socket.socket, address: object) -> None:
        _refuse_outside(address)
        _connect(self, address)  # type: ignore[arg-type]  # whatever the caller gave

    def connect_ex(self: socket.socket, address: object) -> int:
        _refuse_outside(address)
        return _connect_ex(self, address)  # type: ignore[arg-type]  # whatever the caller gave

    socket.socket.connect = connect  # type: ignore[assignment, method-assign]  # patches the door itself
    socket.socket.connect_ex = connect_ex  # type: ignore[assignment, method-assign]  # patches the door itself


@pytest.fixture(scope="session", autouse=True)
def quick_hashes() -> None:
    """The same hash at the lowest cost: what guessing costs an attacker is not what tests should wait for."""
    passwords.ARGON2 = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[embedded_pg.Cluster]:
    running = await embedded_pg.start(tmp_path_factory.mktemp("postgres") / "postgres", durable=False)
    yield running
    await embedded_pg.stop(running)


@dataclass(frozen=True)
class Databases:
    """Makes databases out of the migrated template."""

    cluster: embedded_pg.Cluster

    @asynccontextmanager
    async def fresh(self, *, size: int = 10) -> AsyncIterator[Database]:
        """An empty database of its own, for tests that count everything."""
        name = f"test_{random.token_hex(6)}"
        await self.statement(sql.SQL("CREATE DATABASE {} TEMPLATE litemail_template").format(sql.Identifier(name)))
        url = self.cluster.url(database=name)
        database = Database(
            app_url=make_conninfo(url, user="litemail_app", password="app"),
            system_url=make_conninfo(url, user="litemail_system", password="system"),
            size=size,
        )
        await database.open()
        try:
            yield database
        finally:
            await database.close()
            await self.statement(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    async def statement(self, statement: sql.Composed) -> None:
        async with await AsyncConnection.connect(self.cluster.url(), autocommit=True) as connection:
            await connection.execute(statement)


@pytest.fixture(scope="session")
async def databases(cluster: embedded_pg.Cluster) -> Databases:
    made = Databases(cluster)
    await made.statement(sql.SQL("CREATE DATABASE litemail_template").format())
    await migrate(
        cluster.url(database="litemail_template"), migrations=MIGRATIONS, app_password="app", system_password="system"
    )
    return made


@pytest.fixture(scope="session")
async def database(databases: Databases) -> AsyncIterator[Database]:
    """The worker's database. Tests share it, each with workspaces of its own."""
    async with databases.fresh() as made:
        yield made


@pytest.fixture(scope="session")
def secrets() -> Secrets:
    return Secrets({"k1": b"\x01" * 32})


@dataclass(frozen=True)
class Person:
    """Somebody who has registered, with a sandbox workspace."""

    email: str
    user_id: str
    workspace_id: str
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.access_token}"}

    def actor(self, *, role: Role = "owner", mode: Mode = "sandbox") -> Actor:
        return Actor(
            user_id=self.user_id,
            workspace_id=self.workspace_id,
            paying_workspace_id=self.workspace_id,
            mode=mode,
            role=role,
            scopes=roles.ROLE_SCOPES[role],
        )


NewPerson = Callable[[], Awaitable[Person]]


@pytest.fixture(scope="session")
def new_person(database: Database, secrets: Secrets) -> NewPerson:
    """Registers somebody new at each call."""

    async def register() -> Person:
        email = f"{random.token_hex(6)}@example.com"
        done = await sign_up.register(
            database,
            email=email,
            password="correct horse battery",
            first_name="Ada",
            last_name="Lovelace",
            workspace_name=None,
            secrets=secrets,
        )
        return Person(email, done.user.id, done.workspace.id, done.tokens.access_token, done.tokens.refresh_token)

    return register


@pytest.fixture
async def person(new_person: NewPerson) -> Person:
    return await new_person()


@dataclass(frozen=True)
class Dns:
    """Our DNS server as others reach it. It is the sandbox's registry too."""

    host: str
    port: int
    database: Database

    @property
    def parents(self) -> Parents:
        """Nobody is asked about live names but this server, which refuses them."""

        async def expired(name: str) -> bool:
            async with self.database.system_statement() as tx:
                return await sandbox_registry.is_expired(tx, name)

        ours = FixedParent(self.host, self.port)
        return Parents(live=ours, sandbox=ours, expired=expired)


@pytest.fixture(scope="session")
async def dns_server(database: Database) -> AsyncIterator[Dns]:
    """A DNS server of the worker's database."""
    listener = Listener(database.system_url, channels=(ZONES, REGISTRY))
    zones, loaded = Zones(), asyncio.Event()
    async with listener.running():
        backend = DatabaseBackend(database, listener, contact="hostmaster@litemail.test", own=[OWN_ZONE])
        feed = asyncio.create_task(follow(backend, zones, loaded=loaded))
        server = await serve_dns("127.0.0.1", 0, zones)
        await loaded.wait()
        yield Dns(server.host, server.port, database)
        await server.close()
        feed.cancel()
        await asyncio.gather(feed, return_exceptions=True)


def guards() -> dict[Mode, Guard]:
    """A sandbox reaches the ports that `mail_access` names, and those where the mail providers' twins would be."""
    own = own_routes(hosts=("127.0.0.1", "localhost"), ports={8993, 8587})
    twins = mailhost.routes(imap=("127.0.0.1", 1), smtp=("127.0.0.1", 1))
    twins |= own_routes(hosts=("127.0.0.1",), ports={1})  # where the platforms' would be
    return {"sandbox": Guard(policy=ListedOnly(own | twins)), "live": Guard(policy=CUSTOMER_MAIL)}


@pytest.fixture(scope="session")
def dns_doors() -> DnsDoors:
    """Tests add to `private` where their own providers listen."""
    return DnsDoors(providers([powerdns.provider(), cloudflare.provider()]), guards(), private={})


def nowhere() -> Doors:
    """The way to platforms where none is."""

    async def no_rate(_workspace_id: str, _platform_type: str) -> int | None:
        return None

    return Doors(guards(), lambda *_: Site("http://127.0.0.1:1", "http://127.0.0.1:1"), no_rate)


@pytest.fixture(scope="session")
async def connection_news(database: Database) -> AsyncIterator[Listener]:
    listener = Listener(database.system_url, channels=(CONNECTIONS,))
    async with listener.running():
        yield listener


@pytest.fixture(scope="session")
def gateways(database: Database) -> Gateways:
    """The sandbox's gateway. Its events wait in `sandbox.gateway_events` until somebody delivers them."""
    return Gateways({"sandbox": SandboxGateway(SqlBooks(database), PAY_LINKS, GATEWAY_SECRET)})


class Unheard:
    """Key uses that nobody writes down."""

    def used(self, key_id: str) -> None:
        pass


def sandbox_market(database: Database) -> Market:
    """Where sandboxes buy domains; live workspaces nowhere."""
    return Market(registrars=Registrars({"sandbox": SandboxRegistrar(database)}), margin=Margin(Decimal(0)))


@pytest.fixture(scope="session")
async def api_resources(
    database: Database,
    dns_server: Dns,
    dns_doors: DnsDoors,
    connection_news: Listener,
    gateways: Gateways,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, object]:
    """What routes ask for by name."""
    ports = PortBook(tmp_path_factory.mktemp("api") / "ports.json")
    ports.write({"imaps": 8993, "submission": 8587})
    return {
        "live_policy": "operator",
        "registration_open": True,
        "parents": dns_server.parents,
        "name_server_pool": NAME_SERVER_POOL,
        "mail_hostname": MAIL_HOSTNAME,
        "own_hosts": (*NAME_SERVER_POOL, MAIL_HOSTNAME),
        "redirect_addresses": REDIRECT_ADDRESSES,
        "mailboxes_per_domain": 5,
        "resolvers": Resolvers(),
        "mail_access": MailAccess("127.0.0.1", ports),
        "platforms": registry(vendors.adapters()),
        "guards": guards(),
        "doors": nowhere(),
        "dns_doors": dns_doors,
        "listener": connection_news,
        "gateways": gateways,
        "market": sandbox_market(database),
        "purchase_links": PURCHASE_LINKS,
        "sandbox_registrar": SandboxRegistrar(database),
    }


@pytest.fixture(scope="session")
async def client(
    database: Database, secrets: Secrets, gateways: Gateways, api_resources: dict[str, object]
) -> AsyncIterator[httpx.AsyncClient]:
    """The API itself, without a socket in between. Sends no credential by itself."""

    async def ready() -> dict[str, str]:
        return {"database": "ok"}

    app = api.create(
        database=database,
        secrets=secrets,
        rate_limit=0,
        key_uses=Unheard(),
        ready=ready,
        resources=api_resources,
        more_routes=[
            *sandbox_api.ROUTES,
            *sandbox_clock_api.ROUTES,
            *sandbox_wallet_api.ROUTES,
            *sandbox_registrar_api.ROUTES,
        ],
        pages=[
            pay.router(pay.Desk(database, PAY_LINKS)),
            purchase_page.router(purchase_page.Counter(database, PURCHASE_LINKS, gateways)),
            confirmations.router(database, secrets),
            internal.router(database, [ipaddress.ip_network("127.0.0.0/8")]),
        ],
    )
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]  # other stubs of ASGI
    async with httpx.AsyncClient(transport=transport, base_url="http://litemail.test") as made:
        yield made


AsPerson = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def as_person(client: httpx.AsyncClient, person: Person) -> AsPerson:
    """Calls the API as `person`: `await as_person("GET", "/v1/users")`."""

    async def call(method: str, path: str, **more: object) -> httpx.Response:
        given = more.pop("headers", {})
        assert isinstance(given, dict)
        return await client.request(method, path, headers={**person.headers, **given}, **more)  # type: ignore[arg-type]  # passed on as given

    return call


async def eventually(check: Callable[[], Awaitable[bool]], *, seconds: float = 10) -> None:
    """Polls until the check is true; fails after the deadline."""
    async with asyncio.timeout(seconds):
        while not await check():
            await asyncio.sleep(0.02)
