"""The file in which a domain says where its mail servers are, as Thunderbird reads it.

https://www.bucksch.org/1/projects/thunderbird/autoconfiguration/config-file-format.html. Of a server's several ways
only those are taken that are encrypted and take a password.
"""

from collections.abc import Iterator
from xml.parsers import expat

import msgspec

from litemail.providers.mailhost.presets import Security, Server

_SECURITY = {"SSL": Security.TLS, "STARTTLS": Security.STARTTLS}
_PASSWORDS = frozenset({"", "password-cleartext", "plain", "password-encrypted", "secure"})
_LOCAL_PART = "%EMAILLOCALPART%"
_LAST_PORT = 65535


class NotAutoconfig(Exception):
    """Not such a file, or one that declares a document type."""


class Offers(msgspec.Struct, frozen=True):
    """The servers on offer, in the order of the file. `by_local_part`: the user name is what stands before the @."""

    imap: tuple[Server, ...]
    smtp: tuple[Server, ...]
    by_local_part: bool


def parse(text: bytes, *, domain: str) -> Offers:
    """Raises NotAutoconfig."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise NotAutoconfig(str(error)) from None
    found = {side: list(_servers(reader.servers, side, domain)) for side in ("imap", "smtp")}
    names = {each.get("username") for each in reader.servers if each["type"] == "imap"}
    return Offers(tuple(found["imap"]), tuple(found["smtp"]), by_local_part=names == {_LOCAL_PART})


def _refuse(*_: object) -> None:
    raise NotAutoconfig("it declares a document type")


class _Reader:
    """Collects what stands in each incomingServer and outgoingServer."""

    def __init__(self) -> None:
        self.servers: list[dict[str, str]] = []
        self._open: dict[str, str] | None = None
        self._name = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name in ("incomingServer", "outgoingServer"):
            self._open = {"type": attributes.get("type", "")}
            self.servers.append(self._open)
        self._name = name

    def end(self, name: str) -> None:
        if name in ("incomingServer", "outgoingServer"):
            self._open = None
        self._name = ""

    def text(self, text: str) -> None:
        if self._open is not None and self._name:
            self._open[self._name] = (self._open.get(self._name, "") + text).strip()


def _servers(found: list[dict[str, str]], side: str, domain: str) -> Iterator[Server]:
    for each in found:
        security, port = _SECURITY.get(each.get("socketType", "")), each.get("port", "")
        host = each.get("hostname", "").replace("%EMAILDOMAIN%", domain)
        usable = each["type"] == side and host and each.get("authentication", "") in _PASSWORDS
        if usable and security is not None and port.isdecimal() and 0 < int(port[:6]) <= _LAST_PORT:
            yield Server(host, int(port), security)
