"""Who gets mail to an address: the mailbox of that very address, else the one that has it as an alias, else the
domain's catch-all, else nobody. Written once: the mail servers obey it, and `GET .../route` explains it.

What a forwarding or catch-all leads to is looked up as mailbox or alias and goes no further: one step, so no loop.
"""

from typing import Literal

import msgspec

from litemail import domains
from litemail.domains import MailRule
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.mailboxes import alias_queries
from litemail.mailboxes.alias_queries import Holder
from litemail.mailboxes.mail import USABLE, Receiver
from litemail.protocols.address import Address, InvalidAddress, parse

Result = Literal["mailbox", "alias", "catch_all", "rejected"]


class OtherDomain(Error):
    kind = Kind.INVALID
    code = "route.other_domain"
    message = "{address} is not an address of {domain}."
    action = "Ask for an address such as info@{domain}."


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """`forward_to` is a target outside that takes the message too, or instead: then `instead` is the mailbox that keeps
    it where it cannot go on. `pending` is a target outside whose owner has not agreed. `rule` is the one in effect.
    """

    address: Address
    result: Result
    mailbox_id: str | None = None
    deliver_to: tuple[Receiver, ...] = ()
    forward_to: str | None = None
    instead: Receiver | None = None
    pending: str | None = None
    rule: MailRule | None = None
    reason: Literal["unknown", "disabled"] | None = None

    @property
    def rule_id(self) -> str | None:
        return None if self.rule is None else self.rule.id


async def route(tx: Tx, to: Address) -> Route:
    """For the system, or within the workspace of the transaction."""
    holder = await alias_queries.find_holder(tx, str(to))
    rules = await domains.mail_rules_of_active(tx, to.domain)
    if holder is not None:
        return await _held(tx, to, holder, rules.get("email_forwarding"))
    return await _caught(tx, to, rules.get("catch_all"))


async def explain(tx: Tx, domain: str, address: str) -> Route:
    """The route of an address of a domain (id or name) of the acting workspace.

    Raises DomainNotFound, InvalidAddress, OtherDomain.
    """
    found = await domains.get(tx, domain)
    try:
        wanted = parse(address)
    except InvalidAddress as error:
        raise error.at("address") from None
    if wanted.domain != found.name:
        raise OtherDomain(address=wanted, domain=found.name, field="address")
    return await route(tx, wanted)


async def _held(tx: Tx, to: Address, holder: Holder, rule: MailRule | None) -> Route:
    if holder.status not in USABLE:
        return Route(address=to, result="rejected", mailbox_id=holder.mailbox_id, reason="disabled")
    own = _receiver(holder)
    alone = Route(address=to, result=holder.via, mailbox_id=holder.mailbox_id, deliver_to=(own,))
    if rule is None:
        return alone
    alone = msgspec.structs.replace(alone, rule=rule)
    if rule.pending:
        return msgspec.structs.replace(alone, pending=rule.target)
    if rule.inside:
        target = await _usable(tx, rule)
        if target is None or target == own:
            return alone
        return msgspec.structs.replace(alone, deliver_to=(own, target) if rule.keep_copy else (target,))
    if rule.keep_copy:
        return msgspec.structs.replace(alone, forward_to=rule.target)
    return msgspec.structs.replace(alone, deliver_to=(), forward_to=rule.target, instead=own)


async def _caught(tx: Tx, to: Address, rule: MailRule | None) -> Route:
    rejected = Route(address=to, result="rejected", reason="unknown", rule=rule)
    if rule is None:
        return rejected
    if rule.pending:
        return msgspec.structs.replace(rejected, pending=rule.target)
    if not rule.inside:
        return Route(address=to, result="catch_all", forward_to=rule.target, rule=rule)
    target = await _usable(tx, rule)
    if target is None:
        return rejected
    return Route(address=to, result="catch_all", mailbox_id=target.mailbox_id, deliver_to=(target,), rule=rule)


async def _usable(tx: Tx, rule: MailRule) -> Receiver | None:
    """The mailbox that a rule leads to, if it is there and of the same workspace."""
    holder = await alias_queries.find_holder(tx, rule.target)
    if holder is None or holder.status not in USABLE or holder.workspace_id != rule.workspace_id:
        return None
    return _receiver(holder)


def _receiver(holder: Holder) -> Receiver:
    return Receiver(holder.mailbox_id, holder.email)
