"""SQL of the sandbox's payment gateway."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from litemail.kit import ids
from litemail.kit.db import Tx
from litemail.kit.money import Money
from litemail.providers.payments import DeclineReason, GatewayEvent, SavedMethod
from litemail.providers.payments.sandbox import Purpose
from litemail.servers.sandbox.gateway_cards import BRAND, CARDS, SandboxCard

LINK_LIFE = timedelta(hours=24)


class Page(msgspec.Struct, frozen=True):
    """A hosted page. `status` is as last written: one that is still `open` may have expired."""

    id: str
    payment_id: str
    workspace_id: str
    purpose: Purpose
    amount: int
    currency: str
    description: str
    customer: str | None
    status: Literal["open", "done", "expired"]
    expires_at: datetime

    def expired(self, now: datetime) -> bool:
        return self.status == "expired" or (self.status == "open" and self.expires_at <= now)

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)


class Card(msgspec.Struct, frozen=True):
    """A saved card."""

    id: str
    customer: str
    workspace_id: str
    payment_id: str
    number: str
    exp_month: int
    exp_year: int

    @property
    def behaviour(self) -> SandboxCard:
        return CARDS[self.number]

    def as_method(self) -> SavedMethod:
        return SavedMethod(self.customer, self.id, BRAND, self.number[-4:], self.exp_month, self.exp_year)


class Charge(msgspec.Struct, frozen=True):
    """`declined` is the reason; only declines of saved cards are kept."""

    id: str
    payment_id: str
    amount: int
    currency: str
    declined: DeclineReason | None
    refunded: int

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)


class Untold(msgspec.Struct, frozen=True):
    """An event that our webhook has not taken yet."""

    id: str
    body: str


_PAGE = "id, payment_id, workspace_id, purpose, amount, currency, description, customer, status, expires_at"
_CARD = "id, customer, workspace_id, payment_id, number, exp_month, exp_year"
_CHARGE = "id, payment_id, amount, currency, declined, refunded"


async def insert_page(
    tx: Tx,
    *,
    payment_id: str,
    workspace_id: str,
    purpose: Purpose,
    amount: Money,
    description: str,
    customer: str | None,
) -> Page:
    """A page of a payment, or its open one."""
    await tx.execute(
        """INSERT INTO sandbox.gateway_pages (id, payment_id, workspace_id, purpose, amount, currency, description,
                                              customer, expires_at, created_at)
           VALUES (%(id)s, %(payment_id)s, %(workspace_id)s, %(purpose)s, %(amount)s, %(currency)s, %(description)s,
                   %(customer)s, %(expires_at)s, %(now)s)
           ON CONFLICT (payment_id) WHERE status = 'open' DO NOTHING""",
        id=ids.new_id("page"),
        payment_id=payment_id,
        workspace_id=workspace_id,
        purpose=purpose,
        amount=amount.amount,
        currency=amount.currency,
        description=description,
        customer=customer,
        expires_at=tx.now + LINK_LIFE,
        now=tx.now,
    )
    return await tx.one(
        Page,
        f"SELECT {_PAGE} FROM sandbox.gateway_pages WHERE payment_id = %(payment_id)s AND status = 'open'",
        payment_id=payment_id,
    )


async def find_page(tx: Tx, page_id: str) -> Page | None:
    return await tx.find(Page, f"SELECT {_PAGE} FROM sandbox.gateway_pages WHERE id = %(id)s", id=page_id)


async def lock_page(tx: Tx, page_id: str) -> Page | None:
    return await tx.find(Page, f"SELECT {_PAGE} FROM sandbox.gateway_pages WHERE id = %(id)s FOR UPDATE", id=page_id)


async def find_last_page(tx: Tx, payment_id: str) -> Page | None:
    return await tx.find(
        Page,
        f"SELECT {_PAGE} FROM sandbox.gateway_pages WHERE payment_id = %(payment_id)s ORDER BY id DESC LIMIT 1",
        payment_id=payment_id,
    )


async def lock_due_pages(tx: Tx, *, limit: int) -> list[Page]:
    """Open pages whose time is over."""
    return await tx.all(
        Page,
        f"""SELECT {_PAGE} FROM sandbox.gateway_pages WHERE status = 'open' AND expires_at <= %(now)s
            ORDER BY expires_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED""",
        now=tx.now,
        limit=limit,
    )


async def set_status(tx: Tx, page: Page, status: Literal["done", "expired"]) -> None:
    await tx.execute(
        "UPDATE sandbox.gateway_pages SET status = %(status)s WHERE id = %(id)s", status=status, id=page.id
    )


async def insert_card(tx: Tx, card: Card) -> None:
    await tx.execute(
        f"""INSERT INTO sandbox.gateway_cards ({_CARD}, created_at)
            VALUES (%(id)s, %(customer)s, %(workspace_id)s, %(payment_id)s, %(number)s, %(exp_month)s, %(exp_year)s,
                    %(now)s)""",
        id=card.id,
        customer=card.customer,
        workspace_id=card.workspace_id,
        payment_id=card.payment_id,
        number=card.number,
        exp_month=card.exp_month,
        exp_year=card.exp_year,
        now=tx.now,
    )


async def list_cards(tx: Tx, customer: str | None) -> list[Card]:
    """The saved cards of a customer, the newest first."""
    return await tx.all(
        Card,
        f"SELECT {_CARD} FROM sandbox.gateway_cards WHERE customer = %(customer)s ORDER BY id DESC LIMIT 5",
        customer=customer,
    )


async def find_card(tx: Tx, card_id: str, *, customer: str | None) -> Card | None:
    return await tx.find(
        Card,
        f"SELECT {_CARD} FROM sandbox.gateway_cards WHERE id = %(id)s AND customer = %(customer)s",
        id=card_id,
        customer=customer,
    )


async def find_card_of(tx: Tx, payment_id: str) -> Card | None:
    return await tx.find(
        Card,
        f"SELECT {_CARD} FROM sandbox.gateway_cards WHERE payment_id = %(payment_id)s",
        payment_id=payment_id,
    )


async def insert_charge(
    tx: Tx, *, payment_id: str, workspace_id: str, amount: Money, declined: DeclineReason | None
) -> tuple[Charge, bool]:
    """The charge of a payment, and whether it is new: a payment has one, whatever is asked and how often."""
    inserted = await tx.execute(
        """INSERT INTO sandbox.gateway_charges (id, payment_id, workspace_id, amount, currency, declined, created_at)
           VALUES (%(id)s, %(payment_id)s, %(workspace_id)s, %(amount)s, %(currency)s, %(declined)s, %(now)s)
           ON CONFLICT (payment_id) DO NOTHING""",
        id=ids.new_id("ch"),
        payment_id=payment_id,
        workspace_id=workspace_id,
        amount=amount.amount,
        currency=amount.currency,
        declined=declined,
        now=tx.now,
    )
    charge = await find_charge_of(tx, payment_id)
    assert charge is not None
    return charge, bool(inserted)


async def find_charge(tx: Tx, charge_id: str) -> Charge | None:
    return await tx.find(Charge, f"SELECT {_CHARGE} FROM sandbox.gateway_charges WHERE id = %(id)s", id=charge_id)


async def find_charge_of(tx: Tx, payment_id: str) -> Charge | None:
    return await tx.find(
        Charge,
        f"SELECT {_CHARGE} FROM sandbox.gateway_charges WHERE payment_id = %(payment_id)s",
        payment_id=payment_id,
    )


async def lock_charge(tx: Tx, charge_id: str) -> Charge | None:
    return await tx.find(
        Charge, f"SELECT {_CHARGE} FROM sandbox.gateway_charges WHERE id = %(id)s FOR UPDATE", id=charge_id
    )


async def find_refund(tx: Tx, key: str) -> str | None:
    return await tx.value(str, "SELECT id FROM sandbox.gateway_refunds WHERE key = %(key)s", key=key)


async def insert_refund(tx: Tx, key: str, *, charge: str, amount: int) -> str:
    """Takes the amount out of what is left of a charge; the id of the refund."""
    refund_id = ids.new_id("re")
    await tx.execute(
        "UPDATE sandbox.gateway_charges SET refunded = refunded + %(amount)s WHERE id = %(id)s",
        amount=amount,
        id=charge,
    )
    await tx.execute(
        """INSERT INTO sandbox.gateway_refunds (key, id, charge, amount, created_at)
           VALUES (%(key)s, %(id)s, %(charge)s, %(amount)s, %(now)s)""",
        key=key,
        id=refund_id,
        charge=charge,
        amount=amount,
        now=tx.now,
    )
    return refund_id


async def insert_event(tx: Tx, event: GatewayEvent) -> None:
    await tx.execute(
        "INSERT INTO sandbox.gateway_events (id, body, created_at) VALUES (%(id)s, %(body)s, %(now)s)",
        id=event.id,
        body=msgspec.json.encode(event).decode(),
        now=tx.now,
    )


async def list_untold(tx: Tx, *, since: datetime, limit: int) -> list[Untold]:
    """Events that are not delivered, of those made since: the oldest first, those that were refused last."""
    return await tx.all(
        Untold,
        """SELECT id, body FROM sandbox.gateway_events
           WHERE told_at IS NULL AND created_at > %(since)s ORDER BY tries, id LIMIT %(limit)s""",
        since=since,
        limit=limit,
    )


async def mark_told(tx: Tx, event_ids: list[str]) -> None:
    await tx.execute(
        "UPDATE sandbox.gateway_events SET told_at = %(now)s WHERE id = ANY(%(ids)s)", now=tx.now, ids=event_ids
    )


async def mark_refused(tx: Tx, event_ids: list[str]) -> None:
    await tx.execute("UPDATE sandbox.gateway_events SET tries = tries + 1 WHERE id = ANY(%(ids)s)", ids=event_ids)


async def forget_events(tx: Tx, *, before: datetime) -> None:
    await tx.execute("DELETE FROM sandbox.gateway_events WHERE created_at < %(before)s", before=before)
