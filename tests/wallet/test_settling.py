"""What gateways tell, in any order and any number of times: every payment is credited once, with what was paid."""

import asyncio
from itertools import permutations

import pytest

from litemail import wallet
from litemail.kit import ids
from litemail.kit.money import Money
from litemail.providers.payments import (
    Declined,
    DeclineReason,
    Disputed,
    Expired,
    Fact,
    Failed,
    Irrelevant,
    MethodSaved,
    Paid,
    Refunded,
    RefundFailed,
)
from litemail.wallet import payments
from litemail.wallet.payments_queries import Payment
from tests.wallet.conftest import CARD, FakeGateway, NewPurse, Purse, event

DECLINE = Declined(DeclineReason.INSUFFICIENT_FUNDS, may_retry=True, words="no money")


def paid(payment: Payment) -> Paid:
    return Paid(payment.id, f"ch_{payment.id}", Money(payment.amount))


def refunded(payment: Payment, amount: int, reference: str = "re_1") -> Refunded:
    return Refunded(f"ch_{payment.id}", f"{reference}_{payment.id}", Money(amount))


def refund_failed(payment: Payment, amount: int, reference: str = "re_1") -> RefundFailed:
    return RefundFailed(f"ch_{payment.id}", f"{reference}_{payment.id}", Money(amount))


async def problem_of(purse: Purse, fact: Fact, *, gateway: str = "fake") -> str | None:
    told = event(fact, gateway=gateway)
    async with purse.database.begin_system("test") as tx:
        await wallet.receive_gateway_event(tx, told)
        return await tx.value(str, "SELECT problem FROM gateway_events WHERE id = %(id)s", id=told.id)


async def test_a_payment_is_credited_once_however_often_it_is_told(purse: Purse) -> None:
    payment = await purse.begin_top_up(5_000)
    told = event(paid(payment))

    async def tell() -> bool:
        async with purse.database.begin_system("test") as tx:
            return await wallet.receive_gateway_event(tx, told)

    news = await asyncio.gather(*(tell() for _ in range(5)), *(purse.tell(paid(payment)) for _ in range(3)))
    assert news.count(True) == 4  # the same event is news once, the three others are events of their own
    assert (await purse.balance()).available == 15_000
    assert (await purse.payment(payment.id)).status == "succeeded"
    assert await purse.events("payment.succeeded", "wallet.topped_up") == ["wallet.topped_up", "payment.succeeded"]
    await purse.check()


async def test_an_event_may_come_before_the_gateways_own_answer(purse: Purse, gateway: FakeGateway) -> None:
    payment = await purse.begin_top_up()
    await purse.tell(paid(payment))
    opened = await payments.open_checkout(lambda: purse.database.begin(purse.actor), payment, gateway=gateway)
    assert opened.status == "succeeded"
    assert (await purse.balance()).available == 15_000


async def test_whatever_the_order_what_was_paid_and_not_given_back_is_in_the_wallet(new_purse: NewPurse) -> None:
    purse = await new_purse()
    for number, order in enumerate(permutations(range(4)), 1):
        payment = await purse.begin_top_up(1_000)
        facts: list[Fact] = [
            Failed(payment.id, DECLINE, final=number % 2 == 0),
            Expired(payment.id),
            paid(payment),
            refunded(payment, 300),
        ]
        async with purse.database.begin_system("test") as tx:
            for index in order:
                assert await wallet.receive_gateway_event(tx, event(facts[index]))
        assert (await purse.payment(payment.id)).status == "succeeded"
        assert (await purse.balance()).available == 700 * number
    await purse.check()


async def test_a_failed_try_leaves_the_page_open_and_a_final_one_ends_it(purse: Purse) -> None:
    payment = await purse.begin_top_up()
    await purse.tell(Failed(payment.id, DECLINE, final=False))
    seen = await purse.payment(payment.id)
    assert seen.status == "pending"
    assert seen.failure is not None
    assert seen.failure.code == "payment.insufficient_funds"
    await purse.tell(Failed(payment.id, DECLINE, final=True))
    assert (await purse.payment(payment.id)).status == "failed"
    assert await purse.events("payment.failed") == ["payment.failed"]


@pytest.mark.parametrize("amount", [4_999, 5_001])
async def test_another_amount_is_not_credited_but_reported(purse: Purse, amount: int) -> None:
    payment = await purse.begin_top_up(5_000)
    assert "was paid for payment" in (await problem_of(purse, Paid(payment.id, "ch_1", Money(amount))) or "")
    assert "EUR" in (await problem_of(purse, Paid(payment.id, "ch_1", Money(5_000, "EUR"))) or "")
    assert (await purse.payment(payment.id)).status == "pending"
    assert (await purse.balance()).available == 10_000


async def test_a_gateway_speaks_only_of_its_own_payments(purse: Purse) -> None:
    payment = await purse.begin_top_up()
    assert "belongs to the gateway fake" in (await problem_of(purse, paid(payment), gateway="stripe") or "")
    assert "is not known" in (await problem_of(purse, Paid(ids.new_id("pay"), "ch_1", Money(5_000))) or "")
    assert (await purse.balance()).available == 10_000


async def test_what_does_not_matter_is_kept_and_nothing_more(purse: Purse) -> None:
    assert await problem_of(purse, Irrelevant()) is None


async def test_a_refund_to_the_card_leaves_the_wallet(purse: Purse) -> None:
    payment = await purse.begin_top_up(5_000)
    await purse.tell(paid(payment))
    await purse.tell(refunded(payment, 2_000))
    await purse.tell(refunded(payment, 2_000))
    assert (await purse.balance()).available == 13_000
    await purse.tell(refunded(payment, 500, "re_2"))
    assert (await purse.balance()).available == 12_500
    await purse.check()


async def test_what_a_wallet_no_longer_has_is_borne_by_the_operator(purse: Purse) -> None:
    payment = await purse.begin_top_up(5_000)
    await purse.tell(paid(payment))
    await purse.set_balance(1_500)
    await purse.tell(refunded(payment, 5_000))
    assert (await purse.balance()).available == 0
    await purse.tell(refund_failed(payment, 5_000))
    assert (await purse.balance()).available == 1_500
    await purse.check()


async def test_a_refund_that_failed_is_in_the_wallet_again(new_purse: NewPurse) -> None:
    purse = await new_purse()
    for number, order in enumerate(permutations(range(3)), 1):
        payment = await purse.begin_top_up(1_000)
        await purse.tell(paid(payment))
        facts: list[Fact] = [refunded(payment, 400), refund_failed(payment, 400), refund_failed(payment, 400)]
        for index in order:
            await purse.tell(facts[index])
        assert (await purse.balance()).available == 1_000 * number
    await purse.check()


async def test_a_dispute_is_reported_and_moves_nothing(purse: Purse) -> None:
    payment = await purse.begin_top_up(5_000)
    await purse.tell(paid(payment))
    assert await problem_of(purse, Disputed(f"ch_{payment.id}", "dp_1", Money(5_000), "fraudulent")) is None
    assert (await purse.balance()).available == 15_000
    assert await purse.events("payment.disputed") == ["payment.disputed"]


async def test_a_card_is_saved_for_the_workspace_that_asked(purse: Purse, new_purse: NewPurse) -> None:
    other = await new_purse()
    async with purse.database.begin(purse.actor) as tx:
        payment = await payments.begin_save_card(tx, workspace_id=purse.workspace_id, gateway="fake")
    assert await problem_of(purse, MethodSaved(payment.id, other.workspace_id, CARD)) is not None
    assert await problem_of(purse, Paid(payment.id, "ch_1", Money(0))) is not None
    assert await problem_of(purse, MethodSaved(payment.id, purse.workspace_id, CARD)) is None
    await purse.save_card()
    async with purse.database.begin(purse.actor) as tx:
        cards = await tx.values(str, "SELECT last4 FROM payment_methods WHERE replaced_at IS NULL")
    assert cards == ["4242"]


async def test_a_repeated_request_finds_its_payment(purse: Purse) -> None:
    async def begin(key: bytes) -> str:
        async with purse.database.begin(purse.actor) as tx:
            payment = await payments.begin_top_up(
                tx, workspace_id=purse.workspace_id, amount=5_000, gateway="fake", request_key=key
            )
        return payment.id

    first = await asyncio.gather(*(begin(b"one") for _ in range(5)))
    assert len(set(first)) == 1
    assert await begin(b"two") != first[0]


async def test_nobody_sees_anothers_payment(purse: Purse, new_purse: NewPurse) -> None:
    payment = await purse.begin_top_up()
    with pytest.raises(wallet.NotYourPayment):
        await (await new_purse()).payment(payment.id)
