"""Buying in a live workspace, through the adapter of Amazon's registrar and a double that keeps its account."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any

import pytest

from litemail import domains, orders, wallet, workspaces
from litemail.domains import Margin, Market, Wanted, moving
from litemail.domains.fulfilling import Shop
from litemail.domains.purchasing import PhoneMissing
from litemail.kit.actor import Actor
from litemail.kit.db import Database, Tx
from litemail.kit.money import Money
from litemail.orders import Order
from litemail.providers.registrar import Contact, NoRegistrar, Registrars, StillUnderWay
from litemail.providers.registrar.route53 import Route53
from litemail.workflows import fulfil_order
from tests.conftest import MAIL_HOSTNAME, NAME_SERVER_POOL, Dns, Person, sandbox_market
from tests.contracts.route53_twin import Route53Twin

ADA = Contact(
    first_name="Ada",
    last_name="Lovelace",
    email="ada@example.com",
    address_line_1="12 St James's Square",
    city="London",
    country="GB",
    postal_code="SW1Y 4JH",
)
_numbers = count(1)


@dataclass
class Live:
    """A live workspace with money and an address, and Amazon's double."""

    database: Database
    actor: Actor
    dns: Dns
    amazon: Route53Twin = field(default_factory=Route53Twin)

    def __post_init__(self) -> None:
        registrars = Registrars({"live": Route53(self.amazon.client())})
        self.market = Market(registrars=registrars, margin=Margin(Decimal(25)))

    def name(self, kind: str = "plain") -> str:
        return f"{kind}-{self.actor.workspace_id[-10:]}{next(_numbers)}.com"

    @asynccontextmanager
    async def acting(self) -> AsyncIterator[Tx]:
        async with self.database.begin(self.actor) as tx:
            yield tx

    async def set_phone(self, phone: str | None) -> None:
        async with self.database.begin_system("test") as tx:
            await tx.execute(
                """INSERT INTO billing_details (workspace_id, first_name, last_name, address_line_1, city, country,
                                                postal_code, phone, created_at, updated_at)
                   VALUES (%(id)s, 'Ada', 'Lovelace', '12 St James''s Square', 'London', 'GB', 'SW1Y 4JH', %(phone)s,
                           now(), now())
                   ON CONFLICT (workspace_id) DO UPDATE SET phone = excluded.phone""",
                id=self.actor.workspace_id,
                phone=phone,
            )

    async def order(self, *names: str) -> Order:
        asked = await domains.ask_to_purchase(
            self.database,
            self.actor,
            [Wanted(name) for name in names],
            market=self.market,
            parents=self.dns.parents,
            ours=(),
        )
        async with self.acting() as tx:
            return await domains.place_purchase(tx, asked, max_charge=None)

    async def fulfil(self, order: Order) -> Order:
        shop = Shop(
            database=self.database,
            market=self.market,
            name_server_pool=NAME_SERVER_POOL,
            mail_hostname=MAIL_HOSTNAME,
            mailboxes_per_domain=5,
            patience=0.2,
        )
        await fulfil_order.fulfil_order(
            database=self.database,
            deliverers={domains.PURCHASE: partial(domains.deliver, shop)},
            order_id=order.id,
        )
        async with self.acting() as tx:
            return await orders.get(tx, order.id)

    def asked_of_amazon(self, call: str) -> list[dict[str, Any]]:
        return [asked for name, asked in self.amazon.calls if name == call]


@pytest.fixture
async def live(database: Database, person: Person, dns_server: Dns) -> Live:
    async with database.begin_system("test") as tx:
        workspace = await workspaces.create(tx, owner_id=person.user_id, name="Live", mode="live")
        await wallet.open_(tx, workspace.id)
        await wallet.adjust(tx, workspace_id=workspace.id, amount=100_000, reason="test")
    template = person.actor(mode="live")
    actor = Actor(
        user_id=template.user_id,
        workspace_id=workspace.id,
        paying_workspace_id=workspace.id,
        mode="live",
        role="owner",
        scopes=template.scopes,
    )
    made = Live(database, actor, dns_server)
    await made.set_phone("+442079460018")
    return made


async def test_a_name_is_bought_with_its_margin_and_delegated(live: Live) -> None:
    name, lost = live.name(), live.name("lost")
    order = await live.fulfil(await live.order(name, lost))
    assert (order.status, order.total, order.captured) == ("partially_fulfilled", 3000, 1500)
    [asked] = [asked for asked in live.asked_of_amazon("RegisterDomain") if asked["DomainName"] == name]
    assert asked["Consent"] == {"MaxPrice": 12.0, "Currency": "USD"}
    assert asked["RegistrantContact"]["PhoneNumber"] == "+44.2079460018"
    async with live.acting() as tx:
        domain = await domains.get(tx, name)
    for _ in range(2):
        await moving.delegate_purchased(database=live.database, market=live.market, domain_id=domain.id)
    assert live.amazon.names[name].name_servers == domain.name_servers
    assert len(live.asked_of_amazon("UpdateDomainNameservers")) == 1


async def test_what_takes_days_is_waited_for_and_bought_once(live: Live) -> None:
    name = live.name("slow")
    order = await live.order(name)
    for _ in range(3):
        with pytest.raises(StillUnderWay) as waiting:
            await live.fulfil(order)
        assert "mail" in str(waiting.value)
    live.amazon.finish()
    ended = await live.fulfil(order)
    assert (ended.status, ended.captured) == ("fulfilled", 1500)
    assert len(live.asked_of_amazon("RegisterDomain")) == 1


async def test_a_name_that_the_account_holds_already_is_nobodys(live: Live) -> None:
    name = live.name()
    order = await live.order(name)
    by_hand = Route53(live.amazon.client())
    await by_hand.register(name, years=1, contact=ADA, most=Money(1200))
    ended = await live.fulfil(order)
    assert (ended.status, ended.captured) == ("failed", 0)
    assert ended.items[0].error is not None
    assert ended.items[0].error.code == "domain.not_available"


async def test_registries_want_a_telephone_number(live: Live) -> None:
    await live.set_phone(None)
    with pytest.raises(PhoneMissing):
        await live.order(live.name())


async def test_where_no_registrar_is_set_up_nothing_is_bought(live: Live) -> None:
    live.market = sandbox_market(live.database)
    with pytest.raises(NoRegistrar):
        await live.order(live.name())


async def test_test_names_are_not_for_live_workspaces(live: Live) -> None:
    order = await live.order(live.name(), "hopper.test")
    assert [item.error.code for item in order.items if item.error] == ["domain.test_name"]
