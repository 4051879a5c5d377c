"""Settings of forwarding, as the program reads them, and who may ask `/internal/tls-allowed`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from litestar import Litestar, Request, Response

from litemail.app import forwarding
from litemail.config import Settings
from litemail.kit.db import Database
from litemail.kit.errors import Error
from litemail.web import internal


@pytest.mark.parametrize(
    ("given", "host", "addresses"),
    [
        ("192.0.2.1, 2001:DB8::1", "127.0.0.1", ("192.0.2.1", "2001:db8::1")),
        (None, "127.0.0.1", ("127.0.0.1",)),
        (None, "0.0.0.0", ("127.0.0.1",)),
        (None, "localhost", ()),
    ],
)
def test_addresses_of_redirect_servers(given: str | None, host: str, addresses: tuple[str, ...]) -> None:
    settings = Settings(redirect_addresses=given, host=host)  # type: ignore[call-arg]  # the rest has defaults
    assert forwarding.redirect_addresses(settings) == addresses


@pytest.mark.parametrize("given", ["example.com", "192.0.2.1;192.0.2.2", "192.0.2.300", ","])
def test_malformed_addresses_are_told_with_their_setting(given: str) -> None:
    settings = Settings(redirect_addresses=given, internal_networks=given)  # type: ignore[call-arg]  # as above
    with pytest.raises(forwarding.BadAddresses, match="LITEMAIL_REDIRECT_ADDRESSES"):
        forwarding.redirect_addresses(settings)
    with pytest.raises(forwarding.BadAddresses, match="LITEMAIL_INTERNAL_NETWORKS"):
        forwarding.internal_networks(settings)


def test_our_own_hosts_are_those_people_know() -> None:
    settings = Settings(public_url="https://api.example.net/x", mail_hostname="mx.example.net")  # type: ignore[call-arg]  # as above
    found = forwarding.own_hosts(settings, ("ns01.example.net",))
    assert found == ("ns01.example.net", "mx.example.net", "api.example.net")


def tell(_request: Request[Any, Any, Any], error: Error) -> Response[str]:
    return Response(error.code, status_code=404)


@asynccontextmanager
async def asking(database: Database, address: str) -> AsyncIterator[httpx.AsyncClient]:
    router = internal.router(database, [ip_network("127.0.0.0/8"), ip_network("10.1.0.0/16")])
    app = Litestar([router], exception_handlers={Error: tell})
    transport = httpx.ASGITransport(app, client=(address, 5000))  # type: ignore[arg-type]  # other stubs of ASGI
    async with httpx.AsyncClient(transport=transport, base_url="http://litemail.test") as client:
        yield client


@pytest.mark.parametrize(
    ("address", "answers"),
    [
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("10.1.2.3", True),
        ("10.2.0.1", False),
        ("::1", False),
        ("198.51.100.7", False),
        ("", False),
    ],
)
async def test_certificates_are_the_business_of_some_networks(database: Database, address: str, answers: bool) -> None:
    path = "/internal/tls-allowed?domain=nobody.test"
    async with asking(database, address) as client:
        expected = "forwarding.not_forwarded" if answers else "request.unknown_path"
        assert (await client.get(path)).text == expected
        for header in ("x-forwarded-for", "forwarded", "via", "x-real-ip"):
            assert (await client.get(path, headers={header: "x"})).text == "request.unknown_path"
