"""One connection: heads of requests in, redirects out. Bodies are not read: a request that has one is the last."""

import asyncio
from http import HTTPStatus
from typing import Protocol, cast

from litemail.servers.redirect.request import HEAD_OCTETS, Malformed, Request, parse
from litemail.servers.redirect.rules import Rules

_END = b"\r\n\r\n"
_LINGER = 1.0  # seconds in which a client that still sends can read the answer (RFC 9112 section 9.6)
_KEPT_AT_MOST = "max-age=3600"
"""Browsers would keep a 301 for ever, also when its owner has changed it long since."""

_NOTHING_HERE = "Nothing is forwarded from this name here.\n"
_LOOP = "The redirects of this name lead back to it.\n"
_MALFORMED = "This request cannot be understood.\n"
_TOO_LARGE = "The head of this request is too large.\n"


class Listener(Protocol):
    """What a connection asks of its server."""

    rules: Rules

    def date(self) -> str:
        """Now, as the Date field has it (RFC 9110 section 6.6.1)."""
        ...

    def enter(self, connection: "Connection") -> bool:
        """Counts it in; False when there are too many."""
        ...

    def exit(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """`waiting_since`: when it began to wait for a head, by the loop's clock."""

    def __init__(self, listener: Listener) -> None:
        self.waiting_since = asyncio.get_running_loop().time()
        self._listener = listener
        self._buffer = bytearray()
        self._ended = False
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are not instances of it
        if not self._listener.enter(self):
            self._transport.abort()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._listener.exit(self)

    def pause_writing(self) -> None:
        self._paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        self._transport.resume_reading()
        self._answer_all()

    def data_received(self, data: bytes) -> None:
        if not self._ended:
            self._buffer += data
            self._answer_all()

    def leave(self) -> None:
        """Ends after what was answered so far."""
        self._ended = True
        self._transport.close()

    def _answer_all(self) -> None:
        while not (self._ended or self._paused):
            end = self._buffer.find(_END, 0, HEAD_OCTETS)
            if end < 0:
                if len(self._buffer) >= HEAD_OCTETS:
                    self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, _TOO_LARGE)
                return
            head = bytes(self._buffer[: end + len(_END)])
            del self._buffer[: end + len(_END)]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        try:
            request = parse(head)
        except Malformed:
            self._refuse(HTTPStatus.BAD_REQUEST, _MALFORMED)
            return
        self._transport.write(self._reply(request, without_body=head.startswith(b"HEAD ")))
        self.waiting_since = asyncio.get_running_loop().time()
        if request.last:
            self._end()

    def _reply(self, request: Request, *, without_body: bool) -> bytes:
        rule = self._listener.rules.find(request.host)
        if rule is None:
            return self._said(HTTPStatus.NOT_FOUND, _NOTHING_HERE, last=request.last, without_body=without_body)
        if self._listener.rules.leads_back(rule):
            return self._said(HTTPStatus.LOOP_DETECTED, _LOOP, last=request.last, without_body=without_body)
        fields = [f"location: {rule.location(request.target)}", "content-length: 0"]
        if rule.redirect.permanent:
            fields.append(f"cache-control: {_KEPT_AT_MOST}")
            return self._head(HTTPStatus.MOVED_PERMANENTLY, fields, last=request.last)
        return self._head(HTTPStatus.FOUND, fields, last=request.last)

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        self._transport.write(self._said(status, text, last=True))
        self._end()

    def _said(self, status: HTTPStatus, text: str, *, last: bool, without_body: bool = False) -> bytes:
        fields = ["content-type: text/plain; charset=utf-8", f"content-length: {len(text)}"]
        return self._head(status, fields, last=last) + (b"" if without_body else text.encode())

    def _head(self, status: HTTPStatus, fields: list[str], *, last: bool) -> bytes:
        lines = [f"HTTP/1.1 {status.value} {status.phrase}", f"date: {self._listener.date()}", *fields]
        if last:
            lines.append("connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _end(self) -> None:
        """Closes in a moment: if it were at once, a client that still sends would lose the answer."""
        self._ended = True
        self._buffer.clear()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        asyncio.get_running_loop().call_later(_LINGER, self._transport.close)
