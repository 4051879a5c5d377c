"""The twin of Smartlead: its API v1 under `/{workspace id}/smartlead/api/v1`, and its sign-in.

Like the vendor it signs in to the IMAP and SMTP of an account before it takes it. What the vendor does not document
(a full plan, a second factor, a plan without API) is made up here; the adapter must not depend on it.
"""

from datetime import datetime

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.di import Provide
from litestar.params import FromPath

from litemail.kit import clock
from litemail.servers.sandbox import by_id
from litemail.servers.sandbox import smartlead_models as wire
from litemail.servers.sandbox.app import Twin
from litemail.servers.sandbox.behaviour import Refusal
from litemail.servers.sandbox.door import Call, Served
from litemail.servers.sandbox.smartlead_door import PLATFORM, body_of, enter, explain, log_in, user_id
from litemail.servers.sandbox.smartlead_models import Record, refuse, refuse_account
from litemail.servers.sandbox.smartlead_tags import create_tag, list_tags, map_tags
from litemail.servers.sandbox.store import Account, Added, MailDoor

_PAGE = 100
_ALL = 1_000_000
_LONGEST_ID = 19
_SAVED = "Email account added/updated successfully!"


def twin() -> Twin:
    api = Router(
        "/api/v1",
        route_handlers=[
            save_account,
            list_accounts,
            read_by_address,
            read_account,
            change_account,
            remove_account,
            change_warmup,
            create_tag,
            list_tags,
            map_tags,
        ],
        dependencies={"call": Provide(enter)},
    )
    router = Router(f"/{{workspace_id:str}}/{PLATFORM}", route_handlers=[api, log_in])
    return Twin(PLATFORM, router, explain)


@post("/email-accounts/save", status_code=200)
async def save_account(call: Served) -> Response[bytes]:
    """Adds an account, or with an `id` replaces what is known of it."""
    given = await body_of(call.request, wire.SaveAccount)
    if given.id is not None:
        return await _save_again(call, given, given.id)
    email = given.from_email.lower()
    if (room := await call.room_for(email)) is not Added.ADDED:
        raise _refused(call, email, room)
    await _sign_in(call, given)
    now, account_id = clock.now(), by_id.number_of(call.organisation_id, email)
    shown = _opened(given, account_id=account_id, user=user_id(call.organisation_id), now=now)
    await by_id.remember(call.sandbox.store, call.organisation_id, str(account_id), email=email, now=now)
    added = await call.add(Account(call.organisation_id, email, msgspec.json.encode(Record(shown)), now))
    if added is not Added.ADDED:
        raise _refused(call, email, added)
    return call.answer(wire.Added(True, "Email account added successfully", shown))


@get("/email-accounts")
async def list_accounts(call: Served) -> Response[bytes]:
    query = call.request.query_params
    offset = _whole(query.get("offset", "0"), "offset", 0, _ALL)
    limit = _whole(query.get("limit", str(_PAGE)), "limit", 1, _PAGE)
    wanted = query.get("username", "").lower()
    held = await call.sandbox.store.list_accounts(call.organisation_id, limit=_ALL if wanted else offset + limit)
    shown = [account for account in map(_shown, held) if wanted in account.username.lower()]
    return call.answer(shown[offset : offset + limit])


@get("/email-accounts/fetch-email-account-details")
async def read_by_address(call: Served) -> Response[bytes]:
    email = call.request.query_params.get("email", "")
    if "@" not in email:
        raise _bad_query("email", "must be a valid email")
    found = await call.sandbox.store.find_account(call.organisation_id, email.lower())
    if found is None:
        raise refuse(404, "Email account not found")
    return call.answer(_shown(found))


@get("/email-accounts/{account_id:str}")
async def read_account(call: Served, account_id: FromPath[str]) -> Response[bytes]:
    return call.answer(_shown(await _find(call, account_id)))


@post("/email-accounts/{account_id:str}", status_code=200)
async def change_account(call: Served, account_id: FromPath[str]) -> Response[bytes]:
    given = await body_of(call.request, wire.ChangeAccount)
    fields = {name: value for name in _CHANGEABLE if (value := getattr(given, name)) is not msgspec.UNSET}
    if given.max_email_per_day is not msgspec.UNSET:
        fields["message_per_day"] = given.max_email_per_day
    await _change(call, account_id, **fields)
    return call.answer(wire.Done(True))


@delete("/email-accounts/{account_id:str}", status_code=200)
async def remove_account(call: Served, account_id: FromPath[str]) -> Response[bytes]:
    found = await _find(call, account_id)
    await call.sandbox.store.remove_account(call.organisation_id, found.email)
    return call.answer(wire.Updated(True, "Email account deleted successfully!", int(account_id)))


@post("/email-accounts/{account_id:str}/warmup", status_code=200)
async def change_warmup(call: Served, account_id: FromPath[str]) -> Response[bytes]:
    given = await body_of(call.request, wire.ChangeWarmup)
    await _change(call, account_id, warmup_details=_warmup(on=given.warmup_enabled))
    return call.answer(wire.Updated(True, "Email warmup details updated successfully!", int(account_id)))


_CHANGEABLE = ("from_name", "client_id", "is_suspended")


async def _save_again(call: Call, given: wire.SaveAccount, account_id: int) -> Response[bytes]:
    found = await _find(call, str(account_id))
    await _sign_in(call, given)
    before = _shown(found)
    fresh = _opened(given, account_id=account_id, user=before.user_id, now=found.created_at)
    kept = {} if given.max_email_per_day is not msgspec.UNSET else {"message_per_day": before.message_per_day}
    fields = {name: getattr(fresh, name) for name in _SAVED_AGAIN} | kept
    await _change(call, str(account_id), **fields)
    return call.answer(wire.Updated(True, _SAVED, account_id))


_SAVED_AGAIN = (
    "from_name",
    "username",
    "smtp_host",
    "smtp_port",
    "imap_host",
    "imap_port",
    "type",
    "message_per_day",
    "warmup_details",
)


async def _find(call: Call, account_id: str) -> Account:
    if not (account_id.isascii() and account_id.isdigit() and len(account_id) <= _LONGEST_ID):
        raise _bad_query("account_id", "must be a number", source="params")
    found = await by_id.find(call.sandbox.store, call.organisation_id, account_id)
    if found is None:
        raise refuse_account(404, "Email account not found!", code="ACCOUNT_NOT_FOUND", account_id=int(account_id))
    return found


async def _change(call: Call, account_id: str, **fields: object) -> None:
    found = await _find(call, account_id)
    now = clock.rfc3339(clock.now())

    def change(data: bytes) -> bytes:
        record = msgspec.json.decode(data, type=Record)
        account = msgspec.structs.replace(record.account, updated_at=now, **fields)
        return msgspec.json.encode(Record(account, record.tag_ids))

    await call.sandbox.store.change_account(call.organisation_id, found.email, change)


async def _sign_in(call: Call, given: wire.SaveAccount) -> None:
    """The newer refusal tells which side it was, the older one does not."""
    user, password = given.imap_user_name or given.user_name, given.imap_password or given.password
    imap = MailDoor(given.imap_host, given.imap_port, user, password)
    smtp = MailDoor(given.smtp_host, given.smtp_port, given.user_name, given.password)
    refusal = await call.sandbox.sign_in(imap=imap, smtp=smtp)
    if refusal is None:
        return
    if "smtp" in refusal.lower():
        raise refuse_account(400, "SMTP connection failed", error=refusal)
    raise refuse_account(
        400, "Email account verification failed. Please verify account details.", code="ACCOUNT_VERIFICATION_FAILED"
    )


def _refused(call: Call, email: str, why: Added) -> Refusal:
    if why is Added.EXISTS:
        return refuse_account(
            400,
            "Email account already exist. Please pass id to update it",
            code="ACCOUNT_ALREADY_EXIST",
            account_id=by_id.number_of(call.organisation_id, email),
        )
    return refuse_account(400, "Your plan has no room for more email accounts")


def _opened(given: wire.SaveAccount, *, account_id: int, user: int, now: datetime) -> wire.Account:
    limit = given.max_email_per_day
    moment = clock.rfc3339(now)
    account = wire.Account(
        id=account_id,
        created_at=moment,
        updated_at=moment,
        user_id=user,
        from_name=given.from_name,
        from_email=given.from_email,
        username=given.user_name,
        smtp_host=given.smtp_host,
        smtp_port=given.smtp_port,
        imap_host=given.imap_host,
        imap_port=given.imap_port,
        type=given.type,
        client_id=given.client_id,
        is_suspended=given.is_suspended,
        warmup_details=_warmup(on=given.warmup_enabled),
    )
    return account if limit is msgspec.UNSET else msgspec.structs.replace(account, message_per_day=limit)


def _warmup(*, on: bool) -> wire.WarmupDetails:
    return wire.WarmupDetails("ACTIVE" if on else "INACTIVE")


def _shown(account: Account) -> wire.Account:
    return msgspec.json.decode(account.data, type=Record).account


def _whole(text: str, name: str, least: int, most: int) -> int:
    if not (text.isascii() and text.lstrip("-").isdigit()):
        raise refuse(422, f"{name} must be a number")
    number = int(text[:9])
    if number < least:
        raise refuse(422, f"{name} must be greater than or equal to {least}")
    if number > most:
        raise refuse(422, f"{name} must be less than or equal to {most}")
    return number


def _bad_query(name: str, complaint: str, *, source: str = "query") -> Refusal:
    """As the vendor's check of parameters answers, other than that of its bodies."""
    body = wire.BadQuery(400, "Bad Request", f'"{name}" {complaint}', wire.Validation(source, [name]))
    return Refusal(400, msgspec.json.encode(body))
