"""What a proxy of ours asks: whether it may get a certificate for a name. Outside of /v1 and of authentication.

Who may ask is a matter of networks, and a request that came through a proxy is nobody's own: a proxy that passes all
paths on would otherwise open this to the world.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import msgspec
from litestar import Request, Router, get
from litestar.di import Provide
from litestar.params import FromQuery

from litemail import domains
from litemail.kit.db import Database
from litemail.kit.errors import Error, Kind
from litemail.kit.wire import Given
from litemail.web.body import check_body
from litemail.web.errors import UnknownPath

Networks = Sequence[IPv4Network | IPv6Network]

_OF_PROXIES = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class NotForwarded(Error):
    kind = Kind.NOT_FOUND
    code = "forwarding.not_forwarded"
    message = "The web of {domain} is not forwarded here."
    action = "Ask for no certificate for it."


class TlsAllowed(msgspec.Struct, frozen=True):
    domain: str


def router(database: Database, networks: Networks) -> Router:
    return Router(
        "/internal",
        route_handlers=[tls_allowed],
        guards=[check_body],
        dependencies={
            "asked": Provide(lambda: database, sync_to_thread=False),
            "networks": Provide(lambda: networks, sync_to_thread=False),
        },
        include_in_schema=False,
    )


@get("/tls-allowed")
async def tls_allowed(
    request: Request[Any, Any, Any], asked: Given[Database], networks: Given[Networks], domain: FromQuery[str]
) -> TlsAllowed:
    """200 for a forwarded domain and for www below it, else 404: `on_demand_tls { ask ... }` of Caddy."""
    if not _is_ours(request, networks):
        raise UnknownPath(method=request.method, path=request.url.path)
    host = domain.lower().removesuffix(".")
    async with asked.system_statement() as tx:
        if not await domains.is_forwarded(tx, host):
            raise NotForwarded(domain=domain[:253])
    return TlsAllowed(host)


def _is_ours(request: Request[Any, Any, Any], networks: Networks) -> bool:
    if request.client is None or any(name in request.headers for name in _OF_PROXIES):
        return False
    try:
        address = ip_address(request.client.host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None  # of a socket for both versions
    return any((mapped or address) in network for network in networks)
