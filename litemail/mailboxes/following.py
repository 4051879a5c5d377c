"""What becomes of mailboxes when their subscription is renewed, suspended, restored, moved or over.

It goes by what the subscription is now, not by what was told of it: so it may run late, twice or out of order.
"""

from collections import Counter
from collections.abc import Sequence

from litemail import domains, workspaces
from litemail.kit.db import Tx
from litemail.mailboxes import aliases, slot_queries
from litemail.mailboxes.service import tell
from litemail.mailboxes.slot_queries import Contract, Follower


async def follow(tx: Tx, subscription_id: str, *, workspace_id: str, limit: int) -> int:
    """Makes up to `limit` mailboxes what their subscription says; how many there were to look at."""
    found = await slot_queries.find_out_of_step(tx, subscription_id, workspace_id=workspace_id, limit=limit)
    if not found:
        return 0
    domain_ids = {follower.domain_id for follower in found}
    await domains.lock(tx, domain_ids)
    locked = await slot_queries.lock_followers(tx, [follower.id for follower in found], subscription_id=subscription_id)
    contract = await slot_queries.lock_contract(tx, subscription_id)
    gone = [follower for follower in locked if contract.took_back(follower.removal_at)]
    await _remove(tx, gone, workspace_id=workspace_id)
    there = [follower for follower in locked if not contract.took_back(follower.removal_at)]
    await _suspend_or_resume(tx, there, contract, workspace_id=workspace_id)
    moved = [follower.id for follower in there if follower.removal_at is not None]
    await slot_queries.move_removals(tx, moved, to=contract.current_period_end)
    return len(found)


async def _remove(tx: Tx, gone: Sequence[Follower], *, workspace_id: str) -> None:
    if not gone:
        return
    at = await workspaces.time_of(tx, workspace_id)
    removed = await slot_queries.remove(tx, [follower.id for follower in gone], at=at)
    places = Counter(follower.domain_id for follower in gone)
    await domains.count_mailboxes(tx, {domain_id: -count for domain_id, count in places.items()})
    await aliases.rest(tx, [mailbox.id for mailbox in removed])
    await tell(tx, "mailbox.removed", removed, workspace_id=workspace_id)


async def _suspend_or_resume(tx: Tx, there: Sequence[Follower], contract: Contract, *, workspace_id: str) -> None:
    mailbox_ids = [follower.id for follower in there]
    if contract.status == "suspended":
        changed = await slot_queries.suspend(tx, mailbox_ids, by="subscription")
        await tell(tx, "mailbox.suspended", changed, workspace_id=workspace_id)
    else:
        changed = await slot_queries.resume(tx, mailbox_ids, by="subscription")
        back = [mailbox for mailbox in changed if mailbox.status != "suspended"]
        await tell(tx, "mailbox.resumed", back, workspace_id=workspace_id)
