"""Cloudflare through its API, version 4 (https://developers.cloudflare.com/api/resources/dns/)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from litemail.kit.outbound import HTTP_OR_HTTPS, Guard, read_url
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
    NotPermitted,
    RateLimited,
    Rejected,
    Unavailable,
    UnexpectedAnswer,
    words,
)

if TYPE_CHECKING:
    from litemail.providers.dns.publishing.octo import Judge

NAME: Final = "Cloudflare"
API_URL: Final = "https://api.cloudflare.com/client/v4"
DECLARATION: Final = Declaration(
    provider="cloudflare",
    name=NAME,
    credentials=(CredentialField("api_token", "An API token with Zone Read and DNS Edit for the zones"),),
    types=frozenset({RecordType.A, RecordType.AAAA, RecordType.CNAME, RecordType.MX, RecordType.TXT}),
)
_NO_TOKEN: Final = frozenset({6003, 6111, 9106, 9109, 1000, 1001})
"""What it calls a token that it cannot read, does not know, or that has ended."""


class _Fault(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Envelope(msgspec.Struct):
    """What every answer comes in."""

    success: bool
    errors: Sequence[_Fault] = ()


def provider(*, api_url: str = API_URL) -> Provider:
    """`api_url` is another one in tests only."""
    return Provider(DECLARATION, partial(endpoint, api_url=api_url), partial(open_publisher, api_url=api_url))


def endpoint(_credentials: Credentials, *, api_url: str) -> Endpoint:
    target = read_url(api_url, schemes=HTTP_OR_HTTPS)
    return Endpoint(target.scheme, target.host, target.port)


@asynccontextmanager
async def open_publisher(credentials: Credentials, guard: Guard, *, api_url: str) -> AsyncIterator[Publisher]:
    from litemail.providers.dns.publishing import octo, octo_cloudflare  # noqa: PLC0415 - octoDNS is heavy

    token = credentials["api_token"]
    account = octo_cloudflare.CarefulCloudflare(token=token, api_url=api_url)
    async with octo.http_client(guard) as client:
        with octo.through_guard(account.session, client, judge=_judge(token), name=NAME):
            yield octo.OctoPublisher(account, name=NAME)


def _judge(token: str) -> "Judge":
    """Says what an answer means that is no success."""

    def judge(status: int, body: bytes) -> None:
        if status == 429:  # noqa: PLR2004 - HTTP's numbers
            raise RateLimited(name=NAME)
        if status >= 500:  # noqa: PLR2004
            raise Unavailable(name=NAME, reason=f"it answers with HTTP {status}")
        try:
            said = msgspec.json.decode(body, type=_Envelope)
        except msgspec.MsgspecError:
            raise UnexpectedAnswer(name=NAME, reason=f"HTTP {status} without the envelope of its answers") from None
        if said.success and status < 300:  # noqa: PLR2004
            return
        reason = words("; ".join(one.message for one in said.errors), [token]) or "no reason given"
        if status == 401 or any(one.code in _NO_TOKEN for one in said.errors):  # noqa: PLR2004
            raise BadCredentials(name=NAME, words=reason)
        if status == 403:  # noqa: PLR2004
            raise NotPermitted(name=NAME, words=reason)
        raise Rejected(name=NAME, words=reason)

    return judge
