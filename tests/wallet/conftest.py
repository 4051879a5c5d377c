"""Wallets to test with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from litemail import wallet
from litemail.kit import ids
from litemail.kit.actor import Actor
from litemail.kit.db import Database
from tests.conftest import NewPerson, Person


@dataclass(frozen=True)
class Purse:
    """Somebody's wallet, and the somebody."""

    database: Database
    person: Person

    @property
    def workspace_id(self) -> str:
        return self.person.workspace_id

    @property
    def actor(self) -> Actor:
        return self.person.actor()

    async def grant(self, amount: int) -> None:
        async with self.database.begin_system("test") as tx:
            await wallet.grant(tx, workspace_id=self.workspace_id, amount=amount, reason="test")

    async def balance(self) -> wallet.Balance:
        async with self.database.begin(self.actor) as tx:
            return await wallet.balance(tx, self.workspace_id)

    async def hold(self, amount: int, order_id: str | None = None) -> str:
        """The order that holds it."""
        order_id = order_id or ids.new_id("ord")
        async with self.database.begin(self.actor) as tx:
            await wallet.hold(tx, workspace_id=self.workspace_id, amount=amount, order_id=order_id, description="Slots")
        return order_id

    async def set_balance(self, amount: int) -> None:
        """Whatever registering has put in, this is in it now."""
        change = amount - (await self.balance()).available
        if change:
            async with self.database.begin_system("test") as tx:
                await wallet.adjust(tx, workspace_id=self.workspace_id, amount=change, reason="test")

    async def check(self) -> None:
        """The ledger of the whole database is sound."""
        async with self.database.begin_system("test") as tx:
            assert await wallet.first_difference(tx) is None


NewPurse = Callable[..., Awaitable[Purse]]


@pytest.fixture
def new_purse(database: Database, new_person: NewPerson) -> NewPurse:
    async def make(amount: int = 0) -> Purse:
        person = await new_person()
        async with database.begin_system("test") as tx:
            await wallet.open_(tx, person.workspace_id)
        purse = Purse(database, person)
        await purse.set_balance(amount)
        return purse

    return make


@pytest.fixture
async def purse(new_purse: NewPurse) -> Purse:
    """A wallet with 100.00 in it."""
    return await new_purse(10_000)
