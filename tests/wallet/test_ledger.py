"""The ledger: what each verb moves, what it refuses, and that nothing happens twice."""

import asyncio

import pytest

from litemail import wallet
from litemail.kit import ids
from litemail.kit.errors import Kind
from litemail.kit.pagination import PageRequest
from litemail.wallet import Balance
from litemail.wallet.posting import Refused
from tests.wallet.conftest import NewPurse, Purse


async def test_a_hold_reserves_and_a_capture_takes(purse: Purse) -> None:
    order_id = await purse.hold(3_700)
    assert await purse.balance() == Balance(10_000, 3_700, 6_300)
    async with purse.database.begin(purse.actor) as tx:
        await wallet.capture(tx, order_id=order_id, amount=3_000, description="Slots")
        assert await wallet.release(tx, order_id=order_id) == 700
    assert await purse.balance() == Balance(7_000, 0, 7_000)
    async with purse.database.begin(purse.actor) as tx:
        sums = await wallet.find_order(tx, order_id)
    assert sums == wallet.OrderSums(order_id, purse.workspace_id, held=0, captured=3_000, refunded=0)
    await purse.check()


async def test_what_is_missing_is_named_and_nothing_is_held(purse: Purse) -> None:
    with pytest.raises(wallet.InsufficientFunds) as refused:
        await purse.hold(10_001)
    assert refused.value.kind is Kind.PAYMENT_REQUIRED
    assert refused.value.shortfall == 1
    assert str(refused.value) == "The wallet has 100.00 USD available; this needs 100.01 USD."
    assert await purse.balance() == Balance(10_000, 0, 10_000)


async def test_a_refused_hold_leaves_the_transaction_usable(purse: Purse) -> None:
    order_id = ids.new_id("ord")
    async with purse.database.begin(purse.actor) as tx:
        for amount in (10_001, 10_000):
            try:
                await wallet.hold(
                    tx, workspace_id=purse.workspace_id, amount=amount, order_id=order_id, description="Slots"
                )
            except wallet.InsufficientFunds:
                assert amount == 10_001
    assert await purse.balance() == Balance(10_000, 10_000, 0)


async def test_each_verb_repeated_does_nothing_more(purse: Purse) -> None:
    order_id = await purse.hold(4_000)
    await purse.hold(4_000, order_id)
    for _ in range(2):
        async with purse.database.begin(purse.actor) as tx:
            await wallet.capture(tx, order_id=order_id, amount=2_500, description="Slots")
            await wallet.release(tx, order_id=order_id)
            await wallet.refund(tx, order_id=order_id, amount=500, reason="Too slow", key="1")
            await wallet.adjust(tx, workspace_id=purse.workspace_id, amount=-100, reason="Mistake", key=order_id)
    assert await purse.balance() == Balance(7_900, 0, 7_900)


async def test_a_key_stands_for_one_transaction(purse: Purse) -> None:
    order_id = await purse.hold(4_000)
    with pytest.raises(wallet.KeyReused):
        await purse.hold(3_999, order_id)
    assert await purse.balance() == Balance(10_000, 4_000, 6_000)


async def test_no_more_is_captured_than_an_order_holds(purse: Purse) -> None:
    order_id = await purse.hold(1_000)
    await purse.hold(5_000)  # another order's money
    async with purse.database.begin(purse.actor) as tx:
        with pytest.raises(wallet.HoldExceeded):
            await wallet.capture(tx, order_id=order_id, amount=1_001, description="Slots")
    assert await purse.balance() == Balance(10_000, 6_000, 4_000)


async def test_no_more_is_refunded_than_was_captured(purse: Purse) -> None:
    order_id = await purse.hold(1_000)
    async with purse.database.begin(purse.actor) as tx:
        await wallet.capture(tx, order_id=order_id, amount=1_000, description="Slots")
        await wallet.refund(tx, order_id=order_id, amount=600, reason="Lost", key="1")
        with pytest.raises(wallet.RefundExceeded):
            await wallet.refund(tx, order_id=order_id, amount=401, reason="Lost", key="2")
        await wallet.refund(tx, order_id=order_id, amount=400, reason="Lost", key="3")
    assert await purse.balance() == Balance(10_000, 0, 10_000)


async def test_an_order_that_never_held_has_nothing_to_capture(purse: Purse) -> None:
    async with purse.database.begin(purse.actor) as tx:
        with pytest.raises(wallet.NothingHeld):
            await wallet.capture(tx, order_id=ids.new_id("ord"), amount=1, description="Slots")


@pytest.mark.parametrize("amount", [0, -1, 10**15 + 1])
async def test_only_sensible_amounts_move(purse: Purse, amount: int) -> None:
    with pytest.raises(wallet.BadAmount):
        await purse.hold(amount)
    async with purse.database.begin_system("test") as tx:
        with pytest.raises(wallet.BadAmount):
            await wallet.grant(tx, workspace_id=purse.workspace_id, amount=min(amount, 0), reason="test")


async def test_a_correction_downwards_stops_at_zero(purse: Purse) -> None:
    async with purse.database.begin_system("test") as tx:
        with pytest.raises(wallet.InsufficientFunds):
            await wallet.adjust(tx, workspace_id=purse.workspace_id, amount=-10_001, reason="Mistake")
        await wallet.adjust(tx, workspace_id=purse.workspace_id, amount=-10_000, reason="Mistake")
    assert await purse.balance() == Balance(0, 0, 0)


async def test_a_workspace_without_a_wallet_cannot_pay(purse: Purse) -> None:
    nobody = ids.new_id("ws")
    async with purse.database.begin_system("test") as tx:
        with pytest.raises(wallet.WalletMissing):
            await wallet.grant(tx, workspace_id=nobody, amount=1, reason="test")
        with pytest.raises(wallet.WalletMissing):
            await wallet.balance(tx, nobody)


async def test_money_is_credited_for_known_payments_only(purse: Purse) -> None:
    with pytest.raises(Refused):
        async with purse.database.begin_system("test") as tx:
            await wallet.top_up(tx, workspace_id=purse.workspace_id, amount=1_000, payment_id=ids.new_id("pay"))
    assert await purse.balance() == Balance(10_000, 0, 10_000)


async def test_lines_follow_every_cent(purse: Purse) -> None:
    order_id = await purse.hold(4_000)
    async with purse.database.begin(purse.actor) as tx:
        await wallet.capture(tx, order_id=order_id, amount=3_000, description="Slots")
        await wallet.release(tx, order_id=order_id)
        await wallet.refund(tx, order_id=order_id, amount=500, reason="Lost", key="1")
        await wallet.charge(
            tx, workspace_id=purse.workspace_id, amount=250, order_id=ids.new_id("ord"), description="Once"
        )
        page = await wallet.list_transactions(tx, PageRequest(count=True), workspace_id=purse.workspace_id)
        captures = await wallet.list_transactions(
            tx, PageRequest(count=True), workspace_id=purse.workspace_id, kind="capture"
        )
    lines = page.data[::-1]
    assert [(line.kind, line.amount, line.held) for line in lines[-5:]] == [
        ("hold", 0, 4_000),
        ("capture", -3_000, -3_000),
        ("release", 0, -1_000),
        ("refund", 500, 0),
        ("charge", -250, 0),
    ]
    balance = held = 0
    for line in lines:
        balance, held = balance + line.amount, held + line.held
        assert (line.balance_after, line.held_after) == (balance, held)
    assert page.total == len(lines)
    assert [line.kind for line in captures.data] == ["capture"]
    assert captures.total == 1


async def test_pages_of_lines_join_without_gap_or_repetition(purse: Purse) -> None:
    for _ in range(7):
        await purse.hold(100)
    seen: list[str] = []
    cursor: str | None = None
    async with purse.database.begin(purse.actor) as tx:
        while True:
            page = await wallet.list_transactions(
                tx, PageRequest(limit=3, after=cursor), workspace_id=purse.workspace_id, kind="hold"
            )
            seen += [line.id for line in page.data]
            if page.next_cursor is None:
                break
            cursor = str(page.data[-1].number)
    assert len(seen) == len(set(seen)) == 7


async def test_of_100_charges_on_money_for_60_exactly_60_succeed(new_purse: NewPurse) -> None:
    purse = await new_purse(60 * 100)

    async def attempt() -> bool:
        try:
            await purse.hold(100)
        except wallet.InsufficientFunds:
            return False
        return True

    outcomes = await asyncio.gather(*(attempt() for _ in range(100)))
    assert (outcomes.count(True), outcomes.count(False)) == (60, 40)
    assert await purse.balance() == Balance(6_000, 6_000, 0)
    await purse.check()


async def test_one_key_at_once_from_many_sides_posts_once(purse: Purse) -> None:
    order_id = ids.new_id("ord")
    await asyncio.gather(*(purse.hold(700, order_id) for _ in range(10)))
    assert await purse.balance() == Balance(10_000, 700, 9_300)


async def test_orders_settled_crosswise_never_wait_in_a_circle(purse: Purse) -> None:
    orders = [await purse.hold(100) for _ in range(30)]

    async def settle(order_id: str) -> None:
        async with purse.database.begin(purse.actor) as tx:
            await wallet.capture(tx, order_id=order_id, amount=60, description="Slots")
            await wallet.release(tx, order_id=order_id)
            await wallet.refund(tx, order_id=order_id, amount=10, reason="Lost", key="1")

    await asyncio.gather(*map(settle, orders), *(purse.hold(1) for _ in range(30)))
    assert await purse.balance() == Balance(10_000 - 30 * 50, 30, 10_000 - 30 * 50 - 30)
    await purse.check()
