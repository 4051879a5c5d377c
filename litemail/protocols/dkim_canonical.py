"""DKIM canonicalization (RFC 6376 section 3.4) and what is hashed (section 3.7); linear in any input."""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

from litemail.protocols.header_fields import CRLF, Field, unfold

_PIECE = 256 * 1024
_WHITE_SPACE = re.compile(rb"[\t ]+")


class Canonical(StrEnum):
    SIMPLE = "simple"
    RELAXED = "relaxed"


def body(text: bytes, method: Canonical) -> bytes:
    """Sections 3.4.3 and 3.4.4."""
    if text and not text.endswith(CRLF):
        text += CRLF
    if method is Canonical.RELAXED:
        text = _with_single_spaces(text).replace(b" \r\n", CRLF)
    text = _without_empty_lines_at_end(text)
    return CRLF if not text and method is Canonical.SIMPLE else text


def _with_single_spaces(text: bytes) -> bytes:
    """In pieces: an expression at work on 50 MB would let no other thread run for a second."""
    pieces: list[bytes] = []
    start = 0
    while start < len(text):
        end = start + _PIECE
        run = _WHITE_SPACE.match(text, end)  # a run of white space belongs to one piece
        end = run.end() if run else end
        pieces.append(_WHITE_SPACE.sub(b" ", text[start:end]))
        start = end
    return b"".join(pieces)


def _without_empty_lines_at_end(text: bytes) -> bytes:
    kept = text.rstrip(CRLF)
    tail = text[len(kept) :]
    lines = len(tail) // 2
    if tail == CRLF * lines:
        return kept + CRLF if kept else b""
    end = len(text)  # bare CR or LF among them are text
    while text.endswith(b"\r\n\r\n", 0, end):
        end -= 2
    return b"" if text[:end] == CRLF else text[:end]


def field(raw: bytes, method: Canonical) -> bytes:
    """Sections 3.4.1 and 3.4.2: one header field with its CRLF."""
    if method is Canonical.SIMPLE:
        return raw
    name, _, value = raw.partition(b":")
    return name.rstrip(b" \t").lower() + b":" + _WHITE_SPACE.sub(b" ", unfold(value)).strip(b" \t\r\n") + CRLF


def without_signature(raw: bytes) -> bytes:
    """A DKIM-Signature field with the value of its `b=` tag taken out (section 3.5)."""
    name, colon, value = raw.partition(b":")
    tags = value.split(b";")
    for index, tag in enumerate(tags):
        key, equals, _ = tag.partition(b"=")
        if equals and key.strip() == b"b":
            tags[index] = key + equals
    return name + colon + b";".join(tags)


def header_input(fields: Iterable[Field], *, names: Sequence[str], signature: bytes, method: Canonical) -> bytes:
    """What the signature signs: the named fields, each name taking the next one from the bottom up (section 5.4.2),
    then the DKIM-Signature field itself, `signature`, without its `b=` value and without its last CRLF.
    """
    stacks: dict[str, list[bytes]] = {}
    for one in fields:
        stacks.setdefault(one.name, []).append(one.raw)
    chosen = [stacks[name].pop() for name in names if stacks.get(name)]
    own = field(without_signature(signature), method)
    return b"".join(field(raw, method) for raw in chosen) + own.rstrip(CRLF)
