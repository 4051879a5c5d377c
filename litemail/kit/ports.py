"""Which port each server of a data folder got: `ports.json`, shared by the processes that use the folder."""

import fcntl
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from litemail.kit.errors import Error, Kind


class ServerNotStarted(Error):
    kind = Kind.UNAVAILABLE
    code = "server.not_started"
    message = "The server {name} has not been started."
    action = "Start it, or `litemail serve`, which starts everything."
    retryable = True


class PortBook:
    """Reads the file when it has changed, so that a process learns of servers that others start later."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read_at = -1
        self._ports: Mapping[str, int] = {}

    def __getitem__(self, name: str) -> int:
        """The port of a server. Raises ServerNotStarted."""
        port = self.all().get(name)
        if port is None:
            raise ServerNotStarted(name=name)
        return port

    def all(self) -> Mapping[str, int]:
        try:
            changed_at = self._file.stat().st_mtime_ns
        except FileNotFoundError:
            return {}
        if changed_at != self._read_at:
            self._ports = json.loads(self._file.read_text())
            self._read_at = changed_at
        return self._ports

    def write(self, ports: Mapping[str, int]) -> None:
        """Adds or changes these entries; those of other processes stay."""
        self._change(lambda known: {**known, **ports})

    def forget(self, ports: Mapping[str, int]) -> None:
        """Takes out these entries, where nobody has changed them since."""
        self._change(lambda known: {name: port for name, port in known.items() if ports.get(name) != port})

    def _change(self, change: Callable[[dict[str, int]], dict[str, int]]) -> None:
        with self._file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = json.loads(self._file.read_text()) if self._file.exists() else {}
            fresh = self._file.with_suffix(f".{os.getpid()}")
            fresh.write_text(json.dumps(change(known), indent=1) + "\n")
            fresh.replace(self._file)
