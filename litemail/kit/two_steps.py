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
        replayed = await _replay(tx, call, shape, secrets)
        if replayed is not None:
            return replayed
        request_key = None if call is None else hashlib.sha256(call.row.encode() + b"\n" + call.body_mac).digest()
        prepared = await prepare(tx, request_key)
    shown = await finish(prepared)
    if call is not None:
        async with begin() as tx:
            await idempotency.keep_answer(tx, call, _kept(shown, status), secrets=secrets)
    return Response(shown, status_code=status)


async def ask_then_act(
    begin: Begin,
    call: idempotency.Call | None,
    ask: Callable[[], Awaitable[Prepared]],
    act: Callable[[Tx, Prepared], Awaitable[Shown]],
    shape: type[Shown],
    *,
    secrets: Secrets,
    status: int,
) -> Response[Shown]:
    """Answers with what `act` does in one transaction with what `ask` was told outside of any.

    `ask` changes nothing. The answer is kept in the transaction of `act`, so a repetition does nothing a second time.
    """
    async with begin() as tx:
        replayed = await _replay(tx, call, shape, secrets)
    if replayed is not None:
        return replayed
    asked = await ask()
    async with begin() as tx:
        replayed = await _replay(tx, call, shape, secrets)  # the same request may have come twice
        if replayed is not None:
            return replayed
        shown = await act(tx, asked)
        if call is not None:
            await idempotency.keep_answer(tx, call, _kept(shown, status), secrets=secrets)
    return Response(shown, status_code=status)


async def _replay(
    tx: Tx, call: idempotency.Call | None, shape: type[Shown], secrets: Secrets
) -> Response[Shown] | None:
    """The answer that the request got before."""
    answer = None if call is None else await idempotency.find_answer(tx, call, secrets=secrets)
    if answer is None:
        return None
    body = msgspec.json.decode(answer.body, type=shape)
    return Response(body, status_code=answer.status, headers={"idempotency-replayed": "true"})


def _kept(shown: msgspec.Struct, status: int) -> idempotency.Answer:
    return idempotency.Answer(status, "application/json", msgspec.json.encode(shown).decode())
