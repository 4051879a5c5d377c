"""Signing in to an IMAP server and leaving again: the few commands of RFC 9051 (and RFC 3501) that this takes."""

import asyncio
import base64
import contextlib
import re

import msgspec

from litemail.kit.outbound import Guard
from litemail.providers.mailhost.dialogue import (
    Lines,
    NoPasswords,
    NoStartTls,
    Refused,
    Trouble,
    TurnedAway,
    Unexpected,
    dialogue,
)
from litemail.providers.mailhost.presets import Security, Server
from litemail.providers.mailhost.refusals import reason_of

_GOODBYE_SECONDS = 1.0
_QUOTABLE = re.compile(r"[\x20-\x7e]*")


class _Answer(msgspec.Struct, frozen=True):
    """The end of a command: its status, and all words of the command's responses, the untagged ones too."""

    status: str
    words: str


async def sign_in(*, server: Server, username: str, password: str, guard: Guard, seconds: float) -> None:
    """Signs in and out. Returns when the server accepted user name and password and lets the mailbox be used.

    Raises Trouble, OSError, and the guard's OutboundError.
    """
    async with dialogue(server, guard, seconds=seconds, start_tls=_start_tls) as lines:
        capabilities = "" if server.security is Security.STARTTLS else await _greeting(lines)
        try:
            await _authenticate(lines, username, password, capabilities or await _capabilities(lines))
            await _prove(lines)
        except (Refused, NoPasswords):
            await _goodbye(lines)
            raise
        await _goodbye(lines)


async def _command(lines: Lines, tag: str, text: str, *, continuation: str = "*") -> _Answer:
    """Sends a command and reads to its tagged response; `continuation` answers one `+` of the server."""
    await lines.write(f"{tag} {text}")
    words: list[str] = []
    while True:
        line = await lines.read()
        start, _, rest = line.partition(" ")
        if start == "+":
            await lines.write(continuation)
            continuation = "*"
        elif start == tag:
            status, _, said = rest.partition(" ")
            return _Answer(status.upper(), " ".join([*words, said]))
        elif start == "*":
            words.append(rest)
            if rest.upper().startswith("BYE") and text != "LOGOUT":
                raise TurnedAway(" ".join(words))
        else:
            raise Unexpected(f"it answered: {line}")


async def _greeting(lines: Lines) -> str:
    """The capabilities that the greeting names, or an empty text. RFC 9051 section 7.1."""
    line = await lines.read()
    start, _, rest = line.partition(" ")
    status, _, said = rest.partition(" ")
    if start != "*" or status.upper() not in {"OK", "BYE", "PREAUTH"}:
        raise Unexpected(f"it greeted with: {line}")
    if status.upper() == "BYE":
        raise TurnedAway(said)
    if status.upper() == "PREAUTH":
        raise Unexpected("it signs everybody in")
    code = re.match(r"\[CAPABILITY ([^\]]*)\]", said, re.IGNORECASE)
    return code[1].upper() if code else ""


async def _start_tls(lines: Lines) -> None:
    await _greeting(lines)
    if (await _command(lines, "a0", "STARTTLS")).status != "OK":
        raise NoStartTls


async def _capabilities(lines: Lines) -> str:
    answer = await _command(lines, "a1", "CAPABILITY")
    if answer.status != "OK":
        raise Unexpected(f"it answered: {answer.words}")
    return answer.words.upper()


async def _authenticate(lines: Lines, username: str, password: str, capabilities: str) -> None:
    """LOGIN where it may be used and can carry the text, else AUTHENTICATE PLAIN, once: each failure counts there."""
    names = capabilities.split()
    if "LOGINDISABLED" in names and "AUTH=PLAIN" not in names:
        raise NoPasswords
    quotable = _QUOTABLE.fullmatch(username) and _QUOTABLE.fullmatch(password)
    if quotable and "LOGINDISABLED" not in names:
        answer = await _command(lines, "a2", f"LOGIN {_quoted(username)} {_quoted(password)}")
    else:
        # RFC 4616: UTF-8, which a quoted string cannot carry. RFC 4959: the response may go with the command.
        response = base64.b64encode(f"\0{username}\0{password}".encode()).decode()
        initial = f" {response}" if "SASL-IR" in names else ""
        answer = await _command(lines, "a2", f"AUTHENTICATE PLAIN{initial}", continuation="*" if initial else response)
    if answer.status != "OK":
        raise _refusal(answer)


async def _prove(lines: Lines) -> None:
    """Microsoft accepts a LOGIN that it then does not honour; the next command tells."""
    answer = await _command(lines, "a3", "NOOP")
    if answer.status != "OK":
        raise _refusal(answer)


def _refusal(answer: _Answer) -> Trouble:
    """NO is a refusal; so is BAD with the words of one, as some servers answer. RFC 9051 section 7.1."""
    if answer.status == "NO" or reason_of(answer.words):
        return Refused(answer.words)
    return Unexpected(f"it answered: {answer.words}")


async def _goodbye(lines: Lines) -> None:
    with contextlib.suppress(Trouble, OSError):
        async with asyncio.timeout(_GOODBYE_SECONDS):
            await _command(lines, "a4", "LOGOUT")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
