import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from litemail.kit import embedded_pg, postgres_folder, postgres_user
from litemail.kit.embedded_pg import Cluster

REPOSITORY = Path(__file__).parents[2]
IS_ROOT = os.geteuid() == 0

# Starts, says the server's process id, and stops when its input ends.
PROCESS = """
import asyncio, signal, sys
from pathlib import Path
from litemail.kit import embedded_pg

async def main():
    cluster = await embedded_pg.start(Path(sys.argv[1]), durable=False)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: print("interrupted", flush=True))
    print(cluster.pid, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await embedded_pg.stop(cluster)
    print("stopped", flush=True)

asyncio.run(main())
"""


@pytest.fixture(scope="session")
async def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster that was created and stopped."""
    folder = tmp_path_factory.mktemp("made") / "pg"
    await embedded_pg.stop(await embedded_pg.start(folder, durable=False))
    return folder


@pytest.fixture
def folder(made: Path) -> Iterator[Path]:
    """One stopped cluster for all tests. Whatever a failing test leaves running there is ended."""
    yield made
    for pid in processes(made):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    (made / "transient").unlink(missing_ok=True)
    (made / "data" / "custom.conf").write_text("")


@pytest.fixture
def spoiled(made: Path, tmp_path: Path) -> Path:
    """A copy of that cluster, to be damaged."""
    subprocess.run(["cp", "-a", made, tmp_path / "pg"], check=True)
    return tmp_path / "pg"


@asynccontextmanager
async def running(folder: Path, *, durable: bool = False) -> AsyncIterator[Cluster]:
    cluster = await embedded_pg.start(folder, durable=durable)
    try:
        yield cluster
    finally:
        await embedded_pg.stop(cluster)


async def ask(cluster: Cluster, query: str) -> str:
    connection = await psycopg.AsyncConnection.connect(cluster.url(), autocommit=True)
    async with connection:
        cursor = await connection.execute(query.encode())
        row = await cursor.fetchone() if cursor.description else None
    return str(row[0]) if row else ""


def processes(folder: Path) -> list[int]:
    """The processes that work in the folder's cluster."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").samefile(folder / "data"):
                found.append(int(process.name))
    return found


def user_of(pid: int) -> int:
    return Path("/proc", str(pid)).stat().st_uid


async def eventually(condition: Callable[[], bool], *, limit: float = 20) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.01)


async def process(
    folder: Path,
    *,
    program: str = PROCESS,
    before: tuple[str, ...] = (),
    python: str = sys.executable,
    stderr: int | None = None,
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *before,
        python,
        "-c",
        program,
        str(folder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        cwd="/",
        env={"PYTHONPATH": ":".join([str(REPOSITORY), *(path for path in sys.path if path.endswith("site-packages"))])},
        start_new_session=True,
    )


async def line(child: asyncio.subprocess.Process) -> str:
    assert child.stdout
    return (await asyncio.wait_for(child.stdout.readline(), 30)).decode().strip()


async def end(child: asyncio.subprocess.Process) -> None:
    assert child.stdin
    child.stdin.close()
    assert await line(child) == "stopped"
    assert await child.wait() == 0


async def kill(child: asyncio.subprocess.Process) -> None:
    child.kill()
    await child.wait()


async def test_an_empty_folder_becomes_a_server_with_our_settings(tmp_path: Path) -> None:
    async with running(tmp_path / "not" / "yet" / "there", durable=True) as cluster:
        for name, value in {
            "listen_addresses": "",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
            "jit": "off",
            "fsync": "on",
            "synchronous_commit": "on",
            "data_checksums": "on",
            "password_encryption": "scram-sha-256",
        }.items():
            assert await ask(cluster, f"SHOW {name}") == value
        assert await ask(
            cluster, "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'template0'"
        ) == ("bC.UTF-8")
        assert await ask(cluster, "SELECT upper('zoë')") == "ZOË"
        assert str(cluster.pid) == (cluster.folder / "data" / "postmaster.pid").read_text().split()[0]
    assert processes(cluster.folder) == []


async def test_a_plain_index_serves_a_search_by_prefix(folder: Path) -> None:
    async with running(folder) as cluster, await psycopg.AsyncConnection.connect(cluster.url()) as connection:
        await connection.execute("CREATE TABLE names AS SELECT 'n' || n AS name FROM generate_series(1, 5000) AS n")
        await connection.execute("CREATE INDEX ON names (name)")
        await connection.execute("ANALYZE names")
        plan = await (await connection.execute("EXPLAIN SELECT name FROM names WHERE name LIKE 'n123%'")).fetchall()
        assert "Index" in str(plan[0][0])


async def test_nobody_else_gets_in(folder: Path) -> None:
    async with running(folder) as cluster:
        for password in ("", "wrong"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                await psycopg.AsyncConnection.connect(cluster.url().replace(cluster.password, password))
        for path, mode in ((folder, 0o700), (folder / "data", 0o700), (folder / "password", 0o600)):
            assert stat.S_IMODE(path.stat().st_mode) == mode
        assert stat.S_IMODE(cluster.socket_folder.stat().st_mode) == 0o700
        assert cluster.password not in repr(cluster)


async def test_a_later_start_finds_its_data(folder: Path) -> None:
    async with running(folder) as cluster:
        await ask(cluster, "CREATE TABLE found AS SELECT 'here' AS value")
    async with running(folder) as cluster:
        assert await ask(cluster, "SELECT value FROM found") == "here"
        assert await ask(cluster, "SHOW fsync") == "off"


async def test_the_operators_own_settings_are_kept(folder: Path) -> None:
    with (folder / "data" / "custom.conf").open("a") as file:
        file.write("work_mem = 7MB\n")
    async with running(folder) as cluster:
        assert await ask(cluster, "SHOW work_mem") == "7MB"


async def test_stop_leaves_no_process_and_can_be_repeated(folder: Path) -> None:
    cluster = await embedded_pg.start(folder, durable=False)
    connection = await psycopg.AsyncConnection.connect(cluster.url())
    assert cluster.pid in processes(folder)
    await asyncio.gather(embedded_pg.stop(cluster), embedded_pg.stop(cluster))
    assert processes(folder) == []
    await embedded_pg.stop(cluster)
    await connection.close()


async def test_the_last_one_stops_it(folder: Path) -> None:
    first, second = await asyncio.gather(
        embedded_pg.start(folder, durable=False), embedded_pg.start(folder, durable=False)
    )
    assert first.pid == second.pid
    await embedded_pg.stop(first)
    assert await ask(second, "SELECT 1") == "1"
    await embedded_pg.stop(first)
    assert second.pid in processes(folder)
    await embedded_pg.stop(second)
    assert processes(folder) == []


async def test_processes_that_start_at_one_moment_on_an_empty_folder_share_one_server(tmp_path: Path) -> None:
    children = [await process(tmp_path / "pg") for _ in range(3)]
    assert len({await line(child) for child in children}) == 1
    for child in children:
        await end(child)
    assert processes(tmp_path / "pg") == []


async def test_a_server_whose_process_was_killed_is_adopted_and_then_stopped(folder: Path) -> None:
    child = await process(folder)
    pid = int(await line(child))
    await kill(child)
    assert pid in processes(folder)
    async with running(folder) as cluster:
        assert cluster.pid == pid
        assert await ask(cluster, "SELECT 1") == "1"
    assert processes(folder) == []


@pytest.mark.skipif(not IS_ROOT or not shutil.which("setpriv"), reason="needs root and setpriv")
async def test_root_in_a_container_may_adopt_and_stop_it_too(folder: Path) -> None:
    """Containers withhold the right to look at other users' processes."""
    without = ("setpriv", "--bounding-set=-sys_ptrace")
    first = await process(folder, before=without)
    pid = await line(first)
    await kill(first)
    second = await process(folder, before=without)
    assert await line(second) == pid
    await end(second)
    assert processes(folder) == []


async def test_ctrl_c_on_the_terminal_does_not_reach_the_server(folder: Path) -> None:
    child = await process(folder)
    pid = int(await line(child))
    os.killpg(child.pid, signal.SIGINT)
    assert await line(child) == "interrupted"
    async with embedded_pg.attached(folder) as cluster:
        assert await ask(cluster, "SELECT 1") == "1"
        assert cluster.pid == pid
    await end(child)
    assert processes(folder) == []


async def test_what_was_committed_survives_the_death_of_the_server(folder: Path) -> None:
    cluster = await embedded_pg.start(folder)
    await ask(cluster, "CREATE TABLE kept AS SELECT 'here' AS value")
    os.kill(cluster.pid, signal.SIGKILL)
    async with running(folder) as again:
        assert again.pid != cluster.pid
        assert await ask(again, "SELECT value FROM kept") == "here"
        await embedded_pg.stop(cluster)
        assert await ask(again, "SELECT value FROM kept") == "here"
    assert processes(folder) == []


async def test_a_stop_that_waits_for_its_clients_is_hurried_and_followed_by_a_new_server(folder: Path) -> None:
    async with running(folder) as cluster:
        client = await psycopg.AsyncConnection.connect(cluster.url())
        os.kill(cluster.pid, signal.SIGTERM)
        await eventually(lambda: "stopping" in (folder / "data" / "postmaster.pid").read_text())
        async with running(folder) as again:
            assert again.pid != cluster.pid
            assert await ask(again, "SELECT 1") == "1"
        await client.close()
    assert processes(folder) == []


@pytest.mark.parametrize("owner", ["ours", "the server's"])
async def test_a_process_id_file_of_a_lost_server_is_no_obstacle(folder: Path, owner: str) -> None:
    """After a power loss its process id may be anybody's, another program of the server's own user included."""
    other = await asyncio.create_subprocess_exec(
        "sleep", "60", user=(folder / "data").stat().st_uid if owner != "ours" and IS_ROOT else None
    )
    try:
        text = f"{other.pid}\n{folder}/data\n1700000000\n5432\n.\n\n  1 1\nready   \n"
        (folder / "data" / "postmaster.pid").write_text(text)
        (folder / "data" / ".s.PGSQL.5432.lock").write_text(text)
        async with running(folder) as cluster:
            assert cluster.pid != other.pid
            assert await ask(cluster, "SELECT 1") == "1"
        assert other.returncode is None
    finally:
        other.kill()
        await other.wait()


async def test_a_creation_that_was_killed_is_begun_anew(tmp_path: Path) -> None:
    folder = tmp_path / "pg"
    child = await process(folder)
    await eventually(lambda: any(folder.glob("initdb-*/PG_VERSION")))
    await kill(child)
    assert not (folder / "data").exists()
    async with running(folder) as cluster:
        assert await ask(cluster, "SELECT 1") == "1"
    assert [path.name for path in folder.glob("initdb-*")] == []


@pytest.mark.skipif(not shutil.which("prlimit"), reason="needs prlimit")
async def test_a_creation_that_fails_leaves_an_empty_place(tmp_path: Path) -> None:
    folder = tmp_path / "pg"
    child = await process(folder, before=("prlimit", "--fsize=1000000"), stderr=asyncio.subprocess.PIPE)
    _, errors = await child.communicate()
    assert "InitFailed" in errors.decode()
    assert not (folder / "data").exists()
    assert not list(folder.glob("initdb-*"))


@pytest.mark.skipif(not IS_ROOT or not shutil.which("setpriv"), reason="needs root and setpriv")
@pytest.mark.parametrize("right", ["setuid", "chown"])
async def test_root_that_cannot_become_somebody_else_says_so(tmp_path: Path, right: str) -> None:
    before = ("setpriv", f"--bounding-set=-{right}")
    child = await process(tmp_path / "pg", before=before, stderr=asyncio.subprocess.PIPE)
    _, errors = await child.communicate()
    assert "NoUnprivilegedUser" in errors.decode()


async def test_a_cancelled_start_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "pg"
    for moment in ("initdb-*", "data/PG_VERSION"):
        starting = asyncio.create_task(embedded_pg.start(folder, durable=False))
        await eventually(lambda moment=moment: any(folder.glob(moment)))  # type: ignore[misc]  # a default binds it
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await eventually(lambda: processes(folder) == [])
    async with running(folder) as cluster:
        assert await ask(cluster, "SELECT 1") == "1"


async def test_a_command_beside_a_running_process_never_stops_the_server(folder: Path) -> None:
    async with running(folder) as cluster:
        async with embedded_pg.attached(folder) as beside:
            assert beside == cluster
            await embedded_pg.stop(beside)
        assert await ask(cluster, "SELECT 1") == "1"
        async with embedded_pg.attached(folder) as beside:
            await embedded_pg.stop(cluster)  # the last process stops it, whatever commands do
            assert processes(folder) == []
    assert processes(folder) == []


async def test_a_command_leaves_an_orphaned_server_to_the_next_process(folder: Path) -> None:
    child = await process(folder)
    pid = int(await line(child))
    await kill(child)
    async with embedded_pg.attached(folder) as cluster:
        assert cluster.pid == pid
    assert pid in processes(folder)


async def test_a_command_alone_starts_a_server_which_the_last_command_stops(folder: Path) -> None:
    async with embedded_pg.attached(folder) as outer:
        first = await asyncio.create_task(_hold(folder))
        assert await ask(outer, "SELECT 1") == "1"
        assert first == outer
    assert processes(folder) == []


async def _hold(folder: Path) -> Cluster:
    async with embedded_pg.attached(folder) as cluster:
        return cluster


async def test_a_process_takes_over_the_server_of_a_command(folder: Path) -> None:
    async with embedded_pg.attached(folder) as command:
        cluster = await embedded_pg.start(folder)
        assert cluster == command
    assert await ask(cluster, "SELECT 1") == "1"
    await embedded_pg.stop(cluster)
    assert processes(folder) == []


async def test_a_path_may_hold_anything(folder: Path) -> None:
    with elsewhere(folder, name="a b'%2Fü") as place:
        async with running(place) as cluster:
            assert await ask(cluster, "SELECT 1") == "1"


async def test_a_path_too_long_for_a_socket_gets_a_short_private_way(folder: Path) -> None:
    with elsewhere(folder, name="d" * 90) as place:
        async with running(place) as cluster:
            alias = cluster.socket_folder
            assert alias != place / "data"
            assert stat.S_IMODE(alias.parent.stat().st_mode) == 0o700
            assert await ask(cluster, "SELECT 1") == "1"
            async with embedded_pg.attached(place) as beside:
                assert beside.socket_folder == alias
            shutil.rmtree(alias.parent)
            postgres_folder.restore_socket_alias(place, alias)
            assert await ask(cluster, "SELECT 1") == "1"
        assert not alias.parent.exists()


async def test_a_way_that_others_may_change_is_not_used(folder: Path) -> None:
    with elsewhere(folder, name="d" * 90) as place:
        planted = place.parent / "open"
        planted.mkdir(mode=0o755)
        (planted / "data").symlink_to(place / "data")
        (place / "socket_alias").write_text(str(planted / "data"))
        async with running(place) as cluster:
            assert cluster.socket_folder != planted / "data"


@contextmanager
def elsewhere(folder: Path, *, name: str) -> Iterator[Path]:
    """The cluster, moved to a folder of that name for a while."""
    parent = Path(tempfile.mkdtemp())
    try:
        yield folder.rename(parent / name)
    finally:
        (parent / name).rename(folder)
        shutil.rmtree(parent)


async def test_a_server_that_dies_at_the_start_says_why(spoiled: Path) -> None:
    (spoiled / "data" / "custom.conf").write_text("shared_buffers = 'plenty'\n")
    with pytest.raises(embedded_pg.ServerDied, match="plenty"):
        await embedded_pg.start(spoiled)
    (spoiled / "data" / "custom.conf").write_text("")
    shutil.rmtree(spoiled / "data" / "pg_wal")
    with pytest.raises(embedded_pg.ServerDied, match="pg_wal"):
        await embedded_pg.start(spoiled)
    assert processes(spoiled) == []


async def test_data_of_another_version_is_refused(spoiled: Path) -> None:
    (spoiled / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(postgres_folder.OtherVersion, match="PostgreSQL 17"):
        await embedded_pg.start(spoiled)


async def test_a_lost_password_is_named(spoiled: Path) -> None:
    (spoiled / "password").unlink()
    with pytest.raises(postgres_folder.PasswordLost, match="password"):
        await embedded_pg.start(spoiled)
    assert processes(spoiled) == []


async def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(postgres_folder.FolderNotUsable, match=str(place)):
            await embedded_pg.start(place)


async def test_the_log_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_folder, "LOG_LIMIT", 10_000)  # the limit of 4 MiB takes long to reach
    log = folder / "postgresql.log"
    async with running(folder) as cluster:
        for _ in range(3):
            await ask(cluster, "DO $$ BEGIN FOR n IN 1..300 LOOP RAISE WARNING 'number %', n; END LOOP; END $$")
            assert log.stat().st_size > 10_000
            postgres_folder.bound_log(folder)
            assert log.stat().st_size == 0
    assert "shut down" in log.read_text()
    assert log.with_name("postgresql.log.1").stat().st_size < 50_000


@pytest.mark.skipif(not IS_ROOT, reason="only root runs PostgreSQL as somebody else")
async def test_root_runs_it_as_somebody_else_below_a_private_folder(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    async with running(private / "pg") as cluster:
        owner = user_of(cluster.pid)
        assert owner != 0
        assert {user_of(pid) for pid in processes(private / "pg")} == {owner}
        assert await ask(cluster, "SELECT pg_reload_conf()") == "True"
        await ask(cluster, "CREATE TABLE thing AS SELECT generate_series(1, 1000)")
        await ask(cluster, "CHECKPOINT")
        assert not [path for path in (private / "pg").iterdir() if path.stat().st_uid == owner and path.name != "data"]
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert private.stat().st_uid == 0


@pytest.mark.skipif(not IS_ROOT, reason="only root runs PostgreSQL as somebody else")
async def test_root_in_somebodys_folder_makes_it_theirs(tmp_path: Path) -> None:
    folder = tmp_path / "pg"
    folder.mkdir()
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    async with running(folder):
        pass
    assert {path.stat().st_uid for path in folder.rglob("*")} == {nobody.pw_uid}


@pytest.mark.skipif(not IS_ROOT, reason="only root copies the binaries")
def test_binaries_that_the_other_user_cannot_read_are_copied_once(tmp_path: Path) -> None:
    nobody = postgres_user.Account(pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)
    site = postgres_user._site_packages()
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (private / "site").symlink_to(site)
    assert not postgres_user._is_readable_by(nobody, private / "site")
    open_to_all = Path(tempfile.mkdtemp())
    open_to_all.chmod(0o755)
    try:
        (open_to_all / "file").write_text("")
        prefixes = (f"{open_to_all}/file/", f"{open_to_all}/litemail-")  # below a file there is no place
        copy = postgres_user._public_copy(site, prefixes=prefixes)
        assert copy.parent == open_to_all
        assert postgres_user._is_readable_by(nobody, copy)
        inode = copy.stat().st_ino
        assert postgres_user._public_copy(site, prefixes=prefixes).stat().st_ino == inode
        runner = postgres_user.Runner(copy / postgres_user.INSTALLATION / "bin", account=nobody)
        for program in ("initdb", "postgres"):
            answer = postgres_user.run(runner, [str(runner.programs / program), "--version"], keep=())
            assert answer.stdout.decode().startswith(f"{program} (PostgreSQL) {postgres_user.MAJOR}.")
        os.chown(copy, nobody.uid, nobody.gid)
        with pytest.raises(postgres_user.BinariesMissing, match="not a folder of ours"):
            postgres_user._public_copy(site, prefixes=prefixes)
    finally:
        shutil.rmtree(open_to_all)


@pytest.mark.skipif(not IS_ROOT or not shutil.which("setpriv"), reason="the other tests ran as an ordinary user")
async def test_an_ordinary_user_runs_it_as_themselves() -> None:
    nobody = pwd.getpwnam("nobody")
    become = ("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups")
    python = await _interpreter(become)
    folder = Path(tempfile.mkdtemp())
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    try:
        child = await process(folder / "pg", before=become, python=python)
        pid = int(await line(child))
        assert user_of(pid) == nobody.pw_uid
        await kill(child)
        child = await process(folder / "pg", before=become, python=python)
        assert await line(child) == str(pid)
        await end(child)
        async with running(folder / "pg") as cluster:  # root carries on as the owner of the data
            assert user_of(cluster.pid) == nobody.pw_uid
        child = await process(folder / "pg", before=become, python=python)
        await line(child)
        await end(child)
        assert processes(folder / "pg") == []
    finally:
        shutil.rmtree(folder)


async def _interpreter(become: tuple[str, ...]) -> str:
    """A Python that the other user may run, with our packages: root's own is often under /root."""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        child = await process(Path("/"), program="import litemail.kit.embedded_pg", before=become, python=python)
        if await child.wait() == 0:
            return python
    pytest.skip("another user cannot run our Python or read our packages")
