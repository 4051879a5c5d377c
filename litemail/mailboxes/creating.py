"""Use cases of mailboxes that begin: each takes a slot of a subscription in the transaction that creates it."""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from litemail import domains, subscriptions
from litemail.domains import Domain
from litemail.kit import bulk, ids, passwords
from litemail.kit.bulk import BulkResult
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.secrets import Secrets
from litemail.mailboxes import queries, slot_queries
from litemail.mailboxes.queries import Mailbox, NewMailbox
from litemail.mailboxes.service import tell, workspace
from litemail.orders import Quote
from litemail.protocols import address

SPEND_SCOPE = "billing:spend"


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


class SpendScopeMissing(Error):
    kind = Kind.FORBIDDEN
    code = "auth.scope_missing"
    message = "Buying slots also needs the scope billing:spend."
    action = "Use an API key with that scope, or leave buy_slots out."


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


class Buying(msgspec.Struct, frozen=True):
    """Whether slots that are missing are bought, and for how much at the most, in minor units."""

    buy: bool = False
    max_charge: int | None = None


async def create(tx: Tx, wanted: Wanted, *, buying: Buying, secrets: Secrets) -> Mailbox:
    """One mailbox, active at once. Raises what the item of a bulk call would be rejected with, and as `take_slots`."""
    planned, rejected = await _plan(tx, [wanted])
    if not rejected:
        rows = {0: await _row(wanted, planned[0], secrets=secrets, at_once=True)}
        inserted = await _insert(tx, rows, rejected)
    if rejected:
        raise rejected[0]
    (mailbox,) = (await _complete(tx, inserted, buying=buying)).values()
    return mailbox


async def create_many(
    tx: Tx, wanted: Sequence[Wanted], *, all_or_nothing: bool, buying: Buying, secrets: Secrets
) -> BulkResult:
    """Many mailboxes. Those with a chosen password are `provisioning` until a job has hashed it (0.1 s each).

    Raises AllRejected, NotAllAccepted, and as `take_slots`: without slots for all that are accepted none is created.
    """
    planned, rejected = await _plan(tx, wanted)
    rows = {
        index: await _row(wanted[index], domain, secrets=secrets, at_once=False) for index, domain in planned.items()
    }
    inserted = await _insert(tx, rows, rejected)
    result = bulk.settle(
        {index: mailbox.id for index, mailbox in inserted.items()},
        rejected,
        key="mailboxes",
        all_or_nothing=all_or_nothing,
    )
    created = await _complete(tx, inserted, buying=buying)
    await hash_soon(tx, created.values())
    return result


async def quote(tx: Tx, wanted: Wanted) -> Quote:
    """What `create` would cost if it bought the slot that is missing. Raises what `create` would."""
    _, rejected = await _plan(tx, [wanted])
    if rejected:
        raise rejected[0]
    return await subscriptions.quote_slots(tx, 1)


async def quote_many(tx: Tx, wanted: Sequence[Wanted], *, all_or_nothing: bool) -> Quote:
    """What `create_many` would cost if it bought the slots that are missing. Raises AllRejected, NotAllAccepted."""
    planned, rejected = await _plan(tx, wanted)
    bulk.settle(dict.fromkeys(planned, ""), rejected, key="mailboxes", all_or_nothing=all_or_nothing)
    return await subscriptions.quote_slots(tx, len(planned))


async def take_slots(tx: Tx, count: int, *, buying: Buying) -> list[str]:
    """The subscriptions that give a slot each. Raises SpendScopeMissing and what `subscriptions.take_slots` raises."""
    assert tx.actor is not None
    if buying.buy and not tx.actor.may(SPEND_SCOPE):
        raise SpendScopeMissing
    return await subscriptions.take_slots(tx, count, buy=buying.buy, max_charge=buying.max_charge)


async def hash_soon(tx: Tx, mailboxes: Iterable[Mailbox]) -> None:
    """Has the passwords hashed of those that wait for it."""
    if any(mailbox.status == "provisioning" for mailbox in mailboxes):
        workspace_id = workspace(tx)
        await tx.enqueue("mailboxes.hash_passwords", lock=f"hash {workspace_id}", workspace_id=workspace_id)


async def _plan(tx: Tx, wanted: Sequence[Wanted]) -> tuple[dict[int, Domain], dict[int, Error]]:
    """The domains of those that can be created, and what is wrong with the others, by index.

    The domains stay locked until the end, so that counts and limits are exact.
    """
    usable = await domains.lock_usable(tx, {item.domain for item in wanted})
    planned: dict[int, Domain] = {}
    rejected: dict[int, Error] = {}
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
        planned[index] = domain
    return planned, rejected


async def _insert(tx: Tx, rows: dict[int, NewMailbox], rejected: dict[int, Error]) -> dict[int, Mailbox]:
    """Those that were inserted; an address that somebody else holds, where we cannot see it, rejects its item."""
    inserted = await queries.insert_mailboxes(tx, list(rows.values()), workspace_id=workspace(tx))
    by_id = {mailbox.id: mailbox for mailbox in inserted}
    for index, row in rows.items():
        if row.id not in by_id:
            rejected[index] = AddressTaken(email=row.email, field="username")
    return {index: by_id[row.id] for index, row in rows.items() if row.id in by_id}


async def _complete(tx: Tx, inserted: dict[int, Mailbox], *, buying: Buying) -> dict[int, Mailbox]:
    """Slots come last: who holds the lock of a subscription keeps all others waiting that create mailboxes there."""
    await domains.count_mailboxes(tx, Counter(mailbox.domain_id for mailbox in inserted.values()))
    await tell(tx, "mailbox.created", inserted.values())
    await tell(tx, "mailbox.activated", [mailbox for mailbox in inserted.values() if mailbox.status == "active"])
    subscription_ids = await take_slots(tx, len(inserted), buying=buying)
    created = {
        index: msgspec.structs.replace(mailbox, subscription_id=subscription_id)
        for (index, mailbox), subscription_id in zip(inserted.items(), subscription_ids, strict=True)
    }
    await slot_queries.give_slots(tx, {mailbox.id: str(mailbox.subscription_id) for mailbox in created.values()})
    return created


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
