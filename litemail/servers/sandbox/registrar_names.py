"""Names under `.test` that mean something to the sandbox's registrar: by what stands before their first hyphen."""

from enum import StrEnum
from typing import Final

from litemail.kit.money import Money
from litemail.providers.registrar import Prices

STANDARD: Final = Prices(registration=Money(1200), renewal=Money(1200), transfer=Money(1200))
PREMIUM: Final = Prices(registration=Money(25_000), renewal=Money(5_000), transfer=Money(5_000), premium=True)
RAISED_BY: Final = Money(300)
"""What a name of `RAISED` costs more when it is bought than when it was looked up."""

SLOW_ANSWER: Final = 0.3
SLOW_OPERATION: Final = 2.0
"""Seconds."""

WRONG_CODE: Final = "wrong-code"
"""The one auth code that is refused when a name is moved here."""


class Magic(StrEnum):
    TAKEN = "taken"
    PREMIUM = "premium"
    LOST = "lost"  # available when looked up, taken when bought
    RAISED = "raised"
    SLOW = "slow"
    FAILS = "fails"  # accepted, then refused by the registry


def magic(name: str) -> Magic | None:
    """What `lost-hopper.test` means; None for names that mean nothing."""
    first, hyphen, _ = name.partition(".")[0].partition("-")
    return Magic(first) if hyphen and first in set(Magic) else None


def prices(name: str) -> Prices:
    return PREMIUM if magic(name) is Magic.PREMIUM else STANDARD
