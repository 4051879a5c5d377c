"""The twin of Instantly's tags."""

import uuid

import msgspec
from litestar import Response, get, post

from litemail.kit import clock
from litemail.servers.sandbox import instantly_models as wire
from litemail.servers.sandbox.door import Served
from litemail.servers.sandbox.instantly_door import body_of, scope
from litemail.servers.sandbox.instantly_models import Record, refuse
from litemail.servers.sandbox.store import Thing

_TAG = "tag"


@post("/custom-tags", status_code=200, opt=scope("custom_tags:create"))
async def create_tag(call: Served) -> Response[bytes]:
    given = await body_of(call.request, wire.CreateTag)
    now = clock.now()
    created = clock.rfc3339(now)
    # The id is made of the label, so that a label exists once whoever comes first.
    tag_id = str(uuid.uuid5(uuid.UUID(call.organisation_id), given.label.lower()))
    tag = wire.Tag(tag_id, created, created, call.organisation_id, given.label, given.description)
    if await call.sandbox.store.find(call.organisation_id, _TAG, tag_id) is not None:
        raise refuse(409, "Tag with this label already exists")
    await call.sandbox.store.put(Thing(call.organisation_id, _TAG, tag_id, msgspec.json.encode(tag), now))
    return call.answer(tag)


@get("/custom-tags", opt=scope("custom_tags:read"))
async def list_tags(call: Served) -> Response[bytes]:
    search = call.request.query_params.get("search", "").lower()
    tags = [
        msgspec.json.decode(thing.data, type=wire.Tag)
        for thing in await call.sandbox.store.list_(call.organisation_id, _TAG)
    ]
    return call.answer(wire.Tags([tag for tag in tags if search in tag.label.lower()]))


@post("/custom-tags/toggle-resource", status_code=200, opt=scope("custom_tags:update", "custom_tag_mappings:update"))
async def toggle_tag(call: Served) -> Response[bytes]:
    given = await body_of(call.request, wire.ToggleTag)
    for tag_id in given.tag_ids:
        if await call.sandbox.store.find(call.organisation_id, _TAG, tag_id) is None:
            raise refuse(404, "Tag not found")

    def change(data: bytes) -> bytes:
        record = msgspec.json.decode(data, type=Record)
        kept = tuple(tag_id for tag_id in record.tag_ids if tag_id not in given.tag_ids)
        return msgspec.json.encode(Record(record.account, (*kept, *given.tag_ids) if given.assign else kept))

    for email in given.resource_ids:
        await call.sandbox.store.change_account(call.organisation_id, email.lower(), change)
    return call.answer(wire.Toggled(True))
