"""The ways out of the house: who may be connected to, and where the vendors are."""

from collections.abc import Iterator, Mapping

from litemail.app.house import House
from litemail.kit import local_ca
from litemail.kit.actor import Mode
from litemail.kit.outbound import (
    CUSTOMER_MAIL,
    Endpoint,
    Guard,
    ListedOnly,
    OutsideHost,
    client_tls,
    own_routes,
)
from litemail.kit.ports import PortBook
from litemail.platforms import Doors
from litemail.providers import mailhost
from litemail.providers.mailhost import Security, Server, Servers
from litemail.providers.platform import Site
from litemail.providers.platform.registry import Registry
from litemail.servers.sandbox.backend import SqlStore
from litemail.servers.sandbox.store import MailDoor, SignIn

_OWN_SERVERS = ("smtp", "submission", "imap", "imaps", "sandbox_http", "sandbox_imap", "sandbox_smtp")
_TLS_FROM_THE_START = {993, 465}
_TLS_SERVERS = ("imaps", "sandbox_imap")


class SandboxRoutes(Mapping[Endpoint, Endpoint]):
    """Where a sandbox workspace may connect to: our own listeners, also under the names of known mail providers.

    Made anew whenever the book of ports has changed, because other processes may start later.
    """

    def __init__(self, ports: PortBook, *, hosts: tuple[str, ...], address: str) -> None:
        self._ports = ports
        self._hosts = hosts
        self._address = address
        self._known: Mapping[str, int] = {}
        self._routes: Mapping[Endpoint, Endpoint] = {}

    def __getitem__(self, endpoint: Endpoint) -> Endpoint:
        return self._current()[endpoint]

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self._current())

    def __len__(self) -> int:
        return len(self._current())

    def _current(self) -> Mapping[Endpoint, Endpoint]:
        known = self._ports.all()
        if known is not self._known:
            self._known, self._routes = known, self._table(known)
        return self._routes

    def _table(self, known: Mapping[str, int]) -> Mapping[Endpoint, Endpoint]:
        ours = {known[name] for name in _OWN_SERVERS if name in known}
        table = own_routes(hosts=self._hosts, ports=ours, address=self._address)
        if "sandbox_imap" in known and "sandbox_smtp" in known:
            table |= mailhost.routes(
                imap=(self._address, known["sandbox_imap"]), smtp=(self._address, known["sandbox_smtp"])
            )
        return table


def own_names(house: House) -> tuple[str, ...]:
    """The names and addresses under which our own servers are reached from this machine."""
    names = (house.settings.mx_hostname, "localhost", "127.0.0.1", house.settings.reachable_host)
    return tuple(dict.fromkeys(names))


def guards(house: House, ca: local_ca.LocalCa) -> dict[Mode, Guard]:
    """One guard for each mode of workspaces: the sandbox trusts our own authority, the world the public ones."""
    routes = SandboxRoutes(house.ports, hosts=own_names(house), address=house.settings.reachable_host)
    return {
        "sandbox": Guard(policy=ListedOnly(routes), tls=client_tls(ca=ca.ca_file.read_text())),
        "live": Guard(policy=CUSTOMER_MAIL),
    }


def doors(house: House, mode_guards: Mapping[Mode, Guard], platforms: Registry) -> Doors:
    """How platforms are reached: the vendors themselves, or the twins of a sandbox workspace."""
    store = SqlStore(house.database)

    def site(mode: Mode, workspace_id: str, platform_type: str) -> Site:
        if mode == "sandbox":
            twin = f"http://{house.settings.url_host}:{house.ports['sandbox_http']}/{workspace_id}/{platform_type}"
            return Site(api=twin, login=twin)
        live = platforms.get(platform_type).declaration.live
        assert live is not None, "a platform without a site of its own is reached by the account's url"
        return live

    async def twin_rate(workspace_id: str, platform_type: str) -> int | None:
        settings = await store.settings(workspace_id, platform_type)
        return settings.rate_limit if settings else None

    return Doors(mode_guards, site, twin_rate)


def twin_sign_in(ports: PortBook, guard: Guard) -> SignIn:
    """Signs in to an inbox as a platform's twin does: it is told ports, but not how they are encrypted."""

    def server(door: MailDoor) -> Server:
        known = ports.all()
        tls_ports = _TLS_FROM_THE_START | {known[name] for name in _TLS_SERVERS if name in known}
        return Server(door.host, door.port, Security.TLS if door.port in tls_ports else Security.STARTTLS)

    async def sign_in(*, imap: MailDoor, smtp: MailDoor) -> str | None:
        try:
            await mailhost.sign_in(
                address=imap.username,
                username=imap.username,
                password=imap.password,
                servers=Servers(server(imap), server(smtp)),
                guard=guard,
            )
        except (mailhost.SignInFailed, OutsideHost) as failed:
            return str(failed)
        return None

    return sign_in
