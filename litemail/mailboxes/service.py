"""Use cases of mailboxes for their owners: read and change."""

from collections.abc import Iterable

import msgspec

from litemail.kit import passwords
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.pagination import Page, PageRequest, page
from litemail.kit.secrets import Secrets
from litemail.mailboxes import queries
from litemail.mailboxes.queries import Filter, Mailbox


class MailboxNotFound(Error):
    kind = Kind.NOT_FOUND
    code = "mailbox.not_found"
    message = "There is no mailbox {mailbox_id} in this workspace."
    action = "List the mailboxes with GET /v1/mailboxes and use one of their ids."


class Changes(msgspec.Struct, frozen=True):
    """What to change; None leaves a field as it is."""

    first_name: str | None
    last_name: str | None
    display_name: str | None
    signature: str | None
    tags: list[str] | None
    password: str | None


class Credentials(msgspec.Struct, frozen=True):
    email: str
    password: str


async def get(tx: Tx, mailbox_id: str) -> Mailbox:
    """Raises MailboxNotFound."""
    mailbox = await queries.find_mailbox(tx, mailbox_id, workspace_id=workspace(tx))
    if mailbox is None:
        raise MailboxNotFound(mailbox_id=mailbox_id)
    return mailbox


async def list_(tx: Tx, chosen: Filter, request: PageRequest) -> Page[Mailbox]:
    """Newest first."""
    rows = await queries.list_mailboxes(
        tx, workspace_id=workspace(tx), chosen=chosen, limit=request.limit + 1, after=request.after
    )
    total = await queries.count_mailboxes(tx, workspace_id=workspace(tx), chosen=chosen) if request.count else None
    return page(rows, request, key=lambda row: row.id, total=total)


async def update(tx: Tx, mailbox_id: str, changes: Changes, *, secrets: Secrets) -> Mailbox:
    """Raises MailboxNotFound."""
    before = await lock(tx, mailbox_id)
    if changes.password is not None:
        await queries.set_password(
            tx,
            mailbox_id,
            workspace_id=workspace(tx),
            password_hash=await passwords.hash_chosen(changes.password),
            sealed=secrets.seal(changes.password, row=mailbox_id),
        )
        await tell(tx, "mailbox.password_changed", [before])
        if before.status == "provisioning":
            await tell(tx, "mailbox.activated", [before])
    after = await queries.update_mailbox(
        tx,
        mailbox_id,
        workspace_id=workspace(tx),
        first_name=_either(changes.first_name, before.first_name),
        last_name=_either(changes.last_name, before.last_name),
        display_name=_either(changes.display_name, before.display_name),
        signature=_either(changes.signature, before.signature),
        tags=before.tags if changes.tags is None else changes.tags,
    )
    if _changeable(after) != _changeable(before):
        await tx.emit(
            "mailbox.updated",
            workspace_id=workspace(tx),
            subject=mailbox_id,
            before=_changeable(before),
            data=_changeable(after),
        )
    return after


async def credentials(tx: Tx, mailbox_id: str, *, secrets: Secrets) -> Credentials:
    """The password in plain text; leaves an audit line. Raises MailboxNotFound."""
    sealed = await queries.find_sealed(tx, mailbox_id, workspace_id=workspace(tx))
    if sealed is None:
        raise MailboxNotFound(mailbox_id=mailbox_id)
    await tx.emit(
        "mailbox.credentials_read",
        workspace_id=workspace(tx),
        subject=mailbox_id,
        data={"email": sealed.email},
        audience="audit",
    )
    return Credentials(sealed.email, secrets.open(sealed.sealed, row=sealed.id))


async def lock(tx: Tx, mailbox_id: str) -> Mailbox:
    mailbox = await queries.find_mailbox(tx, mailbox_id, workspace_id=workspace(tx), lock=True)
    if mailbox is None:
        raise MailboxNotFound(mailbox_id=mailbox_id)
    return mailbox


async def tell(tx: Tx, event_type: str, mailboxes: Iterable[Mailbox], *, workspace_id: str | None = None) -> None:
    """Emits an event of each; `workspace_id` where nobody acts."""
    await tx.emit_many(
        event_type,
        workspace_id=workspace_id or workspace(tx),
        data_by_subject={mailbox.id: {"email": mailbox.email} for mailbox in mailboxes},
    )


def workspace(tx: Tx) -> str:
    assert tx.actor is not None
    return tx.actor.workspace_id


def _either(new: str | None, old: str) -> str:
    return old if new is None else new


def _changeable(mailbox: Mailbox) -> dict[str, object]:
    fields = ("first_name", "last_name", "display_name", "signature", "tags")
    return {field: getattr(mailbox, field) for field in fields}
