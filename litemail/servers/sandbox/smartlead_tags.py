"""The twin of Smartlead's tags."""

import secrets

import msgspec
from litestar import Response, get, post

from litemail.kit import clock
from litemail.servers.sandbox import by_id
from litemail.servers.sandbox import smartlead_models as wire
from litemail.servers.sandbox.door import Call, Served
from litemail.servers.sandbox.smartlead_door import body_of
from litemail.servers.sandbox.smartlead_models import Record
from litemail.servers.sandbox.store import Thing

_TAG = "tag"


@post("/tags", status_code=201)
async def create_tag(call: Served) -> Response[bytes]:
    """Makes one even if there is one of that name."""
    given = await body_of(call.request, wire.CreateTag)
    tag = wire.Tag(secrets.randbelow(10**9) + 1, given.name, given.color)
    await call.sandbox.store.put(Thing(call.organisation_id, _TAG, str(tag.id), msgspec.json.encode(tag), clock.now()))
    return call.answer(wire.MadeTag(True, tag), status=201)


@get("/email-accounts/tags")
async def list_tags(call: Served) -> Response[bytes]:
    things = await call.sandbox.store.list_(call.organisation_id, _TAG)
    return call.answer(wire.Tags(True, [msgspec.json.decode(thing.data, type=wire.Tag) for thing in things]))


@post("/email-accounts/tag-mapping", status_code=200)
async def map_tags(call: Served) -> Response[bytes]:
    given = await body_of(call.request, wire.MapTags)
    known = {thing.id for thing in await call.sandbox.store.list_(call.organisation_id, _TAG)}
    added = skipped = failed = 0
    for account_id in given.email_account_ids:
        for tag_id in given.tag_ids:
            fresh = await _attach(call, account_id, tag_id) if str(tag_id) in known else None
            added, skipped, failed = added + (fresh is True), skipped + (fresh is False), failed + (fresh is None)
    return call.answer(wire.TagsMapped(True, wire.Summary(added, skipped, failed)))


async def _attach(call: Call, account_id: int, tag_id: int) -> bool | None:
    """Whether the tag is new to the account; None when there is no such account."""
    store = call.sandbox.store
    account = await by_id.find(store, call.organisation_id, str(account_id))
    if account is None:
        return None
    before = msgspec.json.decode(account.data, type=Record).tag_ids

    def change(data: bytes) -> bytes:
        record = msgspec.json.decode(data, type=Record)
        kept = tuple(kept for kept in record.tag_ids if kept != tag_id)
        return msgspec.json.encode(Record(record.account, (*kept, tag_id)))

    await store.change_account(call.organisation_id, account.email, change)
    return tag_id not in before
