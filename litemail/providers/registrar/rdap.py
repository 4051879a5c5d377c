"""What registries tell everybody of a name, without an account anywhere: RDAP (RFC 9082, RFC 9083).

Which server speaks for which ending stands in IANA's bootstrap file (RFC 9224), https://data.iana.org/rdap/dns.json.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec

from litemail.kit.errors import Error, Kind
from litemail.kit.outbound import Guard, OutboundError
from litemail.providers.registrar.base import Availability, Offer

_SECONDS = 5.0
_MOST_BYTES = 256 * 1024
_FOUND, _NOT_FOUND = 200, 404
_GIVEN_UP = {"redemption period", "pending delete"}  # RFC 8056 section 2: after the end, before somebody else's turn

Servers = Mapping[str, str]
"""Base URL by ending; each ends in a slash."""


class BadBootstrapFile(Error):
    kind = Kind.INVALID
    code = "rdap.bad_bootstrap_file"
    message = "{path} is not an RDAP bootstrap file: {reason}"
    action = "Fetch https://data.iana.org/rdap/dns.json again, and name it in LITEMAIL_RDAP_BOOTSTRAP."


class _File(msgspec.Struct, frozen=True):
    """RFC 9224 section 3: each service is a list of endings and a list of base URLs."""

    services: list[tuple[list[str], list[str]]]


class _Event(msgspec.Struct, frozen=True, rename="camel"):
    """RFC 9083 section 4.5."""

    event_action: str
    event_date: str


class _Domain(msgspec.Struct, frozen=True, rename="camel"):
    """RFC 9083 section 5.3, as far as it tells whose name an answer is about, and until when."""

    object_class_name: str
    ldh_name: str | None = None
    status: list[str] = []
    events: list[_Event] = []


def read_servers(path: Path) -> Servers:
    """Raises BadBootstrapFile. Only servers with HTTPS count."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except (OSError, msgspec.DecodeError) as error:
        raise BadBootstrapFile(path=path, reason=error) from error
    servers: dict[str, str] = {}
    for endings, urls in file.services:
        secure = next((url for url in urls if url.startswith("https://")), None)
        if secure is not None:
            servers |= {ending.lower(): secure if secure.endswith("/") else secure + "/" for ending in endings}
    return servers


class Rdap:
    """Implements `base.Lookup`, for the endings whose registries offer it. It knows no prices."""

    def __init__(self, servers: Servers, guard: Guard) -> None:
        self._servers = servers
        self._guard = guard

    async def check(self, name: str) -> Offer:
        base = self._server(name)
        if base is None:
            return Offer(name, Availability.UNKNOWN, words="its registry has no public data that can be asked")
        try:
            answer = await self._ask(base, name)
        except (httpx.HTTPError, OutboundError) as error:
            return Offer(name, Availability.UNKNOWN, words=f"its registry does not answer ({type(error).__name__})")
        if answer.status_code == _NOT_FOUND:
            return Offer(name, Availability.AVAILABLE)
        if answer.status_code == _FOUND and _read(name, answer.content):
            return Offer(name, Availability.TAKEN, words="it is registered already")
        return Offer(name, Availability.UNKNOWN, words=f"its registry answers with status {answer.status_code}")

    async def has_expired(self, name: str, *, now: datetime) -> bool:
        """Whether the registry says that the registration ended; False also where it says nothing."""
        base = self._server(name)
        if base is None:
            return False
        try:
            answer = await self._ask(base, name)
        except (httpx.HTTPError, OutboundError):
            return False
        domain = _read(name, answer.content) if answer.status_code == _FOUND else None
        if domain is None:
            return False
        ends = [event.event_date for event in domain.events if event.event_action == "expiration"]
        return bool(_GIVEN_UP & set(domain.status)) or any(_moment(text) < now for text in ends)

    async def _ask(self, base: str, name: str) -> httpx.Response:
        """Raises httpx.HTTPError, OutboundError."""
        async with self._guard.http_client(
            timeout=_SECONDS, total=_SECONDS, max_body=_MOST_BYTES, follow_redirects=True
        ) as client:
            return await client.get(f"{base}domain/{name}", headers={"accept": "application/rdap+json"})

    def _server(self, name: str) -> str | None:
        """That of the longest ending which is listed (RFC 9224 section 4)."""
        labels = name.split(".")
        endings = (".".join(labels[start:]) for start in range(1, len(labels)))
        return next((self._servers[ending] for ending in endings if ending in self._servers), None)


def _read(name: str, body: bytes) -> _Domain | None:
    """What an answer says of this name; None when it is about something else."""
    try:
        domain = msgspec.json.decode(body, type=_Domain)
    except msgspec.DecodeError:
        return None
    told = (domain.ldh_name or name).lower().rstrip(".")
    return domain if domain.object_class_name == "domain" and told == name else None


def _moment(text: str) -> datetime:
    """RFC 3339; what cannot be read has not come yet."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
