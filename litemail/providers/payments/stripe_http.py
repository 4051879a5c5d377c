"""The official library's way out: every call of it goes through the guard, one connection each, nothing of it kept."""

from collections.abc import AsyncIterable, Mapping
from typing import NoReturn

import httpx
import stripe

from litemail.kit import outbound
from litemail.kit.outbound import Guard
from litemail.providers.payments.errors import GatewayMisconfigured, GatewayUnavailable, OutcomeUnknown

NAME = "Stripe"
_MOST_BYTES = 1024 * 1024
_NOTHING_SENT = (outbound.ConnectFailed, outbound.ConnectTimeout, outbound.LookupFailed, outbound.TlsFailed)
_ANSWER_UNREAD = (outbound.BodyTooLarge, outbound.EncodingNotAsked, httpx.HTTPError)

# It would keep an id of this machine in the home folder and send it, with the system's name, at each call.
stripe.enable_telemetry = False


class GuardedClient(stripe.HTTPClient):
    """Sends one request of the library. Raises GatewayUnavailable, OutcomeUnknown, GatewayMisconfigured."""

    name = "httpx"

    def __init__(self, guard: Guard, *, seconds: float) -> None:
        super().__init__()
        self._guard = guard
        self._seconds = seconds

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        lost = GatewayUnavailable if method == "get" else OutcomeUnknown
        sent = {name.lower(): value for name, value in headers.items()} | _OURS
        try:
            async with self._guard.http_client(
                timeout=self._seconds, total=self._seconds, max_body=_MOST_BYTES
            ) as client:
                answer = await client.request(method, url, headers=sent, content=post_data)
        except _NOTHING_SENT as error:
            raise GatewayUnavailable(gateway=NAME, reason=str(error).rstrip(".")) from error
        except _ANSWER_UNREAD as error:
            raise lost(gateway=NAME, reason=str(error).rstrip(".") or type(error).__name__) from error
        except outbound.OutboundError as error:
            raise GatewayMisconfigured(gateway=NAME, reason=str(error).rstrip(".")) from error
        return answer.content, answer.status_code, answer.headers

    async def request_stream_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[AsyncIterable[bytes], int, Mapping[str, str]]:
        _ = method, url, headers, post_data
        raise NotImplementedError("nothing here is streamed")

    def sleep_async(self, secs: float) -> NoReturn:
        _ = secs
        raise NotImplementedError("the library repeats no call by itself: max_network_retries is 0")

    async def close_async(self) -> None:
        """Nothing is open between calls."""


_OURS = {"user-agent": "Litemail", "x-stripe-client-user-agent": '{"lang": "python"}'}
"""In place of the library's, which tell of the environment that it runs in."""
