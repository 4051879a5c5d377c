"""The twin of EmailBison's tags."""

import msgspec
from litestar import Response, get, post

from litemail.kit import clock
from litemail.servers.sandbox import by_id
from litemail.servers.sandbox import emailbison_models as wire
from litemail.servers.sandbox.door import Call, Served
from litemail.servers.sandbox.emailbison_door import body_of
from litemail.servers.sandbox.emailbison_models import not_found, refuse_field
from litemail.servers.sandbox.store import Account, Thing

_TAG = "tag"


@post("/tags", status_code=201)
async def create_tag(call: Served) -> Response[bytes]:
    given = await body_of(call.request, wire.CreateTag)
    # The id is made of the name, so that a name exists once whoever comes first.
    tag_id = by_id.number_of(call.organisation_id, f"tag {given.name.lower()}")
    if await call.sandbox.store.find(call.organisation_id, _TAG, str(tag_id)) is not None:
        raise refuse_field("name", "The name has already been taken.")
    now = clock.now()
    moment = clock.rfc3339(now)
    tag = wire.Tag(tag_id, given.name, given.default, moment, moment)
    await call.sandbox.store.put(Thing(call.organisation_id, _TAG, str(tag_id), msgspec.json.encode(tag), now))
    return call.answer(wire.OneTag(tag), status=201)


@get("/tags")
async def list_tags(call: Served) -> Response[bytes]:
    return call.answer(wire.Tags(list((await _tags(call)).values())))


@post("/tags/attach-to-sender-emails", status_code=200)
async def attach_tags(call: Served) -> Response[bytes]:
    given = await body_of(call.request, wire.AttachTags)
    known = await _tags(call)
    for tag_id in given.tag_ids:
        if tag_id not in known:
            raise not_found({"tag": str(tag_id)})
    senders = [await _sender(call, sender_id) for sender_id in given.sender_email_ids]

    def change(data: bytes) -> bytes:
        sender = msgspec.json.decode(data, type=wire.Sender)
        kept = [tag for tag in sender.tags if tag.id not in given.tag_ids]
        tags = [*kept, *(known[tag_id] for tag_id in dict.fromkeys(given.tag_ids))]
        return msgspec.json.encode(msgspec.structs.replace(sender, tags=tags))

    for sender in senders:
        await call.sandbox.store.change_account(call.organisation_id, sender.email, change)
    return call.answer(wire.Done(wire.Outcome(True, "Tags attached to email accounts.")))


async def _tags(call: Call) -> dict[int, wire.Tag]:
    things = await call.sandbox.store.list_(call.organisation_id, _TAG)
    tags = (msgspec.json.decode(thing.data, type=wire.Tag) for thing in things)
    return {tag.id: tag for tag in tags}


async def _sender(call: Call, sender_id: int) -> Account:
    found = await by_id.find(call.sandbox.store, call.organisation_id, str(sender_id))
    if found is None:
        raise not_found({"sender_email": str(sender_id)})
    return found
