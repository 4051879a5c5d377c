"""The header fields that a server writes on top of a message: Return-Path and Received (RFC 5321 section 4.4),
Authentication-Results (RFC 8601).
"""

import re
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime

from litemail.protocols.dkim import DkimResult
from litemail.protocols.header_fields import header_length

_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,255}")
_FIELD_START = re.compile(rb"(?<=\r\n)(?![ \t])")
_RESULTS_OF = re.compile(rb'authentication-results[ \t]*:(?:\s|\([^()]*\))*"?([^\s;"(/]+)', re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[^ -~]|[\\\"]")


def return_path(reverse_path: str) -> bytes:
    """`reverse_path` without brackets, empty for a bounce."""
    return f"Return-Path: <{reverse_path}>\r\n".encode()


def received(
    *, source: str | None, by: str, protocol: str, queue_id: str, recipient: str | None, now: datetime
) -> bytes:
    """One Received field. `source` is the From-domain clause, left out for people who sign in: where they are is
    nobody's business. `recipient` only when there is one: others must not learn of blind copies (section 7.2).
    """
    lines = [f"from {source}"] if source else []
    lines.append(f"by {by} with {protocol} id {queue_id}")
    if recipient:
        lines.append(f"for <{recipient}>")
    return ("Received: " + "\r\n\t".join(lines) + f";\r\n\t{format_datetime(now)}\r\n").encode()


def source_clause(helo: str, address: str) -> str:
    """`client.example ([192.0.2.1])`. What the client called itself is kept only if it is a name or literal."""
    name = helo if re.fullmatch(r"[A-Za-z0-9._:-]{1,255}|\[[A-Za-z0-9.:]{1,60}\]", helo) else "unknown"
    literal = f"IPv6:{address}" if ":" in address else address
    return f"{name} ([{literal}])"


def authentication_results(authserv_id: str, results: Sequence[DkimResult]) -> str:
    """The value of the field, RFC 8601 sections 2.2 and 2.7.1. Whatever came from the message is a token, a quoted
    string or left out.
    """
    lines = [authserv_id, *(_dkim(result) for result in results)]
    if not results:
        lines.append("dkim=none")
    return ";\r\n\t".join(lines)


def _dkim(result: DkimResult) -> str:
    words = [f"dkim={result.result.value}"]
    if result.reason:
        words.append(f'reason="{_UNPRINTABLE.sub("?", result.reason)[:80]}"')
    words += [
        f"{name}={value}"
        for name, value in (("header.d", result.domain), ("header.s", result.selector), ("header.a", result.algorithm))
        if _TOKEN.fullmatch(value)
    ]
    return " ".join(words)


def without_forged_results(message: bytes, authserv_id: str) -> bytes:
    """The message without Authentication-Results fields that claim to be ours (RFC 8601 section 5)."""
    length = header_length(message)
    header = message[:length]
    if b"authentication-results" not in header.lower():
        return message
    fields = _FIELD_START.split(header)
    kept = [field for field in fields if not _claims_to_be(field, authserv_id.encode().lower())]
    return b"".join(kept) + message[length:]


def _claims_to_be(field: bytes, authserv_id: bytes) -> bool:
    match = _RESULTS_OF.match(field)
    return match is not None and match[1].lower() == authserv_id
