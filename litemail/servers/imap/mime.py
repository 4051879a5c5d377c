"""MIME structure as byte ranges of the message as it was delivered (RFC 2045, 2046). Nothing is decoded or rewritten.

Tolerant: whatever the bytes are, there is a structure, and header and body together are exactly the message.
"""

import re
from collections.abc import Iterator

import msgspec

_DEEPEST = 20
_LONGEST_READ = 1 << 20  # of a header that never ends; its sections are still whole
_KEPT = frozenset(
    b"bcc cc content-description content-disposition content-id content-language content-location content-md5 "
    b"content-transfer-encoding content-type date from in-reply-to message-id reply-to sender subject to".split()
)
_MOST_PARTS = 2000
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_LINE_END = re.compile(rb"\r?\n")
_FIELD = re.compile(rb"[^\n]*(?:\n[ \t][^\n]*)*\n?")
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_PARAMETER = re.compile(rb';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;\s]*)', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_TYPE = re.compile(rb"\s*([^\s/;()]+)/([^\s/;()]+)")


class Value(msgspec.Struct, frozen=True):
    """A header value with parameters: `multipart/mixed; boundary=x`."""

    value: bytes
    parameters: tuple[tuple[bytes, bytes], ...] = ()

    def get(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.parameters if key.lower() == name), None)


class Part(msgspec.Struct):
    """A message or MIME part: its header is `[start:body]`, its body `[body:end]`. `fields`: what structure needs."""

    start: int
    body: int
    end: int
    fields: dict[bytes, bytes]
    maintype: bytes = b"text"
    subtype: bytes = b"plain"
    parameters: tuple[tuple[bytes, bytes], ...] = ((b"charset", b"us-ascii"),)
    parts: list["Part"] = []
    message: "Part | None" = None


def parse(data: bytes) -> Part:
    """The structure of a whole message."""
    return _parse(data, 0, len(data), _Budget(), depth=0, digest=False)


def parse_header(data: bytes) -> Part:
    """The same from the header alone: no parts."""
    return _read_header(data, 0, len(data), digest=False)


class _Budget:
    def __init__(self) -> None:
        self.parts = _MOST_PARTS


def header_end(data: bytes, start: int = 0, end: int | None = None) -> int | None:
    """Where the body begins, after the empty line; None when there is no empty line."""
    end = len(data) if end is None else end
    at_once = _LINE_END.match(data, start, end)
    if at_once:
        return at_once.end()
    blank = _BLANK_LINE.search(data, start, end)
    return blank.end() if blank else None


def raw_fields(data: bytes, part: Part, *, most: int | None = None) -> Iterator[tuple[bytes, bytes]]:
    """Lower-case names and raw lines, folding and line ends included, of a part's header or its first `most` bytes."""
    end = part.body if most is None else min(part.body, part.start + most)
    for match in _FIELD.finditer(data, part.start, end):
        name, colon, _ = match[0].partition(b":")
        if colon:
            yield name.strip().lower(), match[0]


def unfold(raw: bytes) -> bytes:
    """The value of a raw header field."""
    return _FOLD.sub(b"", raw.partition(b":")[2]).strip()


def parameterized(value: bytes) -> Value:
    """A value with parameters as RFC 2045 5.1 writes them; what cannot be read is left out."""
    found = [(match[1], _unquoted(match[2])) for match in _PARAMETER.finditer(value)]
    return Value(value.partition(b";")[0].strip(), tuple(found))


def _unquoted(text: bytes) -> bytes:
    if len(text) > 1 and text.startswith(b'"') and text.endswith(b'"'):
        return _ESCAPED.sub(rb"\1", text[1:-1])
    return text


def _read_header(data: bytes, start: int, end: int, *, digest: bool) -> Part:
    body = header_end(data, start, end)
    part = Part(start, end if body is None else body, end, {})
    for name, raw in raw_fields(data, part, most=_LONGEST_READ):
        if name in _KEPT and name not in part.fields:
            part.fields[name] = unfold(raw)
    if digest:
        part.maintype, part.subtype, part.parameters = b"message", b"rfc822", ()
    content_type = part.fields.get(b"content-type")
    match = _TYPE.match(content_type) if content_type is not None else None
    if content_type is not None and match:
        part.maintype, part.subtype = match[1], match[2]
        part.parameters = parameterized(content_type).parameters
    return part


def _parse(data: bytes, start: int, end: int, budget: _Budget, *, depth: int, digest: bool) -> Part:
    part = _read_header(data, start, end, digest=digest)
    budget.parts -= 1
    if depth >= _DEEPEST:
        return part
    maintype, subtype = part.maintype.lower(), part.subtype.lower()
    if maintype == b"multipart":
        boundary = next((value for name, value in part.parameters if name.lower() == b"boundary"), b"")
        if boundary:
            ranges = _between(data, part.body, end, boundary, budget)
            digest = subtype == b"digest"
            part.parts = [_parse(data, *span, budget, depth=depth + 1, digest=digest) for span in ranges]
    elif (maintype, subtype) == (b"message", b"rfc822") and not _is_encoded(part):
        part.message = _parse(data, part.body, end, budget, depth=depth + 1, digest=False)
    return part


def _is_encoded(part: Part) -> bool:
    return part.fields.get(b"content-transfer-encoding", b"").lower() in (b"base64", b"quoted-printable")


def _between(data: bytes, start: int, end: int, boundary: bytes, budget: _Budget) -> list[tuple[int, int]]:
    """Ranges of the parts; the line end before a delimiter belongs to the delimiter (RFC 2046 5.1.1)."""
    delimiter = re.compile(rb"(?<=\n)--" + re.escape(boundary) + rb"(--)?[ \t]*\r?(?:\n|\Z)")
    ranges: list[tuple[int, int]] = []
    opened: int | None = None
    for match in delimiter.finditer(data, start, end):
        if opened is not None:
            ranges.append((opened, max(opened, _before_line_end(data, match.start()))))
        opened = match.end()
        if match[1] or len(ranges) >= budget.parts:
            return ranges
    if opened is not None:
        ranges.append((opened, end))
    return ranges


def _before_line_end(data: bytes, position: int) -> int:
    return position - (2 if data[position - 2 : position] == b"\r\n" else 1)


def find(message: Part, path: list[int]) -> Part | None:
    """The part with this number, `[2, 1]` for `BODY[2.1]` (RFC 3501 6.4.5); None when there is none."""
    part = message
    for depth, number in enumerate(path):
        container = part.message or part
        if container.parts:
            if number > len(container.parts):
                return None
            part = container.parts[number - 1]
        elif number == 1 and (depth == 0 or part.message):
            part = container
        else:
            return None
    return part


def section(data: bytes, message: Part, path: list[int], specifier: bytes | None) -> bytes | None:
    """The bytes of a body section (RFC 3501 6.4.5, but for HEADER.FIELDS); None when there is no such part."""
    part = find(message, path)
    if part is None:
        return None
    if specifier is None:
        return data[part.body if path else part.start : part.end]
    if specifier == b"MIME":
        return data[part.start : part.body]
    owner = part.message if path else part
    if owner is None:
        return None
    return data[owner.start : owner.body] if specifier == b"HEADER" else data[owner.body : owner.end]


def header_fields(
    data: bytes, message: Part, path: list[int], names: frozenset[bytes], *, inverse: bool
) -> bytes | None:
    """HEADER.FIELDS and HEADER.FIELDS.NOT: the named fields as they stand, and an empty line. `names` in lower case."""
    part = find(message, path)
    owner = part.message if part and path else part
    if owner is None:
        return None
    chosen = [raw for name, raw in raw_fields(data, owner) if (name in names) is not inverse and raw.strip()]
    return b"".join(chosen) + b"\r\n"
