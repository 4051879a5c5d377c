"""Domains that are connected, delegated and checked without a worker: the tests run its jobs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import httpx
import pytest

from litemail.domains import jobs
from litemail.kit.db import Database
from litemail.kit.secrets import Secrets
from tests.buyers import new_buyer as new_buyer
from tests.conftest import Dns, NewPerson, Person
from tests.domains.shopping import new_shopper as new_shopper
from tests.domains.shopping import shopper as shopper

Call = Callable[..., Awaitable[httpx.Response]]


@dataclass(frozen=True)
class Somebody:
    """A person and the calls they make."""

    person: Person
    client: httpx.AsyncClient

    async def call(self, method: str, path: str, json: object = None) -> httpx.Response:
        return await self.client.request(method, path, headers=self.person.headers, json=json)

    async def connect(self, *domains: str) -> httpx.Response:
        return await self.call("POST", "/v1/domains/connect", json={"domains": list(domains)})

    async def delegate(self, domain: str, *name_servers: str, challenge: str | None = None) -> httpx.Response:
        body = {"domain": domain, "name_servers": list(name_servers), "challenge": challenge}
        return await self.call("POST", "/v1/sandbox/delegations", json=body)

    async def domain(self, domain: str) -> dict[str, object]:
        answer = await self.call("GET", f"/v1/domains/{domain}")
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found

    async def connected(self, domain: str) -> tuple[str, list[str]]:
        """Connects one name; its id and its name servers."""
        answer = await self.connect(domain)
        assert answer.status_code == 202, answer.text
        shown = await self.domain(domain)
        name_servers = shown["name_servers"]
        assert isinstance(name_servers, list)
        return str(shown["id"]), name_servers


@pytest.fixture
def somebody(client: httpx.AsyncClient, person: Person) -> Somebody:
    return Somebody(person, client)


@pytest.fixture
async def another(client: httpx.AsyncClient, new_person: NewPerson) -> Somebody:
    return Somebody(await new_person(), client)


class Verify(Protocol):
    """Runs the job that looks at a domain, as a delegation enqueues it; `patience_ms` for changes just made."""

    async def __call__(self, domain_id: str, *, patience_ms: int = 250) -> None: ...


@pytest.fixture
def verify(database: Database, secrets: Secrets, dns_server: Dns) -> Verify:
    async def run(domain_id: str, *, patience_ms: int = 250) -> None:
        await jobs.verify(
            database=database,
            secrets=secrets,
            parents=dns_server.parents,
            dns_servers=[(dns_server.host, dns_server.port)],
            domain_id=domain_id,
            patience_ms=patience_ms,
        )

    return run
