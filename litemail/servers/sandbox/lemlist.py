"""The twin of lemlist: its API under `/{workspace id}/lemlist/api`.

As at the vendor, adding signs in to nothing that it would tell; the test tells. Each key is a team of one member. Made
up, because undocumented: the words for a full plan and for a key without one, and that the status of a mailbox is
`CONNECTED` until a test fails. As in the vendor's own examples an id begins with `umx_` where a mailbox is added and
with `usm_` where it is shown; either is taken.
"""

import base64
import binascii
import hashlib

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from litemail.kit import clock
from litemail.servers.sandbox import behaviour, by_id
from litemail.servers.sandbox import lemlist_models as wire
from litemail.servers.sandbox.app import Twin
from litemail.servers.sandbox.door import AnyRequest, Call, Door, Served, Words, is_json
from litemail.servers.sandbox.lemlist_models import Record, refuse
from litemail.servers.sandbox.store import Account, Added, MailDoor

PLATFORM = "lemlist"

_NO_ACCOUNT = "Email account not found"
_EVERY = 1_000_000
_HIGHEST_PORT = 65535
_GOOGLE = ("gmail.com", "googlemail.com")
_REFUSED = {
    Added.EXISTS: "This SMTP mailbox already exists",
    Added.FULL: "You have reached the limit of email accounts of your plan",
}


def twin() -> Twin:
    router = Router(
        f"/{{workspace_id:str}}/{PLATFORM}/api",
        route_handlers=[
            read_team,
            read_user,
            add_account,
            remove_account,
            test_account,
            start_warmup,
            pause_warmup,
        ],
        dependencies={"call": Provide(DOOR.enter)},
    )
    return Twin(PLATFORM, router, explain)


def key_of(request: AnyRequest) -> str:
    """The password of HTTP's Basic scheme, whose user name is empty."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        name, _, key = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return key if scheme.lower() == "basic" and not name else ""


DOOR = Door(
    PLATFORM,
    key_of,
    refuse,
    Words(
        wrong_key=(401, "The authentication you supplied is incorrect"),
        needs_totp=(401, "Two-factor authentication required"),
        no_paid_plan=(402, "Your plan does not include the API"),
        too_fast=(429, "Too Many Requests"),
        broken=(500, "Internal Server Error"),
        nul=(400, "Bad params"),
    ),
)


def explain(request: AnyRequest, error: Exception) -> Response[bytes]:
    """What no route handled, in the vendor's shape."""
    if isinstance(error, HTTPException):
        return refuse(error.status_code, error.detail).response()
    return behaviour.explain(request, error)


@get("/team")
async def read_team(call: Served) -> Response[bytes]:
    organisation = call.caller.organisation
    member = _member(call)
    created = clock.rfc3339(organisation.created_at)
    return call.answer(wire.Team(f"tea_{_short(organisation.id)}", organisation.name, [member], member, created))


@get("/users/{user_id:str}")
async def read_user(call: Served, user_id: FromPath[str]) -> Response[bytes]:
    if user_id != _member(call):
        raise refuse(404, "User not found")
    held = await call.sandbox.store.list_accounts(call.organisation_id, limit=_EVERY)
    owner = f"{_short(call.organisation_id)}@team.test"
    return call.answer(wire.User(user_id, owner, "admin", [_mailbox(account) for account in held]))


@post("/user/email-accounts", status_code=201)
async def add_account(call: Served) -> Response[bytes]:
    given = await _given(call)
    email = given.sender_email.lower()
    if (room := await call.room_for(email)) is not Added.ADDED:
        raise refuse(400, _REFUSED[room])
    imap, smtp = await _try(call, given)
    now = clock.now()
    number = str(by_id.number_of(call.organisation_id, email))
    await by_id.remember(call.sandbox.store, call.organisation_id, number, email=email, now=now)
    record = msgspec.json.encode(Record(number, imap, smtp))
    works = imap.success and smtp.success
    added = await call.add(Account(call.organisation_id, email, record, now, signed_in=works))
    if added is not Added.ADDED:
        raise refuse(400, _REFUSED[added])
    return call.answer(wire.Added(f"umx_{number}", given.sender_email), status=201)


@delete("/user/email-accounts/{account_id:str}", status_code=200)
async def remove_account(call: Served, account_id: FromPath[str]) -> Response[bytes]:
    account = await _find(call, account_id)
    await call.sandbox.store.remove_account(call.organisation_id, account.email)
    return call.answer(wire.Done())


@post("/user/email-accounts/{account_id:str}/test", status_code=200)
async def test_account(call: Served, account_id: FromPath[str]) -> Response[bytes]:
    account = await _find(call, account_id)
    record = _record(account)
    if not account.signed_in:
        await _change(call, account, status="ERROR")
    return call.answer(wire.Tested(smtp=record.smtp, imap=record.imap))


@post("/lemwarm/{account_id:str}/start", status_code=200)
async def start_warmup(call: Served, account_id: FromPath[str]) -> Response[bytes]:
    await _change(call, await _find(call, account_id), warming=True)
    return call.answer(wire.Done())


@post("/lemwarm/{account_id:str}/pause", status_code=200)
async def pause_warmup(call: Served, account_id: FromPath[str]) -> Response[bytes]:
    await _change(call, await _find(call, account_id), warming=False)
    return call.answer(wire.Done())


async def _given(call: Call) -> wire.AddAccount:
    if not is_json(call.request):
        raise refuse(415, "Unsupported Media Type")
    given = wire.parse(await call.request.body(), wire.AddAccount)
    hosts = (given.imap_host, given.smtp_host)
    if not all(
        (*hosts, given.sender_name, given.smtp_login, given.smtp_password, given.imap_login, given.imap_password)
    ):
        raise refuse(400, "Missing required fields")
    if any(" " in host or host.lower().endswith(_GOOGLE) for host in hosts):
        raise refuse(400, "Invalid host")
    if given.user_id not in (msgspec.UNSET, _member(call)):
        raise refuse(403, "User is not a member of this team")
    return given


async def _try(call: Call, given: wire.AddAccount) -> tuple[wire.Side, wire.Side]:
    """What IMAP and SMTP say. The first that refuses is blamed, since they are asked one after the other."""
    works = wire.Side(success=True)
    for port, blamed in ((given.imap_port, "imap"), (given.smtp_port, "smtp")):
        if not 0 < port <= _HIGHEST_PORT:
            failed = wire.Side(success=False, error=f"port {port} does not exist")
            return (failed, works) if blamed == "imap" else (works, failed)
    imap = MailDoor(given.imap_host, given.imap_port, given.imap_login, given.imap_password)
    smtp = MailDoor(given.smtp_host, given.smtp_port, given.smtp_login, given.smtp_password)
    refusal = await call.sandbox.sign_in(imap=imap, smtp=smtp)
    if refusal is None:
        return works, works
    failed = wire.Side(success=False, error=refusal)
    return (works, failed) if smtp.host in refusal and imap.host not in refusal else (failed, works)


async def _find(call: Call, account_id: str) -> Account:
    number = account_id.partition("_")[2]
    account = await by_id.find(call.sandbox.store, call.organisation_id, number)
    if account is None:
        raise refuse(404, _NO_ACCOUNT)
    return account


async def _change(call: Call, account: Account, **changes: str | bool) -> None:
    def change(data: bytes) -> bytes:
        return msgspec.json.encode(msgspec.structs.replace(msgspec.json.decode(data, type=Record), **changes))

    await call.sandbox.store.change_account(call.organisation_id, account.email, change)


def _record(account: Account) -> Record:
    return msgspec.json.decode(account.data, type=Record)


def _mailbox(account: Account) -> wire.Mailbox:
    record = _record(account)
    warming = wire.Warming(record.warming)
    return wire.Mailbox(f"usm_{record.number}", account.email, "custom", record.status, wire.Sending(), warming)


def _member(call: Call) -> str:
    return f"usr_{_short(call.organisation_id)}"


def _short(organisation_id: str) -> str:
    return hashlib.sha256(organisation_id.encode()).hexdigest()[:17]
