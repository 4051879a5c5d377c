"""Requests with a gateway's answer in the middle, where no transaction may be open, under an Idempotency-Key."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response

from litemail.kit import idempotency
from litemail.kit.actor import Actor
from litemail.kit.db import Tx
from litemail.kit.secrets import Secrets
from litemail.wallet.payments import Begin

Prepared = TypeVar("Prepared")
Shown = TypeVar("Shown", bound=msgspec.Struct)


async def call_of(request: Request[Any, Any, Any], actor: Actor, secrets: Secrets) -> idempotency.Call | None:
    """What the Idempotency-Key belongs to; None without one."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    body = await request.body()
    return idempotency.call(actor, method=request.method, path=path, key=key, body=body, secrets=secrets)


async def in_two_steps(
    begin: Begin,
    call: idempotency.Call | None,
    prepare: Callable[[Tx, bytes | None], Awaitable[Prepared]],
    finish: Callable[[Prepared], Awaitable[Shown]],
    shape: type[Shown],
    *,
    secrets: Secrets,
    status: int,
) -> Response[Shown]:
    """Answers with what `finish` makes, outside of transactions, of what `prepare` made in one.

    `prepare` does the same for the same request key, and gateways do the same for the same payment. So a repetition,
    also at once or after a crash, comes to the answer of the first.
    """
    async with begin() as tx:
        known = None if call is None else await idempotency.find_answer(tx, call, secrets=secrets)
        if known is not None:
            answer = msgspec.json.decode(known.body, type=shape)
            return Response(answer, status_code=known.status, headers={"idempotency-replayed": "true"})
        request_key = None if call is None else hashlib.sha256(call.row.encode() + b"\n" + call.body_mac).digest()
        prepared = await prepare(tx, request_key)
    shown = await finish(prepared)
    if call is not None:
        kept = idempotency.Answer(status, "application/json", msgspec.json.encode(shown).decode())
        async with begin() as tx:
            await idempotency.keep_answer(tx, call, kept, secrets=secrets)
    return Response(shown, status_code=status)
