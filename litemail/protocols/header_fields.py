"""A message as bytes: its header fields and its body (RFC 5322 section 2.1), nothing decoded, nothing rewritten."""

import msgspec

from litemail.kit.errors import Error, Kind

CRLF = b"\r\n"
_NAME_BYTES = frozenset(range(33, 127)) - {ord(":")}  # RFC 5322 section 2.2


class MalformedHeader(Error):
    kind = Kind.MALFORMED
    code = "message.malformed_header"
    message = "The message header has a line that is not a header field: {line}"


class Field(msgspec.Struct, frozen=True):
    """One header field. `raw` is all of it with folds and final CRLF; `value` is what follows the colon, same bytes."""

    name: str  # lower case
    raw: bytes

    @property
    def value(self) -> bytes:
        return self.raw[self.raw.index(b":") + 1 :]


class Message(msgspec.Struct, frozen=True):
    fields: tuple[Field, ...]
    body: bytes

    def all(self, name: str) -> list[Field]:
        return [field for field in self.fields if field.name == name]


def header_length(message: bytes) -> int:
    """Octets of the header block, without the empty line that ends it; the whole message where there is none."""
    if message.startswith(CRLF):
        return 0
    end = message.find(b"\r\n\r\n")
    return len(message) if end < 0 else end + 2


def parse(message: bytes) -> Message:
    """Splits a message with CRLF line ends. Raises MalformedHeader for a line that is neither field nor fold."""
    length = header_length(message)
    block, body = message[:length], message[length + 2 :]
    fields: list[list[bytes]] = []
    lines = block.split(CRLF)
    if lines[-1] == b"":
        lines.pop()
    for line in lines:
        if line[:1] in {b" ", b"\t"}:
            if not fields:
                raise MalformedHeader(line=repr(line[:100]))
            fields[-1].append(line)
        else:
            fields.append([line])
    return Message(tuple(_field(part) for part in fields), body)


def _field(lines: list[bytes]) -> Field:
    name, colon, _ = lines[0].partition(b":")
    name = name.rstrip(b" \t")  # RFC 5322 section 4.5: obsolete, still to be understood
    if not colon or not name or not _NAME_BYTES.issuperset(name):
        raise MalformedHeader(line=repr(lines[0][:100]))
    return Field(name.decode("ascii").lower(), CRLF.join(lines) + CRLF)


def unfold(value: bytes) -> bytes:
    """RFC 5322 section 2.2.3: takes the line ends out, leaves the white space."""
    return value.replace(CRLF, b"")
