"""Money: integer minor units and an ISO 4217 currency. Never a float."""

import msgspec


class Money(msgspec.Struct, frozen=True):
    """`{"amount": 3700, "currency": "USD"}` is 37.00 dollars."""

    amount: int
    currency: str = "USD"

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + self._same_currency(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - self._same_currency(other), self.currency)

    def __str__(self) -> str:
        whole, cents = divmod(abs(self.amount), 100)
        return f"{'-' if self.amount < 0 else ''}{whole}.{cents:02} {self.currency}"

    def _same_currency(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} cannot be mixed")
        return other.amount
