"""Use cases of domains for their owners: connect, list, get; and for the slices above: find, count mailboxes."""

import itertools
import random
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from litemail import zones
from litemail.domains import queries
from litemail.domains.managed import managed_records
from litemail.domains.queries import Domain, Filter, NewDomain
from litemail.kit import bulk, ids, secrets
from litemail.kit.actor import Actor
from litemail.kit.bulk import BulkResult
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.pagination import Page, PageRequest, page
from litemail.protocols import names

REGISTRYS_OWN = f"nic.{names.SANDBOX_SUFFIX}"
"""Holds the name server of the sandbox's registry."""
FIRST_CHECK = timedelta(seconds=10)
"""Soon, so that a misspelt name is told while its owner is still looking."""
_SECURE = random.SystemRandom()


class DomainNotFound(Error):
    kind = Kind.NOT_FOUND
    code = "domain.not_found"
    message = "There is no domain {domain} in this workspace."
    action = "List your domains with GET /v1/domains, or connect this one with POST /v1/domains/connect."


class NameNotTest(Error):
    kind = Kind.INVALID
    code = "sandbox.name_not_test"
    message = "{name} does not end in .test, and sandbox workspaces use only names that do."
    action = "Use a name such as {example}, or connect this one in a live workspace."


class NameIsTest(Error):
    kind = Kind.INVALID
    code = "domain.test_name"
    message = "{name} ends in .test: such names exist in sandbox workspaces only."
    action = "Use a registered name, or connect this one in a sandbox workspace."


class Reserved(Error):
    kind = Kind.CONFLICT
    code = "domain.reserved"
    message = "{name} is used by this server itself."
    action = "Choose another name."


class NamedTwice(Error):
    kind = Kind.INVALID
    code = "domain.named_twice"
    message = "{name} is in this request twice, first as item {first}."
    action = "Leave one of them out."


class AlreadyConnected(Error):
    kind = Kind.CONFLICT
    code = "domain.already_connected"
    message = "{name} is already in this workspace."
    action = "Read its state with GET /v1/domains/{name}."


class NameTaken(Error):
    kind = Kind.CONFLICT
    code = "domain.taken"
    message = "{name} belongs to another workspace: in the sandbox the first to use a name owns it."
    action = "Choose another name under .test."


class NoNameServersLeft(Error):
    kind = Kind.CONFLICT
    code = "domain.no_name_servers_left"
    message = "{name} was claimed so often that no pair of name servers is left that nobody had before."
    action = "Ask the operator of this server to add name servers."


class MailboxLimit(Error):
    kind = Kind.CONFLICT
    code = "domain.mailbox_limit"
    message = "{domain} cannot hold so many mailboxes."
    action = "Use another domain, see GET /v1/domains/assignable, or remove a mailbox."


@dataclass(frozen=True)
class Claiming:
    """What a claim gets from this installation."""

    name_server_pool: Sequence[str]
    mail_hostname: str
    mailboxes_per_domain: int


async def connect(tx: Tx, given: Sequence[str], house: Claiming, *, all_or_nothing: bool) -> BulkResult:
    """Claims names that our name servers are to answer for, each with a first check in a minute.

    Raises AllRejected, NotAllAccepted.
    """
    accepted, rejected = await claim(tx, dict(enumerate(given)), house, first_check=tx.now + FIRST_CHECK)
    return bulk.settle(accepted, rejected, key="domains", all_or_nothing=all_or_nothing)


async def claim(
    tx: Tx, given: Mapping[int, str], house: Claiming, *, first_check: datetime | None
) -> tuple[dict[int, str], dict[int, Error]]:
    """Claims names. Each gets its own pair of name servers out of the pool, and a zone.

    The ids of the new domains, and why the others were rejected, by the places of the names in the request. Without
    `first_check` nobody looks for a proof until somebody asks for it.
    """
    rejected: dict[int, Error] = {}
    wanted = _readable(given, rejected, actor=_actor(tx), ours=(*house.name_server_pool, house.mail_hostname))
    await _refuse_held(tx, wanted, rejected)
    await _refuse_taken(tx, wanted, rejected)
    pairs = await _claim(tx, wanted, rejected, pool=house.name_server_pool)
    new = {
        index: NewDomain(ids.new_id("dom"), name, pairs[name], secrets.token("litemail-challenge="))
        for index, name in wanted.items()
    }
    workspace_id = _actor(tx).workspace_id
    await queries.lock_claims(tx, workspace_id, alone=False)
    inserted = await queries.insert_domains(
        tx,
        list(new.values()),
        workspace_id=workspace_id,
        mailbox_limit=house.mailboxes_per_domain,
        next_check_at=first_check,
    )
    for index, domain in list(new.items()):
        if domain.id not in inserted:  # somebody was faster between the look and the insert
            rejected[index] = AlreadyConnected(name=domain.name)
            del new[index]
    records = managed_records(mail_hostname=house.mail_hostname)
    await zones.create_many(
        tx,
        [zones.NewZone(domain.id, domain.name, domain.name_servers, records) for domain in new.values()],
        workspace_id=workspace_id,
    )
    await tx.emit_many(
        "domain.connected",
        workspace_id=workspace_id,
        data_by_subject={
            domain.id: {"name": domain.name, "name_servers": domain.name_servers} for domain in new.values()
        },
    )
    return {index: domain.id for index, domain in new.items()}, rejected


async def get(tx: Tx, domain: str) -> Domain:
    """A domain of the acting workspace, by id or name. Raises DomainNotFound."""
    found = await find(tx, domain)
    if found is None:
        raise DomainNotFound(domain=names.shown(domain))
    return found


async def find(tx: Tx, domain: str) -> Domain | None:
    workspace_id = _actor(tx).workspace_id
    if ids.is_id(domain, "dom"):
        return await queries.find_domain(tx, workspace_id=workspace_id, domain_id=domain)
    name = zones.plain_name(domain)
    return None if name is None else await queries.find_domain(tx, workspace_id=workspace_id, name=name)


async def find_many(tx: Tx, given: Collection[str]) -> dict[str, Domain]:
    """Domains of the acting workspace by what they were asked for, ids or names; those it does not have are absent."""
    return await _by_what_was_given(tx, given, usable=False)


async def lock_usable(tx: Tx, given: Collection[str]) -> dict[str, Domain]:
    """Like `find_many`, but only active ones, and nobody changes their counts until this transaction ends."""
    return await _by_what_was_given(tx, given, usable=True)


async def list_(tx: Tx, chosen: Filter, request: PageRequest) -> Page[Domain]:
    """Newest first."""
    workspace_id = _actor(tx).workspace_id
    rows = await queries.list_domains(
        tx, workspace_id=workspace_id, chosen=chosen, limit=request.limit + 1, after=request.after
    )
    total = await queries.count_domains(tx, workspace_id=workspace_id, chosen=chosen) if request.count else None
    return page(rows, request, key=lambda row: row.id, total=total)


async def is_ours(tx: Tx, name: str) -> Domain | None:
    """The active domain of that name, in whatever workspace; for the system."""
    return await queries.find_active(tx, name)


async def lock(tx: Tx, domain_ids: Collection[str]) -> None:
    """Nobody changes the counts of these until this transaction ends. Taken before any lock of mailboxes."""
    await queries.lock_domains(tx, domain_ids)


async def count_mailbox(tx: Tx, domain_id: str, *, by: int) -> None:
    """A higher slice's word that mailboxes came (`by` > 0) or went. Raises MailboxLimit."""
    await count_mailboxes(tx, {domain_id: by})


async def count_mailboxes(tx: Tx, by: Mapping[str, int]) -> None:
    """The same for several domains at once, by id; locked in the order of ids. Raises MailboxLimit."""
    wanted = {domain_id: more for domain_id, more in by.items() if more}
    counted = await queries.count_mailboxes(tx, wanted) if wanted else set()
    if full := sorted(wanted.keys() - counted):
        raise MailboxLimit(domain=", ".join(full))


async def own_test_name(tx: Tx, name: str) -> None:
    """Makes the acting workspace the owner of a name under .test. Raises NameTaken."""
    if not await queries.take_test_names(tx, [name], workspace_id=_actor(tx).workspace_id):
        raise NameTaken(name=name, field="domain")


def check_mode(name: str, actor: Actor, *, field: str | None = None) -> None:
    """Sandbox workspaces use names under .test, live ones all others. Raises NameNotTest, NameIsTest."""
    is_test = names.is_under(name, names.SANDBOX_SUFFIX)
    if actor.mode == "sandbox" and not is_test:
        raise NameNotTest(name=name, example=f"{name.partition('.')[0]}.test", field=field)
    if actor.mode == "live" and is_test:
        raise NameIsTest(name=name, field=field)


def refuse_reserved(name: str, *, ours: Sequence[str], field: str | None = None) -> None:
    """The names that hold our own servers, `ours`, and the sandbox registry's are nobody's. Raises Reserved."""
    if name == REGISTRYS_OWN or name in {names.registrable(host) for host in ours}:
        raise Reserved(name=name, field=field)


def _readable(
    given: Mapping[int, str], rejected: dict[int, Error], *, actor: Actor, ours: Sequence[str]
) -> dict[int, str]:
    """The names by their index, normalised; what is wrong by itself goes to `rejected`."""
    wanted: dict[int, str] = {}
    first: dict[str, int] = {}
    for index, text in given.items():
        try:
            name = names.normalise(text)
            check_mode(name, actor)
            refuse_reserved(name, ours=ours)
            if name in first:
                raise NamedTwice(name=name, first=first[name])
        except Error as problem:
            rejected[index] = problem
            continue
        first[name] = index
        wanted[index] = name
    return wanted


async def _refuse_held(tx: Tx, wanted: dict[int, str], rejected: dict[int, Error]) -> None:
    held = await queries.held_names(tx, list(wanted.values()), workspace_id=_actor(tx).workspace_id)
    for index, name in list(wanted.items()):
        if name in held:
            rejected[index] = AlreadyConnected(name=name)
            del wanted[index]


async def _refuse_taken(tx: Tx, wanted: dict[int, str], rejected: dict[int, Error]) -> None:
    """In the sandbox a name has one owner from its first use on; elsewhere anybody may claim and then has to prove."""
    actor = _actor(tx)
    if actor.mode != "sandbox" or not wanted:
        return
    own = await queries.take_test_names(tx, list(wanted.values()), workspace_id=actor.workspace_id)
    for index, name in list(wanted.items()):
        if name not in own:
            rejected[index] = NameTaken(name=name)
            del wanted[index]


async def _claim(
    tx: Tx, wanted: dict[int, str], rejected: dict[int, Error], *, pool: Sequence[str]
) -> dict[str, tuple[str, str]]:
    """A pair for each name that no claim of it ever had, chosen at random; those without a free pair are rejected."""
    pairs: dict[str, tuple[str, str]] = {}
    every = list(itertools.combinations(sorted(pool), 2))
    while missing := {name: index for index, name in wanted.items() if name not in pairs}:
        used: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        for claim in await queries.claims_of(tx, list(missing)):
            used[claim.name].add(tuple(claim.pair))
        chosen: dict[str, tuple[str, str]] = {}
        for name, index in missing.items():
            free = [pair for pair in every if pair not in used[name]] if used[name] else every
            if free:
                chosen[name] = _SECURE.choice(free)
            else:
                rejected[index] = NoNameServersLeft(name=name)
                del wanted[index]
        taken = await queries.insert_claims(tx, list(chosen.items()))
        pairs |= {name: chosen[name] for name in taken}
    return pairs


async def _by_what_was_given(tx: Tx, given: Collection[str], *, usable: bool) -> dict[str, Domain]:
    chosen_ids = {text for text in given if ids.is_id(text, "dom")}
    chosen_names = {text: name for text in given if text not in chosen_ids and (name := zones.plain_name(text))}
    rows = await queries.find_domains(
        tx,
        workspace_id=_actor(tx).workspace_id,
        ids=chosen_ids,
        names=set(chosen_names.values()),
        usable=usable,
    )
    by_id = {row.id: row for row in rows}
    by_name = {row.name: row for row in rows}
    found = {text: by_id.get(text) or by_name.get(chosen_names.get(text, "")) for text in given}
    return {text: row for text, row in found.items() if row is not None}


def _actor(tx: Tx) -> Actor:
    assert tx.actor is not None
    return tx.actor


async def take_pair(tx: Tx, name: str, *, pool: Sequence[str]) -> tuple[str, str]:
    """A pair of name servers for a name that nobody has to prove: one that no claim of it ever had.

    Raises NoNameServersLeft.
    """
    rejected: dict[int, Error] = {}
    pairs = await _claim(tx, {0: name}, rejected, pool=pool)
    if rejected:
        raise rejected[0]
    return pairs[name]
