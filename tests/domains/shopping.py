"""Customers who buy domains, with a worker that runs when it is told to."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import pytest

from litemail import domains, orders
from litemail.domains import jobs, moving
from litemail.domains.fulfilling import Shop
from litemail.kit.db import Database
from litemail.kit.secrets import Secrets
from litemail.servers.sandbox.registrar import SandboxRegistrar
from litemail.workflows import fulfil_order
from tests.buyers import Buyer
from tests.conftest import MAIL_HOSTNAME, NAME_SERVER_POOL, Dns, sandbox_market

_numbers = count(1)


@dataclass(frozen=True)
class Shopper:
    """A buyer, and the jobs that follow a purchase."""

    buyer: Buyer
    database: Database
    secrets: Secrets
    dns: Dns
    patience: float = 10.0

    @property
    def workspace_id(self) -> str:
        return self.buyer.person.workspace_id

    @property
    def registrar(self) -> SandboxRegistrar:
        return SandboxRegistrar(self.database)

    def name(self, kind: str = "plain") -> str:
        """A name of the sandbox that nobody else uses."""
        return f"{kind}-{self.workspace_id[-10:]}{next(_numbers)}.test"

    async def purchase(self, *names: str, **more: object) -> Any:
        wanted = [{"name": name, **more} for name in names]
        return await self.buyer.call("POST", "/v1/domains/purchase", {"domains": wanted})

    async def order(self, order_id: str) -> Any:
        return await self.buyer.call("GET", f"/v1/orders/{order_id}")

    async def domain(self, name: str) -> Any:
        return await self.buyer.call("GET", f"/v1/domains/{name}")

    async def fulfil(self, order_id: str) -> Any:
        """Runs the job of an order; how the order is afterwards."""
        shop = Shop(
            database=self.database,
            market=sandbox_market(self.database),
            name_server_pool=NAME_SERVER_POOL,
            mail_hostname=MAIL_HOSTNAME,
            mailboxes_per_domain=5,
            patience=self.patience,
        )
        deliver = partial(domains.deliver, shop)
        await fulfil_order.fulfil_order(
            database=self.database,
            deliverers={domains.PURCHASE: deliver, domains.RENEWAL: deliver},
            order_id=order_id,
        )
        return await self.order(order_id)

    async def activate(self, name: str) -> Any:
        """Runs the jobs that follow a purchase; the domain as it is then."""
        domain_id = (await self.domain(name))["id"]
        await moving.delegate_purchased(
            database=self.database, market=sandbox_market(self.database), domain_id=domain_id
        )
        await jobs.verify(
            database=self.database,
            secrets=self.secrets,
            parents=self.dns.parents,
            dns_servers=[(self.dns.host, self.dns.port)],
            domain_id=domain_id,
            patience_ms=2_000,
        )
        return await self.domain(name)

    async def bought(self, *names: str) -> Any:
        """The order of names that are bought."""
        return await self.fulfil((await self.purchase(*names))["id"])

    async def open_orders(self) -> list[str]:
        """Orders of this workspace that a job would fulfil now."""
        async with self.database.begin_system("test") as tx:
            return [order.id for order in await orders.list_open(tx) if order.ordered_by == self.workspace_id]

    async def events(self, *types: str) -> list[tuple[str, dict[str, Any]]]:
        """Types and data of this workspace's events, the oldest first."""
        async with self.database.begin_system("test") as tx:
            rows = await (
                await tx.connection.execute(
                    "SELECT type, data FROM events WHERE workspace_id = %s AND type = ANY (%s) ORDER BY number",
                    (self.workspace_id, list(types)),
                )
            ).fetchall()
        return [(row[0], row[1]) for row in rows]


NewShopper = Callable[[], Awaitable[Shopper]]


@pytest.fixture
def new_shopper(
    new_buyer: Callable[[], Awaitable[Buyer]], database: Database, secrets: Secrets, dns_server: Dns
) -> NewShopper:
    async def make() -> Shopper:
        return Shopper(await new_buyer(), database, secrets, dns_server)

    return make


@pytest.fixture
async def shopper(new_shopper: NewShopper) -> Shopper:
    return await new_shopper()
