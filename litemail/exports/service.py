"""Use cases of exports: begin, look, try again, cancel, revoke."""

from collections.abc import Mapping

from litemail import mailboxes
from litemail import platforms as platform_accounts
from litemail.exports import automatic_queries, queries
from litemail.exports.intake import FILES, NotActive, Target, Wanted, check
from litemail.exports.layouts import LAYOUTS, check_size
from litemail.exports.queries import Export, ExportStatus, Item
from litemail.kit import ids
from litemail.kit.actor import Actor, Mode
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.outbound import Guard
from litemail.kit.pagination import Page, PageRequest, page
from litemail.mailboxes import MailAccess
from litemail.platforms import WorkStatus
from litemail.providers.platform import Registry

MOST_IN_XLSX = 50_000


class ExportNotFound(Error):
    kind = Kind.NOT_FOUND
    code = "export.not_found"
    message = "There is no export {export_id} in this workspace."
    action = "List the exports with GET /v1/exports."


class NothingToExport(Error):
    kind = Kind.INVALID
    code = "export.nothing_matches"
    message = "No active mailbox matches this filter."
    action = "Look with GET /v1/mailboxes which mailboxes there are and what their status is."


class TooManyForXlsx(Error):
    kind = Kind.INVALID
    code = "export.too_many_for_xlsx"
    message = "An XLSX file has at most {limit} mailboxes here; this selection has {count}."
    action = "Take the destination csv, which has no limit, or choose fewer mailboxes."


class NotFinished(Error):
    kind = Kind.CONFLICT
    code = "export.not_finished"
    message = "This export is still {status}."
    action = "Wait until it has finished, or cancel it with DELETE; what fails for the moment is retried by itself."
    retryable = True


class AlreadyFinished(Error):
    kind = Kind.CONFLICT
    code = "export.already_finished"
    message = "This export is {status}: there is nothing left to cancel."
    action = "Remove mailboxes that should not be there at the sending platform, or delete the platform account."


class NothingToRetry(Error):
    kind = Kind.CONFLICT
    code = "export.nothing_to_retry"
    message = "No mailbox of this export failed."
    action = "See how its mailboxes stand with GET /v1/exports/{export_id}/items."


async def create(
    tx: Tx, wanted: Wanted, *, platforms: Registry, guards: Mapping[Mode, Guard], mail_access: MailAccess
) -> Export:
    """Takes down which mailboxes match now, and enqueues the job that exports them.

    Raises what `check` raises, NothingToExport, TooManyForXlsx, TooManyForLayout.
    """
    assert tx.actor is not None
    target = await check(tx, wanted, platforms=platforms, guards=guards, mail_access=mail_access)
    return await begin(tx, wanted, target, by=tx.actor)


async def begin(tx: Tx, wanted: Wanted, target: Target, *, by: Actor, automatic: bool = False) -> Export:
    """Raises NothingToExport, TooManyForXlsx, TooManyForLayout."""
    export_id = ids.new_id("exp")
    counts = await queries.insert_items(
        tx, export_id, wanted.filter, workspace_id=by.workspace_id, not_active=NotActive().problem()
    )
    if not counts.queued:
        raise NothingToExport(field="filter")
    if wanted.destination == "xlsx" and counts.queued > MOST_IN_XLSX:
        raise TooManyForXlsx(limit=MOST_IN_XLSX, count=counts.queued, field="destination")
    if target.layout is not None:
        check_size(LAYOUTS[target.layout], counts.queued)
    export = await queries.insert(
        tx,
        export_id=export_id,
        workspace_id=by.workspace_id,
        mode=by.mode,
        destination=wanted.destination,
        layout=target.layout,
        platform_account_id=target.account.id if target.account else None,
        automatic=automatic,
        options=wanted.options,
        requested_by=by,
        counts=counts,
    )
    await enqueue(tx, export_id, platform_account_id=export.platform_account_id)
    await tx.emit(
        "export.created",
        workspace_id=by.workspace_id,
        subject=export_id,
        data={
            "destination": export.destination,
            "layout": export.layout,
            "platform_account_id": export.platform_account_id,
            "automatic": automatic,
            "total": export.total,
        },
    )
    return export


async def enqueue(tx: Tx, export_id: str, *, platform_account_id: str | None) -> None:
    """The job of an export; one at a time works with a platform account."""
    await tx.enqueue(
        "exports.run",
        lock=f"platform_account:{platform_account_id}" if platform_account_id else f"export:{export_id}",
        once=f"exports.run:{export_id}",
        export_id=export_id,
    )


async def get(tx: Tx, export_id: str, *, lock: bool = False) -> Export:
    """Raises ExportNotFound."""
    assert tx.actor is not None
    found = None
    if ids.is_id(export_id, "exp"):
        found = await queries.find(tx, export_id, workspace_id=tx.actor.workspace_id, lock=lock)
    if found is None:
        raise ExportNotFound(export_id=export_id[:80])
    return found


async def list_(tx: Tx, request: PageRequest, *, status: ExportStatus | None) -> Page[Export]:
    """Newest first."""
    assert tx.actor is not None
    workspace_id = tx.actor.workspace_id
    rows = await queries.list_(
        tx, workspace_id=workspace_id, status=status, limit=request.limit + 1, after=request.after
    )
    total = await queries.count(tx, workspace_id=workspace_id, status=status) if request.count else None
    return page(rows, request, key=lambda row: row.id, total=total)


async def list_items(
    tx: Tx, export_id: str, request: PageRequest, *, statuses: tuple[WorkStatus, ...] | None
) -> Page[Item]:
    """By mailbox, oldest first. Raises ExportNotFound."""
    await get(tx, export_id)
    rows = await queries.list_items(tx, export_id, statuses=statuses, limit=request.limit + 1, after=request.after)
    total = await queries.count_items(tx, export_id, statuses=statuses) if request.count else None
    return page(rows, request, key=lambda row: row.mailbox_id, total=total)


async def retry(tx: Tx, export_id: str) -> Export:
    """The failed mailboxes again, and only these.

    Raises ExportNotFound, NotFinished, NothingToRetry, AccountDeleted.
    """
    export = await get(tx, export_id, lock=True)
    if not export.finished:
        raise NotFinished(status=export.status)
    if not export.failed:
        raise NothingToRetry(export_id=export_id)
    account_id = export.platform_account_id
    if account_id is not None and await platform_accounts.find(tx, account_id) is None:
        raise platform_accounts.AccountDeleted
    again = await queries.queue_failed(tx, export_id)
    await enqueue(tx, export_id, platform_account_id=account_id)
    await tx.emit(
        "export.retried", workspace_id=again.workspace_id, subject=export_id, data={"mailboxes": export.failed}
    )
    return again


async def cancel(tx: Tx, export_id: str) -> Export:
    """Nothing new begins; what the platform is doing just now ends as it ends. All passwords that were made for a file
    are revoked, also when the file is done. Again: nothing more happens.

    Raises ExportNotFound, AlreadyFinished.
    """
    export = await get(tx, export_id, lock=True)
    if not export.finished:
        export, undecided = await queries.cancel(tx, export_id)
        if undecided:
            await enqueue(tx, export_id, platform_account_id=export.platform_account_id)
        await tx.emit(
            "export.cancelled",
            workspace_id=export.workspace_id,
            subject=export_id,
            data={"succeeded": export.succeeded, "failed": export.failed, "cancelled": export.cancelled},
        )
    elif export.layout is None and export.status != "cancelled":
        raise AlreadyFinished(status=export.status.replace("_", " "))
    return await _revoke(tx, export) if export.layout is not None and export.revoked_at is None else export


async def _revoke(tx: Tx, export: Export) -> Export:
    revoked = await mailboxes.revoke_of_export(tx, export.id)
    await tx.emit(
        "export.revoked", workspace_id=export.workspace_id, subject=export.id, data={"app_passwords": revoked}
    )
    return await queries.revoke(tx, export.id)


async def delete_account(tx: Tx, account_id: str) -> None:
    """Deletes a platform account: what it was handed opens nothing more, and nothing more goes there.

    Raises AccountNotFound.
    """
    await platform_accounts.get(tx, account_id)
    for export_id in await queries.list_unfinished_of_account(tx, account_id):
        await cancel(tx, export_id)
    await automatic_queries.disable_of_account(tx, account_id)
    await platform_accounts.delete(tx, account_id)
    await mailboxes.revoke_of_platform_account(tx, account_id)


def is_xlsx(export: Export) -> bool:
    return export.destination == FILES[1]
