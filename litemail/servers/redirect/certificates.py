"""Certificates by file: `<name>.pem` in a folder, key and chain in one, for HTTPS without a proxy in front."""

import ssl
from collections.abc import Callable
from pathlib import Path

import structlog

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_REFUSED = ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


class Certificates:
    """Chooses by the name that a client asks for (RFC 6066 section 3). A file that changed is read again.

    `knows` says which names are ours, so that nobody else's text becomes the name of a file.
    """

    def __init__(self, folder: Path, *, knows: Callable[[str], bool]) -> None:
        self._folder = folder
        self._knows = knows
        self._loaded: dict[Path, tuple[int, ssl.SSLContext]] = {}

    def server_context(self) -> ssl.SSLContext:
        """A context without a certificate of its own: each connection gets one, or ends."""
        context = _context()

        def choose(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
            chosen = self._find((name or "").lower())
            if chosen is None:
                return _REFUSED
            connection.context = chosen
            return None

        context.sni_callback = choose
        return context

    def _find(self, name: str) -> ssl.SSLContext | None:
        """The certificate of the very name, or that of the domain for www below it."""
        if not self._knows(name):
            return None
        return self._read(name) or self._read(name.removeprefix("www."))

    def _read(self, name: str) -> ssl.SSLContext | None:
        path = self._folder / f"{name}.pem"
        try:
            changed_at = path.stat().st_mtime_ns
            known = self._loaded.get(path)
            if known is None or known[0] != changed_at:
                context = _context()
                context.load_cert_chain(path)
                known = self._loaded[path] = (changed_at, context)
        except FileNotFoundError:
            return None
        except (OSError, ssl.SSLError) as error:
            log.warning("redirect.certificate_unusable", path=str(path), reason=str(error))
            return None
        return known[1]


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
