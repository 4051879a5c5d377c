"""The registry of `.test`: what a registrar would set for a name, as the parent zone shows it.

One for all sandbox workspaces; the first workspace to use a name owns it there.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from litemail import domains
from litemail.kit.db import Tx
from litemail.kit.errors import Detail, Error, Invalid, Kind
from litemail.protocols import names

PATIENCE_MS = 1_000
"""How long the check that follows a delegation waits for the registry's servers to show it."""


class LiveWorkspace(Error):
    kind = Kind.NOT_FOUND
    code = "sandbox.live_workspace"
    message = "There is no sandbox in a live workspace."
    action = "Use a workspace of mode sandbox."


class Delegation(msgspec.Struct, frozen=True):
    """`challenge` is the value of the TXT record at `_litemail-challenge` that the name's owner has published."""

    name: str
    name_servers: list[str]
    challenge: str | None
    updated_at: datetime


class Challenged(msgspec.Struct, frozen=True):
    name: str
    challenge: str


_DELEGATION = "name, name_servers, challenge, updated_at"


async def delegate(
    tx: Tx, name: str, *, name_servers: Sequence[str], challenge: str | None, ours: Sequence[str]
) -> Delegation:
    """Sets the delegation of a name under .test, and has the workspace's domain of that name checked at once.

    Without name servers the name is registered and goes nowhere. `ours` are the host names of our own servers.
    Raises LiveWorkspace, BadName and its like, domains.NameNotTest, domains.Reserved, NameTaken, Invalid (host names).
    """
    actor = tx.actor
    assert actor is not None
    if actor.mode != "sandbox":
        raise LiveWorkspace
    registered = names.normalise(name, field="domain")
    domains.check_mode(registered, actor, field="domain")
    domains.refuse_reserved(registered, ours=ours, field="domain")
    hosts = _hosts(name_servers)
    await domains.own_test_name(tx, registered)
    row = await tx.one(
        Delegation,
        f"""INSERT INTO sandbox.delegations (name, workspace_id, name_servers, challenge, updated_at)
            VALUES (%(name)s, %(workspace_id)s, %(name_servers)s, %(challenge)s, %(now)s)
            ON CONFLICT (name) DO UPDATE
            SET name_servers = excluded.name_servers, challenge = excluded.challenge, updated_at = excluded.updated_at
            RETURNING {_DELEGATION}""",
        name=registered,
        workspace_id=actor.workspace_id,
        name_servers=hosts,
        challenge=challenge,
        now=tx.now,
    )
    await domains.request_check_of_name(tx, registered, patience_ms=PATIENCE_MS)
    return row


async def delegations(tx: Tx) -> list[Delegation]:
    """All of them; for the DNS server, as the system."""
    return await tx.all(Delegation, f"SELECT {_DELEGATION} FROM sandbox.delegations ORDER BY name")


async def challenges(tx: Tx, chosen: Collection[str] | None) -> list[Challenged]:
    """The challenges of names that are not served by us, all or those of some names; as the system."""
    return await tx.all(
        Challenged,
        """SELECT d.name, d.challenge FROM sandbox.delegations d
           WHERE d.challenge IS NOT NULL AND (%(names)s::text[] IS NULL OR d.name = ANY (%(names)s))
             AND NOT EXISTS (SELECT FROM zones z WHERE z.name = d.name AND z.served)""",
        names=None if chosen is None else list(chosen),
    )


def _hosts(given: Sequence[str]) -> list[str]:
    """Normalised host names. Raises Invalid with every wrong one."""
    hosts: dict[str, None] = {}
    wrong: list[Detail] = []
    for index, text in enumerate(given):
        try:
            hosts[names.to_ascii(text)] = None
        except names.Unfit as reason:
            wrong.append(Detail(f"name_servers[{index}]", f"{names.shown(text)} is not a host name: {reason}"))
    if wrong:
        raise Invalid(details=tuple(wrong))
    return list(hosts)
