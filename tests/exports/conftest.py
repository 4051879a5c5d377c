import secrets as random
from dataclasses import fields
from pathlib import Path

import httpx
import pytest

from litemail.kit.db import Database
from litemail.kit.secrets import Secrets
from tests.conftest import NewPerson, Person, guards
from tests.connections.conftest import Tenant
from tests.connections.world import Call
from tests.exports.world import World


@pytest.fixture(scope="session")
async def somebody(new_person: NewPerson) -> Person:
    return await new_person()


@pytest.fixture
async def person(somebody: Person, client: httpx.AsyncClient) -> Person:
    """A fresh sandbox workspace of the same person: registering costs a password hash each time."""
    made = await client.post("/v1/workspaces", json={"name": random.token_hex(8)}, headers=somebody.headers)
    assert made.status_code == 201, made.text
    about = {each.name: getattr(somebody, each.name) for each in fields(somebody)}
    return Tenant(**{**about, "workspace_id": made.json()["id"]})


@pytest.fixture
def world(database: Database, secrets: Secrets, as_person: Call, person: Person, tmp_path: Path) -> World:
    return World(database, secrets, guards(), tmp_path, as_person, person)
