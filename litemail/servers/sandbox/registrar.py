"""The registrar of `.test`: an account that holds names, with the delays and the bad luck of a real one.

Names expire in the time of the workspace that uses them, which a sandbox may move ahead.
"""

import asyncio
import secrets as random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from litemail import workspaces
from litemail.kit.calendar import add_months
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.money import Money
from litemail.protocols import names
from litemail.providers.registrar import (
    Availability,
    Contact,
    NotAvailable,
    NotHeld,
    Offer,
    Operation,
    PriceChanged,
    Prices,
    Refused,
    Registration,
    SuffixNotSold,
    UnexpectedAnswer,
)
from litemail.servers.sandbox import registrar_names as magic_names
from litemail.servers.sandbox import registrar_queries as queries
from litemail.servers.sandbox.registrar_names import Magic, magic
from litemail.servers.sandbox.registrar_queries import Row

TITLE = "The sandbox's registrar"
_REASON = "sandbox registrar"
_HELD_ALREADY = "it is registered already"
_MONTHS_A_YEAR = 12


class WrongAuthCode(Error):
    kind = Kind.INVALID
    code = "sandbox.wrong_auth_code"
    message = "This is not the auth code of {name}."
    action = "Ask for it with GET /v1/domains/{name}/auth-code."


class TransferLocked(Error):
    kind = Kind.CONFLICT
    code = "sandbox.transfer_locked"
    message = "{name} is locked: it cannot be moved."
    action = "Ask for its auth code with GET /v1/domains/{name}/auth-code, which unlocks it."


class NotWithUs(Error):
    kind = Kind.NOT_FOUND
    code = "sandbox.not_registered"
    message = "No workspace has bought {name}."
    action = "Buy it with POST /v1/domains/purchase."


@dataclass(frozen=True)
class SandboxRegistrar:
    """`providers.registrar.Registrar` with its books in PostgreSQL: any number of processes may share it."""

    database: Database
    name: str = "sandbox"
    at_once: int = 20
    needs_phone: bool = False

    async def check(self, name: str) -> Offer:
        await _dawdle(name)
        if not names.is_under(name, names.SANDBOX_SUFFIX):
            return Offer(name, Availability.NOT_SOLD, words=f"{TITLE} sells names under .test only")
        async with self.database.begin_system(_REASON) as tx:
            taken = magic(name) is Magic.TAKEN or await queries.is_registered(tx, name)
        if taken:
            return Offer(name, Availability.TAKEN, words=_HELD_ALREADY)
        return Offer(name, Availability.AVAILABLE, magic_names.prices(name))

    async def prices(self, name: str) -> Prices:
        if not names.is_under(name, names.SANDBOX_SUFFIX):
            raise SuffixNotSold(registrar=TITLE, suffix=name.partition(".")[2])
        return magic_names.prices(name)

    async def register(self, name: str, *, years: int, contact: Contact, most: Money) -> Operation:
        await _dawdle(name)
        _check_price(name, await self._cost(name, years=years), most=most)
        if magic(name) in {Magic.TAKEN, Magic.LOST}:
            raise NotAvailable(name=name, reason=_HELD_ALREADY)
        async with self.database.begin_system(_REASON) as tx:
            if (under_way := await queries.find_under_way(tx, "register", name)) is not None:
                return under_way
            if magic(name) is Magic.FAILS:
                return await _begin(tx, "register", name, failure="The registry refused the registration.")
            if await queries.is_delegated(tx, name) or not await _insert(tx, name, years=years, contact=contact):
                raise NotAvailable(name=name, reason=_HELD_ALREADY)
            return await _begin(tx, "register", name)

    async def find(self, name: str) -> Registration | None:
        await _dawdle(name)
        async with self.database.begin_system(_REASON) as tx:
            row = await queries.find_registration(tx, name)
        if row is None:
            return None
        return Registration(row.name, row.expires_at, frozenset(row.name_servers), row.locked)

    async def renew(self, name: str, *, years: int, expires_at: datetime, most: Money) -> Operation:
        await _dawdle(name)
        _check_price(name, Money(magic_names.prices(name).renewal.amount * years), most=most)
        async with self._held(name) as (tx, row):
            if row.expires_at == expires_at:
                await queries.set_expiry(tx, name, _years_after(expires_at, years))
            return await _begin(tx, "renew", name)

    async def set_name_servers(self, name: str, hosts: tuple[str, ...]) -> Operation:
        async with self._held(name) as (tx, _):
            await queries.set_name_servers(tx, name, list(hosts))
            return await _begin(tx, "set_name_servers", name)

    async def set_contact(self, name: str, contact: Contact) -> Operation:
        async with self._held(name) as (tx, _):
            await queries.set_contact(tx, name, contact)
            return await _begin(tx, "set_contact", name)

    async def set_lock(self, name: str, *, locked: bool) -> Operation:
        async with self._held(name) as (tx, _):
            await queries.set_locked(tx, name, locked=locked)
            return await _begin(tx, "set_lock", name)

    async def auth_code(self, name: str) -> str:
        async with self._held(name) as (_, row):
            return row.auth_code

    async def transfer(
        self, name: str, *, auth_code: str, contact: Contact, name_servers: tuple[str, ...], most: Money
    ) -> Operation:
        prices = await self.prices(name)
        assert prices.transfer is not None, "every name under .test can be moved"
        _check_price(name, prices.transfer, most=most)
        if auth_code == magic_names.WRONG_CODE:
            raise Refused(registrar=TITLE, name=name, reason="The auth code is wrong.")
        async with self.database.begin_system(_REASON) as tx:
            if magic(name) is not Magic.TAKEN and not await queries.is_registered(tx, name):
                raise NotAvailable(name=name, reason="it is not registered anywhere, so it cannot be moved")
            if not await _insert(tx, name, years=1, contact=contact):
                raise NotAvailable(name=name, reason="it is with this registrar already")
            await queries.set_name_servers(tx, name, list(name_servers))
            return await _begin(tx, "transfer", name)

    async def operation(self, operation_id: str) -> Operation:
        async with self.database.begin_system(_REASON) as tx:
            found = await queries.find_operation(tx, operation_id)
        if found is None:
            raise UnexpectedAnswer(registrar=TITLE, call="operation", reason=f"there is no {operation_id}")
        return found

    async def move_away(self, name: str, *, auth_code: str) -> None:
        """Another registrar takes the name over; it stays delegated as it is.

        Raises NotWithUs, TransferLocked, WrongAuthCode.
        """
        async with self.database.begin_system(_REASON) as tx:
            row = await queries.find_registration(tx, name, lock=True)
            if row is None:
                raise NotWithUs(name=name)
            if not random.compare_digest(row.auth_code.encode(), auth_code.encode()):
                raise WrongAuthCode(name=name, field="auth_code")
            if row.locked:
                raise TransferLocked(name=name)
            await queries.delete_registration(tx, name)

    async def _cost(self, name: str, *, years: int) -> Money:
        prices = await self.prices(name)
        cost = Money(prices.registration.amount + (years - 1) * prices.renewal.amount)
        return cost + magic_names.RAISED_BY if magic(name) is Magic.RAISED else cost

    @asynccontextmanager
    async def _held(self, name: str) -> AsyncIterator[tuple[Tx, Row]]:
        """A name of the account, locked. Raises NotHeld."""
        async with self.database.begin_system(_REASON) as tx:
            row = await queries.find_registration(tx, name, lock=True)
            if row is None:
                raise NotHeld(name=name)
            yield tx, row


async def _insert(tx: Tx, name: str, *, years: int, contact: Contact) -> bool:
    """False when the account has it."""
    owner = await queries.find_owner(tx, name)
    since = tx.now if owner is None else await workspaces.time_of(tx, owner)
    return await queries.insert_registration(
        tx,
        name,
        contact=contact,
        auth_code=random.token_urlsafe(12),
        now=since,
        visible_at=tx.now + _takes(name),
        expires_at=_years_after(since, years),
    )


async def _begin(tx: Tx, kind: str, name: str, *, failure: str | None = None) -> Operation:
    return await queries.insert_operation(tx, kind, name, ready_at=tx.now + _takes(name), failure=failure)


def _check_price(name: str, cost: Money, *, most: Money) -> None:
    if cost.amount > most.amount:
        raise PriceChanged(name=name)


def _years_after(moment: datetime, years: int) -> datetime:
    return add_months(moment, years * _MONTHS_A_YEAR, anchor_day=moment.day)


def _takes(name: str) -> timedelta:
    return timedelta(seconds=magic_names.SLOW_OPERATION if magic(name) is Magic.SLOW else 0)


async def _dawdle(name: str) -> None:
    if magic(name) is Magic.SLOW:
        await asyncio.sleep(magic_names.SLOW_ANSWER)
