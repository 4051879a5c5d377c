"""Use cases of API keys: made once, shown once, stored as a hash, revoked at once."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from litemail.kit import ids
from litemail.kit.db import Tx
from litemail.kit.errors import Detail, Error, Invalid, Kind
from litemail.kit.pagination import Page, PageRequest, page
from litemail.kit.secrets import token, token_hash
from litemail.workspaces import queries
from litemail.workspaces.queries import ApiKey
from litemail.workspaces.roles import NOT_BY_DEFAULT, ROLE_SCOPES, SCOPES

_PREFIX = {"live": "lm_live_", "sandbox": "lm_test_"}
_SHOWN = 12


class KeyNotFound(Error):
    kind = Kind.NOT_FOUND
    code = "api_key.not_found"
    message = "There is no API key {key_id} of yours."
    action = "List your keys with GET /v1/api-keys."


class MixedModes(Error):
    kind = Kind.INVALID
    code = "api_key.mixed_modes"
    message = "All workspaces of a key must be live, or all sandbox."
    action = "Make one key for each mode."


class NewKey(msgspec.Struct, frozen=True):
    """A key and, this once, its secret."""

    row: ApiKey
    secret: str


async def create_key(
    tx: Tx,
    *,
    name: str,
    scopes: Sequence[str] | None = None,
    workspace_ids: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    spend_limit: int | None = None,
) -> NewKey:
    """A key of the acting user. Without `scopes` it gets what the role allows but spending and credentials.

    Raises Invalid (unknown scopes or workspaces, an expiry in the past), MixedModes.
    """
    actor = tx.actor
    assert actor is not None
    chosen = list(dict.fromkeys(workspace_ids or [actor.workspace_id]))
    modes = await queries.modes_of(tx, chosen, user_id=actor.user_id)
    wrong = [
        *(
            Detail(f"scopes[{i}]", f"{scope} is not a scope; known are *, {', '.join(SCOPES)}")
            for i, scope in enumerate(scopes or ())
            if scope not in SCOPES and scope != "*"
        ),
        *(
            Detail(f"workspace_ids[{i}]", f"there is no workspace {workspace_id} that you belong to")
            for i, workspace_id in enumerate(chosen)
            if workspace_id not in modes
        ),
    ]
    if expires_at is not None and expires_at <= tx.now:
        wrong.append(Detail("expires_at", "must be in the future"))
    if wrong:
        raise Invalid(details=tuple(wrong))
    if len(set(modes.values())) > 1:
        raise MixedModes(field="workspace_ids")
    secret = token(_PREFIX[modes[chosen[0]]])
    row = await queries.insert_key(
        tx,
        key_id=ids.new_id("key"),
        user_id=actor.user_id,
        name=name,
        prefix=secret[:_SHOWN],
        key_hash=token_hash(secret),
        scopes=sorted(ROLE_SCOPES[actor.role] - NOT_BY_DEFAULT if scopes is None else set(scopes)),
        workspace_ids=chosen,
        spend_limit=spend_limit,
        expires_at=expires_at,
    )
    await _audit(tx, "api_key.created", row)
    return NewKey(row, secret)


async def list_keys(tx: Tx, request: PageRequest) -> Page[ApiKey]:
    """The acting user's keys, newest first. Who acts with a key sees those that reach no further."""
    assert tx.actor is not None
    user_id, reach = tx.actor.user_id, tx.actor.key_workspace_ids
    rows = await queries.list_keys(tx, user_id=user_id, reach=reach, limit=request.limit + 1, after=request.after)
    total = await queries.count_keys(tx, user_id=user_id, reach=reach) if request.count else None
    return page(rows, request, key=lambda row: row.id, total=total)


async def revoke_key(tx: Tx, key_id: str) -> None:
    """The key works no more as soon as this commits. Raises KeyNotFound."""
    assert tx.actor is not None
    row = await queries.delete_key(tx, key_id, user_id=tx.actor.user_id, reach=tx.actor.key_workspace_ids)
    if row is None:
        raise KeyNotFound(key_id=key_id)
    await _audit(tx, "api_key.revoked", row)


async def _audit(tx: Tx, event_type: str, row: ApiKey) -> None:
    assert tx.actor is not None
    await tx.emit(
        event_type,
        workspace_id=tx.actor.workspace_id,
        subject=row.id,
        data={"name": row.name, "prefix": row.prefix, "scopes": row.scopes, "workspace_ids": row.workspace_ids},
        audience="audit",
    )
