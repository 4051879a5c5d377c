"""PowerDNS Authoritative through its HTTP API (https://doc.powerdns.com/authoritative/http-api/)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from litemail.kit.outbound import HTTP_OR_HTTPS, Guard, UrlInvalid, read_url
from litemail.protocols.record_types import RecordType
from litemail.providers.dns.publishing.base import (
    CredentialField,
    Credentials,
    Declaration,
    Endpoint,
    Provider,
    Publisher,
)
from litemail.providers.dns.publishing.errors import (
    BadCredentials,
    RateLimited,
    Rejected,
    Unavailable,
    words,
)

if TYPE_CHECKING:
    from litemail.providers.dns.publishing.octo import Judge

NAME: Final = "PowerDNS"
DECLARATION: Final = Declaration(
    provider="powerdns",
    name=NAME,
    credentials=(
        CredentialField("api_url", "URL of the server's API, such as https://dns.example.com:8443"),
        CredentialField("api_key", "The server's `api-key`"),
        CredentialField("server_id", "Name of the server in its API", default="localhost"),
    ),
    types=frozenset({RecordType.A, RecordType.AAAA, RecordType.CNAME, RecordType.MX, RecordType.TXT}),
)
_API_PATHS: Final = frozenset({"", "/", "/api", "/api/v1"})


class _Fault(msgspec.Struct):
    """What PowerDNS answers with when it refuses; only the message matters."""

    error: str = ""


def provider() -> Provider:
    return Provider(DECLARATION, endpoint, open_publisher)


def endpoint(credentials: Credentials) -> Endpoint:
    """Raises UrlInvalid, HostInvalid."""
    target = read_url(credentials["api_url"], schemes=HTTP_OR_HTTPS)
    path = target.url.partition("://")[2].partition("/")[2]
    if f"/{path}".rstrip("/") not in _API_PATHS:
        raise UrlInvalid(reason="a path after the host is not supported")
    return Endpoint(target.scheme, target.host, target.port)


@asynccontextmanager
async def open_publisher(credentials: Credentials, guard: Guard) -> AsyncIterator[Publisher]:
    from litemail.providers.dns.publishing import octo, octo_powerdns  # noqa: PLC0415 - octoDNS is heavy

    where = endpoint(credentials)
    api_key = credentials["api_key"]
    server = octo_powerdns.CarefulPowerDns(where, api_key=api_key, server_id=credentials["server_id"])
    async with octo.http_client(guard) as client:
        with octo.through_guard(server.session, client, judge=_judge(api_key), name=NAME):
            yield octo.OctoPublisher(server, name=NAME)


def _judge(api_key: str) -> "Judge":
    """Says what an answer means that is no success. A 404 is left to octoDNS, which knows what was asked for."""

    def judge(status: int, body: bytes) -> None:
        if status in {401, 403}:
            raise BadCredentials(name=NAME, words=_said(body, api_key))
        if status == 429:  # noqa: PLR2004 - HTTP's numbers
            raise RateLimited(name=NAME)
        if status >= 500:  # noqa: PLR2004
            raise Unavailable(name=NAME, reason=f"it answers with HTTP {status}")
        if status in {400, 409, 422}:
            raise Rejected(name=NAME, words=_said(body, api_key))

    return judge


def _said(body: bytes, api_key: str) -> str:
    try:
        said = msgspec.json.decode(body, type=_Fault).error
    except msgspec.MsgspecError:
        said = body.decode(errors="replace")
    return words(said, [api_key]) or "no reason given"
