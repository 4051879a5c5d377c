"""The way to a customer's DNS provider: which one it is, and who may be connected to from which workspace."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from litemail.kit.actor import Mode
from litemail.kit.outbound import VENDOR, Endpoint, Guard, ListedOnly, PublicOnly
from litemail.providers.dns.publishing import Credentials, Provider, Providers, Publisher, read_credentials


@dataclass(frozen=True)
class Access:
    """A provider with credentials that are complete; whether they work is for the provider to say."""

    provider: Provider
    credentials: Credentials

    @property
    def name(self) -> str:
        return self.provider.declaration.provider


@dataclass(frozen=True)
class DnsDoors:
    """How this program reaches DNS providers. `private` are addresses that are not public and that the operator lets
    every workspace reach; beyond them, live workspaces reach public hosts by HTTPS, sandboxes nobody.
    """

    providers: Providers
    guards: Mapping[Mode, Guard]
    private: Mapping[Endpoint, Endpoint]

    def read(self, provider: str, given: Mapping[str, str], *, mode: Mode, field: str) -> Access:
        """What can be said without any network. Raises UnknownProvider, CredentialsIncomplete, and what the guard
        refuses: UrlInvalid, AddressNotAllowed, OutsideHost.
        """
        found = self.providers.get(provider, field=f"{field}.provider")
        credentials = read_credentials(found.declaration, given, field=f"{field}.credentials")
        access = Access(found, credentials)
        self._guard(access, mode)
        return access

    @asynccontextmanager
    async def open(self, access: Access, *, mode: Mode) -> AsyncIterator[Publisher]:
        async with access.provider.open(access.credentials, self._guard(access, mode)) as publisher:
            yield publisher

    def _guard(self, access: Access, mode: Mode) -> Guard:
        where = access.provider.endpoint(access.credentials)
        guard = self._guard_of(mode, (where.host, where.port))
        guard.check_scheme(where.scheme)
        guard.check(where.host, where.port)
        return guard

    def _guard_of(self, mode: Mode, endpoint: Endpoint) -> Guard:
        guard = self.guards[mode]
        if endpoint in self.private or mode == "sandbox":
            return replace(guard, policy=ListedOnly(self.private))
        assert isinstance(guard.policy, PublicOnly)
        return replace(guard, policy=replace(VENDOR, own=guard.policy.own))
