"""Readable text out of message bytes, for SEARCH only: encoded words, transfer encodings and charsets undone."""

import base64
import binascii
import quopri
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header

from litemail.servers.imap.mime import Part


def characters(data: bytes, charset: str) -> str:
    """Decode, whatever it is: what does not decode is replaced, an unknown charset is read as Latin-1."""
    try:
        return data.decode(charset, "replace")
    except (LookupError, ValueError):
        return data.decode("latin-1")


def header_text(value: bytes) -> str:
    """A header value with its encoded words (RFC 2047) decoded."""
    text = characters(value, "utf-8")
    try:
        words = decode_header(text)
    except (HeaderParseError, ValueError):
        return text
    return "".join(word if isinstance(word, str) else characters(word, charset or "ascii") for word, charset in words)


def texts(data: bytes, part: Part) -> Iterator[str]:
    """The text of every text part, embedded messages included."""
    if part.message:
        yield from texts(data, part.message)
    elif part.parts:
        for child in part.parts:
            yield from texts(data, child)
    elif part.maintype.lower() == b"text":
        charset = next((value for name, value in part.parameters if name.lower() == b"charset"), b"us-ascii")
        encoding = part.fields.get(b"content-transfer-encoding", b"").lower()
        yield characters(_decoded(data[part.body : part.end], encoding), charset.decode("ascii", "replace"))


def headers(data: bytes, part: Part) -> Iterator[str]:
    """The header of the message and of every part, encoded words decoded line by line."""
    for line in data[part.start : part.body].splitlines():
        yield header_text(line)
    for child in [part.message] if part.message else part.parts:
        yield from headers(data, child)


def _decoded(data: bytes, encoding: bytes) -> bytes:
    if encoding == b"base64":
        try:
            return base64.b64decode(data)
        except binascii.Error:
            return data
    return quopri.decodestring(data) if encoding == b"quoted-printable" else data
