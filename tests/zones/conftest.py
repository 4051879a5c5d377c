"""Somebody with a domain of their own, and calls about its records."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
import pytest

from litemail.kit.db import Database
from tests.conftest import NewPerson, Person


@dataclass(frozen=True)
class Owner:
    """Somebody with a domain of their own, and calls about its records."""

    person: Person
    client: httpx.AsyncClient
    domain: str
    domain_id: str

    async def call(self, method: str, path: str, json: object = None) -> httpx.Response:
        return await self.client.request(method, path, headers=self.person.headers, json=json)

    async def create(self, **record: object) -> httpx.Response:
        return await self.call("POST", "/v1/dns", json={"domain": self.domain, **record})

    async def created(self, **record: object) -> str:
        answer = await self.create(**record)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def records(self, query: str = "") -> list[dict[str, object]]:
        answer = await self.call("GET", f"/v1/dns?domain={self.domain}{query}")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, object]] = answer.json()["data"]
        return found

    async def serial(self, database: Database) -> int:
        async with database.begin_system("test") as tx:
            return await tx.value(int, "SELECT serial FROM zones WHERE name = %(name)s", name=self.domain) or 0


NewOwner = Callable[[str], Awaitable[Owner]]


@pytest.fixture
def new_owner(client: httpx.AsyncClient, new_person: NewPerson) -> NewOwner:
    async def make(domain: str) -> Owner:
        person = await new_person()
        answer = await client.post("/v1/domains/connect", json={"domains": [domain]}, headers=person.headers)
        assert answer.status_code == 202, answer.text
        return Owner(person, client, domain, answer.json()["results"][0]["id"])

    return make
