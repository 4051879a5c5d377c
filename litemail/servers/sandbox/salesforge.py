"""The twin of Salesforge: its API v2 under `/{workspace id}/salesforge/public/v2`.

Like the vendor it signs in to IMAP and SMTP before it takes a mailbox, which is then `pending` for a moment. Each key
is an account with one workspace. Made up, because undocumented: the words of refusals, 409 for an address that it has,
the highest daily limit of a workspace, and 402 for a key without a plan. Of connection settings it tries what comes
with both legs; it keeps no passwords that it could try one leg with.
"""

from datetime import timedelta

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from litemail.kit import clock
from litemail.servers.sandbox import behaviour, by_id
from litemail.servers.sandbox import salesforge_models as wire
from litemail.servers.sandbox.app import Twin
from litemail.servers.sandbox.door import AnyRequest, Call, Door, Served, Words, is_json
from litemail.servers.sandbox.salesforge_models import Shape, refuse
from litemail.servers.sandbox.store import Account, Added, MailDoor

PLATFORM = "salesforge"

_PENDING = timedelta(milliseconds=200)
_PAGE = 10
_EVERY = 1_000_000
_HIGHEST_LIMIT = 100
_REFUSED = {
    Added.EXISTS: (409, "mailbox with this address is already connected or being connected"),
    Added.FULL: (400, "mailbox limit of your plan is reached"),
}


def twin() -> Twin:
    router = Router(
        f"/{{workspace_id:str}}/{PLATFORM}/public/v2",
        route_handlers=[
            read_me,
            list_workspaces,
            connect_mailbox,
            list_mailboxes,
            read_mailbox,
            change_mailbox,
            change_connection,
            remove_mailbox,
        ],
        dependencies={"call": Provide(DOOR.enter)},
    )
    return Twin(PLATFORM, router, explain)


def key_of(request: AnyRequest) -> str:
    """The header as it is: a scheme before the key makes it another, which is wrong."""
    key = request.headers.get("authorization", "")
    return "" if " " in key else key


DOOR = Door(
    PLATFORM,
    key_of,
    refuse,
    Words(
        wrong_key=(401, "invalid API key"),
        needs_totp=(401, "two-factor authentication required"),
        no_paid_plan=(402, "insufficient credits"),
        too_fast=(429, "too many requests"),
        broken=(500, "internal server error"),
        nul=(400, "invalid request"),
    ),
)


def explain(request: AnyRequest, error: Exception) -> Response[bytes]:
    """What no route handled, in the vendor's shape."""
    if isinstance(error, HTTPException):
        return refuse(error.status_code, error.detail).response()
    return behaviour.explain(request, error)


@get("/me")
async def read_me(call: Served) -> Response[bytes]:
    return call.answer(wire.Me(account_id=_account_id(call), api_key_name=call.caller.organisation.name))


@get("/workspaces")
async def list_workspaces(call: Served) -> Response[bytes]:
    organisation = call.caller.organisation
    only = wire.Workspace(
        id=organisation.id,
        account_id=_account_id(call),
        name=organisation.name,
        slug=organisation.name.lower().replace(" ", "-"),
    )
    limit, offset = _window(call)
    return call.answer(wire.Workspaces(data=[only][offset : offset + limit], limit=limit, offset=offset, total=1))


@post("/workspaces/{place:str}/mailboxes", status_code=201)
async def connect_mailbox(call: Served, place: FromPath[str]) -> Response[bytes]:
    _enter_workspace(call, place)
    given = await _given(call, wire.ConnectMailbox)
    _require(address=given.address, firstName=given.first_name, lastName=given.last_name)
    if given.daily_email_limit > _HIGHEST_LIMIT:
        raise refuse(400, f"dailyEmailLimit must not be above {_HIGHEST_LIMIT}, the limit of the workspace")
    email = given.address.lower()
    if (room := await call.room_for(email)) is not Added.ADDED:
        raise refuse(*_REFUSED[room])
    await _verify(call, given.imap, given.smtp)
    now = clock.now()
    mailbox_id = f"mbox_{by_id.number_of(call.organisation_id, email):x}"
    mailbox = wire.Mailbox(
        id=mailbox_id,
        address=given.address,
        first_name=given.first_name,
        last_name=given.last_name,
        daily_email_limit=given.daily_email_limit,
        signature=given.signature,
        tracking_domain=given.tracking_domain,
    )
    await by_id.remember(call.sandbox.store, call.organisation_id, mailbox_id, email=email, now=now)
    added = await call.add(Account(call.organisation_id, email, msgspec.json.encode(mailbox), now))
    if added is not Added.ADDED:
        raise refuse(*_REFUSED[added])
    return call.answer(mailbox, status=201)


@get("/workspaces/{place:str}/mailboxes")
async def list_mailboxes(call: Served, place: FromPath[str]) -> Response[bytes]:
    _enter_workspace(call, place)
    query = call.request.query_params
    limit, offset = _window(call)
    wanted = {address.lower() for address in query.getall("addresses[]", [])}
    statuses = set(query.getall("statuses[]", []))
    held = await call.sandbox.store.list_accounts(call.organisation_id, search=query.get("search", ""), limit=_EVERY)
    found = [
        mailbox
        for mailbox in map(_shown, held)
        if (not wanted or mailbox.address.lower() in wanted) and (not statuses or mailbox.status in statuses)
    ]
    page = found[offset : offset + limit]
    return call.answer(wire.Mailboxes(data=page, limit=limit, offset=offset, total=len(found)))


@get("/workspaces/{place:str}/mailboxes/{mailbox_id:str}")
async def read_mailbox(call: Served, place: FromPath[str], mailbox_id: FromPath[str]) -> Response[bytes]:
    return call.answer(_shown(await _find(call, place, mailbox_id)))


@patch("/workspaces/{place:str}/mailboxes/{mailbox_id:str}", status_code=200)
async def change_mailbox(call: Served, place: FromPath[str], mailbox_id: FromPath[str]) -> Response[bytes]:
    account = await _find(call, place, mailbox_id)
    given = await _given(call, wire.ChangeMailbox)
    fields = {name: value for name in given.__struct_fields__ if (value := getattr(given, name)) is not msgspec.UNSET}

    def change(data: bytes) -> bytes:
        return msgspec.json.encode(msgspec.structs.replace(_mailbox(data), **fields))

    changed = await call.sandbox.store.change_account(call.organisation_id, account.email, change)
    if changed is None:
        raise _no_mailbox()
    return call.answer(_shown(changed))


@patch("/workspaces/{place:str}/mailboxes/{mailbox_id:str}/connection-settings", status_code=200)
async def change_connection(call: Served, place: FromPath[str], mailbox_id: FromPath[str]) -> Response[bytes]:
    await _find(call, place, mailbox_id)
    given = await _given(call, wire.ChangeLegs)
    if isinstance(given.imap, wire.Leg) and isinstance(given.smtp, wire.Leg):
        await _verify(call, given.imap, given.smtp)
    return call.done()


@delete("/workspaces/{place:str}/mailboxes/{mailbox_id:str}", status_code=200)
async def remove_mailbox(call: Served, place: FromPath[str], mailbox_id: FromPath[str]) -> Response[bytes]:
    account = await _find(call, place, mailbox_id)
    await call.sandbox.store.remove_account(call.organisation_id, account.email)
    return call.done()


def _enter_workspace(call: Call, workspace: str) -> None:
    if workspace != call.organisation_id:
        raise refuse(404, "workspace not found")


async def _given(call: Call, shape: type[Shape]) -> Shape:
    if not is_json(call.request):
        raise refuse(415, "unsupported media type")
    return wire.parse(await call.request.body(), shape)


def _require(**fields: str) -> None:
    """An empty text is none."""
    for name, text in fields.items():
        if not text:
            raise refuse(400, f"{name} is required")


async def _verify(call: Call, imap: wire.Leg, smtp: wire.Leg) -> None:
    for side, leg in (("imap", imap), ("smtp", smtp)):
        _require(**{f"{side}.host": leg.host, f"{side}.username": leg.username, f"{side}.password": leg.password})
    refusal = await call.sandbox.sign_in(imap=_door(imap), smtp=_door(smtp))
    if refusal:
        raise refuse(400, f"failed to verify IMAP and SMTP: {refusal}")


def _door(leg: wire.Leg) -> MailDoor:
    return MailDoor(leg.host, leg.port, leg.username, leg.password)


async def _find(call: Call, workspace: str, mailbox_id: str) -> Account:
    _enter_workspace(call, workspace)
    account = await by_id.find(call.sandbox.store, call.organisation_id, mailbox_id)
    if account is None:
        raise _no_mailbox()
    return account


def _no_mailbox() -> behaviour.Refusal:
    return refuse(404, "mailbox not found")


def _mailbox(data: bytes) -> wire.Mailbox:
    return msgspec.json.decode(data, type=wire.Mailbox)


def _shown(account: Account) -> wire.Mailbox:
    mailbox = _mailbox(account.data)
    works = clock.now() - account.created_at >= _PENDING
    return msgspec.structs.replace(mailbox, status="active") if works else mailbox


def _window(call: Call) -> tuple[int, int]:
    query = call.request.query_params
    limit, offset = query.get("limit", str(_PAGE)), query.get("offset", "0")
    if not all(text.isascii() and text.isdigit() for text in (limit, offset)):
        raise refuse(400, "limit and offset must be numbers")
    return int(limit[:9]), int(offset[:9])


def _account_id(call: Call) -> str:
    return f"acc_{call.organisation_id.partition('-')[0]}"
