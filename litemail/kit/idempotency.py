"""Idempotency keys: the first success of a call is kept and given again, so that a repeat does nothing.

The answer is written in the transaction that made the effect: both are there or neither. A call still running holds a
transaction-scoped advisory lock, which a crash releases. An error leaves nothing behind, so the key is free again.
"""

import hmac
from datetime import timedelta

import msgspec

from litemail.kit.actor import Actor
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.secrets import Secrets

LIFETIME = timedelta(hours=24)
MAX_KEY_LENGTH = 255


class KeyReused(Error):
    kind = Kind.CONFLICT
    code = "idempotency.key_reused"
    message = "This Idempotency-Key was used with another request body."
    action = "Use a new key for a new request; repeat a request with exactly the same body."


class InProgress(Error):
    kind = Kind.CONFLICT
    code = "idempotency.in_progress"
    message = "The first request with this Idempotency-Key is still running."
    action = "Repeat the request in a moment to get its answer."
    retryable = True


class BadKey(Error):
    kind = Kind.INVALID
    code = "idempotency.bad_key"
    message = "An Idempotency-Key has 1 to 255 visible ASCII characters."
    action = "Send a fresh random value, a UUID for instance, with each new request."


class Answer(msgspec.Struct, frozen=True):
    """A success as it was sent."""

    status: int
    content_type: str
    body: str


class Call(msgspec.Struct, frozen=True):
    """What a key belongs to: one caller's request to one path with one body."""

    workspace_id: str
    caller: str
    method: str
    path: str
    key: str
    body_mac: bytes

    @property
    def row(self) -> str:
        return f"idempotency\n{self.workspace_id}\n{self.caller}\n{self.method}\n{self.path}\n{self.key}"


class _Kept(msgspec.Struct, frozen=True):
    body_mac: bytes
    status: int
    answer: bytes


def call(actor: Actor, *, method: str, path: str, key: str, body: bytes, secrets: Secrets) -> Call:
    """Raises BadKey."""
    if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise BadKey(field="Idempotency-Key")
    return Call(
        workspace_id=actor.workspace_id,
        caller=actor.caller,
        method=method,
        path=path,
        key=key,
        body_mac=secrets.mac("idempotency", body),
    )


async def find_answer(tx: Tx, call: Call, *, secrets: Secrets) -> Answer | None:
    """The kept answer, or None when this call is the first; it then holds the key until its transaction ends.

    Raises KeyReused, InProgress.
    """
    taken = await tx.value(bool, "SELECT pg_try_advisory_xact_lock(hashtextextended(%(row)s, 0))", row=call.row)
    kept = await tx.find(
        _Kept,
        """SELECT body_mac, status, answer FROM idempotency_keys
           WHERE workspace_id = %(workspace_id)s AND caller = %(caller)s AND method = %(method)s
             AND path = %(path)s AND key = %(key)s AND created_at > %(oldest)s""",
        workspace_id=call.workspace_id,
        caller=call.caller,
        method=call.method,
        path=call.path,
        key=call.key,
        oldest=tx.now - LIFETIME,
    )
    if kept is None:
        if not taken:
            raise InProgress
        return None
    if not hmac.compare_digest(kept.body_mac, call.body_mac):
        raise KeyReused
    return msgspec.json.decode(secrets.open(kept.answer, row=call.row), type=Answer)


async def keep_answer(tx: Tx, call: Call, answer: Answer, *, secrets: Secrets) -> None:
    await tx.enter(call.workspace_id)  # the use case may have gone on in another one, which it made, say
    await tx.execute(
        """INSERT INTO idempotency_keys (workspace_id, caller, method, path, key, body_mac, status, answer, created_at)
           VALUES (%(workspace_id)s, %(caller)s, %(method)s, %(path)s, %(key)s, %(body_mac)s, %(status)s, %(answer)s,
                   %(now)s)
           ON CONFLICT (workspace_id, caller, method, path, key) DO UPDATE
           SET body_mac = excluded.body_mac, status = excluded.status, answer = excluded.answer,
               created_at = excluded.created_at""",
        workspace_id=call.workspace_id,
        caller=call.caller,
        method=call.method,
        path=call.path,
        key=call.key,
        body_mac=call.body_mac,
        status=answer.status,
        answer=secrets.seal(msgspec.json.encode(answer).decode(), row=call.row),
        now=tx.now,
    )


async def delete_old_answers(tx: Tx) -> int:
    return await tx.execute("DELETE FROM idempotency_keys WHERE created_at <= %(oldest)s", oldest=tx.now - LIFETIME)
