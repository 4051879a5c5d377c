"""`deploy/caddy/Caddyfile` with Debian's Caddy in front, its ports and authority replaced by ones for a test."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.journeys.installation import Installation, customer, installation

CADDYFILE = Path(__file__).parents[2] / "deploy" / "caddy" / "Caddyfile"
CADDY = shutil.which("caddy")

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(CADDY is None, reason="caddy is not installed")]


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def wait_for_authority(folder: Path, port: int) -> Path:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            if found := sorted(folder.glob("**/root.crt")):
                return found[0]
        time.sleep(0.05)
    raise AssertionError((folder / "log").read_text())


@contextlib.contextmanager
def caddy(folder: Path, house: Installation, *, http: int, https: int) -> Iterator[ssl.SSLContext]:
    """What trusts the authority that Caddy makes for itself."""
    for_test = f"""
	admin off
	http_port {http}
	https_port {https}
	local_certs
	skip_install_trust
	storage file_system {folder}
	on_demand_tls"""
    text = CADDYFILE.read_text().replace("\n\ton_demand_tls", for_test, 1)
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{house.ports['http']}")
    text = text.replace("127.0.0.1:8081", f"127.0.0.1:{house.ports['redirect']}")
    folder.mkdir()
    file = folder / "Caddyfile"
    file.write_text(text)
    with (folder / "log").open("w") as log:
        command = [str(CADDY), "run", "--config", str(file), "--adapter", "caddyfile"]
        process = subprocess.Popen(command, stderr=log, env={"HOME": str(folder)})
        try:
            authority = wait_for_authority(folder, https)
            yield ssl.create_default_context(cafile=str(authority))
        finally:
            process.terminate()
            process.wait(timeout=20)


async def test_a_certificate_is_made_for_forwarded_domains_only(tmp_path: Path) -> None:
    http, https = free_ports(2)
    with installation(tmp_path) as house:
        house.start("serve")
        async with customer(house.url) as me:
            await me.active_domain("acme.test")
            body = {"domains": ["acme.test"], "url": "https://example.com/welcome"}
            await me.call("POST", "/v1/domains/forwarding", body)

        async def visit(tls: ssl.SSLContext, host: str) -> httpx.Response:
            async with httpx.AsyncClient(verify=tls, trust_env=False) as client:
                return await client.get(
                    f"https://127.0.0.1:{https}/x", headers={"host": host}, extensions={"sni_hostname": host}
                )

        with caddy(tmp_path / "caddy", house, http=http, https=https) as tls:
            for host in ("acme.test", "www.acme.test"):
                answer = await visit(tls, host)
                assert (answer.status_code, answer.headers["location"]) == (301, "https://example.com/welcome")
            with pytest.raises(httpx.ConnectError):
                await visit(tls, "nobody.test")
            async with httpx.AsyncClient(trust_env=False) as client:
                plain = await client.get(f"http://127.0.0.1:{http}/", headers={"host": "acme.test"})
                assert plain.status_code == 301
                through = await client.get(
                    f"http://127.0.0.1:{http}/internal/tls-allowed?domain=acme.test", headers={"host": "localhost"}
                )
                assert through.status_code == 404
