"""Exact money, prices and quantities.

The unit of a Price or a Quantity is the instrument that stands beside it, so both are plain
decimals by another name. Money carries its currency, since that can differ at run time.
Nothing here accepts a float: columns meet scalars in `core.frames` alone.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, InvalidOperation
from enum import StrEnum
from typing import NewType

from tradewright.core.errors import InvalidInput
from tradewright.core.frozen import frozen

Price = NewType("Price", Decimal)
Quantity = NewType("Quantity", Decimal)

ZERO = Decimal(0)
CENT = Decimal("0.01")
_EXACT = (str, int, Decimal)


class Currency(StrEnum):
    """The currencies that the platform books."""

    USD = "USD"


def parse_decimal(text: object, field: str = "value") -> Decimal:
    """Parse an exact, finite decimal from text, an integer or a decimal; floats are refused."""
    if not isinstance(text, _EXACT) or isinstance(text, bool):
        raise InvalidInput(field, text, "is not exact", 'write it as a string, such as "12.34"')
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise InvalidInput(field, text, "is not a decimal number", "write it as 12.34") from None
    if not value.is_finite():
        raise InvalidInput(field, text, "is not finite")
    return value


def price(text: str | int | Decimal, field: str = "price") -> Price:
    """Parse a positive price."""
    value = parse_decimal(text, field)
    if value <= 0:
        raise InvalidInput(field, text, "must be positive")
    return Price(value)


def quantity(text: str | int | Decimal, field: str = "quantity") -> Quantity:
    """Parse a positive quantity; direction is the Side's business."""
    value = parse_decimal(text, field)
    if value <= 0:
        raise InvalidInput(field, text, "must be positive")
    return Quantity(value)


def to_cents(amount: Decimal) -> Decimal:
    """Round to the cent, half up: the rule for values and fees."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def down_to_cents(amount: Decimal) -> Decimal:
    """Round to the cent, towards zero: the rule for limits."""
    return amount.quantize(CENT, ROUND_DOWN)


@frozen
class Money:
    """An exact amount of one currency; adds only its own kind.

    >>> Money(Decimal("1.10")) + Money(Decimal("2.20"))
    Money(amount=Decimal('3.30'), currency=<Currency.USD: 'USD'>)
    """

    amount: Decimal
    currency: Currency = Currency.USD

    def __post_init__(self) -> None:
        """Refuse a float, and what is no amount."""
        amount: object = self.amount
        if not (isinstance(amount, Decimal) and amount.is_finite()):
            raise InvalidInput("amount", amount, "is not an exact, finite decimal")

    def __add__(self, other: Money) -> Money:
        """Add money of the same currency."""
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        """Subtract money of the same currency."""
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def __neg__(self) -> Money:
        """Turn a credit into a debit."""
        return Money(-self.amount, self.currency)

    def __mul__(self, factor: Decimal) -> Money:
        """Scale by an exact factor."""
        return Money(self.amount * factor, self.currency)

    def __lt__(self, other: Money) -> bool:
        """Compare money of the same currency."""
        self._same(other)
        return self.amount < other.amount

    def _same(self, other: Money) -> None:
        if self.currency is not other.currency:
            raise InvalidInput("currency", other.currency, f"is not {self.currency}")
