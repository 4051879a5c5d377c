"""People with active domains, made so by a line of SQL: how a domain gets there is tested elsewhere."""

import secrets as random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
import pytest

from litemail.kit.db import Database
from tests.conftest import NewPerson, Person


@dataclass(frozen=True)
class Owner:
    """Somebody with an active domain, at the API."""

    person: Person
    client: httpx.AsyncClient
    domain: str

    async def call(self, method: str, path: str, json: object = None, **headers: str) -> httpx.Response:
        return await self.client.request(method, path, headers={**self.person.headers, **headers}, json=json)

    def wanted(self, username: str, **more: object) -> dict[str, object]:
        named = {"first_name": "Ada", "last_name": "Lovelace"}
        return {"domain": self.domain, "username": username, **named, **more}

    async def create(self, username: str, **more: object) -> dict:
        answer = await self.call("POST", "/v1/mailboxes", json=self.wanted(username, **more))
        assert answer.status_code == 201, answer.text
        made: dict = answer.json()
        return made


NewOwner = Callable[[], Awaitable[Owner]]


@pytest.fixture
def new_owner(client: httpx.AsyncClient, new_person: NewPerson, database: Database) -> NewOwner:
    async def make() -> Owner:
        person = await new_person()
        owner = Owner(person, client, f"{random.token_hex(6)}.test")
        await owner.call("POST", "/v1/domains/connect", json={"domains": [owner.domain]})
        async with database.begin_system("test") as tx:
            await tx.execute("UPDATE domains SET status = 'active' WHERE name = %(name)s", name=owner.domain)
        return owner

    return make


@pytest.fixture
async def owner(new_owner: NewOwner) -> Owner:
    return await new_owner()
