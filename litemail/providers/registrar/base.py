"""What every registrar is to Litemail: names looked up, registered, renewed, delegated, locked and moved.

Three rules keep names from being bought twice or lost:

- What changes something at a registry takes seconds to days, so it answers an `Operation`, to be asked for until it is
  `DONE` or `FAILED`. While one is under way, asking for the same again answers the same one.
- The account shows what it holds (`find`): whoever resumes after a crash looks there before buying.
- Nothing renews by itself: each renewal is an order here, so `register` turns the registrar's own renewal off.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from litemail.kit.actor import Mode
from litemail.kit.money import Money
from litemail.providers.registrar.errors import NoRegistrar, RegistrarGone

LONGEST_TERM = 10
"""Years: no registry sells more at once."""


class Availability(StrEnum):
    """`UNKNOWN` says nothing about the name: ask again later."""

    AVAILABLE = "available"
    TAKEN = "taken"
    RESERVED = "reserved"  # nobody can register it now, or only under conditions
    NOT_SOLD = "not_sold"  # not a name that this registrar sells
    UNKNOWN = "unknown"


class Prices(msgspec.Struct, frozen=True):
    """What the registrar takes for a year, or for a transfer; `premium` names have prices of their own."""

    registration: Money
    renewal: Money
    transfer: Money | None = None
    premium: bool = False


class Offer(msgspec.Struct, frozen=True):
    """What is known of a name that somebody wants. `prices` where it can be bought and the price is known.

    `words` say why it cannot, or how sure it is, for people.
    """

    name: str
    availability: Availability
    prices: Prices | None = None
    words: str | None = None


class Contact(msgspec.Struct, frozen=True):
    """Who a name is registered to. `country` is ISO 3166-1 alpha-2, `phone` E.164."""

    first_name: str
    last_name: str
    email: str
    address_line_1: str
    city: str
    country: str
    postal_code: str
    company: str | None = None
    address_line_2: str | None = None
    state: str | None = None
    phone: str | None = None


class Registration(msgspec.Struct, frozen=True):
    """A name that our account holds. `locked`: it cannot be moved to another registrar."""

    name: str
    expires_at: datetime
    name_servers: frozenset[str]
    locked: bool


class OperationStatus(StrEnum):
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class Operation(msgspec.Struct, frozen=True):
    """Something under way at a registrar. `words` are its own, when it waits for somebody or failed."""

    id: str
    status: OperationStatus
    words: str | None = None


class Lookup(Protocol):
    """Whoever can say whether a name is to be had: registrars, and registries' public data."""

    async def check(self, name: str) -> Offer:
        """Whether a normalised registrable name can be registered. Answers `UNKNOWN` where nobody answers."""
        ...


class Registrar(Lookup, Protocol):
    """One account at one registrar. Names are normalised; no call is made while a transaction is open.

    Each raises `RegistrarUnavailable`, `RegistrarMisconfigured`, `UnexpectedAnswer`; what changes something also
    `OutcomeUnknown` and `Refused`; what speaks of a name that we have to hold also `NotHeld`.
    """

    @property
    def name(self) -> str:
        """As stored with domains: `sandbox`, `route53`."""
        ...

    @property
    def at_once(self) -> int:
        """How many calls it takes at the same time."""
        ...

    @property
    def needs_phone(self) -> bool:
        """Whether a `Contact` must have a telephone number."""
        ...

    async def prices(self, name: str) -> Prices:
        """What the name costs, whoever has it. Raises SuffixNotSold."""
        ...

    async def register(self, name: str, *, years: int, contact: Contact, most: Money) -> Operation:
        """Registers a name for at most `most` in all: locked, its contacts hidden where the registry allows.

        Raises NotAvailable, PriceChanged, SuffixNotSold.
        """
        ...

    async def find(self, name: str) -> Registration | None:
        """What the account holds under that name, as it is now."""
        ...

    async def renew(self, name: str, *, years: int, expires_at: datetime, most: Money) -> Operation:
        """Adds years to a name that expires at `expires_at` now; if it does not, nothing happens: it was done before.

        Raises PriceChanged.
        """
        ...

    async def set_name_servers(self, name: str, hosts: tuple[str, ...]) -> Operation: ...

    async def set_contact(self, name: str, contact: Contact) -> Operation: ...

    async def set_lock(self, name: str, *, locked: bool) -> Operation: ...

    async def auth_code(self, name: str) -> str:
        """The secret that lets another registrar take the name over, once it is unlocked."""
        ...

    async def transfer(
        self, name: str, *, auth_code: str, contact: Contact, name_servers: tuple[str, ...], most: Money
    ) -> Operation:
        """Takes a name over from another registrar. Raises NotAvailable, PriceChanged, SuffixNotSold."""
        ...

    async def operation(self, operation_id: str) -> Operation:
        """How far it is."""
        ...


class Registrars:
    """The registrars of an installation: which one serves a mode, and each by its name."""

    def __init__(self, by_mode: Mapping[Mode, Registrar]) -> None:
        self._by_mode = by_mode

    def find_of_mode(self, mode: Mode) -> Registrar | None:
        return self._by_mode.get(mode)

    def of_mode(self, mode: Mode) -> Registrar:
        """Raises NoRegistrar."""
        registrar = self._by_mode.get(mode)
        if registrar is None:
            raise NoRegistrar(mode=mode)
        return registrar

    def get(self, name: str) -> Registrar:
        """The one that a domain was bought at. Raises RegistrarGone."""
        for registrar in self._by_mode.values():
            if registrar.name == name:
                return registrar
        raise RegistrarGone(name=name)
