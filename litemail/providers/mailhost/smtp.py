"""Signing in to an SMTP submission server and leaving again, without a message (RFC 5321, RFC 4954, RFC 3207)."""

import asyncio
import base64
import contextlib
import re
from functools import partial

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

_GOODBYE_SECONDS = 1.0
_REPLY_LINE = re.compile(r"([2-5]\d\d)([- ]|$)(.*)")

# RFC 4954 section 6 for the codes of AUTH; 550 is what some add to them.
_SIGNED_IN = 235
_CONTINUE = 334
_SIGN_IN_REFUSED = frozenset({432, 454, 534, 535, 550})


class _Reply(msgspec.Struct, frozen=True):
    """A whole reply, RFC 5321 section 4.2: its code, and the text of each line."""

    code: int
    lines: tuple[str, ...]

    @property
    def words(self) -> str:
        return f"{self.code} {' '.join(self.lines)}"

    @property
    def positive(self) -> bool:
        return self.code // 100 == 2  # noqa: PLR2004  RFC 5321 section 4.2.1

    @property
    def temporary(self) -> bool:
        return self.code // 100 == 4  # noqa: PLR2004  RFC 5321 section 4.2.1


async def sign_in(*, server: Server, username: str, password: str, guard: Guard, seconds: float, ehlo: str) -> None:
    """Connects, says EHLO, starts TLS where asked, authenticates once and quits.

    Raises Trouble, OSError, and the guard's OutboundError.
    """
    async with dialogue(server, guard, seconds=seconds, start_tls=partial(_start_tls, ehlo=ehlo)) as lines:
        if server.security is not Security.STARTTLS:
            await _greeting(lines)
        try:
            await _authenticate(lines, username, password, await _ehlo(lines, ehlo))
        except (Refused, NoPasswords):
            await _goodbye(lines)
            raise
        await _goodbye(lines)


async def _reply(lines: Lines) -> _Reply:
    texts: list[str] = []
    while True:
        line = await lines.read()
        match = _REPLY_LINE.fullmatch(line)
        if match is None:
            raise Unexpected(f"it answered: {line}")
        texts.append(match[3])
        if match[2] != "-":
            return _Reply(int(match[1]), tuple(texts))


async def _command(lines: Lines, text: str) -> _Reply:
    await lines.write(text)
    return await _reply(lines)


async def _greeting(lines: Lines) -> None:
    reply = await _reply(lines)
    if not reply.positive:
        raise TurnedAway(reply.words)


async def _ehlo(lines: Lines, name: str) -> dict[str, set[str]]:
    """The extensions on offer with their parameters, in upper case."""
    reply = await _command(lines, f"EHLO {name}")
    if reply.temporary:
        raise TurnedAway(reply.words)
    if not reply.positive:
        raise Unexpected(f"it answered: {reply.words}")
    offers: dict[str, set[str]] = {}
    for line in reply.lines[1:]:
        # AUTH=LOGIN is how it was written before RFC 2554; some servers still offer passwords only so.
        keyword, *parameters = line.upper().replace("AUTH=", "AUTH ").split() or [""]
        offers.setdefault(keyword, set()).update(parameters)
    return offers


async def _start_tls(lines: Lines, *, ehlo: str) -> None:
    await _greeting(lines)
    if "STARTTLS" not in await _ehlo(lines, ehlo) or not (await _command(lines, "STARTTLS")).positive:
        raise NoStartTls


async def _authenticate(lines: Lines, username: str, password: str, offers: dict[str, set[str]]) -> None:
    """One attempt, with one mechanism: trying each in turn makes three failures of one wrong password."""
    mechanisms = offers.get("AUTH", set())
    if "PLAIN" in mechanisms:
        reply = await _command(lines, "AUTH PLAIN " + _base64(f"\0{username}\0{password}"))
    elif "LOGIN" in mechanisms:
        reply = await _command(lines, "AUTH LOGIN")
        for text in (username, password):
            if reply.code != _CONTINUE:
                break
            reply = await _command(lines, _base64(text))
    else:
        raise NoPasswords
    if reply.code in _SIGN_IN_REFUSED:
        raise Refused(reply.words)
    if reply.temporary:
        raise TurnedAway(reply.words)
    if reply.code != _SIGNED_IN:
        raise Unexpected(f"it answered: {reply.words}")


async def _goodbye(lines: Lines) -> None:
    with contextlib.suppress(Trouble, OSError):
        async with asyncio.timeout(_GOODBYE_SECONDS):
            await _command(lines, "QUIT")


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
