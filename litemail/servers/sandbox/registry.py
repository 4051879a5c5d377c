"""The registry of `.test`: what a registrar would set for a name, as the parent zone shows it.

One for all sandbox workspaces; the first workspace to use a name owns it there.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype
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
    """`challenge` is the value of the TXT record at `_litemail-challenge` that the name's owner has published.

    An `expired` name is not in its registry's zone.
    """

    name: str
    name_servers: list[str]
    challenge: str | None
    ds: list[str]
    expired: bool
    updated_at: datetime


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a registrar would set. `ds` as in zone files: `2371 13 2 1F98...`."""

    name_servers: Sequence[str]
    challenge: str | None = None
    ds: Sequence[str] = ()
    expired: bool = False


class Challenged(msgspec.Struct, frozen=True):
    name: str
    challenge: str


_DELEGATION = "name, name_servers, challenge, ds, expired, updated_at"


async def delegate(tx: Tx, name: str, wanted: Wanted, *, ours: Sequence[str]) -> Delegation:
    """Sets the delegation of a name under .test, and has the workspace's domain of that name checked at once.

    Without name servers the name is registered and goes nowhere. `ours` are the host names of our own servers.
    Raises LiveWorkspace, BadName and its like, domains.NameNotTest, domains.Reserved, NameTaken, Invalid (hosts, DS).
    """
    actor = tx.actor
    assert actor is not None
    if actor.mode != "sandbox":
        raise LiveWorkspace
    registered = names.normalise(name, field="domain")
    domains.check_mode(registered, actor, field="domain")
    domains.refuse_reserved(registered, ours=ours, field="domain")
    hosts = _hosts(wanted.name_servers)
    signers = _ds(wanted.ds)
    await domains.own_test_name(tx, registered)
    row = await tx.one(
        Delegation,
        f"""INSERT INTO sandbox.delegations (name, workspace_id, name_servers, challenge, ds, expired, updated_at)
            VALUES (%(name)s, %(workspace_id)s, %(name_servers)s, %(challenge)s, %(ds)s, %(expired)s, %(now)s)
            ON CONFLICT (name) DO UPDATE
            SET name_servers = excluded.name_servers, challenge = excluded.challenge, ds = excluded.ds,
                expired = excluded.expired, updated_at = excluded.updated_at
            RETURNING {_DELEGATION}""",
        name=registered,
        workspace_id=actor.workspace_id,
        name_servers=hosts,
        challenge=wanted.challenge,
        ds=signers,
        expired=wanted.expired,
        now=tx.now,
    )
    await domains.request_check_of_name(tx, registered, patience_ms=PATIENCE_MS)
    return row


async def delegations(tx: Tx) -> list[Delegation]:
    """All that are in the registry's zone; for the DNS server, as the system."""
    return await tx.all(Delegation, f"SELECT {_DELEGATION} FROM sandbox.delegations WHERE NOT expired ORDER BY name")


async def is_expired(tx: Tx, name: str) -> bool:
    """What the registry tells everybody about a registration; as the system."""
    found = await tx.value(int, "SELECT 1 FROM sandbox.delegations WHERE name = %(name)s AND expired", name=name)
    return found is not None


async def challenges(tx: Tx, chosen: Collection[str] | None) -> list[Challenged]:
    """The challenges of names that are not served by us, all or those of some names; as the system."""
    return await tx.all(
        Challenged,
        """SELECT d.name, d.challenge FROM sandbox.delegations d
           WHERE d.challenge IS NOT NULL AND (%(names)s::text[] IS NULL OR d.name = ANY (%(names)s))
             AND NOT EXISTS (SELECT FROM zones z WHERE z.name = d.name AND z.served)""",
        names=None if chosen is None else list(chosen),
    )


def _ds(given: Sequence[str]) -> list[str]:
    """DS records, normalised. Raises Invalid with every wrong one."""
    signers: list[str] = []
    wrong: list[Detail] = []
    for index, text in enumerate(given):
        try:
            signers.append(dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.DS, text).to_text())
        except (dns.exception.DNSException, ValueError) as error:
            wrong.append(Detail(f"ds[{index}]", f"{names.shown(text)} is not a DS record: {error}"))
    if wrong:
        raise Invalid(details=tuple(wrong))
    return signers


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
