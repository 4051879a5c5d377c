"""Reading the content of a message after DATA (RFC 5321 section 4.1.1.4).

Only CRLF "." CRLF ends it. Servers that also took LF "." LF or the like let a sender hide a second message in the
first; so a content with a bare CR or LF is refused as a whole, whoever would have understood it in whatever way.
"""

import asyncio
from collections.abc import Callable

from litemail.servers.smtp.listener import SmtpServer

_CRLF = b"\r\n"
_END = b"\r\n.\r\n"


class Intake:
    """One content being received. `refusal` is the reply if it cannot be taken; it is still read to its end."""

    def __init__(self, listener: SmtpServer) -> None:
        self.refusal: str | None = None
        self._listener = listener
        self._chunks: list[bytes] = []
        self._size = 0
        self._held = 0

    async def read(self, reader: asyncio.StreamReader, *, progress: Callable[[], None]) -> None:
        """Reads to the end mark. `progress` is called whenever something came. Commands that follow stay unread."""
        # the end mark of an empty content has no line before it; with this line end it has
        reader._buffer[:0] = _CRLF  # type: ignore[attr-defined]  # noqa: SLF001 - no public way to put octets back
        ended = False
        while not ended:
            try:
                chunk = await reader.readuntil(_END)
                ended = True
            except asyncio.LimitOverrunError as error:
                chunk = await reader.readexactly(error.consumed)
            except asyncio.IncompleteReadError as error:
                raise ConnectionResetError from error
            progress()
            self._take(chunk)

    def _take(self, chunk: bytes) -> None:
        limits = self._listener.limits
        self._size += len(chunk)
        if self._size > limits.message_octets + len(_CRLF) + len(_END):
            self._refuse(f"552 5.3.4 The message is larger than {limits.message_octets} octets")
        elif self._listener.octets_in_flight + len(chunk) > limits.octets_in_flight:
            self._refuse("452 4.3.1 Too many messages at once, try again later")
        if self.refusal is None:
            self._chunks.append(chunk)
            self._held += len(chunk)
            self._listener.octets_in_flight += len(chunk)

    def _refuse(self, reply: str) -> None:
        self.refusal = self.refusal or reply
        self.release()

    def release(self) -> None:
        """Gives the memory back."""
        self._chunks.clear()
        self._listener.octets_in_flight -= self._held
        self._held = 0

    def content(self) -> bytes:
        """The content, its lines without the transparency dots (RFC 5321 section 4.5.2)."""
        text = b"".join(self._chunks)[: -len(_END) + len(_CRLF)]
        return text.replace(b"\r\n.", _CRLF)[len(_CRLF) :]


def fault(content: bytes, *, header_length: int, header_octets: int) -> str | None:
    """The reply to a content that cannot be taken as it is."""
    line_ends = content.count(_CRLF)
    if content.count(b"\r") != line_ends or content.count(b"\n") != line_ends:
        return "550 5.6.0 The message has a bare CR or LF; lines end with CRLF (RFC 5321 section 2.3.8)"
    if b"\0" in content:
        return "550 5.6.0 The message has a NUL octet (RFC 5322 section 4)"
    if header_length > header_octets:
        return f"552 5.3.4 The message header is larger than {header_octets} octets"
    return None
