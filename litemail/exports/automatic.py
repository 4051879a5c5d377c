"""Automatic exports: whatever becomes active in a workspace, and matches its rule, goes to a platform account.

A consumer of its own reads the stream of events, so that each mailbox that became active is looked at once, whatever
crashes; a thousand of them are one export, not a thousand jobs.
"""

from collections import defaultdict
from collections.abc import Mapping

import msgspec

from litemail import platforms as platform_accounts
from litemail.exports import automatic_queries, queries
from litemail.exports.automatic_queries import Rule
from litemail.exports.intake import Target, Wanted, check
from litemail.exports.queries import Filter, Options
from litemail.exports.service import begin
from litemail.kit import outbox
from litemail.kit.actor import Mode
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Detail, Invalid
from litemail.kit.outbound import Guard
from litemail.mailboxes import MailAccess
from litemail.providers.platform import Registry

CONSUMER = "automatic exports"
ACTIVATED = "mailbox.activated"


async def put(
    tx: Tx,
    platform_account_id: str,
    chosen: Filter,
    options: Options,
    *,
    enabled: bool,
    platforms: Registry,
    guards: Mapping[Mode, Guard],
    mail_access: MailAccess,
) -> Rule:
    """Sets the workspace's rule. Raises what an export to that account raises."""
    actor = tx.actor
    assert actor is not None
    account = await platform_accounts.find(tx, platform_account_id)
    if account is None:
        message = f"there is no platform account {platform_account_id} in this workspace"
        raise Invalid(details=(Detail("platform_account_id", message),))
    if chosen.status not in (None, "active"):
        message = f"a mailbox that has just become active is not {chosen.status.replace('_', ' ')}; leave it out"
        raise Invalid(details=(Detail("filter.status", message),))
    wanted = Wanted(account.platform_type, account.id, None, chosen, options)
    await check(tx, wanted, platforms=platforms, guards=guards, mail_access=mail_access)
    rule = await automatic_queries.put(
        tx,
        workspace_id=actor.workspace_id,
        platform_account_id=account.id,
        chosen=chosen,
        options=options,
        enabled=enabled,
        by=actor,
    )
    await tx.emit(
        "export.automatic_set",
        workspace_id=actor.workspace_id,
        subject=account.id,
        data={"platform_account_id": account.id, "filter": chosen, "enabled": enabled},
    )
    return rule


async def get(tx: Tx) -> Rule | None:
    """None where none was ever set."""
    assert tx.actor is not None
    return await automatic_queries.find(tx, tx.actor.workspace_id)


async def follow(database: Database) -> int:
    """Begins exports for what the next events say became active; how many events there were."""
    async with database.begin_system("follow activations") as tx:
        activated: defaultdict[str, list[outbox.Event]] = defaultdict(list)

        async def note(event: outbox.Event) -> None:
            if event.type == ACTIVATED:
                activated[event.workspace_id].append(event)

        seen = await outbox.consume(tx.connection, CONSUMER, note)
        rules = await automatic_queries.list_enabled(tx, list(activated)) if activated else {}
        for workspace_id, rule in rules.items():
            fresh = [event.subject for event in activated[workspace_id] if event.created_at >= rule.since]
            await _export(tx, rule, fresh)
        return seen


async def _export(tx: Tx, rule: Rule, mailbox_ids: list[str]) -> None:
    account = await platform_accounts.find(tx, rule.platform_account_id, workspace_id=rule.workspace_id)
    named = set(rule.filter.mailbox_ids or mailbox_ids)
    chosen = msgspec.structs.replace(
        rule.filter, mailbox_ids=tuple(each for each in dict.fromkeys(mailbox_ids) if each in named)
    )
    if account is None or not await queries.any_active(tx, chosen, workspace_id=rule.workspace_id):
        return
    wanted = Wanted(account.platform_type, account.id, None, chosen, rule.options)
    await begin(tx, wanted, Target(None, account), by=rule.requested_by, automatic=True)
