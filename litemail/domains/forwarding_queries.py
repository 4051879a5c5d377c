"""SQL of web forwardings and mail rules."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from litemail.kit.db import Tx

RuleKind = Literal["email_forwarding", "catch_all"]


class WebForwarding(msgspec.Struct, frozen=True):
    """`name` is the domain's."""

    domain_id: str
    name: str
    url: str
    permanent: bool
    keep_path: bool


class MailRule(msgspec.Struct, frozen=True):
    """`inside`: the target's domain is an active one of the same workspace. `confirmed`: its owner agreed."""

    id: str
    domain_id: str
    workspace_id: str
    kind: RuleKind
    target: str
    keep_copy: bool
    inside: bool
    confirmed: bool

    @property
    def pending(self) -> bool:
        return not (self.inside or self.confirmed)


class NewRule(msgspec.Struct, frozen=True):
    id: str
    domain_id: str


class ForwardingTarget(msgspec.Struct, frozen=True):
    """An address outside, with what its owner has to be told. `mode` is the workspace's."""

    id: str
    workspace_id: str
    workspace_name: str
    mode: str
    address: str
    asked_at: datetime
    confirmed_at: datetime | None


_WEB = """SELECT f.domain_id, d.name, f.url, f.permanent, f.keep_path
    FROM web_forwardings f JOIN domains d ON d.id = f.domain_id"""

_RULES = """SELECT r.id, r.domain_id, r.workspace_id, r.kind, r.target, r.keep_copy,
        EXISTS (SELECT FROM domains own
                WHERE own.name = split_part(r.target, '@', 2) AND own.workspace_id = r.workspace_id
                  AND own.status = 'active' AND own.removed_at IS NULL) AS inside,
        EXISTS (SELECT FROM forwarding_targets t
                WHERE t.workspace_id = r.workspace_id AND t.address = r.target
                  AND t.confirmed_at IS NOT NULL) AS confirmed
    FROM mail_rules r"""

_TARGETS = """SELECT t.id, t.workspace_id, w.name AS workspace_name, w.mode, t.address, t.asked_at, t.confirmed_at
    FROM forwarding_targets t JOIN workspaces w ON w.id = t.workspace_id"""


async def lock_web(tx: Tx, workspace_id: str) -> None:
    """One change of web forwardings in a workspace at a time: two that are fine alone could make a loop."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 0))", key=f"web {workspace_id}")


async def list_web(tx: Tx, *, workspace_id: str) -> list[WebForwarding]:
    return await tx.all(
        WebForwarding,
        _WEB + " WHERE f.workspace_id = %(workspace_id)s AND d.removed_at IS NULL",
        workspace_id=workspace_id,
    )


async def web_of(tx: Tx, domain_ids: Collection[str]) -> list[WebForwarding]:
    return await tx.all(WebForwarding, _WEB + " WHERE f.domain_id = ANY (%(ids)s)", ids=list(domain_ids))


async def served_web(tx: Tx, names: Collection[str] | None) -> list[WebForwarding]:
    """Those of names that are proved to be their owner's, all or some; as the system."""
    return await tx.all(
        WebForwarding,
        _WEB
        + """ WHERE d.status IN ('verifying', 'active') AND d.removed_at IS NULL
                AND (%(names)s::text[] IS NULL OR d.name = ANY (%(names)s))""",
        names=None if names is None else list(names),
    )


async def put_web(
    tx: Tx, domain_ids: Sequence[str], *, workspace_id: str, url: str, permanent: bool, keep_path: bool
) -> None:
    await tx.execute(
        """INSERT INTO web_forwardings (domain_id, workspace_id, url, permanent, keep_path, created_at)
           SELECT id, %(workspace_id)s, %(url)s, %(permanent)s, %(keep_path)s, %(now)s
           FROM unnest(%(ids)s::text[]) AS id
           ON CONFLICT (domain_id) DO UPDATE
           SET url = excluded.url, permanent = excluded.permanent, keep_path = excluded.keep_path""",
        ids=list(domain_ids),
        workspace_id=workspace_id,
        url=url,
        permanent=permanent,
        keep_path=keep_path,
        now=tx.now,
    )


async def delete_web(tx: Tx, domain_ids: Collection[str]) -> None:
    await tx.execute("DELETE FROM web_forwardings WHERE domain_id = ANY (%(ids)s)", ids=list(domain_ids))


async def rules_of(tx: Tx, domain_ids: Collection[str]) -> list[MailRule]:
    return await tx.all(MailRule, _RULES + " WHERE r.domain_id = ANY (%(ids)s)", ids=list(domain_ids))


async def rules_of_active(tx: Tx, name: str) -> list[MailRule]:
    """The rules of the active domain of this name, in whatever workspace it is."""
    return await tx.all(
        MailRule,
        _RULES
        + """ JOIN domains d ON d.id = r.domain_id
              WHERE d.name = %(name)s AND d.status = 'active' AND d.removed_at IS NULL""",
        name=name,
    )


async def put_rules(
    tx: Tx, new: Sequence[NewRule], *, workspace_id: str, kind: RuleKind, target: str, keep_copy: bool
) -> None:
    await tx.execute(
        """INSERT INTO mail_rules (id, workspace_id, domain_id, kind, target, keep_copy, created_at)
           SELECT id, %(workspace_id)s, domain_id, %(kind)s, %(target)s, %(keep_copy)s, %(now)s
           FROM unnest(%(ids)s::text[], %(domain_ids)s::text[]) AS given (id, domain_id)
           ON CONFLICT (domain_id, kind) DO UPDATE SET target = excluded.target, keep_copy = excluded.keep_copy""",
        ids=[rule.id for rule in new],
        domain_ids=[rule.domain_id for rule in new],
        workspace_id=workspace_id,
        kind=kind,
        target=target,
        keep_copy=keep_copy,
        now=tx.now,
    )


async def delete_rules(tx: Tx, domain_ids: Collection[str], *, kind: RuleKind) -> None:
    await tx.execute(
        "DELETE FROM mail_rules WHERE domain_id = ANY (%(ids)s) AND kind = %(kind)s", ids=list(domain_ids), kind=kind
    )


async def is_own(tx: Tx, name: str, *, workspace_id: str) -> bool:
    """Whether the workspace has an active domain of this name."""
    found = await tx.value(
        int,
        """SELECT 1 FROM domains WHERE name = %(name)s AND workspace_id = %(workspace_id)s AND status = 'active'
           AND removed_at IS NULL""",
        name=name,
        workspace_id=workspace_id,
    )
    return found is not None


async def find_target(tx: Tx, address: str, *, workspace_id: str) -> ForwardingTarget | None:
    return await tx.find(
        ForwardingTarget,
        _TARGETS + " WHERE t.workspace_id = %(workspace_id)s AND t.address = %(address)s FOR UPDATE OF t",
        workspace_id=workspace_id,
        address=address,
    )


async def find_target_by_id(tx: Tx, target_id: str) -> ForwardingTarget | None:
    """In whatever workspace; for the system."""
    return await tx.find(ForwardingTarget, _TARGETS + " WHERE t.id = %(id)s", id=target_id)


async def put_target(tx: Tx, target_id: str, address: str, *, workspace_id: str) -> str | None:
    """Notes that its owner is asked now; the id, None when they have agreed already."""
    return await tx.value(
        str,
        """INSERT INTO forwarding_targets (id, workspace_id, address, asked_at)
           VALUES (%(id)s, %(workspace_id)s, %(address)s, %(now)s)
           ON CONFLICT (workspace_id, address) DO UPDATE SET asked_at = excluded.asked_at
           WHERE forwarding_targets.confirmed_at IS NULL RETURNING id""",
        id=target_id,
        workspace_id=workspace_id,
        address=address,
        now=tx.now,
    )


async def count_asked(tx: Tx, *, workspace_id: str, since: datetime) -> int:
    asked = await tx.value(
        int,
        "SELECT count(*) FROM forwarding_targets WHERE workspace_id = %(workspace_id)s AND asked_at > %(since)s",
        workspace_id=workspace_id,
        since=since,
    )
    return asked or 0


async def confirm_target(tx: Tx, target_id: str) -> bool:
    """False when it was confirmed before."""
    return bool(
        await tx.execute(
            "UPDATE forwarding_targets SET confirmed_at = %(now)s WHERE id = %(id)s AND confirmed_at IS NULL",
            id=target_id,
            now=tx.now,
        )
    )
