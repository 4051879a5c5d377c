"""One HTTP call to a platform: paced, bounded in time and size, its failures turned into the family's errors."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, TypeAlias, TypeVar

import httpx
import msgspec

from litemail.kit import clock, outbound
from litemail.providers.platform.base import Reach
from litemail.providers.platform.errors import OutcomeUnknown, RateLimited, Unavailable, UnexpectedAnswer
from litemail.providers.platform.redaction import WORDS, redact

Shape = TypeVar("Shape")
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

Body: TypeAlias = msgspec.Struct | Sequence[msgspec.Struct]
Parameters: TypeAlias = Mapping[str, str] | Sequence[tuple[str, str]]
"""Of a query; as pairs where a name comes several times."""

_LARGEST = 8 * 1024 * 1024
_TIMEOUT = 20.0
_LONGEST_REST = 15 * 60.0
_OK = range(200, 300)
_FAULTS = range(500, 600)
_SLOW_DOWN = 429
_TIMED_OUT = 408


@dataclass(frozen=True)
class Answer:
    """What a platform answered, whole. `call` names the request in messages."""

    call: str
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def ok(self) -> bool:
        return self.status in _OK


@dataclass(frozen=True)
class Caller:
    """Who calls whom: everything that the calls of one session share. `secrets` are kept out of all texts, so what
    goes in a header or a query is among them as it is sent there.
    """

    name: str
    reach: Reach
    secrets: tuple[str, ...] = field(repr=False)

    async def call(
        self,
        method: Method,
        url: str,
        *,
        headers: Mapping[str, str],
        body: Body | None = None,
        parameters: Parameters | None = None,
        timeout: float = _TIMEOUT,  # noqa: ASYNC109 - a bound of the exchange with the vendor, not of the caller
        reads: bool | None = None,
    ) -> Answer:
        """The answer, whatever its status, except those that mean the same everywhere.

        Raises `RateLimited` (429), `Unavailable` (nothing reached the platform, or 5xx and 408 on a read),
        `OutcomeUnknown` (the same on a call that changes something), and what the client's guard says of a host that
        it does not allow. `reads`: whether the call changes nothing; without it, only a GET does. The client's own
        cookie jar is not used.
        """
        call = f"{method} {httpx.URL(url).path}"
        lost = Unavailable if (method == "GET" if reads is None else reads) else OutcomeUnknown
        request = self._request(method, url, headers, body, parameters, timeout)
        async with self.reach.pacer.turn():
            try:
                async with asyncio.timeout(timeout):
                    answer = await self._send(request, call)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                raise Unavailable(name=self.name, reason="no connection") from error
            except (
                outbound.ConnectFailed,
                outbound.ConnectTimeout,
                outbound.LookupFailed,
                outbound.TlsFailed,
            ) as error:
                raise Unavailable(name=self.name, reason=str(error).rstrip(".")) from error
            except (outbound.BodyTooLarge, outbound.EncodingNotAsked) as error:
                raise self.unexpected(Answer(call, 0, httpx.Headers(), b""), str(error)) from error
            except (httpx.TimeoutException, TimeoutError) as error:
                raise lost(name=self.name, reason=f"no answer within {timeout:.0f} s") from error
            except httpx.TransportError as error:
                raise lost(name=self.name, reason="the connection broke") from error
            except httpx.DecodingError as error:
                raise lost(name=self.name, reason="the answer could not be decoded") from error
            if answer.status == _SLOW_DOWN:
                seconds = self.reach.pacer.refused(_asked_rest(answer))
                raise RateLimited(name=self.name, retry_after=seconds)
            self.reach.pacer.heard()
        if answer.status in _FAULTS or answer.status == _TIMED_OUT:
            raise lost(name=self.name, reason=f"HTTP {answer.status}", retry_after=_asked_rest(answer))
        return answer

    def parse(self, answer: Answer, shape: type[Shape]) -> Shape:
        """A good answer's body; `UnexpectedAnswer` when it is neither good nor of that shape."""
        if not answer.ok:
            raise self.unexpected(answer, "unknown status")
        try:
            return msgspec.json.decode(answer.body, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self.unexpected(answer, str(error)) from error

    def unexpected(self, answer: Answer, reason: str) -> UnexpectedAnswer:
        return UnexpectedAnswer(
            name=self.name,
            call=self.shown(answer.call),
            status=answer.status,
            reason=self.shown(reason),
            body=redact(answer.body.decode("utf-8", "replace"), self.secrets),
        )

    def shown(self, words: str, *more_secrets: str) -> str:
        """A platform's words, fit for a message."""
        return redact(words, (*self.secrets, *more_secrets), bound=WORDS)

    def with_secrets(self, *more: str) -> "Caller":
        return Caller(self.name, self.reach, (*self.secrets, *more))

    def _request(
        self,
        method: Method,
        url: str,
        headers: Mapping[str, str],
        body: Body | None,
        parameters: Parameters | None,
        seconds: float,
    ) -> httpx.Request:
        # Made by hand: the client's own build_request would send the cookies of another session along.
        fixed = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "Litemail"}
        if body is not None:
            fixed["content-type"] = "application/json"
        return httpx.Request(
            method,
            url,
            params=None if parameters is None else list(_pairs(parameters)),
            headers={**fixed, **headers},
            content=None if body is None else msgspec.json.encode(body),
            extensions={"timeout": httpx.Timeout(seconds, connect=min(seconds, 10)).as_dict()},
        )

    async def _send(self, request: httpx.Request, call: str) -> Answer:
        response = await self.reach.client.send(request, stream=True, auth=None, follow_redirects=False)
        self.reach.client.cookies.clear()
        try:
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > _LARGEST:
                    raise self.unexpected(
                        Answer(call, response.status_code, response.headers, bytes(body[:_LARGEST])), "too large"
                    )
        finally:
            await response.aclose()
        return Answer(call, response.status_code, response.headers, bytes(body))


def _pairs(parameters: Parameters) -> Iterable[tuple[str, str]]:
    return parameters.items() if isinstance(parameters, Mapping) else parameters


class _Wish(msgspec.Struct, frozen=True):
    retry_after: float


class _InnerWish(msgspec.Struct, frozen=True):
    error: _Wish


def _asked_rest(answer: Answer) -> float | None:
    """For how many seconds the platform wants to be left alone, between 1 s and a quarter of an hour; None if it does
    not say. Retry-After has seconds or a date (RFC 9110, section 10.2.3). With a 429, Smartlead documents a body with
    `error.retry_after` too, and lemlist and Saleshandy send the date of X-RateLimit-Reset.
    """
    text = answer.headers.get("retry-after", "").strip()
    seconds: float | None = None
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    elif text:
        seconds = _until(text)
    elif answer.status == _SLOW_DOWN:
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            seconds = msgspec.json.decode(answer.body, type=_InnerWish).error.retry_after
        if seconds is None:
            seconds = _until(answer.headers.get("x-ratelimit-reset", ""))
    return None if seconds is None else min(max(seconds, 1.0), _LONGEST_REST)


def _until(text: str) -> float | None:
    """In how many seconds it is that moment, written as in mail or as in ISO 8601; None for anything else."""
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        with suppress(ValueError):
            moment = parse(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return (moment - clock.now()).total_seconds()
    return None
