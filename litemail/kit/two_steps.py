"""Requests with somebody else's answer in the middle, where no transaction may be open, under an Idempotency-Key."""

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import msgspec
from litestar import Response

from litemail.kit import idempotency
from litemail.kit.db import Tx
from litemail.kit.secrets import Secrets

Begin = Callable[[], AbstractAsyncContextManager[Tx]]
"""Opens a transaction."""

Prepared = TypeVar("Prepared")
Shown = TypeVar("Shown", bound=msgspec.Struct)


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

    `prepare` gets a key that is the same for the same request, None without an Idempotency-Key. Where it does the same
    for the same key, and `finish` the same for the same prepared, a repetition comes to the answer of the first, also
    at once or after a crash.
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
