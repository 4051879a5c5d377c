"""ENVELOPE and BODYSTRUCTURE (RFC 3501 7.4.2), from the header bytes as they stand: nothing is decoded on the way."""

import re

from litemail.servers.imap import mime
from litemail.servers.imap.mime import Part

NIL = b"NIL"
_LONGEST_QUOTED = 1000
_PLAIN = re.compile(rb"[\x20-\x7e]*")
_SPECIAL = re.compile(rb'(["\\])')
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_TOKEN = re.compile(
    rb'\s+|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<literal>\[[^\]]*\])|(?P<special>[<>@,;:()])'
    rb'|(?P<atom>[^\s"<>@,;:()\[\]]+)|(?P<stray>.)',
    re.DOTALL,
)
_COMMENT = re.compile(rb"\\.|[()]|[^()\\]+|\\", re.DOTALL)


def string(value: bytes) -> bytes:
    """A string for the wire: quoted when it is short plain ASCII, else a literal."""
    if len(value) <= _LONGEST_QUOTED and _PLAIN.fullmatch(value):
        return b'"' + _SPECIAL.sub(rb"\\\1", value) + b'"'
    value = value.replace(b"\0", b"")  # RFC 3501 9: a literal holds any byte but NUL
    return b"{%d}\r\n%b" % (len(value), value)


def nstring(value: bytes | None) -> bytes:
    return NIL if value is None else string(value)


def envelope(part: Part) -> bytes:
    """`(date subject from sender reply-to to cc bcc in-reply-to message-id)`."""
    get = part.fields.get
    from_ = addresses(get(b"from"))
    return b"(%b)" % b" ".join(
        (
            nstring(get(b"date")),
            nstring(get(b"subject")),
            from_,
            _or(addresses(get(b"sender")), from_),
            _or(addresses(get(b"reply-to")), from_),
            addresses(get(b"to")),
            addresses(get(b"cc")),
            addresses(get(b"bcc")),
            nstring(get(b"in-reply-to")),
            nstring(get(b"message-id")),
        )
    )


def _or(value: bytes, other: bytes) -> bytes:
    return other if value == NIL else value


def bodystructure(data: bytes, part: Part, *, extended: bool) -> bytes:
    """BODYSTRUCTURE, or BODY without the extension fields."""
    if part.parts:
        items = [
            b"".join(bodystructure(data, child, extended=extended) for child in part.parts),
            string(part.subtype),
        ]
        if extended:
            items += [_parameters(part.parameters), *_disposition_language_location(part)]
        return b"(%b)" % b" ".join(items)
    maintype, subtype, parameters = part.maintype, part.subtype, part.parameters
    if maintype.lower() == b"multipart":  # without a part it has no valid structure; RFC 2046 5.1.1 wants one
        maintype, subtype, parameters = b"text", b"plain", ()
    items = [
        string(maintype),
        string(subtype),
        _parameters(parameters),
        nstring(part.fields.get(b"content-id")),
        nstring(part.fields.get(b"content-description")),
        string(part.fields.get(b"content-transfer-encoding") or b"7bit"),
        b"%d" % (part.end - part.body),
    ]
    if part.message:
        items += [envelope(part.message), bodystructure(data, part.message, extended=extended)]
    if part.message or maintype.lower() == b"text":
        items.append(b"%d" % data.count(b"\n", part.body, part.end))
    if extended:
        items += [nstring(part.fields.get(b"content-md5")), *_disposition_language_location(part)]
    return b"(%b)" % b" ".join(items)


def _parameters(parameters: tuple[tuple[bytes, bytes], ...]) -> bytes:
    if not parameters:
        return NIL
    return b"(%b)" % b" ".join(b"%b %b" % (string(name), string(value)) for name, value in parameters)


def _disposition_language_location(part: Part) -> list[bytes]:
    disposition = NIL
    if b"content-disposition" in part.fields:
        value = mime.parameterized(part.fields[b"content-disposition"])
        disposition = b"(%b %b)" % (string(value.value), _parameters(value.parameters))
    languages = [language.strip() for language in part.fields.get(b"content-language", b"").split(b",")]
    spoken = [string(language) for language in languages if language]
    return [
        disposition,
        b"(%b)" % b" ".join(spoken) if spoken else NIL,
        nstring(part.fields.get(b"content-location")),
    ]


def addresses(value: bytes | None) -> bytes:
    """An address list (RFC 5322 3.4) as `((name route mailbox host) ...)`; NIL when there is none."""
    listed = _Addresses().read(value) if value else []
    return b"(%b)" % b"".join(listed) if listed else NIL


class _Addresses:
    """Reads an address list word by word; what is no address becomes a mailbox without a host."""

    def __init__(self) -> None:
        self._listed: list[bytes] = []
        self._group = False
        self._start()

    def _start(self) -> None:
        self._words: list[bytes] = []
        self._angle: list[bytes] | None = None
        self._in_angle = False
        self._comment: bytes | None = None

    def read(self, value: bytes) -> list[bytes]:
        position = 0
        while match := _TOKEN.match(value, position):
            position = match.end()
            if match["special"] == b"(":
                self._comment, position = _read_comment(value, position)
            elif match["special"]:
                self._special(match["special"])
            elif word := match["quoted"] or match["literal"] or match["atom"]:
                target = self._angle if self._in_angle and self._angle is not None else self._words
                target.append(_ESCAPED.sub(rb"\1", word[1:-1]) if match["quoted"] else word)
        self._flush()
        if self._group:
            self._listed.append(b"(NIL NIL NIL NIL)")
        return self._listed

    def _special(self, mark: bytes) -> None:
        if mark == b"<":
            self._angle, self._in_angle = [], True
        elif mark == b">":
            self._in_angle = False
        elif self._in_angle and self._angle is not None:
            # A source route, `<@a,@b:user@host>`, ends with the colon; it is obsolete and left out.
            self._angle = [] if mark == b":" else [*self._angle, mark]
        elif mark == b":":
            self._listed.append(b"(NIL NIL %b NIL)" % string(b" ".join(self._words)))
            self._group = True
            self._start()
        elif mark in (b",", b";"):
            self._flush()
            if mark == b";" and self._group:
                self._listed.append(b"(NIL NIL NIL NIL)")
                self._group = False
        elif mark == b"@":
            self._words.append(mark)

    def _flush(self) -> None:
        if self._angle is None:
            name, address = self._comment, b"".join(self._words)
        else:
            name, address = b" ".join(self._words) or self._comment, b"".join(self._angle)
        if address or name:
            mailbox, at, host = address.rpartition(b"@")
            if not at:
                mailbox, host = address, b""
            self._listed.append(b"(%b NIL %b %b)" % (nstring(name or None), string(mailbox), string(host)))
        self._start()


def _read_comment(value: bytes, position: int) -> tuple[bytes, int]:
    depth, text = 1, bytearray()
    while depth and (match := _COMMENT.match(value, position)):
        position = match.end()
        depth += {b"(": 1, b")": -1}.get(match[0], 0)
        if depth:
            text += match[0]
    return bytes(text), position
