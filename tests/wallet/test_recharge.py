"""Auto-recharge: one attempt at a time, finished whatever happens in between, given up after some declines."""

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from litemail import wallet, workspaces
from litemail.kit import stops
from litemail.kit.calendar import parse_duration
from litemail.kit.money import Money
from litemail.kit.pagination import PageRequest
from litemail.providers.payments import (
    Charged,
    ChargeOutcome,
    Declined,
    DeclineReason,
    Gateways,
    GatewayUnavailable,
    OutcomeUnknown,
    Paid,
    Pending,
    SavedMethod,
)
from litemail.wallet import Rescue, jobs, recharging
from litemail.wallet.recharging import REPEATABLE
from tests.wallet.conftest import FakeGateway, NewPurse, Purse

POOR = Declined(DeclineReason.INSUFFICIENT_FUNDS, may_retry=True)
EXPIRED = Declined(DeclineReason.EXPIRED_CARD, may_retry=False)


class Crash(Exception):
    pass


def crash() -> None:
    raise Crash


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    stops.disarm()


def declining(decline: Declined) -> "FakeGateway":
    return FakeGateway(outcome=lambda _payment, _amount: decline)


async def ahead(purse: Purse, duration: str) -> None:
    """Moves the clock of a wallet's workspace, without anything being done that falls due."""
    async with purse.database.begin_system("test") as tx:
        goal = await workspaces.set_clock_goal(tx, purse.workspace_id, parse_duration(duration))
        await workspaces.move_clock(tx, purse.workspace_id, to=goal)


async def short_of(purse: Purse, amount: int) -> wallet.InsufficientFunds:
    with pytest.raises(wallet.InsufficientFunds) as refused:
        await purse.hold(amount)
    return refused.value


async def test_a_charge_that_leaves_little_has_the_card_charged(
    purse: Purse, gateway: FakeGateway, fake_gateways: Gateways
) -> None:
    await purse.set_auto_recharge()
    await jobs.recharge(database=purse.database, gateways=fake_gateways, workspace_id=purse.workspace_id)
    assert gateway.charged == {}
    waiting = await purse.jobs()
    await purse.hold(8_000)
    assert await purse.jobs() == waiting  # exactly at the threshold is not below it
    await purse.hold(1)
    await purse.hold(1)
    assert await purse.jobs() == 1
    await jobs.recharge(database=purse.database, gateways=fake_gateways, workspace_id=purse.workspace_id)
    assert (await purse.balance()).available == 1_998 + 5_000
    assert len(gateway.charged) == 1
    async with purse.database.begin(purse.actor) as tx:
        lines = (await wallet.list_transactions(tx, PageRequest(), workspace_id=purse.workspace_id)).data
    assert (lines[0].kind, lines[0].description) == ("top_up", "Auto-recharge")
    await purse.check()


async def test_nothing_is_charged_while_it_is_off_or_there_is_no_card(
    purse: Purse, gateway: FakeGateway, fake_gateways: Gateways
) -> None:
    assert await purse.recharge(fake_gateways, needed=20_000) == "off"
    await purse.save_card()
    assert await purse.recharge(fake_gateways, needed=20_000) == "off"
    async with purse.database.begin(purse.actor) as tx:
        await recharging.configure(tx, workspace_id=purse.workspace_id, enabled=False, threshold=2_000, amount=5_000)
    assert await purse.recharge(fake_gateways, needed=20_000) == "off"
    assert gateway.tries.total() == 0


async def test_whatever_runs_at_once_one_payment_is_charged(purse: Purse, gateway: FakeGateway) -> None:
    await purse.set_auto_recharge()
    await purse.set_balance(100)
    gateway.delay = 0.02
    gateways = Gateways({"sandbox": gateway})
    states = await asyncio.gather(*(purse.recharge(gateways) for _ in range(8)))
    assert len(gateway.charged) == 1
    assert set(states) <= {"succeeded", "not_needed", "in_progress"}
    assert (await purse.balance()).available == 5_100
    await purse.check()


async def test_a_larger_need_takes_the_amount_as_often_as_it_covers(purse: Purse, fake_gateways: Gateways) -> None:
    await purse.set_auto_recharge()
    assert await purse.recharge(fake_gateways, needed=20_001) == "succeeded"
    assert (await purse.balance()).available == 10_000 + 3 * 5_000


async def test_declines_are_tried_again_later_and_later_and_then_switched_off(purse: Purse) -> None:
    await purse.set_auto_recharge()
    await purse.set_balance(100)
    gateway = declining(POOR)
    gateways = Gateways({"sandbox": gateway})
    for number, delay in enumerate(("PT1H", "P1D", "P3D"), 1):
        assert await purse.recharge(gateways) == "declined"
        assert await purse.recharge(gateways) == "declined"
        assert len(gateway.charged) == number
        auto = await purse.auto_recharge()
        assert (auto.enabled, auto.declines) == (True, number)
        assert auto.failure is not None
        assert auto.failure.code == "payment.insufficient_funds"
        await ahead(purse, delay)
        async with purse.database.begin_system("test") as tx:
            assert purse.workspace_id in await wallet.due_recharges(tx)
    assert await purse.recharge(gateways) == "declined"
    auto = await purse.auto_recharge()
    assert (auto.enabled, auto.next_attempt_at) == (False, None)
    assert await purse.recharge(gateways) == "declined"
    assert len(gateway.charged) == 4
    assert await purse.events("wallet.recharge_declined", "wallet.auto_recharge_off") == [
        *["wallet.recharge_declined"] * 3,
        "wallet.auto_recharge_off",
    ]


async def test_a_charge_does_not_hurry_a_declined_card(purse: Purse) -> None:
    await purse.set_auto_recharge()
    await purse.set_balance(1_000)
    assert await purse.recharge(Gateways({"sandbox": declining(POOR)})) == "declined"
    waiting = await purse.jobs()
    await purse.hold(100)
    assert await purse.jobs() == waiting


async def test_a_card_that_will_never_work_switches_it_off_at_once(purse: Purse) -> None:
    await purse.set_auto_recharge()
    await purse.set_balance(100)
    assert await purse.recharge(Gateways({"sandbox": declining(EXPIRED)})) == "declined"
    auto = await purse.auto_recharge()
    assert not auto.enabled
    assert auto.failure is not None
    assert auto.failure.action == "Save another card."
    assert await purse.events("wallet.auto_recharge_off") == ["wallet.auto_recharge_off"]


async def test_another_card_starts_afresh(purse: Purse, fake_gateways: Gateways, gateway: FakeGateway) -> None:
    await purse.set_auto_recharge()
    await purse.set_balance(100)
    assert await purse.recharge(Gateways({"sandbox": declining(POOR)})) == "declined"
    await purse.save_card(SavedMethod("cus_1", "pm_2", "visa", "1111"))
    assert await purse.jobs() == 1
    assert await purse.recharge(fake_gateways) == "succeeded"
    assert [method.last4 for method in gateway.methods.values()] == ["1111"]
    assert (await purse.auto_recharge()).failure is None


async def test_money_that_came_another_way_ends_the_retries(purse: Purse) -> None:
    await purse.set_auto_recharge()
    await purse.set_balance(100)
    gateways = Gateways({"sandbox": declining(POOR)})
    assert await purse.recharge(gateways) == "declined"
    await purse.set_balance(9_000)
    assert await purse.recharge(gateways) == "not_needed"
    assert (await purse.auto_recharge()).next_attempt_at is None


@pytest.mark.parametrize("stop", ["recharge.begun", "recharge.charged"])
async def test_an_attempt_that_was_cut_short_is_finished_by_the_next(
    purse: Purse, gateway: FakeGateway, fake_gateways: Gateways, stop: str
) -> None:
    await purse.set_auto_recharge()
    await purse.set_balance(100)
    stops.arm(stop, crash)
    with pytest.raises(Crash):
        await purse.recharge(fake_gateways)
    assert (await purse.balance()).available == 100
    assert await purse.recharge(fake_gateways) == "succeeded"
    assert len(gateway.charged) == 1
    assert (await purse.balance()).available == 5_100
    await purse.check()


async def test_a_lost_answer_is_asked_for_again_and_not_charged_again(
    purse: Purse, gateway: FakeGateway, fake_gateways: Gateways
) -> None:
    await purse.set_auto_recharge()
    await purse.set_balance(100)
    gateway.fault = OutcomeUnknown(gateway="Fake", reason="cut off")
    with pytest.raises(OutcomeUnknown):
        await purse.recharge(fake_gateways)
    await purse.save_card(SavedMethod("cus_1", "pm_2", "visa", "1111"))  # the attempt keeps its card
    gateway.fault = None
    assert await purse.recharge(fake_gateways) == "succeeded"
    assert list(gateway.tries.values()) == [2]
    assert [method.last4 for method in gateway.methods.values()] == ["4242"]
    assert (await purse.balance()).available == 5_100


async def test_the_event_of_a_recharge_may_come_first(purse: Purse, gateway: FakeGateway) -> None:
    await purse.set_auto_recharge()
    await purse.set_balance(100)
    told = asyncio.Event()

    async def tell(payment_id: str, amount: Money) -> None:
        await purse.tell(Paid(payment_id, f"ch_{payment_id}", amount))
        told.set()

    tasks: list[asyncio.Task[None]] = []

    def outcome(payment_id: str, amount: Money) -> ChargeOutcome:
        tasks.append(asyncio.create_task(tell(payment_id, amount)))
        return Charged(f"ch_{payment_id}", amount)

    gateway.outcome = outcome
    assert await purse.recharge(Gateways({"sandbox": gateway})) == "succeeded"
    await told.wait()
    await asyncio.gather(*tasks)
    assert (await purse.balance()).available == 5_100
    await purse.check()


async def test_an_undecided_charge_waits_for_its_event_and_nothing_else_is_charged(
    purse: Purse, gateway: FakeGateway, fake_gateways: Gateways
) -> None:
    await purse.set_auto_recharge()
    await purse.set_balance(100)
    gateway.outcome = lambda payment_id, _amount: Pending(f"ch_{payment_id}")
    assert await purse.recharge(fake_gateways) == "in_progress"
    assert await purse.recharge(fake_gateways) == "in_progress"
    (payment_id,) = gateway.charged
    await purse.tell(Paid(payment_id, f"ch_{payment_id}", Money(5_000)))
    assert (await purse.balance()).available == 5_100


async def test_an_attempt_too_old_to_be_repeated_is_left_to_its_event(
    purse: Purse, gateway: FakeGateway, fake_gateways: Gateways
) -> None:
    await purse.set_auto_recharge()
    await purse.set_balance(100)
    gateway.fault = OutcomeUnknown(gateway="Fake", reason="cut off")
    with pytest.raises(OutcomeUnknown):
        await purse.recharge(fake_gateways)
    gateway.fault = None
    (payment_id,) = gateway.charged
    async with purse.database.begin_system("test") as tx:
        await tx.execute(
            "UPDATE payments SET created_at = created_at - %(age)s WHERE id = %(id)s", age=REPEATABLE, id=payment_id
        )
    await purse.recharge(fake_gateways)
    assert gateway.tries[payment_id] == 1
    await purse.tell(Paid(payment_id, f"ch_{payment_id}", Money(5_000)))
    assert (await purse.balance()).available == 5_100


async def test_payments_whose_events_were_lost_are_asked_about(
    purse: Purse, gateway: FakeGateway, fake_gateways: Gateways
) -> None:
    payment = await purse.begin_top_up()
    async with purse.database.begin_system("test") as tx:
        await tx.execute(
            """UPDATE payments SET reference = 'cs_1', created_at = created_at - %(age)s WHERE id = %(id)s""",
            age=jobs.UNHEARD_OF + timedelta(hours=10_000),
            id=payment.id,
        )
    await jobs.check_payments(database=purse.database, gateways=fake_gateways)
    assert (await purse.payment(payment.id)).status == "pending"
    gateway.facts["cs_1"] = Paid(payment.id, "ch_1", Money(5_000))
    await jobs.check_payments(database=purse.database, gateways=fake_gateways)
    assert (await purse.payment(payment.id)).status == "pending"  # asked about a moment ago
    async with purse.database.begin_system("test") as tx:
        await tx.execute("UPDATE payments SET checked_at = 'epoch' WHERE id = %(id)s", id=payment.id)
    await jobs.check_payments(database=purse.database, gateways=fake_gateways)
    assert (await purse.payment(payment.id)).status == "succeeded"


async def test_a_rescue_recharges_what_a_request_lacks(purse: Purse, fake_gateways: Gateways) -> None:
    await purse.set_auto_recharge()
    missing = await short_of(purse, 12_000)
    assert await wallet.rescue(purse.database, missing, actor=purse.actor, gateways=fake_gateways) is None
    await purse.hold(12_000)


async def test_a_rescue_without_auto_recharge_offers_one_link_for_what_is_missing(
    purse: Purse, gateway: FakeGateway, fake_gateways: Gateways
) -> None:
    missing = await short_of(purse, 12_000)
    offers = [await wallet.rescue(purse.database, missing, actor=purse.actor, gateways=fake_gateways) for _ in range(3)]
    (payment_id,) = gateway.pages
    assert offers == [Rescue("off", f"https://pay.example/{payment_id}")] * 3
    assert (await purse.payment(payment_id)).amount == 2_000


async def test_an_offer_is_not_below_what_a_top_up_may_be(purse: Purse, fake_gateways: Gateways) -> None:
    missing = await short_of(purse, 10_001)
    offer = await wallet.rescue(purse.database, missing, actor=purse.actor, gateways=fake_gateways)
    assert offer is not None
    assert offer.payment_link is not None
    assert (await purse.payment(offer.payment_link.rpartition("/")[2])).amount == 500


async def test_a_rescue_whose_card_is_declined_says_so(purse: Purse) -> None:
    await purse.set_auto_recharge()
    missing = await short_of(purse, 12_000)
    gateway = declining(POOR)
    for _ in range(2):
        offer = await wallet.rescue(purse.database, missing, actor=purse.actor, gateways=Gateways({"sandbox": gateway}))
        assert offer is not None
        assert (offer.recharge, bool(offer.payment_link)) == ("declined", True)
    assert len(gateway.charged) == 1


async def test_a_slow_gateway_does_not_keep_a_request_waiting(new_purse: NewPurse) -> None:
    purse = await new_purse(100)
    await purse.set_auto_recharge()
    missing = await short_of(purse, 12_000)
    gateway = FakeGateway(delay=60)
    began = time.monotonic()
    offer = await wallet.rescue(
        purse.database, missing, actor=purse.actor, gateways=Gateways({"sandbox": gateway}), patience=0.2
    )
    assert time.monotonic() - began < 2
    assert offer == Rescue("in_progress", None)
    assert await purse.jobs() == 1


async def test_a_gateway_that_is_down_still_leaves_an_answer(purse: Purse, gateway: FakeGateway) -> None:
    await purse.set_auto_recharge()
    missing = await short_of(purse, 12_000)
    gateway.fault = GatewayUnavailable(gateway="Fake", reason="down")
    offer = await wallet.rescue(purse.database, missing, actor=purse.actor, gateways=Gateways({"sandbox": gateway}))
    assert offer == Rescue("in_progress", None)
    assert await wallet.rescue(purse.database, missing, actor=purse.actor, gateways=Gateways({})) is not None
