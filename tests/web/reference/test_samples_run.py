"""The samples of five calls, run against a running server by the languages' own compilers and interpreters."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from litemail.web.reference.pages import Reference, sample_call
from litemail.web.reference.samples import LANGUAGES, Call, write
from tests.journeys.installation import Customer, customer, installation

pytestmark = pytest.mark.timeout(300)

LONGEST = 120.0


@dataclass(frozen=True)
class Runner:
    """How a sample is run: as which file, by which commands, and whether it prints the status."""

    file: str
    commands: Sequence[Sequence[str]]
    needs: str
    says_status: bool = True


RUNNERS: Mapping[str, Runner] = {
    "shell": Runner("sample.sh", (("sh", "sample.sh"),), "curl", says_status=False),
    "python": Runner("sample.py", ((sys.executable, "sample.py"),), sys.executable),
    "javascript": Runner("sample.mjs", (("node", "sample.mjs"),), "node"),
    "php": Runner("sample.php", (("php", "sample.php"),), "php"),
    "ruby": Runner("sample.rb", (("ruby", "sample.rb"),), "ruby"),
    "c": Runner("sample.c", (("gcc", "-Wall", "-Werror", "sample.c", "-lcurl", "-o", "sample"), ("./sample",)), "gcc"),
    "java": Runner("Main.java", (("java", "Main.java"),), "javac"),
    "go": Runner("sample.go", (("go", "run", "sample.go"),), "go"),
    "r": Runner("sample.R", (("Rscript", "sample.R"),), "Rscript"),
}


@dataclass(frozen=True)
class World:
    """A running server, a customer of it, and the pages that it serves."""

    ada: Customer
    key: str
    base: str
    reference: Reference

    def call(self, operation_id: str, **names: str) -> Call:
        """The sample of a page, with the reader's own key and things."""
        (operation,) = (each for each in self.reference.operations() if each.id == operation_id)
        call = sample_call(operation)
        path, _, query = call.target.partition("?")
        target = operation.path.format(**names) if names else path
        headers = [(name, self.key if name == "x-api-key" else value) for name, value in call.headers]
        return msgspec.structs.replace(
            call, base=self.base, target=f"{target}?{query}" if query else target, headers=headers
        )


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    with installation(tmp_path_factory.mktemp("samples")) as house:
        await asyncio.to_thread(house.start, "serve")
        async with customer(house.url) as ada:
            contract = (await ada.client.get("/openapi.json")).content
            reference = Reference(msgspec.json.decode(contract), "")
            yield World(ada, ada.client.headers["x-api-key"], house.url, reference)


@pytest.fixture(params=RUNNERS)
def runner(request: pytest.FixtureRequest) -> str:
    if shutil.which(RUNNERS[request.param].needs) is None:
        pytest.skip(f"{RUNNERS[request.param].needs} is not installed")
    return str(request.param)


@pytest.fixture
def run(runner: str, tmp_path: Path) -> Callable[[Call], str]:
    """Runs a call's sample in the language; what it prints."""
    (language,) = (each for each in LANGUAGES if each.id == runner)

    def run(call: Call) -> str:
        how = RUNNERS[runner]
        (tmp_path / how.file).write_text(write(call, language) + "\n")
        cache = Path(os.environ.get("TMPDIR", "/tmp")) / f"litemail-go-{os.getuid()}"
        environment = {**os.environ, "GOCACHE": str(cache), "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod"}
        printed = ""
        for command in how.commands:
            done = subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
            )
            assert done.returncode == 0, done.stderr[-2000:]
            printed = done.stdout
        return printed

    return run


async def ran(run: Callable[[Call], str], call: Call) -> str:
    return await asyncio.to_thread(run, call)


def expect(printed: str, status: int, runner: str) -> None:
    assert str(status) in printed or not RUNNERS[runner].says_status, printed


async def test_a_get_with_a_query(world: World, run: Callable[[Call], str], runner: str):
    printed = await ran(run, world.call("list_transactions"))
    assert "?" in world.call("list_transactions").target
    expect(printed, 200, runner)
    assert '"data"' in printed


async def test_a_post_with_a_nested_body(world: World, run: Callable[[Call], str], runner: str):
    before = await world.ada.call("GET", "/v1/connect-inbox?count=true")
    printed = await ran(run, world.call("connect_inboxes"))
    expect(printed, 200, runner)
    assert "caroline@getbrandmerge.com" in printed
    after = await world.ada.call("GET", "/v1/connect-inbox?count=true")
    assert after["total"] == before["total"] + 1


async def test_a_put(world: World, run: Callable[[Call], str], runner: str):
    workspace_id = (await world.ada.call("GET", "/v1/users"))["default_workspace_id"]
    call = world.call("update_workspace", workspace_id=workspace_id)
    name = f'It\'s {runner} \\ "quoted" $5 `x` | é'
    call = msgspec.structs.replace(call, body=msgspec.json.encode({"name": name}).decode())
    expect(await ran(run, call), 200, runner)
    assert (await world.ada.call("GET", f"/v1/workspaces/{workspace_id}"))["name"] == name


async def test_a_delete(world: World, run: Callable[[Call], str], runner: str):
    domain = f"delete-with-{runner}.test"
    await world.ada.call("POST", "/v1/domains/connect", {"domains": [domain]}, expect=202)
    printed = await ran(run, world.call("remove_domain", domain=domain))
    expect(printed, 204, runner)
    assert (await world.ada.client.get(f"/v1/domains/{domain}")).status_code == 404


async def test_the_quickstart_runs_as_it_stands(world: World, tmp_path: Path):
    source = (await world.ada.client.get("/docs/quickstart.md")).text
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```$", source, flags=re.MULTILINE | re.DOTALL))
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.stdout.rstrip().endswith("}")
    assert '"status":"connected"' in done.stdout


async def test_a_refusal_is_printed_and_not_thrown(world: World, run: Callable[[Call], str], runner: str):
    call = world.call("get_order", order_id="ord_01k5m3v8w0e3t9f7a2b4c6d8ee")
    printed = await ran(run, call)
    expect(printed, 404, runner)
    assert "order.not_found" in printed
