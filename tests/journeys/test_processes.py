import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.journeys.installation import customer, installation
from tests.journeys.test_thread import THE_EXAMPLE

pytestmark = pytest.mark.timeout(180)


async def test_parts_alone_do_what_serve_does(tmp_path: Path):
    with installation(tmp_path) as house:
        parts = [house.start(part) for part in ("dns", "mail", "redirect", "sandbox", "worker", "api")]
        async with customer(house.url) as me, httpx.AsyncClient(trust_env=False) as anybody:
            await me.active_domain("acme.test")
            await me.mailbox("acme.test", "ada")
            connection = await me.call(
                "POST",
                "/v1/connect-inbox",
                {**THE_EXAMPLE, "inbox_type": "litemail", "inboxes": [{"email": "ada@acme.test"}]},
                expect=200,
            )
            done = await me.until(f"/v1/connect-inbox/{connection['id']}", "completed", "completed_with_errors")
            assert done["status"] == "completed"
            for part in ("dns", "mail", "redirect", "sandbox", "worker"):
                for path in ("healthz", "readyz"):
                    answer = await anybody.get(f"http://127.0.0.1:{house.ports[f'health_{part}']}/{path}")
                    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
            assert "litemail_http_requests" in (await anybody.get(f"{house.url}/metrics")).text
        for process in reversed(parts):
            assert house.postgres() is not None
            assert house.stop(process) == 0
        assert house.postgres() is None


async def test_several_api_processes_share_a_port_and_come_back(tmp_path: Path):
    with installation(tmp_path) as house:
        api = house.start("api", "--workers", "2")
        worker = children_of(api.pid)[0]
        async with customer(house.url) as me:
            os.kill(worker, signal.SIGKILL)
            for _ in range(20):
                with contextlib.suppress(httpx.TransportError):  # a connection that was the killed worker's
                    await me.call("GET", "/v1/workspaces", expect=200)
                await asyncio.sleep(0.05)
        assert house.stop(api) == 0
        assert house.postgres() is None


def children_of(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=True)
    return [int(line) for line in found.stdout.split()]


async def test_ctrl_c_drains_and_a_second_start_finds_everything(tmp_path: Path):
    with installation(tmp_path) as house:
        serve = house.start("serve")
        async with customer(house.url) as me:
            slow = asyncio.create_task(
                me.client.post(
                    "/v1/auth/register",
                    json={
                        "email": "grace@example.com",
                        "password": "correct horse battery",
                        "first_name": "Grace",
                        "last_name": "Hopper",
                    },
                )
            )
            await asyncio.sleep(0.03)
            serve.send_signal(signal.SIGINT)
            assert (await slow).status_code == 201
            assert await asyncio.to_thread(serve.wait, 30) == 0
            assert house.postgres() is None
            again = house.start("serve")
            me.client.base_url = house.url
            assert len((await me.call("GET", "/v1/api-keys"))["data"]) == 1
        assert house.stop(again) == 0


def test_refusals_say_what_is_wrong_and_what_to_do(tmp_path: Path):
    with installation(tmp_path) as house, socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        house.settings["LITEMAIL_HTTP_PORT"] = str(port)
        taken = house.run("serve")
        assert taken.returncode == 1
        assert f"Port {port} on 127.0.0.1 is taken" in taken.stderr
        assert "LITEMAIL_HTTP_PORT" in taken.stderr
        house.settings["LITEMAIL_HTTP_PORT"] = "many"
        assert "LITEMAIL_HTTP_PORT is wrong" in house.run("serve").stderr
        house.settings["LITEMAIL_HTTP_PORT"] = "0"
        house.settings["LITEMAIL_DATA_DIR"] = "/proc/nowhere"
        assert "cannot be written" in house.run("serve").stderr
        del house.settings["LITEMAIL_DATA_DIR"]
        house.settings["LITEMAIL_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/nothing"
        unreachable = house.run("serve")
        assert "database cannot be reached" in unreachable.stderr
        assert "Traceback" not in taken.stderr + unreachable.stderr


def test_a_newer_schema_is_refused(tmp_path: Path):
    with installation(tmp_path) as house:
        serve = house.start("serve")
        folder = house.folder / "postgres"
        assert house.stop(serve) == 0
        mark_schema_as_newer(folder)
        refused = house.run("serve")
        assert refused.returncode == 1
        assert "9999_from_the_future" in refused.stderr
        assert "newer version" in refused.stderr
        assert house.postgres() is None


def mark_schema_as_newer(folder: Path) -> None:
    async def mark() -> None:
        from litemail.kit import embedded_pg  # noqa: PLC0415 - only here is a cluster opened beside the program

        async with (
            embedded_pg.attached(folder) as cluster,
            await psycopg.AsyncConnection.connect(cluster.url(), autocommit=True) as connection,
        ):
            await connection.execute(
                "INSERT INTO _yoyo_migration (migration_hash, migration_id) VALUES ('f', '9999_from_the_future')"
            )

    asyncio.run(mark())


def test_doctor_and_migrate_and_approve_run_beside_and_without_a_server(tmp_path: Path):
    with installation(tmp_path) as house:
        assert house.run("migrate").returncode == 0
        assert house.postgres() is None
        assert house.run("doctor").returncode == 0
        serve = house.start("serve")
        beside = house.run("doctor")
        assert beside.returncode == 0, beside.stdout
        assert "✓ server http answers" in beside.stdout
        nobody = house.run("workspace", "approve", "nobody@example.com")
        assert nobody.returncode == 1
        assert "Nobody has registered" in nobody.stderr
        assert house.postgres() is not None
        assert house.stop(serve) == 0


async def test_an_approved_user_has_live_workspaces(tmp_path: Path):
    with installation(tmp_path) as house:
        serve = house.start("serve")
        async with httpx.AsyncClient(base_url=house.url, trust_env=False, timeout=30) as client:
            ada = {"email": "ada@example.com", "password": "correct horse battery"}
            registered = await client.post("/v1/auth/register", json={**ada, "first_name": "Ada", "last_name": "L"})
            client.headers["authorization"] = f"Bearer {registered.json()['access_token']}"
            wanted = {"name": "Live", "mode": "live"}
            refused = await client.post("/v1/workspaces", json=wanted)
            assert (refused.status_code, refused.json()["code"]) == (403, "workspace.live_not_allowed")
            assert house.run("workspace", "approve", ada["email"]).returncode == 0
            made = await client.post("/v1/workspaces", json=wanted)
            assert (made.status_code, made.json()["mode"]) == (201, "live")
            live = {"x-workspace-id": made.json()["id"]}
            hidden = await client.post(
                "/v1/sandbox/delegations", json={"domain": "a.test", "name_servers": []}, headers=live
            )
            assert hidden.status_code == 404
            refused = await client.post("/v1/domains/connect", json={"domains": ["a.test"]}, headers=live)
            assert refused.status_code == 422
        assert house.stop(serve) == 0


@pytest.mark.skipif(shutil.which("swaks") is None, reason="swaks is not installed")
async def test_swaks_delivers_and_is_refused_for_strangers(tmp_path: Path):
    with installation(tmp_path) as house:
        serve = house.start("serve")
        async with customer(house.url) as me:
            await me.active_domain("acme.test")
            await me.mailbox("acme.test", "ada")
        server = f"127.0.0.1:{house.ports['smtp']}"
        for address, status, code in (
            ("ada@acme.test", 0, "250"),
            ("nobody@acme.test", 24, "550 5.1.1"),
            ("somebody@elsewhere.com", 24, "550 5.7.1"),
        ):
            swaks = await asyncio.to_thread(
                subprocess.run,
                ["swaks", "--server", server, "--from", "x@example.com", "--to", address, "--body", "Hello"],
                capture_output=True,
                text=True,
                check=False,
            )
            assert swaks.returncode == status, swaks.stdout
            assert code in swaks.stdout
        assert house.stop(serve) == 0


@pytest.mark.skipif(shutil.which("dig") is None, reason="dig is not installed")
async def test_dig_reads_what_was_published(tmp_path: Path):
    with installation(tmp_path) as house:
        serve = house.start("serve")
        async with customer(house.url) as me:
            await me.active_domain("acme.test")
            await me.call(
                "POST",
                "/v1/dns",
                {"domain": "acme.test", "type": "TXT", "name": "www", "content": "x" * 700},
                expect=201,
            )
        ask = ["dig", "@127.0.0.1", "-p", str(house.ports["dns"]), "+norecurse"]

        async def dig(*question: str) -> str:
            answer = await asyncio.to_thread(
                subprocess.run, [*ask, *question], capture_output=True, text=True, check=True
            )
            return answer.stdout

        assert "mail.litemail.test" in await dig("+short", "acme.test", "MX")
        for host in ("mail", "ns01", "ns16"):
            assert (await dig("+short", f"{host}.litemail.test", "A")).strip() == "127.0.0.1"
        assert (await dig("+short", "www.acme.test", "TXT")).count("x") == 700
        assert "status: NXDOMAIN" in await dig("nothing.acme.test", "A")
        assert "status: REFUSED" in await dig("example.com", "A")
        assert "flags: qr aa" in await dig("acme.test", "SOA")
        assert house.stop(serve) == 0


def test_a_folder_is_served_by_one(tmp_path: Path):
    with installation(tmp_path) as house:
        serve = house.start("serve")
        ports = house.ports
        second = house.run("serve")
        assert second.returncode == 1
        assert "Another process serves dns" in second.stderr
        assert house.ports == ports
        assert house.stop(serve) == 0
        assert house.stop(house.start("serve")) == 0
