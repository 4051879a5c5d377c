"""Delivering what was ordered of a registrar: each name bought, or its term prolonged, exactly once.

Every step looks before it acts, so it can be repeated after a crash at any point. A name in our account is this
order's if `registrar_names` says so, which is written before the registrar hears of it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from litemail import workspaces, zones
from litemail.domains import queries, terms
from litemail.domains import registrar_queries as registered
from litemail.domains.availability import Market
from litemail.domains.managed import managed_records
from litemail.domains.registrar_queries import Ordered
from litemail.domains.service import NameTaken, take_pair
from litemail.kit import ids, secrets
from litemail.kit.clock import rfc3339
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Error, Kind, Problem
from litemail.kit.money import Money
from litemail.kit.stops import stop_here
from litemail.orders import Item, Order
from litemail.protocols import names
from litemail.providers.registrar import (
    Contact,
    NotAvailable,
    NotHeld,
    Operation,
    OperationStatus,
    PriceChanged,
    Refused,
    Registrar,
    Registration,
    StillUnderWay,
    SuffixNotSold,
)

PATIENCE = 20.0
"""Seconds that a job waits for an operation before it lets others have their turn."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
_FINAL = (NotAvailable, PriceChanged, SuffixNotSold, Refused, NotHeld)
"""What a registrar says that will not change by asking again."""


class AddressMissing(Error):
    kind = Kind.CONFLICT
    code = "domain.no_registrant"
    message = "The billing details, to which {name} was to be registered, are gone."
    action = "Enter them with POST /v1/billings and order again."


@dataclass(frozen=True, kw_only=True)
class Shop:
    """What deliveries work with."""

    database: Database
    market: Market
    name_server_pool: tuple[str, ...]
    mail_hostname: str
    mailboxes_per_domain: int
    patience: float = PATIENCE


async def deliver(shop: Shop, order: Order, item: Item) -> Problem | None:
    """Delivers one name of an order: None when it is delivered, a problem when it never will be.

    Raises what may go well later: RegistrarUnavailable, StillUnderWay and their like.
    """
    async with shop.database.begin_system("look at an ordered domain") as tx:
        ordered = await registered.find_ordered(tx, order.id, item.ref)
    assert ordered is not None, "each item of the order that is not settled has one"
    if ordered.status != "ordered":
        return ordered.failure
    registrar = shop.market.registrars.get(ordered.registrar)
    act = _buy if ordered.kind == "purchase" else _renew
    try:
        await act(shop, registrar, ordered)
    except (*_FINAL, NameTaken, AddressMissing) as error:
        problem = error.problem()
        async with shop.database.begin_system("a domain was not delivered") as tx:
            await registered.set_failed(tx, ordered, problem)
            if ordered.kind == "purchase" and await registered.is_taken_by(tx, ordered):
                await registered.free_name(tx, registrar=ordered.registrar, name=ordered.name)
        return problem
    return None


async def _buy(shop: Shop, registrar: Registrar, ordered: Ordered) -> None:
    """Raises what registrars raise, NameTaken, AddressMissing."""
    async with shop.database.begin_system("look at an ordered domain") as tx:
        tried = await registered.is_taken_by(tx, ordered)
    held = await registrar.find(ordered.name)
    if held is not None and not tried:
        raise NotAvailable(name=ordered.name, reason="it is registered already")
    if held is None:
        await _take_name(shop, ordered)
        await stop_here("purchase.attempted")
        held = await _register(shop, registrar, ordered)
    await stop_here("purchase.registered")
    async with shop.database.begin_system("a domain was bought") as tx:
        if await registered.set_done(tx, ordered):
            await _add_domain(tx, shop, ordered, held)
    await stop_here("purchase.recorded")


async def _take_name(shop: Shop, ordered: Ordered) -> None:
    """Raises NotAvailable, and NameTaken where another sandbox workspace uses the name."""
    async with shop.database.begin_system("attempt a purchase") as tx:
        if not await registered.take_name(tx, ordered):
            raise NotAvailable(name=ordered.name, reason="somebody else is buying it")
        if names.is_under(ordered.name, names.SANDBOX_SUFFIX) and not await queries.take_test_names(
            tx, [ordered.name], workspace_id=ordered.workspace_id
        ):
            raise NameTaken(name=ordered.name)


async def _register(shop: Shop, registrar: Registrar, ordered: Ordered) -> Registration:
    contact = await _contact(shop, ordered)

    async def begin() -> Operation:
        return await registrar.register(ordered.name, years=ordered.years, contact=contact, most=Money(ordered.cost))

    try:
        await _carry_out(shop, registrar, ordered, begin)
    except NotAvailable:
        held = await registrar.find(ordered.name)
        if held is None:
            raise
        return held  # an earlier call, whose answer was lost, had bought it
    held = await registrar.find(ordered.name)
    if held is None:  # it says that it is done and does not show it yet
        raise StillUnderWay(registrar=registrar.name, name=ordered.name, words="")
    return held


async def _add_domain(tx: Tx, shop: Shop, ordered: Ordered, held: Registration) -> None:
    """The domain with name servers of its own and its zone; a job sets them at the registrar, and the rest follows."""
    new_id = ids.new_id("dom")
    pair = await take_pair(tx, ordered.name, pool=shop.name_server_pool)
    now = await workspaces.time_of(tx, ordered.workspace_id)
    await queries.lock_claims(tx, ordered.workspace_id, alone=False)
    domain_id = await registered.insert_purchased(
        tx,
        ordered,
        domain_id=new_id,
        name_servers=pair,
        challenge=secrets.token("litemail-challenge="),
        mailbox_limit=shop.mailboxes_per_domain,
        expires_at=held.expires_at,
        renewal_due_at=terms.next_moment(held.expires_at, after=now),
    )
    if domain_id == new_id:
        records = managed_records(mail_hostname=shop.mail_hostname)
        new = zones.NewZone(domain_id, ordered.name, pair, records)
        await zones.create_many(tx, [new], workspace_id=ordered.workspace_id)
    await tx.emit(
        "domain.purchased",
        workspace_id=ordered.workspace_id,
        subject=domain_id,
        data={"name": ordered.name, "order_id": ordered.order_id, "expires_at": rfc3339(held.expires_at)},
    )
    await tx.enqueue("domains.delegate_purchased", once=f"delegate {domain_id}", domain_id=domain_id)


async def _renew(shop: Shop, registrar: Registrar, ordered: Ordered) -> None:
    """Raises what registrars raise."""
    assert ordered.expires_at is not None, "a renewal names the term that it adds to"
    before: datetime = ordered.expires_at

    async def begin() -> Operation:
        return await registrar.renew(ordered.name, years=ordered.years, expires_at=before, most=Money(ordered.cost))

    held = await _held(registrar, ordered.name)
    if held.expires_at <= before:
        await _carry_out(shop, registrar, ordered, begin)
        await stop_here("renewal_of_domain.done")
        held = await _held(registrar, ordered.name)
        if held.expires_at <= before:
            raise StillUnderWay(registrar=registrar.name, name=ordered.name, words="")
    async with shop.database.begin_system("a domain was renewed") as tx:
        if await registered.set_done(tx, ordered):
            await _prolong(tx, ordered, held.expires_at)


async def _prolong(tx: Tx, ordered: Ordered, expires_at: datetime) -> None:
    domain = await registered.lock_held_of_name(tx, ordered.name, workspace_id=ordered.workspace_id)
    if domain is None:  # removed since; the term is longer all the same
        return
    now = await workspaces.time_of(tx, ordered.workspace_id)
    await registered.set_term(
        tx,
        domain.id,
        expires_at=expires_at,
        renewal_price=ordered.renewal_price,
        due_at=terms.next_moment(expires_at, after=now),
        expired=terms.Expired.code,
    )
    await tx.emit(
        "domain.renewed",
        workspace_id=domain.workspace_id,
        subject=domain.id,
        data={"name": domain.name, "order_id": ordered.order_id, "expires_at": rfc3339(expires_at)},
    )


async def _carry_out(
    shop: Shop, registrar: Registrar, ordered: Ordered, begin: Callable[[], Awaitable[Operation]]
) -> None:
    """Begins an operation, or goes on with the one begun before, and waits for its end.

    Raises Refused, StillUnderWay.
    """
    if ordered.operation is None:
        operation = await begin()
        await stop_here("purchase.begun")
        async with shop.database.begin_system("an operation at a registrar") as tx:
            await registered.set_operation(tx, ordered, operation.id)
    else:
        operation = await registrar.operation(ordered.operation)
    await wait_for(registrar, operation, name=ordered.name, seconds=shop.patience)


async def wait_for(registrar: Registrar, operation: Operation, *, name: str, seconds: float) -> None:
    """Raises Refused where it failed, StillUnderWay where it takes longer."""
    loop = asyncio.get_running_loop()
    deadline, pause = loop.time() + seconds, _FIRST_PAUSE
    while operation.status is OperationStatus.PENDING:
        operation = await registrar.operation(operation.id)
        if operation.status is OperationStatus.PENDING:
            if loop.time() + pause > deadline:
                words = f": {operation.words}" if operation.words else ""
                raise StillUnderWay(registrar=registrar.name, name=name, words=words)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    if operation.status is OperationStatus.FAILED:
        raise Refused(registrar=registrar.name, name=name, reason=operation.words or "It did not say why.")


async def _held(registrar: Registrar, name: str) -> Registration:
    held = await registrar.find(name)
    if held is None:
        raise NotHeld(name=name)
    return held


async def _contact(shop: Shop, ordered: Ordered) -> Contact:
    """Raises AddressMissing."""
    async with shop.database.begin_system("whom to register a domain to") as tx:
        address = await registered.find_address(tx, ordered.workspace_id)
    if address is None:
        raise AddressMissing(name=ordered.name)
    return Contact(
        first_name=address.first_name,
        last_name=address.last_name,
        email=address.email,
        company=address.company,
        address_line_1=address.address_line_1,
        address_line_2=address.address_line_2,
        city=address.city,
        state=address.state,
        country=address.country,
        postal_code=address.postal_code,
        phone=address.phone,
    )
