"""The same program as another user and on another database."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.installation import customer, installation

pytestmark = pytest.mark.timeout(180)

DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("setpriv") is None, reason="only root can become somebody else")
async def test_an_ordinary_user_runs_it(tmp_path: Path):
    home = Path("/tmp") / f"litemail-{secrets.token_hex(4)}"
    try:
        with installation(home) as house:
            shutil.chown(home, "nobody")
            house.prefix = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
            if not readable(house.prefix):
                pytest.skip("this Python is not readable for others")
            serve = house.start("serve")
            async with customer(house.url) as me:
                await me.active_domain("acme.test")
                assert (await me.mailbox("acme.test", "ada"))["status"] == "active"
            assert house.stop(serve) == 0
            assert house.postgres() is None
    finally:
        shutil.rmtree(home)


def readable(become: tuple[str, ...]) -> bool:
    return subprocess.run([*become, sys.executable, "-c", "import litemail"], check=False).returncode == 0


@pytest.fixture
def debians_postgres() -> Iterator[str]:
    """The URL of an owner who is no superuser, at a PostgreSQL that came with the system."""
    if not DEBIAN or os.getuid() != 0:
        pytest.skip("no PostgreSQL of the system, or not root")
    folder = Path("/tmp") / f"postgres-{secrets.token_hex(4)}"
    folder.mkdir()
    shutil.chown(folder, "postgres")

    def run(program: str, *arguments: str) -> None:
        command = ["runuser", "-u", "postgres", "--", str(DEBIAN[-1].with_name(program)), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)

    data = str(folder / "data")
    run("initdb", "-D", data, "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
    run(
        "pg_ctl", "-D", data, "-w", "-o", f"-k {folder} -c listen_addresses= -c fsync=off", "-l", f"{data}.log", "start"
    )
    try:
        run("psql", "-h", str(folder), "-c", "CREATE ROLE keeper LOGIN CREATEROLE", "postgres")
        run("psql", "-h", str(folder), "-c", "CREATE DATABASE litemail OWNER keeper", "postgres")
        yield f"postgresql://keeper@/litemail?host={folder}"
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


async def test_a_database_of_ones_own(tmp_path: Path, debians_postgres: str):
    with installation(tmp_path, LITEMAIL_DATABASE_URL=debians_postgres) as house:
        for start in range(2):
            serve = house.start("serve")
            async with customer(house.url, email=f"ada{start}@example.com") as me:
                await me.active_domain(f"acme{start}.test")
            assert not (house.folder / "postgres").exists()
            assert house.stop(serve) == 0
