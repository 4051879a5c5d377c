"""What every DNS provider is to Litemail: a declaration, and a door to the zones of one customer."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from litemail.kit.outbound import Guard
from litemail.protocols.record_types import RecordType
from litemail.providers.dns.publishing.errors import CredentialsIncomplete, UnknownProvider
from litemail.providers.dns.publishing.plan import Plan, Value


class CredentialField(msgspec.Struct, frozen=True):
    """One thing to enter: its name in requests, what it is, and what it is when left out."""

    field: str
    label: str
    default: str | None = None


class Declaration(msgspec.Struct, frozen=True):
    """What is known of a provider before speaking to it. `types` are those of our records that it can hold."""

    provider: str
    name: str
    credentials: tuple[CredentialField, ...]
    types: frozenset[RecordType]


class Endpoint(msgspec.Struct, frozen=True):
    """Where the provider's API is, as scheme, host and port."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True)
class Credentials:
    """What a customer gave us, by the names of the declaration's fields."""

    values: Mapping[str, str] = field(repr=False)

    def __getitem__(self, name: str) -> str:
        return self.values[name]


class Publisher(Protocol):
    """A door to the zones of one customer at one provider. Zones are named without a trailing dot.

    Everything here raises TryAgain, ActionNeeded or GivenUp of `errors`, and the OutboundError of the guard.
    """

    async def verify(self) -> None:
        """Whether the credentials work. Raises BadCredentials, NotPermitted, BadAddress."""
        ...

    async def read(self, zone: str) -> frozenset[Value]:
        """Everything that is in the zone but its SOA. Raises ZoneMissing."""
        ...

    async def apply(self, zone: str, plan: Plan) -> None:
        """Does what a plan without conflicts says and nothing else; doing it again changes nothing.

        Values beside ours in a set are left as they are, to the byte. Raises ChangedMeanwhile where the plan no
        longer fits, ZoneMissing, Rejected.
        """
        ...


OpenPublisher = Callable[[Credentials, Guard], AbstractAsyncContextManager[Publisher]]


@dataclass(frozen=True)
class Provider:
    """`endpoint` reads the credentials without any network and raises UrlInvalid and its like."""

    declaration: Declaration
    endpoint: Callable[[Credentials], Endpoint]
    open: OpenPublisher


@dataclass(frozen=True)
class Providers:
    """The providers of this installation, by their names in the API."""

    by_name: Mapping[str, Provider]

    def get(self, provider: str, *, field: str) -> Provider:
        """Raises UnknownProvider."""
        found = self.by_name.get(provider)
        if found is None:
            raise UnknownProvider(provider=provider[:50], known=", ".join(self.by_name), field=field)
        return found


def providers(known: Sequence[Provider]) -> Providers:
    return Providers({one.declaration.provider: one for one in known})


def read_credentials(declaration: Declaration, given: Mapping[str, str], *, field: str) -> Credentials:
    """What was given, completed with the defaults. Raises CredentialsIncomplete."""
    needed = {one.field for one in declaration.credentials if one.default is None}
    optional = {one.field: one.default for one in declaration.credentials if one.default is not None}
    if not needed <= {name for name, value in given.items() if value} or given.keys() - needed - optional.keys():
        raise CredentialsIncomplete(
            name=declaration.name,
            needed=" and ".join(sorted(needed)),
            optional=f" but {', '.join(sorted(optional))}" if optional else "",
            field=field,
        )
    return Credentials({**optional, **given})
