"""Use cases of mailboxes that end, or pause: removed at renewal or now, restored, suspended, resumed.

Locks are always taken in this order, so that nobody waits crosswise: domain, mailbox, subscription, wallet.
"""

from datetime import datetime, timedelta

from litemail import domains, subscriptions, workspaces
from litemail.kit.clock import rfc3339
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.mailboxes import aliases, queries, slot_queries
from litemail.mailboxes.creating import AddressTaken, Buying, DomainNotUsable, hash_soon, take_slots
from litemail.mailboxes.queries import Mailbox
from litemail.mailboxes.service import MailboxNotFound, get, lock, tell, workspace
from litemail.orders import Quote

KEPT = timedelta(days=30)


class OnlyAtOnce(Error):
    kind = Kind.CONFLICT
    code = "mailbox.only_at_once"
    message = "{email} belongs to no subscription, so there is no renewal at which it could go."
    action = "Repeat the call with ?at=now."


class RemovalNotScheduled(Error):
    kind = Kind.CONFLICT
    code = "mailbox.removal_not_scheduled"
    message = "{email} is not scheduled for removal, so there is nothing to take back."
    action = "Nothing needs to be done: it stays."


class NotRemoved(Error):
    kind = Kind.CONFLICT
    code = "mailbox.not_removed"
    message = "{email} is there: there is nothing to restore."
    action = "To take back a removal that is scheduled, call DELETE /v1/mailboxes/{mailbox_id}?cancel=true."


class RemovedTooLongAgo(Error):
    kind = Kind.GONE
    code = "mailbox.removed_too_long_ago"
    message = "{email} was removed more than 30 days ago."
    action = "Create it anew with POST /v1/mailboxes."


class SuspendedBySubscription(Error):
    kind = Kind.CONFLICT
    code = "mailbox.subscription_suspended"
    message = "{email} is suspended because its subscription was not paid for."
    action = "Top up the wallet, see GET /v1/wallet/balance: once the renewal is paid the mailbox comes back by itself."


async def schedule_removal(tx: Tx, mailbox_id: str) -> Mailbox:
    """The mailbox goes at the next renewal of its subscription. Raises MailboxNotFound, OnlyAtOnce."""
    before = await lock(tx, mailbox_id)
    if before.subscription_id is None:
        raise OnlyAtOnce(email=before.email)
    await _check_slot(tx, before)
    if before.removal_at is not None:
        return before
    removal_at = await subscriptions.release_slot_at_renewal(tx, before.subscription_id)
    after = await slot_queries.schedule_removal(tx, mailbox_id, at=removal_at)
    await _tell(tx, "mailbox.removal_scheduled", before, after)
    return after


async def cancel_removal(tx: Tx, mailbox_id: str) -> Mailbox:
    """The mailbox stays. Raises MailboxNotFound, RemovalNotScheduled, and as `subscriptions.cancel_release`."""
    before = await lock(tx, mailbox_id)
    if before.subscription_id is None or before.removal_at is None:
        raise RemovalNotScheduled(email=before.email)
    await _check_slot(tx, before)
    await subscriptions.cancel_release(tx, before.subscription_id)
    after = await slot_queries.schedule_removal(tx, mailbox_id, at=None)
    await _tell(tx, "mailbox.removal_cancelled", before, after)
    return after


async def remove_now(tx: Tx, mailbox_id: str) -> Mailbox:
    """Takes the mailbox away and frees its slot and its place; its mail is kept. Raises MailboxNotFound."""
    await domains.lock(tx, [(await get(tx, mailbox_id)).domain_id])
    before = await lock(tx, mailbox_id)
    if before.subscription_id is not None:
        await _check_slot(tx, before)
        scheduled = int(before.removal_at is not None)
        await subscriptions.release_slots(tx, [before.subscription_id], scheduled=scheduled)
    (removed,) = await slot_queries.remove(tx, [mailbox_id], at=await workspaces.time_of(tx, workspace(tx)))
    await domains.count_mailbox(tx, before.domain_id, by=-1)
    await aliases.rest(tx, [mailbox_id])
    await tell(tx, "mailbox.removed", [removed])
    return removed


async def restore(tx: Tx, mailbox_id: str, *, buying: Buying) -> Mailbox:
    """Brings a removed mailbox back, with its mail and its password; it takes a slot.

    Raises MailboxNotFound, NotRemoved, RemovedTooLongAgo, DomainNotUsable, MailboxLimit, AddressTaken, and as
    `creating.take_slots`.
    """
    removed = await _check_restorable(tx, mailbox_id)
    (subscription_id,) = await take_slots(tx, 1, buying=buying)
    restored = await slot_queries.restore(tx, mailbox_id, subscription_id=subscription_id)
    await domains.count_mailbox(tx, removed.domain_id, by=1)
    await aliases.wake(tx, mailbox_id)
    await hash_soon(tx, [restored])
    await tell(tx, "mailbox.restored", [restored])
    return restored


async def quote_restoring(tx: Tx, mailbox_id: str) -> Quote:
    """What `restore` would cost if it bought the slot that is missing. Raises what `restore` would."""
    await _check_restorable(tx, mailbox_id)
    return await subscriptions.quote_slots(tx, 1)


async def suspend(tx: Tx, mailbox_id: str) -> Mailbox:
    """Nobody signs in and nothing is received until it is resumed. Its slot stays taken. Raises MailboxNotFound."""
    before = await lock(tx, mailbox_id)
    changed = await slot_queries.suspend(tx, [mailbox_id], by="owner")
    await tell(tx, "mailbox.suspended", changed)
    return changed[0] if changed else before


async def resume(tx: Tx, mailbox_id: str) -> Mailbox:
    """Takes back `suspend`. Raises MailboxNotFound, SuspendedBySubscription."""
    before = await lock(tx, mailbox_id)
    if "subscription" in before.suspended_by:
        raise SuspendedBySubscription(email=before.email)
    changed = await slot_queries.resume(tx, [mailbox_id], by="owner")
    await tell(tx, "mailbox.resumed", changed)
    return changed[0] if changed else before


async def _check_restorable(tx: Tx, mailbox_id: str) -> Mailbox:
    """The removed mailbox, with the lock of its domain."""
    removed = await _removed(tx, mailbox_id)
    usable = await domains.lock_usable(tx, [removed.domain_id])
    removed = await _removed(tx, mailbox_id, lock=True)
    assert removed.removed_at is not None
    if removed.removed_at <= await workspaces.time_of(tx, workspace(tx)) - KEPT:
        raise RemovedTooLongAgo(email=removed.email)
    domain = usable.get(removed.domain_id)
    if domain is None:
        raise DomainNotUsable(domain=removed.domain)
    if await queries.taken_addresses(tx, [removed.email]):
        raise AddressTaken(email=removed.email)
    if domain.mailbox_count >= domain.mailbox_limit:
        raise domains.MailboxLimit(domain=domain.name)
    return removed


async def _removed(tx: Tx, mailbox_id: str, *, lock: bool = False) -> Mailbox:
    removed = await queries.find_mailbox(tx, mailbox_id, workspace_id=workspace(tx), lock=lock, removed=True)
    if removed is None:
        raise NotRemoved(email=(await get(tx, mailbox_id)).email, mailbox_id=mailbox_id)
    return removed


async def _check_slot(tx: Tx, mailbox: Mailbox) -> None:
    """A renewal, or the end of the subscription, has taken the slot already: then the mailbox is about to go.

    Locks the subscription, so that it stays as it is. Raises MailboxNotFound.
    """
    assert mailbox.subscription_id is not None
    contract = await slot_queries.lock_contract(tx, mailbox.subscription_id)
    if contract.took_back(mailbox.removal_at):
        raise MailboxNotFound(mailbox_id=mailbox.id)


async def _tell(tx: Tx, event_type: str, before: Mailbox, after: Mailbox) -> None:
    await tx.emit(
        event_type,
        workspace_id=workspace(tx),
        subject=after.id,
        before={"removal_at": _time(before.removal_at)},
        data={"email": after.email, "removal_at": _time(after.removal_at)},
    )


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
