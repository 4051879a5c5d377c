"""The two sign-in exchanges that mail clients use: PLAIN (RFC 4616) and LOGIN (a draft that everybody implements)."""

import base64
import binascii
from collections.abc import Awaitable, Callable

MECHANISMS = ("PLAIN", "LOGIN")

Ask = Callable[[bytes], Awaitable[bytes]]


class Aborted(Exception):
    """The exchange came to nothing; the text is the reply."""


async def exchange(ask: Ask, mechanism: str, initial: str | None) -> tuple[str, str]:
    """User name and password. `ask` sends a challenge, in base64, and returns the answer. Raises Aborted."""
    first = None if initial is None else initial.encode()
    if mechanism == "PLAIN":
        return _plain(_decoded(first if first is not None else await ask(b"")))
    username = _decoded(first if first is not None else await ask(base64.b64encode(b"Username:")))
    password = _decoded(await ask(base64.b64encode(b"Password:")))
    return _text(username), _text(password)


def _plain(message: bytes) -> tuple[str, str]:
    parts = message.split(b"\0")
    if len(parts) != len(("authzid", "authcid", "passwd")):
        raise Aborted("501 5.5.2 Malformed PLAIN message")
    authorization, username, password = (_text(part) for part in parts)
    if authorization not in {"", username}:
        raise Aborted("535 5.7.8 Acting for another user is not possible")
    return username, password


def _decoded(answer: bytes) -> bytes:
    if answer == b"*":
        raise Aborted("501 5.7.0 Authentication aborted")
    if answer == b"=":  # RFC 4954 section 4: an empty initial response
        return b""
    try:
        return base64.b64decode(answer, validate=True)
    except binascii.Error as error:
        raise Aborted("501 5.5.2 Malformed base64") from error


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        raise Aborted("501 5.5.2 User name and password must be UTF-8") from error
