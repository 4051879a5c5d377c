"""A platform without a twin, for tests: it takes what its contract takes and nothing else, keeps state, and misbehaves.

What is made up, because no page says it: the words of refusals, which key or password is a wrong one, and how long
the work behind an accepted batch takes.
"""

import asyncio
import itertools
import json
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from litemail.servers.sandbox.store import Settings
from tests.contracts.contract import Contract, Message, Receive, Send

WRONG, NEEDS_TOTP, NO_PAID_PLAN = "wrong-password", "needs-totp", "no-paid-plan"
_UNAUTHORIZED, _NOT_PAID, _TOO_MANY = 401, 402, 429

Json: TypeAlias = Any  # as a vendor writes it
Handler: TypeAlias = Callable[["Call"], Awaitable["Reply"]]


@dataclass(frozen=True)
class Reply:
    status: int
    body: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Json
    named: Mapping[str, str]
    """What stands for the parameters of the path."""


class Refusal(Exception):
    def __init__(self, reply: Reply) -> None:
        self.reply = reply


@dataclass
class Vendor:
    """The application. Subclasses have `routes`, say how they fail, and where a call has its key."""

    contract: Contract
    settings: Settings = field(default_factory=Settings)
    seconds: float = 0.02
    """How long signing in to an inbox takes, and the work behind an accepted batch."""
    wrong: str = WRONG
    """The password of an inbox that cannot be signed in to."""
    calls: Counter[str] = field(default_factory=Counter)
    inboxes: dict[str, dict[str, Json]] = field(default_factory=dict)
    """By address in lower case, in the order they came."""
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    working: set["asyncio.Task[None]"] = field(default_factory=set)
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    second: tuple[int, int] = (0, 0)

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        raise NotImplementedError

    def failure(self, status: int, words: str) -> Reply:
        return Reply(status, {"message": words})

    def key_of(self, call: Call) -> str:
        return call.headers.get("x-api-key", "")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for stage in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{stage}.complete"})
            return
        reply = await self._answer(scope, await _body_of(receive))
        headers = {"content-type": "application/json", **reply.headers}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": raw})
        body = b"" if reply.body is None else json.dumps(reply.body).encode()
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Message, body: bytes) -> Reply:
        if self.settings.down:
            return Reply(503, headers={"content-type": "text/html"})
        await asyncio.sleep(self.settings.latency_ms / 1000)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        method, path, query = scope["method"], scope["path"], scope["query_string"].decode()
        faults = self.contract.request_faults(method, path, query, body, headers)
        for (known, template), handler in self.routes.items():
            match = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template), path)
            if match and known == method:
                if faults:
                    return self.failure(400, faults[0])
                parsed = json.loads(body) if body else None
                call = Call(method, path, dict(parse_qsl(query)), headers, parsed, match.groupdict())
                return await self._served(handler, call)
        return self.failure(404, "There is nothing here")

    async def _served(self, handler: Handler, call: Call) -> Reply:
        self.calls[f"{call.method} {call.path}"] += 1
        try:
            self._let_in(self.key_of(call))
            unlucky = self.chance.random() < self.settings.error_rate
            if unlucky and self.chance.random() < 1 / 2:
                return self.failure(500, "Internal Server Error")
            reply = await handler(call)
        except Refusal as refusal:
            return refusal.reply
        return self.failure(500, "Internal Server Error") if unlucky else reply

    def _let_in(self, key: str) -> None:
        now = int(asyncio.get_running_loop().time())
        count = self.second[1] if self.second[0] == now else 0
        self.second = (now, count + 1)
        if self.settings.rate_limit is not None and count >= self.settings.rate_limit:
            raise Refusal(self.failure(_TOO_MANY, "Too many requests"))
        if key == WRONG:
            raise Refusal(self.failure(_UNAUTHORIZED, "Invalid API key"))
        if key == NEEDS_TOTP:
            raise Refusal(self.failure(_UNAUTHORIZED, "Two-factor authentication required"))
        if key == NO_PAID_PLAN:
            raise Refusal(self.failure(_NOT_PAID, "An active plan is needed"))

    @property
    def is_full(self) -> bool:
        limit = self.settings.account_limit
        return limit is not None and len(self.inboxes) >= limit

    def work(self, job: Awaitable[None]) -> None:
        """Does the job in the background, after a while."""

        async def later() -> None:
            await asyncio.sleep(self.seconds)
            await job

        task = asyncio.ensure_future(later())
        self.working.add(task)
        task.add_done_callback(self.working.discard)

    async def rest(self) -> None:
        """Until nothing is worked on any more."""
        await asyncio.gather(*self.working)


async def _body_of(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)
