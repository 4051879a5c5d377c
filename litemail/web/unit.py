"""One request, one transaction: opened when a route first needs it, committed before the first byte is sent."""

import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from typing import Any, Protocol

from litestar import Request, Response
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from litemail.kit import idempotency
from litemail.kit.actor import Actor
from litemail.kit.db import Database, Tx
from litemail.kit.secrets import Secrets
from litemail.kit.stops import stop_here
from litemail.kit.wire import Given
from litemail.wallet import PATIENCE, PaymentRequired, Rescue
from litemail.web.errors import render_error, send_error

_REPEATABLE = {"POST", "PUT", "PATCH", "DELETE"}
_FAILED = 400


class Replay(Exception):
    """The call was made before; this is the answer it got."""

    def __init__(self, answer: idempotency.Answer) -> None:
        super().__init__("replayed")
        self.answer = answer


class _Undo(Exception):
    pass


class Rescuer(Protocol):
    """What is done where a request has to be paid for: None when the wallet covers it now, so make it again."""

    def __call__(self, missing: PaymentRequired, *, actor: Actor, patience: float) -> Awaitable[Rescue | None]: ...


class Unit:
    """The transaction of one request, the idempotency key it runs under, and what its wallet lacked."""

    def __init__(self, stack: AsyncExitStack, database: Database, secrets: Secrets) -> None:
        self.stack = stack
        self.database = database
        self.secrets = secrets
        self.tx: Tx | None = None
        self.call: idempotency.Call | None = None
        self.missing: PaymentRequired | None = None


async def provide_tx(request: Request[Any, Any, Any], actor: Given[Actor]) -> Tx:
    """The transaction of this request. Raises Replay when the same call was made before.

    What it needs beyond the actor comes with the unit: Litestar makes a task of each dependency of a dependency.
    """
    unit: Unit = request.scope["state"]["unit"]
    tx = unit.tx = await unit.stack.enter_async_context(unit.database.begin(actor))
    unit.call = await provide_call(request, actor)
    if unit.call is not None and (answer := await idempotency.find_answer(tx, unit.call, secrets=unit.secrets)):
        raise Replay(answer)
    return tx


async def provide_call(request: Request[Any, Any, Any], actor: Given[Actor]) -> idempotency.Call | None:
    """What the Idempotency-Key of this request belongs to, for routes that work `in_two_steps`; None without one."""
    unit: Unit = request.scope["state"]["unit"]
    key = request.headers.get("idempotency-key")
    if key is None or request.method not in _REPEATABLE:
        return None
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    body = await request.body()
    return idempotency.call(actor, method=request.method, path=path, key=key, body=body, secrets=unit.secrets)


def render_replay(_request: Request[Any, Any, Any], replay: Replay) -> Response[bytes]:
    return Response(
        replay.answer.body.encode(),
        status_code=replay.answer.status,
        media_type=replay.answer.content_type,
        headers={"idempotency-replayed": "true"},
    )


def render_missing(request: Request[Any, Any, Any], missing: PaymentRequired) -> Response[dict[str, object]]:
    """Notes that the request has to be paid for; `UnitOfWork` sees to it once nothing is open any more."""
    unit: Unit = request.scope["state"]["unit"]
    unit.missing = missing
    return render_error(request, missing)


class UnitOfWork(ASGIMiddleware):
    """Holds back the answer of a request that opened a transaction until that is committed or undone.

    A request that the wallet does not cover is made again when the rescue filled the wallet; else it is answered with
    what the rescue came to. Of requests at once each needs a rescue of its own: the others spend what came.
    """

    def __init__(self, database: Database, secrets: Secrets, rescue: Rescuer | None) -> None:
        self._database = database
        self._secrets = secrets
        self._rescue = rescue

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        until: float | None = None
        while (missing := await self._attempt(scope, receive, send, next_app)) is not None:
            until = until or time.monotonic() + PATIENCE
            try:
                rescue = await self._come_to_rescue(missing, scope["state"]["actor"], until=until)
            except Exception as error:  # noqa: BLE001 - every failure is answered, also that of the rescue
                await send_error(scope, receive, send, error)
                return
            if rescue is not None:
                missing.extra = {**missing.extra, "recharge": rescue.recharge, "payment_link": rescue.payment_link}
                await send_error(scope, receive, send, missing)
                return

    async def _come_to_rescue(self, missing: PaymentRequired, actor: Actor, *, until: float) -> Rescue | None:
        if self._rescue is None:
            return Rescue("off", None)
        patience = until - time.monotonic()
        if patience <= 0:
            return Rescue("in_progress", None)
        return await self._rescue(missing, actor=actor, patience=patience)

    async def _attempt(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> PaymentRequired | None:
        """Answers the request, unless it has to be paid for: then nothing is sent or done."""
        held: list[Message] = []
        try:
            unit = await self._perform(scope, receive, send, next_app, held)
        except Exception as error:
            if not held:
                raise
            await send_error(scope, receive, send, error)  # the success in `held` did not come true
            return None
        if unit.missing is not None:
            return unit.missing
        if unit.tx is not None:
            await stop_here("request.committed")
        for message in held:
            await send(message)
        return None

    async def _perform(
        self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp, held: list[Message]
    ) -> Unit:
        """Commits or undoes what the request does. What it answers is in `held` then, or sent if it opened nothing."""
        stack = AsyncExitStack()
        unit = scope["state"]["unit"] = Unit(stack, self._database, self._secrets)

        async def hold(message: Message) -> None:
            if unit.tx is None and unit.missing is None:
                await send(message)
            else:
                held.append(message)

        with suppress(_Undo):
            async with stack:
                await next_app(scope, receive, hold)
                if unit.tx is not None:
                    await self._settle(unit, unit.tx, held)
        return unit

    async def _settle(self, unit: Unit, tx: Tx, held: list[Message]) -> None:
        start = held[0]
        assert start["type"] == "http.response.start"
        if start["status"] >= _FAILED:
            raise _Undo
        if unit.call is not None:
            content_type = next((v.decode() for k, v in start["headers"] if k == b"content-type"), "")
            body = b"".join(m["body"] for m in held if m["type"] == "http.response.body").decode()
            answer = idempotency.Answer(start["status"], content_type, body)
            await idempotency.keep_answer(tx, unit.call, answer, secrets=self._secrets)
