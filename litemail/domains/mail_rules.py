"""Use cases of mail rules: what a domain's mailboxes receive goes elsewhere too, and what nobody there receives.

A target outside of the workspace's own active domains counts from the day its owner agrees, by a mailed link.
"""

import base64
import hmac
from collections.abc import Sequence
from datetime import timedelta

from litemail.domains import forwarding_queries as queries
from litemail.domains.choosing import choose, workspace
from litemail.domains.forwarding_queries import ForwardingTarget, MailRule, NewRule, RuleKind
from litemail.kit import bulk, ids
from litemail.kit.bulk import BulkResult
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.secrets import Secrets
from litemail.protocols import names
from litemail.protocols.address import Address, parse

LINK_LIFETIME = timedelta(days=7)
ASKED_AGAIN_AFTER = timedelta(hours=1)
ASKED_IN_A_DAY = 50
"""Different addresses that a workspace may have asked: each gets mail that it did not order."""
_MAC_OCTETS = 16


class TargetNotAllowed(Error):
    kind = Kind.INVALID
    code = "domain.target_not_allowed"
    message = "Mail cannot be forwarded to {to}: {reason}"
    action = "Give an address on another host or on a domain of this workspace."


class TooManyTargets(Error):
    kind = Kind.RATE_LIMITED
    code = "domain.too_many_targets"
    message = "{limit} owners of addresses were asked today whether mail may be forwarded to them, as many as may be."
    action = "Use an address that was asked already, or go on tomorrow."
    retryable = True


class LinkUnknown(Error):
    kind = Kind.NOT_FOUND
    code = "forwarding.unknown_link"
    message = "This is not a link that we sent."
    action = "Open the whole link of the mail."


class LinkExpired(Error):
    kind = Kind.GONE
    code = "forwarding.link_expired"
    message = "This link was good for 7 days, which are over."
    action = "Ask whoever wants to forward mail to you to set it up again; you get a new link then."


async def set_rule(
    tx: Tx,
    given: Sequence[str],
    kind: RuleKind,
    *,
    to: str,
    keep_copy: bool,
    all_or_nothing: bool,
    ours: Sequence[str],
) -> BulkResult:
    """Sets the rule of these domains (ids or names), in place of an earlier one of its kind. `ours` are the names of
    our own servers. Raises InvalidAddress, TargetNotAllowed, TooManyTargets, AllRejected, NotAllAccepted.
    """
    target = parse(to)
    _refuse_reserved(target, ours)
    chosen, rejected = await choose(tx, given)
    if chosen:
        await _ask(tx, target)
    workspace_id = workspace(tx)
    rules = [NewRule(ids.new_id("rule"), domain.id) for domain in chosen.values()]
    await queries.put_rules(tx, rules, workspace_id=workspace_id, kind=kind, target=str(target), keep_copy=keep_copy)
    about = {"kind": kind, "to": str(target)} | ({"keep_copy": keep_copy} if kind == "email_forwarding" else {})
    await tx.emit_many(
        "domain.forwarding_set",
        workspace_id=workspace_id,
        data_by_subject={domain.id: {"name": domain.name, **about} for domain in chosen.values()},
    )
    accepted = {index: domain.id for index, domain in chosen.items()}
    return bulk.settle(accepted, rejected, key="domains", all_or_nothing=all_or_nothing)


async def remove_rule(tx: Tx, given: Sequence[str], kind: RuleKind, *, all_or_nothing: bool) -> BulkResult:
    """Takes the rule away; domains that had none stay as they are. Raises AllRejected, NotAllAccepted."""
    chosen, rejected = await choose(tx, given)
    ruled = {
        rule.domain_id
        for rule in await queries.rules_of(tx, {domain.id for domain in chosen.values()})
        if rule.kind == kind
    }
    await queries.delete_rules(tx, ruled, kind=kind)
    await tx.emit_many(
        "domain.forwarding_removed",
        workspace_id=workspace(tx),
        data_by_subject={
            domain.id: {"name": domain.name, "kind": kind} for domain in chosen.values() if domain.id in ruled
        },
    )
    accepted = {index: domain.id for index, domain in chosen.items()}
    return bulk.settle(accepted, rejected, key="domains", all_or_nothing=all_or_nothing)


async def mail_rules_of_active(tx: Tx, name: str) -> dict[RuleKind, MailRule]:
    """The rules of the active domain of this name that the transaction may see."""
    return {rule.kind: rule for rule in await queries.rules_of_active(tx, name)}


def link_token(target_id: str, *, secrets: Secrets) -> str:
    """What a mailed link ends with. It can be made again, so that nothing secret has to be kept or handed to a job."""
    mac = secrets.mac("forwarding target", target_id)[:_MAC_OCTETS]
    return f"{target_id}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


async def read_target_link(tx: Tx, token: str, *, secrets: Secrets) -> ForwardingTarget:
    """The target that a link is for; as the system. Raises LinkUnknown, LinkExpired."""
    target_id = token.partition(".")[0]
    good = ids.is_id(target_id, "fwt") and _same(token, link_token(target_id, secrets=secrets))
    target = await queries.find_target_by_id(tx, target_id) if good else None
    if target is None:
        raise LinkUnknown
    if target.confirmed_at is None and target.asked_at < tx.now - LINK_LIFETIME:
        raise LinkExpired
    return target


async def confirm_target(tx: Tx, token: str, *, secrets: Secrets) -> ForwardingTarget:
    """The target's owner agrees; again changes nothing. As the system. Raises LinkUnknown, LinkExpired."""
    target = await read_target_link(tx, token, secrets=secrets)
    if await queries.confirm_target(tx, target.id):
        await tx.emit(
            "domain.forwarding_confirmed",
            workspace_id=target.workspace_id,
            subject=target.id,
            data={"to": target.address},
        )
    return target


async def _ask(tx: Tx, target: Address) -> None:
    """Has the owner of an address outside asked, unless they were lately, or have agreed. Raises TooManyTargets."""
    workspace_id = workspace(tx)
    if await queries.is_own(tx, target.domain, workspace_id=workspace_id):
        return
    known = await queries.find_target(tx, str(target), workspace_id=workspace_id)
    if known and (known.confirmed_at is not None or known.asked_at > tx.now - ASKED_AGAIN_AFTER):
        return
    since = tx.now - timedelta(days=1)
    if await queries.count_asked(tx, workspace_id=workspace_id, since=since) >= ASKED_IN_A_DAY:
        raise TooManyTargets(limit=ASKED_IN_A_DAY, field="to")
    target_id = await queries.put_target(tx, ids.new_id("fwt"), str(target), workspace_id=workspace_id)
    if target_id is not None:
        await tx.enqueue("domains.ask_forwarding_target", once=f"ask {target_id}", target_id=target_id)


def _refuse_reserved(target: Address, ours: Sequence[str]) -> None:
    if names.registrable(target.domain) in {names.registrable(host) for host in ours}:
        raise TargetNotAllowed(to=target, reason="it belongs to this server itself.", field="to")


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(), right.encode())
