"""A purchase whose process ends at any point: after a restart each name is bought once and paid once."""

import pytest

from litemail.kit import stops
from litemail.kit.money import Money
from litemail.providers.registrar import Contact, Operation, OutcomeUnknown
from litemail.servers.sandbox.registrar import SandboxRegistrar
from tests.buyers import usd
from tests.domains.shopping import Shopper


class Stopped(BaseException):
    """What a killed process is in one that goes on."""


def stop() -> None:
    raise Stopped


@pytest.fixture(autouse=True)
def no_stops() -> None:
    stops.disarm()


STOPS = [
    "purchase.attempted",
    "purchase.begun",
    "purchase.registered",
    "purchase.recorded",
    "fulfilment.started",
    "fulfilment.delivered",
    "fulfilment.settled",
    "fulfilment.captured",
    "fulfilment.completed",
]


@pytest.mark.parametrize("where", STOPS)
async def test_stopped_anywhere_it_ends_the_same(shopper: Shopper, where: str) -> None:
    first, lost, third = shopper.name(), shopper.name("lost"), shopper.name()
    order = await shopper.purchase(first, lost, third)
    stops.arm(where, stop)
    with pytest.raises(Stopped):
        await shopper.fulfil(order["id"])
    await shopper.fulfil(order["id"])
    ended = await shopper.fulfil(order["id"])
    assert (ended["status"], ended["captured"], ended["released"]) == ("partially_fulfilled", usd(2400), usd(1200))
    assert await shopper.buyer.available() == 100_000 - 2400
    for name in (first, third):
        held = await shopper.registrar.find(name)
        domain = await shopper.domain(name)
        assert held is not None
        assert (domain["source"], len(domain["name_servers"])) == ("purchased", 2)
    async with shopper.database.begin_system("test") as tx:
        count = await tx.value(
            int,
            "SELECT count(*) FROM sandbox.registrar_operations WHERE kind = 'register' AND name = ANY (%(names)s)",
            names=[first, third],
        )
    assert count == 2
    assert [event for event, _ in await shopper.events("domain.purchased")] == ["domain.purchased"] * 2


async def test_an_answer_that_is_lost_is_looked_for(shopper: Shopper, monkeypatch: pytest.MonkeyPatch) -> None:
    register = SandboxRegistrar.register

    async def lose(self: SandboxRegistrar, name: str, *, years: int, contact: Contact, most: Money) -> Operation:
        await register(self, name, years=years, contact=contact, most=most)
        monkeypatch.undo()
        raise OutcomeUnknown(registrar="The registrar", reason="the line broke")

    monkeypatch.setattr(SandboxRegistrar, "register", lose)  # its answer is lost, which no name of it does
    name = shopper.name()
    order = await shopper.purchase(name)
    with pytest.raises(OutcomeUnknown):
        await shopper.fulfil(order["id"])
    assert (await shopper.order(order["id"]))["items"][0]["status"] == "pending"
    assert (await shopper.fulfil(order["id"]))["status"] == "fulfilled"
    assert await shopper.buyer.available() == 100_000 - 1200


@pytest.mark.parametrize("where", ["renewal_of_domain.done", "purchase.begun", "fulfilment.delivered"])
async def test_a_renewal_that_is_stopped_adds_its_years_once(shopper: Shopper, where: str) -> None:
    name = shopper.name()
    await shopper.bought(name)
    before = await shopper.registrar.find(name)
    assert before is not None
    order = await shopper.buyer.call("POST", "/v1/domains/renew", {"domains": [{"name": name, "years": 2}]})
    stops.arm(where, stop)
    with pytest.raises(Stopped):
        await shopper.fulfil(order["id"])
    ended = await shopper.fulfil(order["id"])
    assert (ended["status"], ended["captured"]) == ("fulfilled", usd(2400))
    after = await shopper.registrar.find(name)
    assert after is not None
    assert after.expires_at.year == before.expires_at.year + 2
