"""boto3's way out: it builds and signs its requests, and every one of them goes through the guard."""

import asyncio
from collections.abc import Iterator

import botocore.awsrequest
import botocore.exceptions
import httpx

from litemail.kit import outbound
from litemail.kit.outbound import Guard

_MOST_BYTES = 4 * 1024 * 1024
_NOTHING_SENT = (outbound.ConnectFailed, outbound.ConnectTimeout, outbound.LookupFailed, outbound.TlsFailed)


class GuardedSender:
    """A handler of botocore's `before-send`: it answers in place of botocore's own HTTP.

    It is called in a thread, and sends on the loop that it was made for.
    """

    def __init__(self, guard: Guard, loop: asyncio.AbstractEventLoop, *, seconds: float) -> None:
        self._guard = guard
        self._loop = loop
        self._seconds = seconds

    def __call__(self, request: botocore.awsrequest.AWSPreparedRequest, **_: object) -> botocore.awsrequest.AWSResponse:
        """Raises botocore's exceptions, as its own HTTP would: it decides by them whether to try again."""
        sending = asyncio.run_coroutine_threadsafe(self._send(request), self._loop)
        try:
            answer = sending.result()
        except _NOTHING_SENT as error:
            raise botocore.exceptions.EndpointConnectionError(endpoint_url=request.url, error=error) from error
        except (outbound.OutboundError, httpx.HTTPError) as error:
            raise botocore.exceptions.ConnectionClosedError(endpoint_url=request.url, error=error) from error
        headers = botocore.awsrequest.HeadersDict(answer.headers)
        return botocore.awsrequest.AWSResponse(
            request.url,
            answer.status_code,
            headers,  # type: ignore[arg-type]  # its own wrapper; the stubs ask for http.client's
            _Body(answer.content),
        )

    async def _send(self, request: botocore.awsrequest.AWSPreparedRequest) -> httpx.Response:
        headers = {name: _text(value) for name, value in request.headers.items()}
        assert isinstance(request.body, bytes), "the protocols of this service send bytes"
        async with self._guard.http_client(timeout=self._seconds, total=self._seconds, max_body=_MOST_BYTES) as client:
            return await client.request(request.method, request.url, headers=headers, content=request.body)


class _Body:
    """What botocore reads an answer from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
