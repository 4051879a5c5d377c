"""httpx over the guard: a transport whose connections are made, checked and encrypted by it, and whose answers end."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Protocol

import httpcore
import httpx

from litemail.kit.errors import Kind
from litemail.kit.outbound.addresses import OutboundError

_CONNECT_SECONDS = 15.0
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

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class BodyTooLarge(OutboundError):
    kind = Kind.TOO_LARGE
    code = "outbound.body_too_large"
    message = "{host} answered with more than {limit} bytes."


class EncodingNotAsked(OutboundError):
    """The answer is compressed although the request said not to: unpacking has no bound."""

    code = "outbound.encoding_not_asked"
    message = "{host} answered in an encoding that was not asked for."


class Dialer(Protocol):
    """What the transport needs of the guard."""

    def check_scheme(self, scheme: str) -> None: ...
    async def connect(self, host: str, port: int, *, timeout: float) -> socket.socket: ...  # noqa: ASYNC109
    async def stream(self, sock: socket.socket, *, tls: bool, host: str, port: int, timeout: float) -> Streams: ...  # noqa: ASYNC109


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
        # The pool changes the ALPN of the context that it is given, and ours also serves mail servers. It gets an
        # empty one; the streams encrypt with the dialer's.
        unused = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=unused,
            max_connections=100,
            max_keepalive_connections=100,
            keepalive_expiry=5.0,
            network_backend=_Backend(dialer),
        )

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
                answer = await self._pool.handle_async_request(inner)
        body = _Body(answer, host=request.url.host, limit=self._max_body, deadline=deadline)
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
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """An answer's body that ends: by size and by time."""

    def __init__(self, answer: httpcore.Response, *, host: str, limit: int, deadline: float) -> None:
        self._answer = answer
        self._host = host
        self._limit = limit
        self._deadline = deadline

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
            await self._answer.aclose()


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


class _Backend(httpcore.AsyncNetworkBackend):
    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's signature
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        sock = await self._dialer.connect(host, port, timeout=timeout or _CONNECT_SECONDS)
        return _Stream(self._dialer, sock, host, port)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    """One connection. It becomes a pair of asyncio streams at the handshake, or at the first use when unencrypted."""

    def __init__(self, dialer: Dialer, sock: socket.socket, host: str, port: int) -> None:
        self._dialer = dialer
        self._sock = sock
        self._host = host
        self._port = port
        self._streams: Streams | None = None

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,  # noqa: ARG002  see Transport
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        await self._open(tls=True, host=server_hostname or self._host, timeout=timeout)
        return self

    async def _open(self, *, tls: bool, host: str, timeout: float | None) -> Streams:  # noqa: ASYNC109
        self._streams = await self._dialer.stream(
            self._sock, tls=tls, host=host, port=self._port, timeout=timeout or _CONNECT_SECONDS
        )
        return self._streams

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        reader, _ = self._streams or await self._open(tls=False, host=self._host, timeout=timeout)
        try:
            async with asyncio.timeout(timeout):
                return await reader.read(max_bytes)
        except TimeoutError:
            raise httpcore.ReadTimeout("no answer in time") from None
        except OSError as error:
            raise httpcore.ReadError(str(error)) from None

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        _, writer = self._streams or await self._open(tls=False, host=self._host, timeout=timeout)
        try:
            async with asyncio.timeout(timeout):
                writer.write(buffer)
                await writer.drain()
        except TimeoutError:
            raise httpcore.WriteTimeout("the server takes no data") from None
        except OSError as error:
            raise httpcore.WriteError(str(error)) from None

    async def aclose(self) -> None:
        if self._streams:
            self._streams[1].close()
        else:
            self._sock.close()

    def get_extra_info(self, info: str) -> object:
        # A kept connection that became readable was closed by the server: asyncio has read its end already.
        if info == "is_readable":
            return self._streams is None or self._streams[0].at_eof() or self._streams[1].is_closing()
        return None
