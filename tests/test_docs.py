import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
import pytest

from litemail.cli.options import Options
from litemail.config import Settings
from tests.journeys.installation import Installation, installation

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
TUTORIAL = DOCS / "tutorial.md"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
NOT_HISTORY = [page for page in PAGES if page.name != "CHANGELOG.md"]
BASH = shutil.which("bash")

# What looks like a code and is a file or a name.
NO_CODES = re.compile(r".*\.(md|py|json|toml|keys|pem|key|conf|sql|lock|log|sh|test|com|io|yml)")


@dataclass(frozen=True)
class Block:
    """A fenced block: what its first line says after the fence, its text, and where it stands."""

    info: tuple[str, ...]
    text: str
    line: int

    @property
    def is_shell(self) -> bool:
        return self.info[:1] == ("sh",)


def blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    lines = page.read_text().splitlines()
    at = 0
    while at < len(lines):
        if lines[at].startswith("```"):
            end = next(i for i in range(at + 1, len(lines)) if lines[i].startswith("```"))
            found.append(Block(tuple(lines[at][3:].split()), "\n".join(lines[at + 1 : end]), at + 1))
            at = end
        at += 1
    return found


@cache
def reference(name: str) -> str:
    return (REFERENCE / name).read_text()


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_generated_pages_say_what_the_program_says():
    """Every setting, command, option, endpoint, error code and event is in them, and nothing that is gone."""
    checked = subprocess.run(
        [sys.executable, DOCS / "generate.py", "--check"], capture_output=True, text=True, check=False, timeout=60
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


# Links


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path):
    assert not list(broken_links(page))


def test_every_page_can_be_reached_from_the_readme():
    seen, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        targets = re.findall(r"\]\(([^)\s#]+)", page.read_text())
        waiting += [(page.parent / each).resolve() for each in targets if not re.match(r"[a-z]+:", each)]
    pages = {page for page in PAGES if page.name != "CHANGELOG.md"}
    assert not {name_of(page) for page in pages - seen}


# Nothing that is gone


@pytest.mark.parametrize("page", NOT_HISTORY, ids=name_of)
def test_settings_that_are_named_exist(page: Path):
    named = set(re.findall(r"\bLITEMAIL_[A-Z_]*[A-Z]\b", page.read_text()))
    assert named <= {f"LITEMAIL_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("page", NOT_HISTORY, ids=name_of)
def test_commands_and_options_that_are_named_exist(page: Path):
    text = page.read_text()
    shared = {f"--{name.replace('_', '-')}" for name in Options.__dataclass_fields__}
    known = shared | set(re.findall(r"`(--[a-z-]+)`", reference("commands.md")))
    commands = set(re.findall(r"^## `litemail ([a-z]+)", reference("commands.md"), flags=re.MULTILINE))
    for command, rest in re.findall(r"(?<![\w/-])litemail (?!COMMAND|--)([a-z]+)((?: [^`\n|&>;)]*)?)", code_of(text)):
        assert command in commands
        assert set(re.findall(r"--[a-z-]+", rest)) <= known


def code_of(text: str) -> str:
    """What stands in backticks and fenced blocks."""
    fenced = re.findall(r"^```[^\n]*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return "\n".join([*fenced, *re.findall(r"`([^`\n]+)`", prose)])


@pytest.mark.parametrize("page", NOT_HISTORY, ids=name_of)
def test_endpoints_that_are_named_exist(page: Path):
    known = [
        (method, re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) + "$"))
        for method, path in documented_endpoints()
    ]
    for method, path in re.findall(r"\b(GET|POST|PUT|PATCH|DELETE) (/v1/[\w/{}.-]*[\w}])", page.read_text()):
        assert any(method == each and pattern.match(path) for each, pattern in known), f"{method} {path}"


def documented_endpoints() -> set[tuple[str, str]]:
    return set(re.findall(r"^### `([A-Z]+) (\S+)`$", reference("endpoints.md"), flags=re.MULTILINE))


@pytest.mark.parametrize("page", NOT_HISTORY, ids=name_of)
def test_codes_and_events_that_are_named_exist(page: Path):
    codes = set(re.findall(r"^\| `([a-z_.]+)`", reference("errors.md") + reference("events.md"), flags=re.MULTILINE))
    families = {code.partition(".")[0] for code in codes}
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    named = {each for each in re.findall(r"`([a-z_]+\.[a-z_]+)`", prose) if each.partition(".")[0] in families}
    assert {each for each in named if not NO_CODES.fullmatch(each)} <= codes


# Shell


@pytest.mark.parametrize("page", PAGES, ids=name_of)
@pytest.mark.skipif(BASH is None, reason="there is no bash here")
def test_shell_blocks_can_be_parsed(page: Path):
    assert BASH is not None
    for block in blocks(page):
        if block.is_shell:
            parsed = subprocess.run([BASH, "-n"], input=block.text, capture_output=True, text=True, check=False)
            assert parsed.returncode == 0, f"line {block.line}: {parsed.stderr}"


@dataclass(frozen=True)
class Step:
    """A block that runs, and what it is shown to print."""

    block: Block
    shown: str | None

    @property
    def lacks(self) -> list[str]:
        return [tool for tool in self.block.info[2:] if shutil.which(tool) is None]


def steps(page: Path) -> list[Step]:
    found: list[Step] = []
    for block in blocks(page):
        if block.is_shell and "run" in block.info:
            found.append(Step(block, None))
        elif "shown" in block.info:
            found[-1] = Step(found[-1].block, block.text)
    return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("docs"), LITEMAIL_MAILBOXES_PER_DOMAIN="5") as running:
        running.start("serve")
        yield running


def speaks_mail() -> bool:
    curl = shutil.which("curl")
    if curl is None:
        return False
    version = subprocess.run([curl, "--version"], capture_output=True, text=True, check=True).stdout
    return {"imaps", "smtp"} <= set(version.split())


@pytest.mark.timeout(120)
@pytest.mark.skipif(BASH is None or not speaks_mail(), reason="there is no bash, or no curl that speaks IMAP and SMTP")
async def test_the_tutorial_prints_what_it_shows(house: Installation, tmp_path: Path):
    assert BASH is not None
    todo = [step for step in steps(TUTORIAL) if not step.lacks]
    script = "\n".join(["set -euo pipefail", *(f"echo '@@@ {n}'\n{step.block.text}" for n, step in enumerate(todo))])
    ran = await asyncio.to_thread(
        subprocess.run,
        [BASH, "-c", script],
        cwd=tmp_path,
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "LITEMAIL_DATA_DIR": str(house.folder),
            "API": house.url,
        },
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr
    printed = re.split(r"^@@@ \d+\n", ran.stdout, flags=re.MULTILINE)[1:]
    for step, output in zip(todo, printed, strict=True):
        assert not missing(step.shown or "", output), f"line {step.block.line}:\n{output}"


def missing(shown: str, printed: str) -> str | None:
    """The first line that is shown and was not printed, in this order; `...` stands for anything."""
    left = [plain(line) for line in printed.splitlines()]
    for line in shown.splitlines():
        if line.strip() in ("...", ""):
            continue
        wanted = re.compile(r"[^\n]*".join(map(re.escape, plain(line).split("..."))))
        at = next((i for i, real in enumerate(left) if wanted.fullmatch(real)), None)
        if at is None:
            return line
        left = left[at + 1 :]
    return None


def plain(line: str) -> str:
    """Without what differs from run to run: ports, and which name servers a claim got."""
    line = re.sub(r'"port": \d+', '"port": 0', line.rstrip())
    return re.sub(r"ns\d\d\.", "ns00.", line)


async def test_endpoints_are_those_of_a_running_server(house: Installation):
    async with httpx.AsyncClient(base_url=house.url, timeout=30, trust_env=False) as client:
        contract = json.loads((await client.get("/openapi.json")).text)
    served = {(method.upper(), path) for path, item in contract["paths"].items() for method in item}
    hidden = {("GET", "/metrics"), ("GET", "/openapi.json")}
    assert documented_endpoints() - hidden == served
