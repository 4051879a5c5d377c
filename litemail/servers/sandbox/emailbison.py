"""The twin of EmailBison: its API under `/{workspace id}/emailbison/api`, as at a customer's own instance.

Like the vendor it signs in to the IMAP and SMTP of a sender before it takes it. Its errors are not documented; the
twin words them as users of the API have seen them, and makes up the rest.
"""

import re
from datetime import datetime

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from litemail.kit import clock
from litemail.servers.sandbox import behaviour, by_id
from litemail.servers.sandbox import emailbison_models as wire
from litemail.servers.sandbox.app import Twin
from litemail.servers.sandbox.behaviour import Refusal
from litemail.servers.sandbox.door import AnyRequest, Call, Served
from litemail.servers.sandbox.emailbison_door import PLATFORM, body_of, enter
from litemail.servers.sandbox.emailbison_models import not_found, refuse, refuse_field
from litemail.servers.sandbox.emailbison_tags import attach_tags, create_tag, list_tags
from litemail.servers.sandbox.store import Account, Added, MailDoor

_PAGE = 15
_LARGEST_PAGE = 100
_ALL = 1_000_000


def twin() -> Twin:
    api = Router(
        "/api",
        route_handlers=[
            list_workspaces,
            add_sender,
            list_senders,
            read_sender,
            change_sender,
            remove_sender,
            enable_warmup,
            disable_warmup,
            create_tag,
            list_tags,
            attach_tags,
        ],
        dependencies={"call": Provide(enter)},
    )
    return Twin(PLATFORM, Router(f"/{{workspace_id:str}}/{PLATFORM}", route_handlers=[api]), explain)


def explain(request: AnyRequest, error: Exception) -> Response[bytes]:
    """What no route handled, in the vendor's shape."""
    if isinstance(error, HTTPException) and error.status_code in (404, 405):
        path = re.sub(r"^/[^/]+/[^/]+/", "", request.scope["path"])
        return not_found(None, f"The route {path} could not be found.").response()
    if isinstance(error, HTTPException):
        return refuse(error.status_code, error.detail).response()
    return behaviour.explain(request, error)


@get("/workspaces/v1.1")
async def list_workspaces(call: Served) -> Response[bytes]:
    """A key is of one workspace, as an api-user's is."""
    organisation = call.caller.organisation
    moment = clock.rfc3339(organisation.created_at)
    workspace = wire.Workspace(
        id=by_id.number_of(organisation.id, "workspace"),
        name=organisation.name,
        personal_team=False,
        main=True,
        parent_id=None,
        created_at=moment,
        updated_at=moment,
    )
    return call.answer(wire.Workspaces([workspace]))


@post("/sender-emails/imap-smtp", status_code=201)
async def add_sender(call: Served) -> Response[bytes]:
    given = await body_of(call.request, wire.AddSender)
    email = given.email.lower()
    if (room := await call.room_for(email)) is not Added.ADDED:
        raise _refused(room)
    await _sign_in(call, given)
    now, sender_id = clock.now(), by_id.number_of(call.organisation_id, email)
    sender = _opened(given, sender_id=sender_id, now=now)
    await by_id.remember(call.sandbox.store, call.organisation_id, str(sender_id), email=email, now=now)
    added = await call.add(Account(call.organisation_id, email, msgspec.json.encode(sender), now))
    if added is not Added.ADDED:
        raise _refused(added)
    return call.answer(wire.OneSender(sender), status=201)


@get("/sender-emails")
async def list_senders(call: Served) -> Response[bytes]:
    query = call.request.query_params
    number = _whole(query.get("page", "1"), "page", _ALL)
    size = _whole(query.get("per_page", str(_PAGE)), "per_page", _LARGEST_PAGE)
    held = await call.sandbox.store.list_accounts(call.organisation_id, search=query.get("search", ""), limit=_ALL)
    start, last = (number - 1) * size, max(1, -(-len(held) // size))
    links = wire.Links(
        first="?page=1",
        last=f"?page={last}",
        prev=f"?page={number - 1}" if number > 1 else None,
        next=f"?page={number + 1}" if number < last else None,
    )
    page = [_shown(account) for account in held[start : start + size]]
    return call.answer(wire.Senders(page, links, wire.PageMeta(number, last, size, len(held))))


@get("/sender-emails/{sender_id:str}")
async def read_sender(call: Served, sender_id: FromPath[str]) -> Response[bytes]:
    return call.answer(wire.OneSender(_shown(await _find(call, sender_id))))


@patch("/sender-emails/{sender_id:str}", status_code=200)
async def change_sender(call: Served, sender_id: FromPath[str]) -> Response[bytes]:
    given = await body_of(call.request, wire.ChangeSender)
    fields = {name: value for name in given.__struct_fields__ if (value := getattr(given, name)) is not msgspec.UNSET}
    return call.answer(wire.OneSender(await _change(call, sender_id, **fields)))


@delete("/sender-emails/{sender_id:str}", status_code=200)
async def remove_sender(call: Served, sender_id: FromPath[str]) -> Response[bytes]:
    """The vendor queues it; here it is gone at once."""
    found = await _find(call, sender_id)
    await call.sandbox.store.remove_account(call.organisation_id, found.email)
    return call.answer(wire.Done(wire.Outcome(True, "Email accounts have been queued for deletion")))


@patch("/warmup/sender-emails/enable", status_code=200)
async def enable_warmup(call: Served) -> Response[bytes]:
    return await _switch_warmup(call, on=True)


@patch("/warmup/sender-emails/disable", status_code=200)
async def disable_warmup(call: Served) -> Response[bytes]:
    return await _switch_warmup(call, on=False)


async def _switch_warmup(call: Call, *, on: bool) -> Response[bytes]:
    given = await body_of(call.request, wire.SenderIds)
    for sender_id in given.sender_email_ids:
        await _find(call, str(sender_id))
    for sender_id in given.sender_email_ids:
        await _change(call, str(sender_id), warmup_enabled=on)
    what = "Enabling" if on else "Disabling"
    message = f"{what} warmup for selected sender emails. This can take a few minutes if your list is long."
    return call.answer(wire.Done(wire.Outcome(True, message)))


async def _find(call: Call, sender_id: str) -> Account:
    found = await by_id.find(call.sandbox.store, call.organisation_id, sender_id)
    if found is None:
        raise not_found({"sender_email": sender_id})
    return found


async def _change(call: Call, sender_id: str, **fields: object) -> wire.Sender:
    found = await _find(call, sender_id)
    now = clock.rfc3339(clock.now())

    def change(data: bytes) -> bytes:
        sender = msgspec.json.decode(data, type=wire.Sender)
        return msgspec.json.encode(msgspec.structs.replace(sender, updated_at=now, **fields))

    changed = await call.sandbox.store.change_account(call.organisation_id, found.email, change)
    if changed is None:  # removed meanwhile
        raise not_found({"sender_email": sender_id})
    return _shown(changed)


async def _sign_in(call: Call, given: wire.AddSender) -> None:
    imap = MailDoor(given.imap_server, given.imap_port, given.email, given.password)
    smtp = MailDoor(given.smtp_server, given.smtp_port, given.email, given.password)
    if refusal := await call.sandbox.sign_in(imap=imap, smtp=smtp):
        raise refuse(422, f"Could not connect to the email account: {refusal}")


def _refused(why: Added) -> Refusal:
    if why is Added.EXISTS:
        return refuse_field("email", "The email has already been taken.")
    return refuse(422, "You have reached the limit of email accounts of your plan.")


def _opened(given: wire.AddSender, *, sender_id: int, now: datetime) -> wire.Sender:
    moment = clock.rfc3339(now)
    return wire.Sender(
        id=sender_id,
        name=given.name,
        email=given.email,
        email_signature=given.email_signature,
        imap_server=given.imap_server,
        imap_port=given.imap_port,
        smtp_server=given.smtp_server,
        smtp_port=given.smtp_port,
        created_at=moment,
        updated_at=moment,
    )


def _shown(account: Account) -> wire.Sender:
    return msgspec.json.decode(account.data, type=wire.Sender)


def _whole(text: str, name: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= most):
        raise refuse_field(name, f"The {name.replace('_', ' ')} field must be between 1 and {most}.")
    return int(text[:9])
