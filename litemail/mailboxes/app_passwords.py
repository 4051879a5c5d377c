"""App passwords: one for each client of a mailbox, so that each can be revoked by itself.

Sending platforms and files get one of their own. They are generated, so a fast salted hash is enough for sign-ins, and
sealed too, for those that have to be handed out again.
"""

from collections.abc import Iterable, Sequence

import msgspec

from litemail.kit import ids, passwords
from litemail.kit.actor import Actor
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.pagination import Page, PageRequest, page
from litemail.kit.secrets import Secrets
from litemail.mailboxes import app_password_queries as queries
from litemail.mailboxes import service
from litemail.mailboxes.app_password_queries import AppPassword, NewAppPassword

MOST = 50
"""How many passwords people may make for one mailbox; what platforms and files get is not counted."""


class AppPasswordNotFound(Error):
    kind = Kind.NOT_FOUND
    code = "app_password.not_found"
    message = "This mailbox has no app password {app_password_id}."
    action = "List them with GET /v1/mailboxes/{mailbox_id}/app-passwords."


class TooManyAppPasswords(Error):
    kind = Kind.CONFLICT
    code = "app_password.limit"
    message = "This mailbox has {count} app passwords already, as many as it may have."
    action = "Revoke one that is not used any more; last_used_at tells which."


class Created(msgspec.Struct, frozen=True):
    """A fresh password, shown this once."""

    app_password: AppPassword
    password: str


async def create(tx: Tx, mailbox_id: str, *, label: str, secrets: Secrets) -> Created:
    """One for a client of the mailbox's people. Raises MailboxNotFound, TooManyAppPasswords."""
    mailbox = await service.get(tx, mailbox_id)
    had = await queries.count(tx, mailbox_id, own=True)
    if had >= MOST:
        raise TooManyAppPasswords(count=had)
    password = passwords.generate()
    row = _new(mailbox_id, password, secrets=secrets)
    await queries.insert(tx, [row], label=label)
    await _audit(tx, "mailbox.app_password_created", mailbox_id, app_password_id=row.id, label=label)
    created = await queries.find(tx, mailbox.id, row.id)
    assert created is not None
    return Created(created, password)


async def list_(tx: Tx, mailbox_id: str, request: PageRequest) -> Page[AppPassword]:
    """Newest first. Raises MailboxNotFound."""
    mailbox = await service.get(tx, mailbox_id)
    rows = await queries.list_(tx, mailbox.id, limit=request.limit + 1, after=request.after)
    total = await queries.count(tx, mailbox.id) if request.count else None
    return page(rows, request, key=lambda row: row.id, total=total)


async def revoke(tx: Tx, mailbox_id: str, app_password_id: str) -> None:
    """Nobody signs in with it from now on. Raises MailboxNotFound, AppPasswordNotFound."""
    mailbox = await service.get(tx, mailbox_id)
    found = await queries.find(tx, mailbox.id, app_password_id) if ids.is_id(app_password_id, "apw") else None
    if found is None:
        raise AppPasswordNotFound(app_password_id=app_password_id[:80], mailbox_id=mailbox_id)
    await queries.delete(tx, found.id)
    await _audit(tx, "mailbox.app_password_revoked", mailbox_id, app_password_id=found.id, label=found.label)


async def hand_to_platform_account(
    tx: Tx, mailbox_ids: Sequence[str], *, platform_account_id: str, label: str, by: Actor, secrets: Secrets
) -> dict[str, str]:
    """The passwords made for a platform account, by mailbox: the same whenever they are asked for, so that a repeat
    breaks nothing. Each leaves an audit line.
    """
    if not mailbox_ids:
        return {}

    async def known() -> dict[str, str]:
        rows = await queries.list_of_platform_account(tx, mailbox_ids, platform_account_id=platform_account_id)
        return {row.mailbox_id: secrets.open(row.sealed, row=row.id) for row in rows}

    found = await known()
    missing = [mailbox_id for mailbox_id in mailbox_ids if mailbox_id not in found]
    if missing:
        await _insert(tx, missing, label=label, platform_account_id=platform_account_id, secrets=secrets)
        found = await known()
    await _handed_over(tx, found, by=by, platform_account_id=platform_account_id)
    return found


async def hand_to_export(
    tx: Tx, mailbox_ids: Sequence[str], *, export_id: str, label: str, by: Actor, secrets: Secrets
) -> None:
    """Makes passwords for the file of an export; safe to repeat. Each leaves an audit line."""
    await _insert(tx, mailbox_ids, label=label, export_id=export_id, secrets=secrets)
    await _handed_over(tx, mailbox_ids, by=by, export_id=export_id)


async def revoke_of_platform_account(tx: Tx, platform_account_id: str) -> int:
    """Whatever the platform was handed opens nothing from now on; how many there were."""
    return await queries.delete_of(tx, platform_account_id=platform_account_id)


async def revoke_of_export(tx: Tx, export_id: str) -> int:
    return await queries.delete_of(tx, export_id=export_id)


async def note_use(tx: Tx, app_password_id: str) -> None:
    """It has just opened its mailbox."""
    await queries.note_use(tx, app_password_id)


async def _insert(
    tx: Tx,
    mailbox_ids: Iterable[str],
    *,
    label: str,
    secrets: Secrets,
    platform_account_id: str | None = None,
    export_id: str | None = None,
) -> None:
    rows = [_new(mailbox_id, passwords.generate(), secrets=secrets) for mailbox_id in mailbox_ids]
    await queries.insert(tx, rows, label=label, platform_account_id=platform_account_id, export_id=export_id)


def _new(mailbox_id: str, password: str, *, secrets: Secrets) -> NewAppPassword:
    app_password_id = ids.new_id("apw")
    return NewAppPassword(
        app_password_id,
        mailbox_id,
        hash=passwords.hash_generated(password),
        sealed=secrets.seal(password, row=app_password_id),
    )


async def _handed_over(tx: Tx, mailbox_ids: Iterable[str], *, by: Actor, **to: str) -> None:
    await tx.emit_many(
        "mailbox.credentials_handed_over",
        workspace_id=by.workspace_id,
        data_by_subject=dict.fromkeys(mailbox_ids, to),
        audience="audit",
        by=by,
    )


async def _audit(tx: Tx, event_type: str, mailbox_id: str, **data: str) -> None:
    assert tx.actor is not None
    await tx.emit(event_type, workspace_id=tx.actor.workspace_id, subject=mailbox_id, data=data, audience="audit")
