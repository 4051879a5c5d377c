"""Use cases of mailboxes for their owners: create, read, change, remove."""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from litemail import domains
from litemail.domains import Domain
from litemail.kit import bulk, ids, passwords
from litemail.kit.bulk import BulkResult
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.pagination import Page, PageRequest, page
from litemail.kit.secrets import Secrets
from litemail.mailboxes import queries
from litemail.mailboxes.queries import Filter, Mailbox, NewMailbox
from litemail.protocols import address


class MailboxNotFound(Error):
    kind = Kind.NOT_FOUND
    code = "mailbox.not_found"
    message = "There is no mailbox {mailbox_id} in this workspace."
    action = "List the mailboxes with GET /v1/mailboxes and use one of their ids."


class AddressTaken(Error):
    kind = Kind.CONFLICT
    code = "mailbox.address_taken"
    message = "{email} exists already."
    action = "Choose another user name."


class NamedTwice(Error):
    kind = Kind.INVALID
    code = "mailbox.named_twice"
    message = "{email} is in this request twice, first as item {first}."
    action = "Leave one of them out."


class DomainNotUsable(Error):
    kind = Kind.INVALID
    code = "mailbox.domain_not_usable"
    message = "{domain} is not an active domain of this workspace."
    action = "Connect the domain and wait until it is active, see GET /v1/domains."


class RemovalNotScheduled(Error):
    kind = Kind.INVALID
    code = "mailbox.only_at_once"
    message = "Mailboxes are removed at once only: there is no renewal yet at which one could go."
    action = "Repeat the call with ?at=now."


class Wanted(msgspec.Struct, frozen=True):
    """A mailbox as it was asked for. `domain` is a name or an id."""

    domain: str
    username: str
    first_name: str
    last_name: str
    password: str | None
    display_name: str | None
    signature: str
    tags: list[str]


class Changes(msgspec.Struct, frozen=True):
    """What to change; None leaves a field as it is."""

    first_name: str | None
    last_name: str | None
    display_name: str | None
    signature: str | None
    tags: list[str] | None
    password: str | None


class Credentials(msgspec.Struct, frozen=True):
    email: str
    password: str


async def create(tx: Tx, wanted: Wanted, *, secrets: Secrets) -> Mailbox:
    """One mailbox, active at once. Raises what the item of a bulk call would be rejected with."""
    created, rejected = await _create(tx, [wanted], secrets=secrets, at_once=True)
    if rejected:
        raise rejected[0]
    return created[0]


async def create_many(tx: Tx, wanted: Sequence[Wanted], *, all_or_nothing: bool, secrets: Secrets) -> BulkResult:
    """Many mailboxes. Those with a chosen password are `provisioning` until a job has hashed it (0.1 s each).

    Raises AllRejected, NotAllAccepted.
    """
    created, rejected = await _create(tx, wanted, secrets=secrets, at_once=False)
    result = bulk.settle(
        {index: mailbox.id for index, mailbox in created.items()},
        rejected,
        key="mailboxes",
        all_or_nothing=all_or_nothing,
    )
    if any(mailbox.status == "provisioning" for mailbox in created.values()):
        workspace_id = _workspace(tx)
        await tx.enqueue("mailboxes.hash_passwords", lock=f"hash {workspace_id}", workspace_id=workspace_id)
    return result


async def _create(
    tx: Tx, wanted: Sequence[Wanted], *, secrets: Secrets, at_once: bool
) -> tuple[dict[int, Mailbox], dict[int, Error]]:
    """Creates what can be created. The domains stay locked until the end, so that counts and limits are exact."""
    usable = await domains.lock_usable(tx, {item.domain for item in wanted})
    rejected: dict[int, Error] = {}
    rows: dict[int, NewMailbox] = {}
    places = {domain.id: domain.mailbox_limit - domain.mailbox_count for domain in usable.values()}
    seen: dict[str, int] = {}
    taken = await queries.taken_addresses(tx, [_email(item, usable) for item in wanted])
    for index, item in enumerate(wanted):
        try:
            domain = _check(item, usable, taken=taken, seen=seen, index=index)
            if places[domain.id] <= 0:
                raise domains.MailboxLimit(domain=domain.name, field="domain")
        except Error as error:
            rejected[index] = error
            continue
        places[domain.id] -= 1
        rows[index] = await _row(item, domain, secrets=secrets, at_once=at_once)
    inserted = await queries.insert_mailboxes(tx, list(rows.values()), workspace_id=_workspace(tx))
    by_id = {mailbox.id: mailbox for mailbox in inserted}
    created = {index: by_id[row.id] for index, row in rows.items() if row.id in by_id}
    for index, row in rows.items():
        if row.id not in by_id:  # somebody was faster between the look and the insert
            rejected[index] = AddressTaken(email=row.email, field="username")
    await domains.count_mailboxes(tx, _count_by_domain(created.values()))
    await _tell(tx, "mailbox.created", *created.values())
    await _tell(tx, "mailbox.activated", *(mailbox for mailbox in created.values() if mailbox.status == "active"))
    return created, rejected


def _email(item: Wanted, usable: dict[str, Domain]) -> str:
    domain = usable.get(item.domain)
    return f"{item.username.lower()}@{domain.name if domain else item.domain}"


def _check(item: Wanted, usable: dict[str, Domain], *, taken: set[str], seen: dict[str, int], index: int) -> Domain:
    """Raises what is wrong with one wanted mailbox."""
    domain = usable.get(item.domain)
    if domain is None:
        raise DomainNotUsable(domain=item.domain, field="domain")
    try:
        address.local_part(item.username)
    except address.BadUsername as error:
        raise error.at("username") from None
    email = _email(item, usable)
    if email in taken:
        raise AddressTaken(email=email, field="username")
    if (first := seen.setdefault(email, index)) != index:
        raise NamedTwice(email=email, first=first, field="username")
    return domain


async def _row(item: Wanted, domain: Domain, *, secrets: Secrets, at_once: bool) -> NewMailbox:
    mailbox_id = ids.new_id("mbx")
    password = item.password or passwords.generate()
    password_hash: str | None = None
    if item.password is None:
        password_hash = passwords.hash_generated(password)
    elif at_once:
        password_hash = await passwords.hash_chosen(password)
    return NewMailbox(
        id=mailbox_id,
        domain_id=domain.id,
        domain=domain.name,
        username=address.local_part(item.username),
        first_name=item.first_name,
        last_name=item.last_name,
        display_name=item.display_name or f"{item.first_name} {item.last_name}",
        signature=item.signature,
        tags=item.tags,
        password_hash=password_hash,
        password_sealed=secrets.seal(password, row=mailbox_id),
    )


async def get(tx: Tx, mailbox_id: str) -> Mailbox:
    """Raises MailboxNotFound."""
    mailbox = await queries.find_mailbox(tx, mailbox_id, workspace_id=_workspace(tx))
    if mailbox is None:
        raise MailboxNotFound(mailbox_id=mailbox_id)
    return mailbox


async def list_(tx: Tx, chosen: Filter, request: PageRequest) -> Page[Mailbox]:
    """Newest first."""
    rows = await queries.list_mailboxes(
        tx, workspace_id=_workspace(tx), chosen=chosen, limit=request.limit + 1, after=request.after
    )
    total = await queries.count_mailboxes(tx, workspace_id=_workspace(tx), chosen=chosen) if request.count else None
    return page(rows, request, key=lambda row: row.id, total=total)


async def update(tx: Tx, mailbox_id: str, changes: Changes, *, secrets: Secrets) -> Mailbox:
    """Raises MailboxNotFound."""
    before = await _lock(tx, mailbox_id)
    if changes.password is not None:
        await queries.set_password(
            tx,
            mailbox_id,
            workspace_id=_workspace(tx),
            password_hash=await passwords.hash_chosen(changes.password),
            sealed=secrets.seal(changes.password, row=mailbox_id),
        )
        await _tell(tx, "mailbox.password_changed", before)
    after = await queries.update_mailbox(
        tx,
        mailbox_id,
        workspace_id=_workspace(tx),
        first_name=_either(changes.first_name, before.first_name),
        last_name=_either(changes.last_name, before.last_name),
        display_name=_either(changes.display_name, before.display_name),
        signature=_either(changes.signature, before.signature),
        tags=before.tags if changes.tags is None else changes.tags,
    )
    if after != before:
        await tx.emit(
            "mailbox.updated",
            workspace_id=_workspace(tx),
            subject=mailbox_id,
            before=_changeable(before),
            data=_changeable(after),
        )
    return after


async def remove(tx: Tx, mailbox_id: str, *, at_once: bool) -> Mailbox:
    """Takes the mailbox away and frees its place; its mail is kept. Raises MailboxNotFound, RemovalNotScheduled."""
    before = await _lock(tx, mailbox_id)
    if not at_once:
        raise RemovalNotScheduled(field="at")
    removed = await queries.remove_mailbox(tx, mailbox_id, workspace_id=_workspace(tx))
    await domains.count_mailboxes(tx, {before.domain_id: -1})
    await _tell(tx, "mailbox.removed", removed)
    return removed


async def credentials(tx: Tx, mailbox_id: str, *, secrets: Secrets) -> Credentials:
    """The password in plain text; leaves an audit line. Raises MailboxNotFound."""
    sealed = await queries.find_sealed(tx, mailbox_id, workspace_id=_workspace(tx))
    if sealed is None:
        raise MailboxNotFound(mailbox_id=mailbox_id)
    await tx.emit(
        "mailbox.credentials_read",
        workspace_id=_workspace(tx),
        subject=mailbox_id,
        data={"email": sealed.email},
        audience="audit",
    )
    return Credentials(sealed.email, secrets.open(sealed.sealed, row=sealed.id))


async def _lock(tx: Tx, mailbox_id: str) -> Mailbox:
    mailbox = await queries.find_mailbox(tx, mailbox_id, workspace_id=_workspace(tx), lock=True)
    if mailbox is None:
        raise MailboxNotFound(mailbox_id=mailbox_id)
    return mailbox


async def _tell(tx: Tx, event_type: str, *mailboxes: Mailbox) -> None:
    await tx.emit_many(
        event_type,
        workspace_id=_workspace(tx),
        data_by_subject={mailbox.id: {"email": mailbox.email} for mailbox in mailboxes},
    )


def _workspace(tx: Tx) -> str:
    assert tx.actor is not None
    return tx.actor.workspace_id


def _either(new: str | None, old: str) -> str:
    return old if new is None else new


def _changeable(mailbox: Mailbox) -> dict[str, object]:
    fields = ("first_name", "last_name", "display_name", "signature", "tags")
    return {field: getattr(mailbox, field) for field in fields}


def _count_by_domain(mailboxes: Iterable[Mailbox]) -> dict[str, int]:
    return dict(Counter(mailbox.domain_id for mailbox in mailboxes))
