"""Use cases of payments: each begins here, goes through a hosted page of a gateway, and is settled by `settling`.

A payment is stored before its gateway hears of it, so an event that comes before the gateway's answer finds it.
"""

from datetime import timedelta

from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.money import Money
from litemail.kit.two_steps import Begin
from litemail.providers.payments import Gateway, Payer
from litemail.wallet import payments_queries as queries
from litemail.wallet.payments_queries import Payment

LEAST = 500
MOST = 1_000_000
"""Bounds of a top-up in minor units."""
_STILL_OPEN = timedelta(minutes=10)


class NotYourPayment(Error):
    kind = Kind.NOT_FOUND
    code = "payment.not_found"
    message = "There is no payment {payment_id}."
    action = "Use the id that POST /v1/wallet/balance answered."


async def get_payment(tx: Tx, payment_id: str) -> Payment:
    """A payment of the paying workspace. Raises NotYourPayment."""
    payment = await queries.find_payment(tx, payment_id)
    if payment is None:
        raise NotYourPayment(payment_id=payment_id)
    return payment


async def begin_top_up(
    tx: Tx, *, workspace_id: str, amount: int, gateway: str, request_key: bytes | None = None
) -> Payment:
    """A pending top-up; `open_checkout` gives it a page. The same one again for the same `request_key`."""
    made = await queries.insert_payment(
        tx, workspace_id=workspace_id, purpose="top_up", amount=amount, gateway=gateway, request_key=request_key
    )
    if made is None:
        assert request_key is not None, "only a request's own payment is in the way"
        made = await queries.find_by_request(tx, request_key, workspace_id=workspace_id)
    assert made is not None
    return made


async def begin_offer(tx: Tx, *, workspace_id: str, shortfall: int, gateway: str) -> Payment:
    """A pending top-up that covers a shortfall, as a 402 offers it: one made before, while its page is open."""
    amount = min(max(shortfall, LEAST), MOST)
    return await _page_or_new(tx, workspace_id=workspace_id, purpose="top_up", amount=amount, gateway=gateway)


async def begin_save_card(tx: Tx, *, workspace_id: str, gateway: str) -> Payment:
    """A card being saved: one begun before, while its page is open."""
    return await _page_or_new(tx, workspace_id=workspace_id, purpose="save_card", amount=0, gateway=gateway)


async def open_checkout(begin: Begin, payment: Payment, *, gateway: Gateway) -> Payment:
    """The payment with the gateway's page. Calls the gateway, so no transaction may be open; safe to repeat.

    Raises what gateways raise.
    """
    if payment.payment_link is not None or payment.status != "pending":
        return payment
    async with begin() as tx:
        payer = await payer_of(tx, payment)
    if payment.purpose == "save_card":
        checkout = await gateway.create_save_card(payment.id, payer=payer)
    else:
        checkout = await gateway.create_top_up(
            payment.id, amount=Money(payment.amount), payer=payer, description="Top-up of your Litemail wallet"
        )
    async with begin() as tx:
        return await queries.store_checkout(tx, payment.id, checkout)


async def payer_of(tx: Tx, payment: Payment) -> Payer:
    """Who pays, as its gateway knows them."""
    method = await queries.find_method(tx, payment.workspace_id)
    return Payer(
        workspace_id=payment.workspace_id,
        email=await queries.find_owner_email(tx, payment.workspace_id),
        customer=method.customer if method and method.gateway == payment.gateway else None,
    )


async def _page_or_new(tx: Tx, *, workspace_id: str, purpose: queries.Purpose, amount: int, gateway: str) -> Payment:
    found = await queries.find_open_page(
        tx,
        workspace_id=workspace_id,
        purpose=purpose,
        amount=amount,
        gateway=gateway,
        open_until=tx.now + _STILL_OPEN,
    )
    if found is not None:
        return found
    made = await queries.insert_payment(
        tx, workspace_id=workspace_id, purpose=purpose, amount=amount, gateway=gateway, offered=True
    )
    assert made is not None
    return made
