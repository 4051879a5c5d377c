"""httpx over the guard: a transport whose connections are made, checked and encrypted by it, and whose answers end."""

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from functools import partial

import httpcore
import httpx

from litemail.kit.errors import Kind
from litemail.kit.outbound.addresses import OutboundError
from litemail.kit.outbound.connections import Connections, Dialer

_IDENTITY = {"", "identity"}
_EXCEPTIONS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (httpcore.ReadTimeout, httpx.ReadTimeout),
    (httpcore.WriteTimeout, httpx.WriteTimeout),
    (httpcore.PoolTimeout, httpx.PoolTimeout),
    (httpcore.ReadError, httpx.ReadError),
    (httpcore.WriteError, httpx.WriteError),
    (httpcore.RemoteProtocolError, httpx.RemoteProtocolError),
    (httpcore.LocalProtocolError, httpx.LocalProtocolError),
    (httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol),
)


class BodyTooLarge(OutboundError):
    kind = Kind.TOO_LARGE
    code = "outbound.body_too_large"
    message = "{host} answered with more than {limit} bytes."


class EncodingNotAsked(OutboundError):
    """The answer is compressed although the request said not to: unpacking has no bound."""

    code = "outbound.encoding_not_asked"
    message = "{host} answered in an encoding that was not asked for."


async def read_capped(response: httpx.Response, limit: int) -> bytes:
    """The body of a streamed answer, or BodyTooLarge as soon as it passes `limit` bytes."""
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > limit:
            raise BodyTooLarge(host=response.request.url.host, limit=limit)
    return bytes(body)


class Transport(httpx.AsyncBaseTransport):
    """HTTP/1.1 connections through a Dialer, kept alive for a few seconds."""

    def __init__(self, dialer: Dialer, *, total: float, max_body: int) -> None:
        self._dialer = dialer
        self._total = total
        self._max_body = max_body
        self._connections = Connections(dialer)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._dialer.check_scheme(request.url.scheme)
        deadline = asyncio.get_running_loop().time() + self._total
        assert isinstance(request.stream, httpx.AsyncByteStream)
        inner = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _as_httpx():
            async with asyncio.timeout_at(deadline):
                answer, connection = await self._connections.send(inner)
        release = partial(self._connections.done, connection, inner.url.origin)
        body = _Body(answer, host=request.url.host, limit=self._max_body, deadline=deadline, release=release)
        response = httpx.Response(answer.status, headers=answer.headers, stream=body, extensions=answer.extensions)
        try:
            self._check_headers(request.url.host, response.headers)
        except OutboundError:
            await body.aclose()
            raise
        return response

    def _check_headers(self, host: str, headers: httpx.Headers) -> None:
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self._max_body:
            raise BodyTooLarge(host=host, limit=self._max_body)
        if headers.get("content-encoding", "").strip().lower() not in _IDENTITY:
            raise EncodingNotAsked(host=host)

    async def aclose(self) -> None:
        await self._connections.aclose()


class _Body(httpx.AsyncByteStream):
    """An answer's body that ends: by size and by time."""

    def __init__(
        self,
        answer: httpcore.Response,
        *,
        host: str,
        limit: int,
        deadline: float,
        release: Callable[[], Awaitable[None]],
    ) -> None:
        self._answer = answer
        self._host = host
        self._limit = limit
        self._deadline = deadline
        self._release = release

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._limit
        assert isinstance(self._answer.stream, AsyncIterable)
        parts = aiter(self._answer.stream)
        with _as_httpx():
            while True:
                async with asyncio.timeout_at(self._deadline):
                    part = await anext(parts, None)
                if part is None:
                    return
                left -= len(part)
                if left < 0:
                    raise BodyTooLarge(host=self._host, limit=self._limit)
                yield part

    async def aclose(self) -> None:
        with _as_httpx():
            try:
                await self._answer.aclose()
            finally:
                await self._release()


@contextlib.contextmanager
def _as_httpx() -> Iterator[None]:
    """Exceptions of httpcore as httpx's; the limit on the whole request as httpx.ReadTimeout."""
    try:
        yield
    except TimeoutError:
        raise httpx.ReadTimeout("the whole request took too long") from None
    except Exception as error:
        for theirs, ours in _EXCEPTIONS:
            if isinstance(error, theirs):
                raise ours(str(error)) from error
        raise
