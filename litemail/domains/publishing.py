"""Domains whose DNS stays at their owner's provider: our records are published there, and nothing else is touched.

See docs/decisions/0020-publishing-dns.md.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from litemail import zones
from litemail.domains import keys, proof_queries, publishing_queries, service
from litemail.domains.dns_doors import Access, DnsDoors
from litemail.domains.managed import dkim_records
from litemail.domains.publishing_queries import Publishing
from litemail.domains.refreshing import request_check
from litemail.kit import bulk, ids
from litemail.kit.actor import Actor, Mode
from litemail.kit.bulk import BulkResult
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.outbound import OutboundError
from litemail.kit.secrets import Secrets
from litemail.protocols import names
from litemail.protocols.record_types import Record, RecordType
from litemail.providers.dns import CHALLENGE_LABEL
from litemail.providers.dns.publishing import (
    Conflict,
    DnsProviderError,
    NotOffered,
    Plan,
    Publisher,
    TryAgain,
    Value,
    make_plan,
    value_of,
)

VERIFY_WITHIN: Final = 10.0
_FIRST_PAUSE: Final = timedelta(seconds=10)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_DOUBLINGS: Final = 10
_PATIENCE_MS: Final = 5_000


class NoAnswerInTime(TryAgain):
    code = "dns_provider.no_answer"
    message = "{name} did not answer within {seconds} seconds."
    action = "Try again in a moment."


class InTheWay(DnsProviderError):
    """What the domain shows while its owner has not said what is to become of it."""

    kind = Kind.CONFLICT
    code = "dns_provider.conflict"
    message = "{name} holds records that ours cannot stand beside: {held}."
    action = (
        "Delete them there, or connect {domain} again with `replace: true` to have them replaced; then call "
        "POST /v1/domains/connect again."
    )


class Delegated(DnsProviderError):
    kind = Kind.CONFLICT
    code = "dns_provider.delegated"
    message = "{name} has delegated a name that our records have to be at: {held}."
    action = "Delete that delegation there; then connect {domain} again with POST /v1/domains/connect."


async def verify(access: Access, doors: DnsDoors, *, mode: Mode) -> None:
    """Asks the provider whether the credentials work. Raises BadCredentials and what else `Publisher.verify` raises."""
    try:
        async with asyncio.timeout(VERIFY_WITHIN), doors.open(access, mode=mode) as publisher:
            await publisher.verify()
    except TimeoutError:
        raise NoAnswerInTime(name=access.provider.declaration.name, seconds=int(VERIFY_WITHIN)) from None
    except (DnsProviderError, OutboundError) as error:
        raise error.at("dns.credentials") from None


async def connect(
    tx: Tx,
    given: Sequence[str],
    access: Access,
    *,
    replace: bool,
    all_or_nothing: bool,
    secrets: Secrets,
    house: service.Claiming,
) -> BulkResult:
    """Claims names whose DNS is at a provider, and has our records published there.

    A name that the workspace has at a provider already goes on with these credentials, and with leave to replace if
    that is given. Raises AllRejected, NotAllAccepted.
    """
    workspace_id = _actor(tx).workspace_id
    held = await publishing_queries.held_at_provider(tx, _readable(given), workspace_id=workspace_id)
    known = {index: held[name] for index, text in enumerate(given) if (name := zones.plain_name(text)) in held}
    rest = {index: text for index, text in enumerate(given) if index not in known}
    claimed, rejected = await service.claim(tx, rest, house, first_check=None)
    accepted = {**claimed, **known}
    await _publish(tx, accepted, access, replace=replace, secrets=secrets)
    return bulk.settle(accepted, rejected, key="domains", all_or_nothing=all_or_nothing)


async def _publish(tx: Tx, accepted: Mapping[int, str], access: Access, *, replace: bool, secrets: Secrets) -> None:
    workspace_id = _actor(tx).workspace_id
    domain_ids = sorted(set(accepted.values()))
    if not domain_ids:
        return
    text = msgspec.json.encode(dict(sorted(access.credentials.values.items()))).decode()
    identity = secrets.mac("dns-account", text)
    account_id = await publishing_queries.keep_account(
        tx,
        account_id=ids.new_id("dna"),
        workspace_id=workspace_id,
        provider=access.name,
        identity=identity,
        sealed=secrets.seal(text, row=identity.hex()),
    )
    await publishing_queries.set_provider(tx, domain_ids, access.name)
    await zones.keep_elsewhere(tx, domain_ids)
    await publishing_queries.put_publishings(
        tx, domain_ids, workspace_id=workspace_id, account_id=account_id, replace=replace
    )
    for domain_id in domain_ids:
        await request(tx, domain_id)


async def request(tx: Tx, domain_id: str) -> None:
    """One publishing of a domain at a time, and one more that waits."""
    lock = f"publish {domain_id}"
    await tx.enqueue("domains.publish", lock=lock, once=lock, domain_id=domain_id)


async def publish(database: Database, domain_id: str, *, doors: DnsDoors, secrets: Secrets) -> None:
    """One step of a job: brings the provider of a domain to what it has to hold. Safe to run twice.

    What is wrong is shown by the domain; what may mend itself is tried again later.
    """
    async with database.begin_system("publish dns") as tx:
        row = await publishing_queries.find(tx, domain_id)
        with_keys = row is None or row.removed or await keys.has_keys(tx, domain_id)
    if row is None:
        return
    if not with_keys:
        await _make_keys(database, row, secrets=secrets)
    try:
        await _bring_up(database, row, doors=doors, secrets=secrets)
    except (DnsProviderError, OutboundError) as error:
        await _note(database, row, error)


async def _bring_up(database: Database, row: Publishing, *, doors: DnsDoors, secrets: Secrets) -> None:
    async with database.begin_system("publish dns") as tx:
        written = await publishing_queries.written(tx, row.domain_id)
        zone = await zones.managed(tx, row.domain_id)
    wanted = () if row.removed else (*zone.records, challenge_record(row.challenge))
    if row.removed and not written:
        await _settle(database, row, (), serial=None)
        return
    access = open_access(row, doors, secrets=secrets)
    async with doors.open(access, mode=row.mode) as publisher:
        plan = await plan_for(publisher, access, row.name, written=written, wanted=wanted, replace=row.replace)
        if plan.conflicts:
            raise _trouble(plan.conflicts, access, row.name)
        async with database.begin_system("publish dns") as tx:  # the attempt, so that a crash leaves nothing unknown
            attempted = {*written, *plan.adds}
            await publishing_queries.set_written(tx, row.domain_id, attempted, workspace_id=row.workspace_id)
        await publisher.apply(row.name, plan)
    ours = attempted & {value_of(record) for record in wanted}
    await _settle(database, row, tuple(ours), serial=None if row.removed else zone.serial)


async def plan_for(
    publisher: Publisher,
    access: Access,
    zone: str,
    *,
    written: Sequence[Value],
    wanted: Sequence[Record],
    replace: bool,
) -> Plan:
    """Reads the zone and compares. Raises NotOffered and what `Publisher.read` raises."""
    declaration = access.provider.declaration
    for record in wanted:
        if record.type not in declaration.types:
            raise NotOffered(name=declaration.name, type=record.type.value)
    return make_plan(await publisher.read(zone), written=written, wanted=wanted, replace=replace)


def challenge_record(challenge: str) -> Record:
    """That we can write it, and others can read it, is the proof that the name is the workspace's."""
    return Record(RecordType.TXT, CHALLENGE_LABEL, challenge)


def open_access(row: Publishing, doors: DnsDoors, *, secrets: Secrets) -> Access:
    """The stored credentials; checked again, because what may be reached can have changed."""
    identity = row.identity.hex()
    given = msgspec.json.decode(secrets.open(row.credentials_sealed, row=identity), type=dict[str, str])
    return doors.read(row.provider, given, mode=row.mode, field="dns")


async def _make_keys(database: Database, row: Publishing, *, secrets: Secrets) -> None:
    new = await keys.generate()
    async with database.begin_system("publish dns") as tx:
        await keys.keep(tx, row.domain_id, new, workspace_id=row.workspace_id, secrets=secrets)
        published = [(key.selector, key.txt) for key in await keys.published(tx, row.domain_id)]
        await zones.add_managed(tx, row.domain_id, dkim_records(published, domain=row.name))


async def _settle(database: Database, row: Publishing, ours: Sequence[Value], *, serial: int | None) -> None:
    first = row.serial is None
    async with database.begin_system("publish dns") as tx:
        await publishing_queries.set_written(tx, row.domain_id, ours, workspace_id=row.workspace_id)
        await publishing_queries.settle(tx, row.domain_id, serial=serial)
        await publishing_queries.show_failure(tx, row.domain_id, None)
        if serial is None:
            await _tell(tx, "domain.unpublished", row)
        elif await publishing_queries.check_soon(tx, row.domain_id):
            await _request_proof(tx, row.domain_id)
        if serial is not None and first:
            await _tell(tx, "domain.published", row)


async def _request_proof(tx: Tx, domain_id: str) -> None:
    domain = await proof_queries.find_any(tx, domain_id)
    if domain is not None:
        await request_check(tx, domain, patience_ms=_PATIENCE_MS)


async def _note(database: Database, row: Publishing, error: Error) -> None:
    pause = min(_FIRST_PAUSE * 2 ** min(row.tries, _DOUBLINGS), _LONGEST_PAUSE)
    async with database.begin_system("publish dns") as tx:
        again = tx.now + pause if error.retryable or row.removed else None  # nobody sees what a removed domain needs
        await publishing_queries.fail(tx, row.domain_id, next_try_at=again)
        if not row.removed:
            await publishing_queries.show_failure(tx, row.domain_id, error.problem())
        if row.tries == 0:
            await _tell(tx, "domain.publishing_failed", row, failure_code=error.code)


async def _tell(tx: Tx, event_type: str, row: Publishing, **more: str) -> None:
    await tx.emit(
        event_type,
        workspace_id=row.workspace_id,
        subject=row.domain_id,
        data={"name": row.name, "provider": row.provider, **more},
    )


def _trouble(conflicts: Sequence[Conflict], access: Access, domain: str) -> DnsProviderError:
    error = InTheWay if any(one.replaceable for one in conflicts) else Delegated
    held = dict.fromkeys(value for one in conflicts for value in one.held)
    shown = "; ".join(f"{value.type} {names.absolute(value.name, domain)} {value.content[:80]}" for value in held)
    return error(name=access.provider.declaration.name, domain=domain, held=shown)


def _actor(tx: Tx) -> Actor:
    assert tx.actor is not None
    return tx.actor


def _readable(given: Sequence[str]) -> list[str]:
    return [name for text in given if (name := zones.plain_name(text)) is not None]
