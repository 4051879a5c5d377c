"""The twin of Instantly: its API v2 under `/{workspace id}/instantly/api/v2`, as strict as the vendor's schema.

Like the vendor it signs in to the IMAP and SMTP of an account before it takes it. What the vendor does not document
(its words for a refused inbox, a duplicate, a full plan) is made up here; the adapter must not depend on it.
"""

import uuid
from datetime import UTC, datetime, timedelta

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.di import Provide
from litestar.params import FromPath

from litemail.kit import clock
from litemail.servers.sandbox import behaviour
from litemail.servers.sandbox import instantly_models as wire
from litemail.servers.sandbox.app import Twin
from litemail.servers.sandbox.door import Call, Served
from litemail.servers.sandbox.instantly_door import PLATFORM, body_of, enter, enter_by_cookie, explain, scope
from litemail.servers.sandbox.instantly_login import (
    choose_organisation,
    create_key,
    list_keys,
    log_in,
    organisations,
    revoke_key,
)
from litemail.servers.sandbox.instantly_models import Record, refuse
from litemail.servers.sandbox.instantly_tags import create_tag, list_tags, toggle_tag
from litemail.servers.sandbox.store import Account, Added, MailDoor, Thing

_JOB = "job"
_JOB_TAKES = timedelta(milliseconds=150)
_PAGE = 100
_NO_ACCOUNT = "Account not found"
_HIGHEST_PORT = 65535


def twin() -> Twin:
    """Its three doors: the API with keys, the web application's sign-in, and the API with that sign-in's cookie."""
    key_routes = (create_key, list_keys, revoke_key)
    api = Router(
        "/api/v2",
        route_handlers=[
            add_account,
            list_accounts,
            read_account,
            change_account,
            remove_account,
            enable_warmup,
            disable_warmup,
            read_job,
            read_workspace,
            create_tag,
            list_tags,
            toggle_tag,
            *key_routes,
        ],
        dependencies={"call": Provide(enter)},
    )
    backend = Router(
        "/backend/api/v2", route_handlers=list(key_routes), dependencies={"call": Provide(enter_by_cookie)}
    )
    root = f"/{{workspace_id:str}}/{PLATFORM}"
    router = Router(root, route_handlers=[api, backend, log_in, organisations, choose_organisation])
    return Twin(PLATFORM, router, explain)


@post("/accounts", status_code=200, opt=scope("accounts:create"))
async def add_account(call: Served) -> Response[bytes]:
    given = await body_of(call.request, wire.CreateAccount)
    email = given.email.lower()
    if (room := await call.room_for(email)) is not Added.ADDED:
        raise _refused(room)
    await _sign_in(call, given)
    now = clock.now()
    record = Record(_opened(given, organisation_id=call.organisation_id, now=now))
    added = await call.add(Account(call.organisation_id, email, msgspec.json.encode(record), now))
    if added is not Added.ADDED:
        raise _refused(added)
    return call.answer(record.account)


@get("/accounts", opt=scope("accounts:read"))
async def list_accounts(call: Served) -> Response[bytes]:
    query = call.request.query_params
    limit = _whole(query.get("limit", "10"), "limit", 1, _PAGE)
    found = await call.sandbox.store.list_accounts(
        call.organisation_id,
        search=query.get("search", ""),
        after=_cursor(query.get("starting_after", "")),
        limit=limit,
    )
    # As at the vendor a cursor may come with the last page too: here whenever a page is full.
    last = found[-1] if len(found) == limit else None
    cursor = f"{clock.rfc3339(last.created_at)}&{last.email}" if last else msgspec.UNSET
    return call.answer(wire.Accounts([_record(account.data).account for account in found], cursor))


@get("/accounts/{email:str}", opt=scope("accounts:read"))
async def read_account(call: Served, email: FromPath[str]) -> Response[bytes]:
    found = await call.sandbox.store.find_account(call.organisation_id, email.lower())
    if found is None:
        raise refuse(404, _NO_ACCOUNT)
    return call.answer(_record(found.data).account)


@patch("/accounts/{email:str}", status_code=200, opt=scope("accounts:update"))
async def change_account(call: Served, email: FromPath[str]) -> Response[bytes]:
    changes = await body_of(call.request, wire.PatchAccount)
    fields = {
        name: value for name in changes.__struct_fields__ if (value := getattr(changes, name)) is not msgspec.UNSET
    }
    if not fields:
        raise refuse(400, "body must NOT have fewer than 1 properties")
    fields.pop("skip_cname_check", None)
    if fields.pop("remove_tracking_domain", False):
        fields |= {"tracking_domain_name": None, "tracking_domain_status": None}
    now = clock.rfc3339(clock.now())

    def change(data: bytes) -> bytes:
        record = _record(data)
        account = msgspec.structs.replace(record.account, timestamp_updated=now, **fields)
        return msgspec.json.encode(Record(account, record.tag_ids))

    changed = await call.sandbox.store.change_account(call.organisation_id, email.lower(), change)
    if changed is None:
        raise refuse(404, _NO_ACCOUNT)
    return call.answer(_record(changed.data).account)


@delete("/accounts/{email:str}", status_code=200, opt=scope("accounts:delete"))
async def remove_account(call: Served, email: FromPath[str]) -> Response[bytes]:
    removed = await call.sandbox.store.remove_account(call.organisation_id, email.lower())
    if removed is None:
        raise refuse(404, _NO_ACCOUNT)
    return call.answer(_record(removed.data).account)


@post("/accounts/warmup/enable", status_code=200, opt=scope("accounts:update"))
async def enable_warmup(call: Served) -> Response[bytes]:
    return await _switch_warmup(call, on=True)


@post("/accounts/warmup/disable", status_code=200, opt=scope("accounts:update"))
async def disable_warmup(call: Served) -> Response[bytes]:
    return await _switch_warmup(call, on=False)


@get("/background-jobs/{job_id:str}", opt=scope("background-jobs:read"))
async def read_job(call: Served, job_id: FromPath[str]) -> Response[bytes]:
    job = await call.sandbox.store.find(call.organisation_id, _JOB, job_id)
    if job is None:
        raise refuse(404, "Background job not found")
    return call.answer(_job(job))


@get("/workspaces/current", opt=scope("workspaces:read"))
async def read_workspace(call: Served) -> Response[bytes]:
    organisation = call.caller.organisation
    created = clock.rfc3339(organisation.created_at)
    owner = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{organisation.workspace_id}/{organisation.login}"))
    return call.answer(wire.Workspace(organisation.id, created, created, owner, organisation.name))


async def _sign_in(call: Call, given: wire.CreateAccount) -> None:
    imap = MailDoor(given.imap_host, _port(given.imap_port, "imap"), given.imap_username, given.imap_password)
    smtp = MailDoor(given.smtp_host, _port(given.smtp_port, "smtp"), given.smtp_username, given.smtp_password)
    if refusal := await call.sandbox.sign_in(imap=imap, smtp=smtp):
        raise refuse(400, f"Could not sign in: {refusal}")


def _port(number: float, side: str) -> int:
    if number != int(number) or not 0 < number <= _HIGHEST_PORT:
        raise refuse(400, f"Could not sign in: {side.upper()} port {number} does not exist")
    return int(number)


def _refused(why: Added) -> behaviour.Refusal:
    if why is Added.EXISTS:
        return refuse(400, "Account already exists")
    return refuse(400, "Account limit of your plan reached")


def _opened(given: wire.CreateAccount, *, organisation_id: str, now: datetime) -> wire.Account:
    return wire.Account(
        email=given.email,
        timestamp_created=clock.rfc3339(now),
        timestamp_updated=clock.rfc3339(now),
        first_name=given.first_name,
        last_name=given.last_name,
        organization=organisation_id,
        provider_code=given.provider_code,
        warmup=given.warmup,
        daily_limit=given.daily_limit,
        tracking_domain_name=given.tracking_domain_name,
        tracking_domain_status=given.tracking_domain_status,
        enable_slow_ramp=given.enable_slow_ramp,
        inbox_placement_test_limit=given.inbox_placement_test_limit,
        sending_gap=given.sending_gap,
        signature=given.signature,
        reply_to=given.reply_to or None,
    )


async def _switch_warmup(call: Call, *, on: bool) -> Response[bytes]:
    given = await body_of(call.request, wire.SwitchWarmup)
    now = clock.now()
    emails = {email.lower() for email in given.emails}
    if given.include_all_emails:
        excluded = {email.lower() for email in given.excluded_emails}
        held = await call.sandbox.store.list_accounts(call.organisation_id, search=given.search, limit=1_000_000)
        emails = {account.email for account in held} - excluded

    def change(data: bytes) -> bytes:
        record = _record(data)
        account = msgspec.structs.replace(
            record.account,
            warmup_status=1 if on else 0,
            timestamp_warmup_start=clock.rfc3339(now) if on else record.account.timestamp_warmup_start,
            timestamp_updated=clock.rfc3339(now),
        )
        return msgspec.json.encode(Record(account, record.tag_ids))

    for email in sorted(emails):
        await call.sandbox.store.change_account(call.organisation_id, email, change)
    job = Thing(call.organisation_id, _JOB, str(uuid.uuid4()), b"{}", now)
    await call.sandbox.store.put(job)
    return call.answer(_job(job))


def _job(job: Thing) -> wire.Job:
    done = clock.now() - job.created_at >= _JOB_TAKES
    created = clock.rfc3339(job.created_at)
    return wire.Job(
        id=job.id,
        workspace_id=job.organisation_id,
        type="update-warmup-accounts",
        progress=100 if done else 0,
        status="success" if done else "pending",
        created_at=created,
        updated_at=created,
    )


def _record(data: bytes) -> Record:
    return msgspec.json.decode(data, type=Record)


def _whole(text: str, name: str, least: int, most: int) -> int:
    if not (text.isascii() and text.lstrip("-").isdigit()):
        raise refuse(400, f"querystring/{name} must be integer")
    number = int(text[:9])
    if number < least:
        raise refuse(400, f"querystring/{name} must be >= {least}")
    if number > most:
        raise refuse(400, f"querystring/{name} must be <= {most}")
    return number


def _cursor(text: str) -> tuple[datetime, str] | None:
    if not text:
        return None
    moment, _, email = text.partition("&")
    try:
        return datetime.fromisoformat(moment).astimezone(UTC), email
    except ValueError:
        raise refuse(400, "querystring/starting_after must be a cursor") from None
