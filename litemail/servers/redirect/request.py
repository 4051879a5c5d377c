"""The head of an HTTP/1.1 request (RFC 9112): as much of it as a redirect needs, read strictly."""

import re

import msgspec

HEAD_OCTETS = 16 * 1024

# Whoever is lenient here and has a proxy in front that reads otherwise can be made to answer the wrong person.
_HEAD = re.compile(
    rb"([A-Z]{1,20}) ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])"
    rb"((?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*)*)\r\n\r\n"
)
_HOST = re.compile(rb"\r\nhost:[\t ]*([^\r]*?)[\t ]*(?=\r|$)", re.IGNORECASE)
_BODY = re.compile(rb"\r\n(?:content-length:[\t ]*(?!0[\t ]*(?:\r|$))|transfer-encoding:)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[^\r]*\bclose\b", re.IGNORECASE)
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
_PORT = re.compile(r":\d*$")


class Malformed(Exception):
    """The request cannot be understood."""


class Request(msgspec.Struct, frozen=True):
    """`host` in lower case, without port and end dot; `target` is path and query. `last`: nothing can follow it."""

    host: str
    target: str
    last: bool


def parse(head: bytes) -> Request:
    """Reads a head with the empty line that ends it. Raises Malformed."""
    match = _HEAD.fullmatch(head)
    if match is None:
        raise Malformed
    _, target, minor, fields = match.groups()
    hosts = _HOST.findall(fields)
    absolute = _ABSOLUTE.fullmatch(target)
    if len(hosts) != 1 or not (absolute or target.startswith(b"/")):  # RFC 9112 section 3.2
        raise Malformed
    authority = hosts[0]
    if absolute is not None:
        authority, rest = absolute.groups()
        target = rest if rest.startswith(b"/") else b"/" + rest
    host = _PORT.sub("", authority.decode("latin-1")).removesuffix(".").lower()
    last = minor == b"0" or _CLOSE.search(fields) is not None or _BODY.search(fields) is not None
    return Request(host, target.partition(b"#")[0].decode("latin-1"), last)
