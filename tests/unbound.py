"""A real resolver, Debian's unbound, as a child process on loopback."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from litemail.providers.dns import Server
from tests.pdns import answers, free_port

UNBOUND = shutil.which("unbound") or shutil.which("unbound", path="/usr/sbin:/sbin")

needs_unbound = pytest.mark.skipif(UNBOUND is None, reason="Debian's unbound is not installed")


@asynccontextmanager
async def unbound(folder: Path, stubs: Mapping[str, tuple[str, int]]) -> AsyncIterator[Server]:
    """Resolves what the servers of these zones lead to, and nothing else."""
    assert UNBOUND is not None
    port = free_port()
    zones = "".join(
        f'stub-zone:\n  name: "{name}."\n  stub-addr: {host}@{at}\n  stub-no-cache: yes\n'
        for name, (host, at) in stubs.items()
    )
    nodefault = "".join(f'  local-zone: "{name}." nodefault\n' for name in stubs)
    (folder / "unbound.conf").write_text(
        f"""server:
  interface: 127.0.0.1@{port}
  do-not-query-localhost: no
  do-ip6: no
  chroot: ""
  username: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  logfile: "{folder / "unbound.log"}"
  module-config: "iterator"
  num-threads: 1
{nodefault}{zones}remote-control:
  control-enable: no
"""
    )
    process = await asyncio.create_subprocess_exec(UNBOUND, "-d", "-c", str(folder / "unbound.conf"))
    try:
        await answers(port, log=folder / "unbound.log")
        yield Server("unbound", "127.0.0.1", port)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
