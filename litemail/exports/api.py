"""Routes of exports; and of deleting a platform account, which takes back what was handed to it."""

from collections.abc import Mapping

from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Stream

from litemail.exports import automatic, files, service
from litemail.exports.intake import Wanted
from litemail.exports.queries import ExportStatus
from litemail.exports.schemas import (
    Automatic,
    AutomaticUpdate,
    Export,
    ExportCreate,
    Item,
    ItemStatus,
    show_automatic,
    show_export,
    show_item,
    statuses_of,
)
from litemail.kit.actor import Actor, Mode, requires
from litemail.kit.db import Database, Tx
from litemail.kit.outbound import Guard
from litemail.kit.pagination import Page, PageRequest
from litemail.kit.secrets import Secrets
from litemail.kit.wire import Given, operation
from litemail.mailboxes import MailAccess
from litemail.providers.platform import Registry

_GROUP = "Exports"
_BEGUN = "2026-01-29T18:41:56.867Z"
_ACCOUNT_ID = "pfa_01k5m3v8w0e3t9f7a2b4c6d8eg"
REQUEST_EXAMPLE = {
    "destination": "instantly",
    "platform_account_id": _ACCOUNT_ID,
    "filter": {"tags": ["spring"]},
    "options": {"daily_limit": 30, "warmup": True, "tags": ["litemail"]},
}
EXAMPLE = {
    "id": "exp_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "destination": "instantly",
    "layout": None,
    "platform_account_id": _ACCOUNT_ID,
    "automatic": False,
    "status": "completed",
    "total": 200,
    "succeeded": 198,
    "failed": 0,
    "skipped": 2,
    "cancelled": 0,
    "created_at": _BEGUN,
    "finished_at": "2026-01-29T18:42:31.204Z",
    "revoked_at": None,
}
NEW_EXAMPLE = {**EXAMPLE, "status": "queued", "succeeded": 0, "finished_at": None}
ITEM_EXAMPLE = {
    "mailbox_id": "mbx_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "email": "caroline@getbrandmerge.com",
    "status": "succeeded",
    "stage": None,
    "already": False,
    "error": None,
    "updated_at": "2026-01-29T18:42:01.190Z",
}
AUTOMATIC_EXAMPLE = {
    "platform_account_id": _ACCOUNT_ID,
    "filter": {"all": True},
    "options": {"daily_limit": 30, "warmup": True, "tags": []},
    "enabled": True,
    "since": _BEGUN,
}
_REFUSALS = (
    "platform.unknown",
    "sandbox.no_twin",
    "export.unknown_layout",
    "mailhost.not_public",
)


@post(
    "/exports",
    status_code=202,
    **operation(
        "Export mailboxes to a sending platform or into a file",
        description="Which mailboxes is settled at once, from the filter; the rest goes on by itself. A platform gets "
        "an app password for each mailbox, the same one at every export, and what it has already is updated. A file "
        "gets passwords of its own. `destination` is a platform type, `csv` or `xlsx` (up to 50,000 mailboxes); "
        "platforms that take no inboxes through an API get a CSV file. `layout`: instantly, smartlead, emailbison, "
        "woodpecker, reply_io, lemlist, brandjet, generic; every other platform type stands for generic. Also needs "
        "the scope `mailboxes:credentials`.",
        group=_GROUP,
        scope=requires("exports:write", "mailboxes:credentials"),
        errors=(*_REFUSALS, "export.nothing_matches", "export.too_many_for_xlsx", "export.layout_limit"),
        example=NEW_EXAMPLE,
        request_example=REQUEST_EXAMPLE,
    ),
)
async def create_export(
    data: JSONBody[ExportCreate],
    tx: Given[Tx],
    platforms: Given[Registry],
    guards: Given[Mapping[Mode, Guard]],
    mail_access: Given[MailAccess],
) -> Export:
    wanted = Wanted(
        destination=data.destination,
        platform_account_id=data.platform_account_id,
        layout=data.layout,
        filter=data.filter.filter(),
        options=data.options.options(),
    )
    return show_export(await service.create(tx, wanted, platforms=platforms, guards=guards, mail_access=mail_access))


@get(
    "/exports",
    **operation(
        "List exports",
        description="Newest first.",
        group=_GROUP,
        scope=requires("exports:read"),
        errors=("request.bad_cursor",),
        example={"data": [EXAMPLE], "next_cursor": None},
    ),
)
async def list_exports(
    tx: Given[Tx], page_request: Given[PageRequest], status: FromQuery[ExportStatus | None] = None
) -> Page[Export]:
    return (await service.list_(tx, page_request, status=status)).map(show_export)


@get(
    "/exports/{export_id:str}",
    **operation(
        "Get an export",
        group=_GROUP,
        scope=requires("exports:read"),
        errors=("export.not_found",),
        example=EXAMPLE,
    ),
)
async def get_export(export_id: FromPath[str], tx: Given[Tx]) -> Export:
    return show_export(await service.get(tx, export_id))


@get(
    "/exports/{export_id:str}/items",
    **operation(
        "List the mailboxes of an export",
        description="Oldest mailbox first.",
        group=_GROUP,
        scope=requires("exports:read"),
        errors=("export.not_found", "request.bad_cursor"),
        example={"data": [ITEM_EXAMPLE], "next_cursor": None},
    ),
)
async def list_items(
    export_id: FromPath[str],
    tx: Given[Tx],
    page_request: Given[PageRequest],
    status: FromQuery[ItemStatus | None] = None,
) -> Page[Item]:
    found = await service.list_items(tx, export_id, page_request, statuses=statuses_of(status))
    return found.map(show_item)


@get(
    "/exports/{export_id:str}/file",
    media_type=files.CSV,
    **operation(
        "Download the file of an export",
        description="CSV or XLSX, with the passwords made for this export. It is written while you read it. Every "
        "download leaves an audit line.",
        group=_GROUP,
        scope=requires("exports:read", "mailboxes:credentials"),
        errors=("export.not_found", "export.no_file", "export.not_finished", "export.revoked", "mailhost.not_public"),
        example="from_name,from_email,smtp_host,smtp_port,smtp_username,smtp_password,imap_host,imap_port,"
        "imap_username,imap_password\r\n",
        also=files.XLSX,
    ),
)
async def download_file(
    export_id: FromPath[str],
    actor: Given[Actor],
    database: Given[Database],
    guards: Given[Mapping[Mode, Guard]],
    mail_access: Given[MailAccess],
    secrets: Given[Secrets],
) -> Stream:
    # Not the request's transaction: that would be held as long as the client reads.
    async with database.begin(actor) as tx:
        file = await files.open_(tx, export_id, guards=guards, mail_access=mail_access)
    return Stream(
        files.write(file, database=database, actor=actor, secrets=secrets),
        headers={
            "content-type": file.media_type,
            "content-disposition": f'attachment; filename="{file.name}"',
            "cache-control": "no-store",
        },
    )


@post(
    "/exports/{export_id:str}/retry",
    status_code=202,
    **operation(
        "Try the failed mailboxes of an export again",
        group=_GROUP,
        scope=requires("exports:write", "mailboxes:credentials"),
        errors=("export.not_found", "export.not_finished", "export.nothing_to_retry", "platform_account.deleted"),
        example=NEW_EXAMPLE,
    ),
)
async def retry_export(export_id: FromPath[str], tx: Given[Tx]) -> Export:
    return show_export(await service.retry(tx, export_id))


@delete(
    "/exports/{export_id:str}",
    status_code=200,
    **operation(
        "Cancel an export, or revoke its file",
        description="What is queued is cancelled; what the platform is adding just now ends as it ends. All passwords "
        "made for a file are revoked, also after it was downloaded: nothing in it opens a mailbox any more.",
        group=_GROUP,
        scope=requires("exports:write"),
        errors=("export.not_found", "export.already_finished"),
        example={**EXAMPLE, "status": "cancelled", "succeeded": 120, "skipped": 0, "cancelled": 80},
    ),
)
async def cancel_export(export_id: FromPath[str], tx: Given[Tx]) -> Export:
    return show_export(await service.cancel(tx, export_id))


@get(
    "/exports/auto",
    **operation(
        "Get the rule for automatic exports",
        group=_GROUP,
        scope=requires("exports:read"),
        example=AUTOMATIC_EXAMPLE,
    ),
)
async def get_automatic(tx: Given[Tx]) -> Automatic:
    return show_automatic(await automatic.get(tx))


@put(
    "/exports/auto",
    status_code=200,
    **operation(
        "Set the rule for automatic exports",
        description="Every mailbox that becomes active from now on, and matches, is exported to the platform account. "
        "A workspace has one rule; setting another replaces it. Also needs the scope `mailboxes:credentials`.",
        group=_GROUP,
        scope=requires("exports:write", "mailboxes:credentials"),
        errors=_REFUSALS,
        example=AUTOMATIC_EXAMPLE,
        request_example={"platform_account_id": _ACCOUNT_ID, "filter": {"all": True}, "enabled": True},
    ),
)
async def set_automatic(
    data: JSONBody[AutomaticUpdate],
    tx: Given[Tx],
    platforms: Given[Registry],
    guards: Given[Mapping[Mode, Guard]],
    mail_access: Given[MailAccess],
) -> Automatic:
    rule = await automatic.put(
        tx,
        data.platform_account_id,
        data.filter.filter(),
        data.options.options(),
        enabled=data.enabled,
        platforms=platforms,
        guards=guards,
        mail_access=mail_access,
    )
    return show_automatic(rule)


@delete(
    "/exports/accounts/{account_id:str}",
    **operation(
        "Delete a stored login",
        description="Its secrets are erased, exports to it are cancelled, and the app passwords that it was handed are "
        "revoked. The inboxes stay at the platform, where they stop working.",
        group="Platforms",
        scope=requires("exports:write"),
        errors=("platform_account.not_found",),
    ),
)
async def delete_account(account_id: FromPath[str], tx: Given[Tx]) -> None:
    await service.delete_account(tx, account_id)


ROUTES: list[HTTPRouteHandler] = [
    create_export,
    list_exports,
    get_automatic,
    set_automatic,
    get_export,
    list_items,
    download_file,
    retry_export,
    cancel_export,
    delete_account,
]
