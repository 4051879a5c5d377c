"""Rotation of DKIM keys: the next ones are published, waited for, switched to; the old ones stay for mail under way.

Every step is in the database, so whoever goes on does not need to know where somebody else stopped.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from litemail import zones
from litemail.domains import keys, policy_queries, service
from litemail.domains.keys import NewKey, PublishedKey, RetiredKey
from litemail.domains.managed import dkim_records
from litemail.domains.policy_queries import Rotation
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.secrets import Secrets
from litemail.protocols import names
from litemail.protocols.dkim import txt_name

RETIRE_AFTER = timedelta(days=7)
"""Longer than mail is tried to be delivered (RFC 5321 4.5.4.1), so that no signature outlives its key."""
SHORTEST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(hours=1)


class NotActive(Error):
    kind = Kind.CONFLICT
    code = "domain.not_active"
    message = "{name} is {status}: nothing is signed for it."
    action = "Wait until it is active, see GET /v1/domains/{name}."


class RotationRunning(Error):
    kind = Kind.CONFLICT
    code = "domain.rotation_running"
    message = "The keys of {name} are being changed already: the next ones wait to be served."
    action = "Wait for the event domain.dkim_rotated."


class Begun(msgspec.Struct, frozen=True):
    """Selectors that sign now, and those that will."""

    domain: str
    signing: list[str]
    next: list[str]


def lock_of(domain_id: str) -> str:
    return f"dkim {domain_id}"


async def start(tx: Tx, domain: str) -> Begun:
    """Has the keys of a domain (id or name) changed by a job. Raises DomainNotFound, NotActive, RotationRunning."""
    row = await service.get(tx, domain)
    if row.status != "active":
        raise NotActive(name=row.name, status=row.status)
    next_look_at = tx.now + SHORTEST_WAIT
    if not await policy_queries.start_rotation(tx, row.id, workspace_id=row.workspace_id, next_look_at=next_look_at):
        raise RotationRunning(name=row.name)
    await request(tx, row.id)
    held = await keys.published(tx, row.id)
    begun = Begun(row.name, _selectors(held, "signing"), _next_selectors(held))
    await _tell(tx, "domain.dkim_rotation_started", row.workspace_id, row.id, begun)
    return begun


async def request(tx: Tx, domain_id: str) -> None:
    """A job goes on with the rotation as soon as this transaction commits."""
    lock = lock_of(domain_id)
    await tx.enqueue("domains.rotate_dkim", lock=lock, once=lock, domain_id=domain_id)


async def publish(tx: Tx, rotation: Rotation, new: Sequence[NewKey], *, secrets: Secrets) -> list[PublishedKey]:
    """Keeps new keys and has the zone show all; those that wait to sign. As the system."""
    await keys.keep(tx, rotation.domain_id, new, workspace_id=rotation.workspace_id, secrets=secrets)
    held = await keys.published(tx, rotation.domain_id)
    wanted = dkim_records([(key.selector, key.txt) for key in held], domain=rotation.name)
    owners = {record.name for record in wanted}
    await zones.rewrite(tx, rotation.domain_id, wanted, replaces=lambda record: record.name in owners)
    return [key for key in held if key.state == "standby"]


async def switch(tx: Tx, domain_id: str) -> Rotation | None:
    """The keys that wait sign from this commit on. None when that was done already. As the system."""
    rotation = await policy_queries.lock_rotation(tx, domain_id)
    if rotation is None:
        return None
    await keys.switch(tx, domain_id, retire_at=tx.now + RETIRE_AFTER)
    await policy_queries.end_rotation(tx, domain_id)
    held = await keys.published(tx, domain_id)
    data = {"signing": _selectors(held, "signing"), "retiring": _selectors(held, "retiring")}
    await tx.emit(
        "domain.dkim_rotated",
        workspace_id=rotation.workspace_id,
        subject=domain_id,
        data={"name": rotation.name, **data},
    )
    return rotation


async def retire(tx: Tx, *, limit: int) -> int:
    """Deletes keys whose time is over, and their records; how many there were. As the system."""
    retired = await keys.take_retired(tx, limit=limit)
    for key in retired:
        await _forget(tx, key)
    return len(retired)


def next_look(rotation: Rotation, now: datetime) -> datetime:
    """A quarter of the time waited so far, 15 seconds to an hour."""
    return now + min(max((now - rotation.started_at) / 4, SHORTEST_WAIT), LONGEST_WAIT)


async def _forget(tx: Tx, key: RetiredKey) -> None:
    name = names.relative(txt_name(key.selector, key.domain), key.domain)
    await zones.rewrite(tx, key.domain_id, [], replaces=lambda record: record.name == name)
    await tx.emit(
        "domain.dkim_retired",
        workspace_id=key.workspace_id,
        subject=key.domain_id,
        data={"name": key.domain, "selector": key.selector},
    )


def _selectors(held: Sequence[PublishedKey], state: str) -> list[str]:
    return [key.selector for key in held if key.state == state]


def _next_selectors(held: Sequence[PublishedKey]) -> list[str]:
    return sorted([*_selectors(held, "standby"), *(selector for selector, _, _ in keys.missing_standbys(held))])


async def _tell(tx: Tx, event_type: str, workspace_id: str, domain_id: str, begun: Begun) -> None:
    data = {"name": begun.domain, "signing": begun.signing, "next": begun.next}
    await tx.emit(event_type, workspace_id=workspace_id, subject=domain_id, data=data)
