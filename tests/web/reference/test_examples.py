"""The examples are what a server answers: all calls are played again and compared with what is kept."""

import asyncio
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

import litemail
from tests.journeys.installation import installation

ROOT = Path(litemail.__file__).parent.parent
NOT_PLAYED = {"take_gateway_event"}  # the payment gateway makes it

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    found = importlib.util.spec_from_file_location("examples_script", ROOT / "docs" / "examples.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def kept(script: ModuleType) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(script.FILE.read_text())
    return tree


async def test_a_server_answers_what_the_examples_show(
    script: ModuleType, kept: dict[str, Any], tmp_path: Path
) -> None:
    with installation(tmp_path) as house:
        await asyncio.to_thread(house.start, "serve")
        played = await script.play(house.url)
    for name in kept["calls"].keys() | played.calls.keys():
        assert name in kept["calls"], f"{name} is new: run docs/examples.py"
        assert name in played.calls, f"{name} is gone: run docs/examples.py"
        now, then = played.calls[name], kept["calls"][name]
        assert script.shape(now) == script.shape(then), f"{name} answers otherwise: run docs/examples.py"
        assert now["status"] == then["status"]
    assert {code: each["status"] for code, each in played.errors.items()} == {
        code: each["status"] for code, each in kept["errors"].items()
    }


async def test_every_call_is_played(client: httpx.AsyncClient, kept: dict[str, Any]):
    contract = (await client.get("/openapi.json")).json()
    calls = {about["operationId"] for item in contract["paths"].values() for about in item.values()}
    assert calls - kept["calls"].keys() == NOT_PLAYED


async def test_bodies_of_errors_fit_their_schema(client: httpx.AsyncClient, kept: dict[str, Any]):
    contract = (await client.get("/openapi.json")).json()
    schema = {"$ref": "#/components/schemas/Error", "components": contract["components"]}
    for code, failure in kept["errors"].items():
        assert failure["body"]["code"] == code
        Draft202012Validator(schema).validate(failure["body"])


def test_no_secret_and_nothing_of_one_machine_is_kept(script: ModuleType):
    text = script.FILE.read_text()
    for word in ("127.0.0.1:", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.ey", "/tmp", "Lite@Mail", "correct horse"):
        places = [line for line in text.splitlines() if word in line and '"request"' not in line]
        assert all("password" in line or "platform_pass" in line for line in places), places[:3]
