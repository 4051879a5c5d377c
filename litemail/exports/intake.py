"""What can be wrong with an export, found before anything is written."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from litemail import platforms as platform_accounts
from litemail.exports import queries
from litemail.exports.layouts import layout_of
from litemail.exports.queries import Filter, Options
from litemail.exports.servers import own_servers
from litemail.kit.actor import Actor, Mode
from litemail.kit.db import Tx
from litemail.kit.errors import Detail, Error, Invalid, Kind
from litemail.kit.outbound import Guard
from litemail.mailboxes import MailAccess
from litemail.platforms import PlatformAccount
from litemail.providers.platform import PLATFORMS, Capability, Registry

FILES = ("csv", "xlsx")
_BY_FILE = frozenset(platform.platform_type for platform in PLATFORMS if platform.connects == "file")
_MOST_FAULTS = 100


class NotActive(Error):
    kind = Kind.INVALID
    code = "export.mailbox_not_active"
    message = "Only active mailboxes are exported."
    action = "Make the mailbox active, then export it again."


class Wanted(msgspec.Struct, frozen=True):
    """An export as it was asked for."""

    destination: str
    platform_account_id: str | None
    layout: str | None
    filter: Filter
    options: Options


class Target(msgspec.Struct, frozen=True):
    """Where an export goes: into a file of that layout, or to that account."""

    layout: str | None
    account: PlatformAccount | None


async def check(
    tx: Tx, wanted: Wanted, *, platforms: Registry, guards: Mapping[Mode, Guard], mail_access: MailAccess
) -> Target:
    """Raises UnknownPlatform, NoTwin, UnknownLayout, MailHostNotPublic, or Invalid with all faults of its sort."""
    actor = tx.actor
    assert actor is not None
    target, faults = await _target(tx, wanted, actor, platforms=platforms)
    faults += await _filter_faults(tx, wanted.filter, actor)
    if faults:
        raise Invalid(details=tuple(faults[:_MOST_FAULTS]))
    own_servers(actor.mode, guard=guards[actor.mode], mail_access=mail_access)
    return target


async def _target(tx: Tx, wanted: Wanted, actor: Actor, *, platforms: Registry) -> tuple[Target, list[Detail]]:
    if wanted.destination in FILES or wanted.destination in _BY_FILE:
        name = wanted.layout or (wanted.destination if wanted.destination in _BY_FILE else "generic")
        faults = []
        if wanted.platform_account_id is not None:
            faults.append(Detail("platform_account_id", "a file goes to no platform account; leave it out"))
        return Target(layout_of(name, field="layout").name, None), faults
    adapter = platforms.get(wanted.destination, field="destination", besides=FILES)
    platform_accounts.check_offered(adapter, mode=actor.mode, with_login=False, field="destination")
    faults = list(option_faults(wanted.options, adapter.declaration.name, adapter.declaration.capabilities))
    if wanted.layout is not None:
        faults.append(Detail("layout", "goes with the destinations csv and xlsx only"))
    account = None
    if wanted.platform_account_id is None:
        faults.append(
            Detail(
                "platform_account_id",
                f"say which {adapter.declaration.name} account, see GET /v1/exports/accounts; or take the destination "
                f"csv with the layout {wanted.destination}",
            )
        )
    else:
        account = await platform_accounts.find(tx, wanted.platform_account_id)
        faults += account_faults(account, wanted.platform_account_id, platform_type=wanted.destination)
    return Target(None, account), faults


def option_faults(options: Options, name: str, can: frozenset[Capability]) -> Iterator[Detail]:
    if options.warmup and Capability.WARMUP not in can:
        yield Detail("options.warmup", f"{name} has no warm-up that Litemail can switch on")
    if options.tags and Capability.TAGS not in can:
        yield Detail("options.tags", f"{name} has no tags that Litemail can set")


def account_faults(account: PlatformAccount | None, account_id: str, *, platform_type: str | None) -> Iterator[Detail]:
    field = "platform_account_id"
    if account is None:
        yield Detail(field, f"there is no platform account {account_id} in this workspace")
    elif platform_type is not None and account.platform_type != platform_type:
        yield Detail(field, f"this is an account at {account.platform_type}")
    elif not account.has_api_key:
        yield Detail(field, "no API key of this account is stored; give it one with PUT /v1/exports/accounts/{id}")


async def _filter_faults(tx: Tx, chosen: Filter, actor: Actor) -> Sequence[Detail]:
    """Mailboxes that were named have to be there and active; others that a filter finds are skipped."""
    if chosen.mailbox_ids is None:
        return []
    known = await queries.list_known(tx, chosen.mailbox_ids, workspace_id=actor.workspace_id)
    return [
        Detail(
            f"filter.mailbox_ids[{index}]",
            f"{mailbox_id} is {known[mailbox_id].replace('_', ' ')}, not active"
            if mailbox_id in known
            else f"there is no mailbox {mailbox_id} in this workspace",
        )
        for index, mailbox_id in enumerate(chosen.mailbox_ids)
        if known.get(mailbox_id) != "active"
    ]
