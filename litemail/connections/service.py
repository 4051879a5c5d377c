"""Use cases of connections: begin, look, try again, cancel."""

from collections.abc import Mapping

from litemail import platforms as platform_accounts
from litemail.connections import queries
from litemail.connections.intake import intake
from litemail.connections.queries import Connection, ConnectionStatus, FreshInbox, Inbox, InboxStatus
from litemail.connections.schemas import ConnectInbox
from litemail.kit import ids
from litemail.kit.actor import Mode
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.outbound import Guard
from litemail.kit.pagination import Page, PageRequest, page
from litemail.kit.secrets import Secrets
from litemail.mailboxes import MailAccess
from litemail.platforms import SecretsExpired
from litemail.providers.platform import Registry


class ConnectionNotFound(Error):
    kind = Kind.NOT_FOUND
    code = "connection.not_found"
    message = "There is no connection {connection_id} in this workspace."
    action = "List the connections with GET /v1/connect-inbox."


class NotFinished(Error):
    kind = Kind.CONFLICT
    code = "connection.not_finished"
    message = "This connection is still {status}."
    action = "Wait until it has finished, or cancel it with DELETE; what fails for the moment is retried by itself."
    retryable = True


class AlreadyFinished(Error):
    kind = Kind.CONFLICT
    code = "connection.already_finished"
    message = "This connection is {status}: there is nothing left to cancel."
    action = "Remove inboxes that should not be there at the sending platform."


class NothingToRetry(Error):
    kind = Kind.CONFLICT
    code = "connection.nothing_to_retry"
    message = "No inbox of this connection failed."
    action = "See how its inboxes stand with GET /v1/connect-inbox/{connection_id}/inboxes."


async def create(
    tx: Tx,
    order: ConnectInbox,
    *,
    platforms: Registry,
    guards: Mapping[Mode, Guard],
    mail_access: MailAccess,
    secrets: Secrets,
) -> tuple[Connection, list[FreshInbox]]:
    """Takes the inboxes in and enqueues the job that connects them; all of it or, on any fault, nothing.

    Raises what `intake` raises.
    """
    actor = tx.actor
    assert actor is not None
    taken = await intake(tx, order, platforms=platforms, guards=guards, mail_access=mail_access, secrets=secrets)
    connection_id = ids.new_id("con")
    password = order.platform_pass
    connection = await queries.insert(
        tx,
        connection_id=connection_id,
        workspace_id=actor.workspace_id,
        platform_account_id=taken.account.id,
        platform_type=order.platform_type,
        inbox_type=order.inbox_type,
        mode=actor.mode,
        options=taken.options,
        platform_password=secrets.seal(password.get_secret_value(), row=connection_id) if password else None,
        inboxes=taken.inboxes,
    )
    await enqueue(tx, connection_id)
    await tx.emit(
        "connection.created",
        workspace_id=actor.workspace_id,
        subject=connection_id,
        data={
            "platform_type": order.platform_type,
            "platform_account_id": taken.account.id,
            "inbox_type": order.inbox_type,
            "total": connection.total,
        },
    )
    return connection, taken.inboxes


async def enqueue(tx: Tx, connection_id: str) -> None:
    """The job of a connection; one at a time works on it."""
    await tx.enqueue(
        "connections.run",
        lock=f"connection:{connection_id}",
        once=f"connections.run:{connection_id}",
        connection_id=connection_id,
    )


async def get(tx: Tx, connection_id: str) -> Connection:
    """Raises ConnectionNotFound."""
    assert tx.actor is not None
    found = None
    if ids.is_id(connection_id, "con"):
        found = await queries.find(tx, connection_id, workspace_id=tx.actor.workspace_id)
    if found is None:
        raise ConnectionNotFound(connection_id=connection_id[:80])
    return found


async def list_(tx: Tx, request: PageRequest, *, status: ConnectionStatus | None) -> Page[Connection]:
    """Newest first."""
    assert tx.actor is not None
    workspace_id = tx.actor.workspace_id
    rows = await queries.list_(
        tx, workspace_id=workspace_id, status=status, limit=request.limit + 1, after=request.after
    )
    total = await queries.count(tx, workspace_id=workspace_id, status=status) if request.count else None
    return page(rows, request, key=lambda row: row.id, total=total)


async def list_inboxes(tx: Tx, connection_id: str, request: PageRequest, *, status: InboxStatus | None) -> Page[Inbox]:
    """In the order in which they were given. Raises ConnectionNotFound."""
    await get(tx, connection_id)
    rows = await queries.list_inboxes(tx, connection_id, status=status, limit=request.limit + 1, after=request.after)
    total = await queries.count_inboxes(tx, connection_id, status=status) if request.count else None
    return page(rows, request, key=lambda row: row.id, total=total)


async def retry(tx: Tx, connection_id: str) -> Connection:
    """The failed inboxes again, and only these.

    Raises ConnectionNotFound, NotFinished, NothingToRetry, SecretsExpired.
    """
    connection = await _lock(tx, connection_id)
    if not connection.finished:
        raise NotFinished(status=connection.status)
    failed, erased = await queries.count_retryable(tx, connection_id)
    if not failed:
        raise NothingToRetry(connection_id=connection_id)
    if erased:
        raise SecretsExpired(which=f"those of {erased} of the {failed} inboxes")
    account = await platform_accounts.find(tx, connection.platform_account_id)
    assert account is not None
    if not account.has_api_key:
        raise SecretsExpired(which="the password of the platform account")
    connection = await queries.queue_failed(tx, connection_id)
    await enqueue(tx, connection_id)
    await tx.emit(
        "connection.retried", workspace_id=connection.workspace_id, subject=connection_id, data={"inboxes": failed}
    )
    return connection


async def cancel(tx: Tx, connection_id: str) -> Connection:
    """Nothing new begins; what the platform is doing just now ends as it ends. Again: nothing more happens.

    Raises ConnectionNotFound, AlreadyFinished.
    """
    connection = await _lock(tx, connection_id)
    if connection.status == "cancelled":
        return connection
    if connection.finished:
        raise AlreadyFinished(status=connection.status.replace("_", " "))
    connection, undecided = await queries.cancel(tx, connection_id)
    if undecided:
        await enqueue(tx, connection_id)
    else:
        await platform_accounts.release_claims(tx, batch_id=connection_id)
    await tx.emit(
        "connection.cancelled",
        workspace_id=connection.workspace_id,
        subject=connection_id,
        data={"connected": connection.connected, "failed": connection.failed, "cancelled": connection.cancelled},
    )
    return connection


async def _lock(tx: Tx, connection_id: str) -> Connection:
    found = await get(tx, connection_id)
    return await queries.find_for_update(tx, connection_id, workspace_id=found.workspace_id) or found
