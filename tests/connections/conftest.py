from pathlib import Path

import pytest

from litemail.kit.db import Database
from litemail.kit.secrets import Secrets
from tests.conftest import guards
from tests.connections.world import Call, World


@pytest.fixture
def world(database: Database, secrets: Secrets, as_person: Call, tmp_path: Path) -> World:
    """A person's sandbox workspace and a platform of its own."""
    return World(database, secrets, guards(), tmp_path, as_person)
