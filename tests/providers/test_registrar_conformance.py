"""What every registrar does: the sandbox's own, and the adapter of Amazon's against a double that keeps an account."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol

import msgspec
import pytest

from litemail import domains
from litemail.kit.db import Database
from litemail.kit.money import Money
from litemail.providers.registrar import (
    Availability,
    Contact,
    NotAvailable,
    NotHeld,
    Operation,
    OperationStatus,
    PriceChanged,
    Refused,
    Registrar,
    RegistrarError,
    SuffixNotSold,
)
from litemail.providers.registrar.route53 import Route53
from litemail.servers.sandbox.registrar import SandboxRegistrar
from tests.conftest import Person, eventually
from tests.contracts import route53_twin
from tests.contracts.route53_twin import Route53Twin

ADA = Contact(
    first_name="Ada",
    last_name="Lovelace",
    email="ada@example.com",
    address_line_1="12 St James's Square",
    city="London",
    country="GB",
    postal_code="SW1Y 4JH",
    phone="+442079460018",
)
PLENTY = Money(100_000)
OURS = ("ns04.litemail.test", "ns11.litemail.test")
_numbers = count(1)


class World(Protocol):
    """A registrar and a fresh name for each test."""

    registrar: Registrar
    suffix: str
    unsold: str
    right_code: str
    wrong_code: str

    async def fresh(self, kind: str = "plain") -> str: ...
    async def finish(self) -> None:
        """Makes slow operations end."""
        ...


@dataclass
class SandboxWorld:
    database: Database
    person: Person
    suffix: str = "test"
    unsold: str = "hopper.com"
    right_code: str = "right-code"
    wrong_code: str = "wrong-code"
    registrar: Registrar = field(init=False)

    def __post_init__(self) -> None:
        self.registrar = SandboxRegistrar(self.database)

    async def fresh(self, kind: str = "plain") -> str:
        return f"{kind}-{self.person.user_id[-10:]}{next(_numbers)}.test"

    async def finish(self) -> None:
        """They end by themselves."""

    async def use(self, name: str) -> None:
        """The workspace uses the name, as one that buys does."""
        async with self.database.begin(self.person.actor()) as tx:
            await domains.own_test_name(tx, name)


@dataclass
class Route53World:
    twin: Route53Twin = field(default_factory=Route53Twin)
    suffix: str = "com"
    unsold: str = "hopper.invalid"
    right_code: str = route53_twin.OTHERS_CODE
    wrong_code: str = "wrong-code"
    registrar: Registrar = field(init=False)

    def __post_init__(self) -> None:
        self.registrar = Route53(self.twin.client())

    async def fresh(self, kind: str = "plain") -> str:
        return f"{kind}-hopper{next(_numbers)}.com"

    async def finish(self) -> None:
        self.twin.finish()

    async def use(self, name: str) -> None:
        """Nothing to do: a real registry shows every name."""


@pytest.fixture(params=["sandbox", "route53"])
async def world(request: pytest.FixtureRequest, database: Database, person: Person) -> World:
    return SandboxWorld(database, person) if request.param == "sandbox" else Route53World()


async def done(world: World, operation: Operation) -> Operation:
    """How an operation ends."""
    ended = operation

    async def over() -> bool:
        nonlocal ended
        ended = await world.registrar.operation(operation.id)
        return ended.status is not OperationStatus.PENDING

    await eventually(over)
    return ended


async def registered(world: World, kind: str = "plain", *, years: int = 1) -> str:
    name = await world.fresh(kind)
    operation = await world.registrar.register(name, years=years, contact=ADA, most=PLENTY)
    await world.finish()
    assert (await done(world, operation)).status is OperationStatus.DONE
    if isinstance(world, SandboxWorld):
        await world.use(name)
    return name


def in_years(years: int) -> tuple[datetime, datetime]:
    """When a term that began just now ends, give or take a day."""
    then = datetime.now(UTC) + timedelta(days=round(365.25 * years))
    return then - timedelta(days=2), then + timedelta(days=2)


async def test_a_free_name_has_prices(world: World) -> None:
    offer = await world.registrar.check(await world.fresh())
    assert offer.availability is Availability.AVAILABLE
    assert offer.prices is not None
    assert (offer.prices.registration, offer.prices.renewal) == (Money(1200), Money(1200))
    assert not offer.prices.premium


async def test_a_premium_name_says_so_and_costs_what_it_costs(world: World) -> None:
    name = await world.fresh("premium")
    offer = await world.registrar.check(name)
    assert offer.prices is not None
    assert offer.prices.premium
    assert offer.prices.registration == Money(25_000)
    assert (await world.registrar.prices(name)).premium
    with pytest.raises(PriceChanged):
        await world.registrar.register(name, years=1, contact=ADA, most=Money(1200))
    assert await world.registrar.find(name) is None


async def test_a_taken_name_is_taken(world: World) -> None:
    name = await world.fresh("taken")
    offer = await world.registrar.check(name)
    assert offer.availability is Availability.TAKEN
    assert offer.words
    with pytest.raises(NotAvailable):
        await world.registrar.register(name, years=1, contact=ADA, most=PLENTY)
    assert await world.registrar.find(name) is None


async def test_an_ending_that_is_not_sold(world: World) -> None:
    assert (await world.registrar.check(world.unsold)).availability is Availability.NOT_SOLD
    with pytest.raises(SuffixNotSold):
        await world.registrar.prices(world.unsold)


async def test_a_registered_name_is_held_locked_until_its_term_ends(world: World) -> None:
    name = await registered(world, years=2)
    held = await world.registrar.find(name)
    assert held is not None
    earliest, latest = in_years(2)
    assert earliest < held.expires_at < latest
    assert held.locked
    assert (await world.registrar.check(name)).availability is Availability.TAKEN
    with pytest.raises(NotAvailable):
        await world.registrar.register(name, years=1, contact=ADA, most=PLENTY)


async def test_a_name_lost_since_it_was_looked_up(world: World) -> None:
    name = await world.fresh("lost")
    assert (await world.registrar.check(name)).availability is Availability.AVAILABLE
    with pytest.raises(NotAvailable) as lost:
        await world.registrar.register(name, years=1, contact=ADA, most=PLENTY)
    assert lost.value.problem().action
    assert await world.registrar.find(name) is None


async def test_a_name_that_costs_more_than_it_did(world: World) -> None:
    name = await world.fresh("raised")
    offer = await world.registrar.check(name)
    assert offer.prices is not None
    with pytest.raises(PriceChanged):
        await world.registrar.register(name, years=1, contact=ADA, most=offer.prices.registration)
    assert await world.registrar.find(name) is None


async def test_a_registry_that_refuses_later(world: World) -> None:
    name = await world.fresh("fails")
    operation = await world.registrar.register(name, years=1, contact=ADA, most=PLENTY)
    ended = await done(world, operation)
    assert ended.status is OperationStatus.FAILED
    assert ended.words
    assert await world.registrar.find(name) is None


async def test_what_takes_its_time_is_one_operation_however_often_it_is_asked_for(world: World) -> None:
    name = await world.fresh("slow")
    first = await world.registrar.register(name, years=1, contact=ADA, most=PLENTY)
    again = await world.registrar.register(name, years=1, contact=ADA, most=PLENTY)
    assert first.id == again.id
    assert (await world.registrar.operation(first.id)).status is OperationStatus.PENDING
    assert await world.registrar.find(name) is None
    await world.finish()
    assert (await done(world, first)).status is OperationStatus.DONE
    assert await world.registrar.find(name) is not None


async def test_a_renewal_adds_years_once(world: World) -> None:
    name = await registered(world)
    before = await world.registrar.find(name)
    assert before is not None
    for _ in range(2):
        operation = await world.registrar.renew(name, years=2, expires_at=before.expires_at, most=PLENTY)
        assert (await done(world, operation)).status is OperationStatus.DONE
    after = await world.registrar.find(name)
    assert after is not None
    assert after.expires_at.year == before.expires_at.year + 2
    with pytest.raises(PriceChanged):
        await world.registrar.renew(name, years=1, expires_at=after.expires_at, most=Money(1))


async def test_a_name_is_delegated(world: World) -> None:
    name = await registered(world)
    assert (await done(world, await world.registrar.set_name_servers(name, OURS))).status is OperationStatus.DONE
    held = await world.registrar.find(name)
    assert held is not None
    assert held.name_servers == frozenset(OURS)


async def test_a_name_is_unlocked_and_its_code_is_told(world: World) -> None:
    name = await registered(world)
    assert (await done(world, await world.registrar.set_lock(name, locked=False))).status is OperationStatus.DONE
    held = await world.registrar.find(name)
    assert held is not None
    assert not held.locked
    code = await world.registrar.auth_code(name)
    assert len(code) > 5
    assert await world.registrar.auth_code(name) == code
    await done(world, await world.registrar.set_lock(name, locked=True))
    held = await world.registrar.find(name)
    assert held is not None
    assert held.locked


async def test_contacts_are_changed(world: World) -> None:
    name = await registered(world)
    operation = await world.registrar.set_contact(name, msgspec.structs.replace(ADA, company="Engines Ltd"))
    assert (await done(world, operation)).status is OperationStatus.DONE


async def test_a_name_is_taken_over_with_its_code(world: World) -> None:
    name = await world.fresh("taken")
    if isinstance(world, SandboxWorld):
        await world.use(name)

    async def take_over(code: str) -> Operation:
        return await world.registrar.transfer(name, auth_code=code, contact=ADA, name_servers=OURS, most=PLENTY)

    with pytest.raises(Refused):
        await take_over(world.wrong_code)
    assert (await done(world, await take_over(world.right_code))).status is OperationStatus.DONE
    held = await world.registrar.find(name)
    assert held is not None
    assert held.name_servers == frozenset(OURS)


async def test_a_name_that_nobody_has_cannot_be_taken_over(world: World) -> None:
    name = await world.fresh()
    with pytest.raises(NotAvailable):
        await world.registrar.transfer(name, auth_code="x", contact=ADA, name_servers=OURS, most=PLENTY)


async def test_a_name_that_is_not_ours_is_nobodys_to_change(world: World) -> None:
    registrar, name = world.registrar, await world.fresh()
    changes: list[Callable[[], Awaitable[object]]] = [
        lambda: registrar.renew(name, years=1, expires_at=datetime.now(UTC), most=PLENTY),
        lambda: registrar.set_name_servers(name, OURS),
        lambda: registrar.set_contact(name, ADA),
        lambda: registrar.set_lock(name, locked=False),
        lambda: registrar.auth_code(name),
    ]
    for change in changes:
        with pytest.raises(NotHeld):
            await change()


async def test_an_operation_that_does_not_exist_is_no_success(world: World) -> None:
    with pytest.raises(RegistrarError):
        await world.registrar.operation("op-nothing")
