"""One request, one transaction: opened when a route first needs it, committed before the first byte is sent."""

from contextlib import AsyncExitStack
from typing import Any

from litestar import Request, Response
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from litemail.kit import idempotency
from litemail.kit.actor import Actor
from litemail.kit.db import Database, Tx
from litemail.kit.secrets import Secrets
from litemail.kit.wire import Given
from litemail.web.errors import send_error

_REPEATABLE = {"POST", "PUT", "PATCH", "DELETE"}
_FAILED = 400


class Replay(Exception):
    """The call was made before; this is the answer it got."""

    def __init__(self, answer: idempotency.Answer) -> None:
        super().__init__("replayed")
        self.answer = answer


class _Undo(Exception):
    pass


class Unit:
    """The transaction of one request and the idempotency key it runs under."""

    def __init__(self, stack: AsyncExitStack, database: Database, secrets: Secrets) -> None:
        self.stack = stack
        self.database = database
        self.secrets = secrets
        self.tx: Tx | None = None
        self.call: idempotency.Call | None = None


async def provide_tx(request: Request[Any, Any, Any], actor: Given[Actor]) -> Tx:
    """The transaction of this request. Raises Replay when the same call was made before.

    What it needs beyond the actor comes with the unit: Litestar makes a task of each dependency of a dependency.
    """
    unit: Unit = request.scope["state"]["unit"]
    secrets = unit.secrets
    tx = unit.tx = await unit.stack.enter_async_context(unit.database.begin(actor))
    key = request.headers.get("idempotency-key")
    if key is not None and request.method in _REPEATABLE:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        body = await request.body()
        call = idempotency.call(actor, method=request.method, path=path, key=key, body=body, secrets=secrets)
        answer = await idempotency.find_answer(tx, call, secrets=secrets)
        if answer is not None:
            raise Replay(answer)
        unit.call = call
    return tx


def render_replay(_request: Request[Any, Any, Any], replay: Replay) -> Response[bytes]:
    return Response(
        replay.answer.body.encode(),
        status_code=replay.answer.status,
        media_type=replay.answer.content_type,
        headers={"idempotency-replayed": "true"},
    )


class UnitOfWork(ASGIMiddleware):
    """Holds back the answer of a request that opened a transaction until that is committed or undone."""

    def __init__(self, database: Database, secrets: Secrets) -> None:
        self._database = database
        self._secrets = secrets

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        held: list[Message] = []
        try:
            async with AsyncExitStack() as stack:
                unit = scope["state"]["unit"] = Unit(stack, self._database, self._secrets)

                async def hold(message: Message) -> None:
                    if unit.tx is None:
                        await send(message)
                    else:
                        held.append(message)

                await next_app(scope, receive, hold)
                if unit.tx is not None:
                    await self._settle(unit, unit.tx, held)
        except _Undo:
            pass
        except Exception as error:
            if not held:
                raise
            await send_error(scope, receive, send, error)  # the success in `held` did not come true
            return
        for message in held:
            await send(message)

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
